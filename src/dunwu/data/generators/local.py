"""A model in this process as a generator."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from dunwu.config.data import LocalGenerator
from dunwu.data.generators.base import Chat, OnWritten, Request, Written, plain
from dunwu.data.prompts import prompt_template, sampling_params
from dunwu.models.beginning import encode
from dunwu.models.chat import training_template
from dunwu.models.loading import load_model, pick_device
from dunwu.models.protocols import Tokenizer
from dunwu.rollout.build import build_engine
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.tasks.templates import TEMPLATES
from dunwu.types import Problem, Prompt
from dunwu.types import Request as EngineRequest


class Local:
    """Writes with the built-in engine. What is written depends on the weights, the requests of a call, and nothing else."""

    independent = False

    def __init__(self, config: LocalGenerator) -> None:
        self._config = config
        # Without its place: the name stands in data cards, and a run elsewhere must make the same bytes. The lineage has the folder's hash.
        self.name = Path(config.model).name if Path(config.model).expanduser().is_dir() else config.model

    def write(self, requests: Sequence[Request], on_written: OnWritten) -> list[Written]:
        """See `Generator`. All requests of a call draw in the same way."""
        if not requests:
            return []
        engine, tokenizer = self._loaded
        assert len({request.sampling for request in requests}) == 1, "requests that draw in different ways"
        params = sampling_params(requests[0].sampling, self._config.template, tokenizer, engine)
        prompts = {chat: self._prompt(chat, tokenizer) for chat in dict.fromkeys(request.chat for request in requests)}
        completions = engine.generate([EngineRequest(prompts[each.chat].token_ids, params, each.seed) for each in requests])
        written = [
            Written(prompts[request.chat].prefill + completion.text, completion.finish_reason == "stop")
            for request, completion in zip(requests, completions, strict=True)
        ]
        for place, text in enumerate(written):
            on_written(place, text)
        return written

    @cached_property
    def _loaded(self) -> tuple[TorchEngine, Any]:
        torch.set_num_threads(self._config.threads or torch.get_num_threads())
        model, tokenizer = load_model(self._config.model, pick_device(self._config.device))
        return build_engine(self._config.engine, model, tokenizer), tokenizer

    def _prompt(self, chat: Chat, tokenizer: Tokenizer) -> Prompt:
        problem = Problem(chat[-1].content[:60], "", chat[-1].content, "text")
        name = self._config.template
        if len(chat) == 1 or name not in TEMPLATES:
            return prompt_template(name, tokenizer).prompt(problem, plain(chat) if name not in TEMPLATES else ())
        prefill = TEMPLATES[name].prefill
        template = training_template(name.removesuffix("-prefilled"), tokenizer)
        text = template.prompt(chat) + prefill
        return Prompt(problem, text, tuple(encode(tokenizer, [text], template.start)[0]), prefill)
