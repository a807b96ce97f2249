"""A model in this process as a generator."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from dunwu.config.data import LocalGenerator
from dunwu.data.generator import Chat, OnWritten, Request, Written, plain
from dunwu.errors import ConfigError
from dunwu.models.chat import training_template
from dunwu.models.loading import load_model, pick_device, stop_token_ids
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.tasks.templates import CHAT, TEMPLATES, render
from dunwu.types import Problem, Prompt, SamplingParams


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
        engine, tokenizer, stops = self._loaded
        assert len({request.sampling for request in requests}) == 1, "requests that draw in different ways"
        params = SamplingParams(**requests[0].sampling.model_dump(), stop_token_ids=stops)
        groups = [(chat, len(list(members))) for chat, members in groupby(request.chat for request in requests)]
        size = groups[0][1] if len({count for _, count in groups}) == 1 else 1
        prompts = [self._prompt(requests[place].chat, tokenizer) for place in range(0, len(requests), size)]
        completions = engine.generate(prompts, params, size, [request.seed for request in requests])
        written = [
            Written(prompts[place // size].prefill + completion.text, completion.finish_reason == "stop")
            for place, completion in enumerate(completions)
        ]
        for place, text in enumerate(written):
            on_written(place, text)
        return written

    @cached_property
    def _loaded(self) -> tuple[TorchEngine, Any, tuple[int, ...]]:
        torch.set_num_threads(self._config.threads or torch.get_num_threads())
        model, tokenizer = load_model(self._config.model, pick_device(self._config.device))
        return TorchEngine(model, tokenizer, **self._config.engine.model_dump()), tokenizer, stop_token_ids(tokenizer, model)

    def _prompt(self, chat: Chat, tokenizer: Any) -> Prompt:
        problem = Problem(chat[-1].content[:60], "", chat[-1].content, "text")
        if self._config.template == CHAT:
            text, prefill = render(problem, CHAT, self._apply_own(chat, tokenizer))
        elif len(chat) == 1:
            text, prefill = render(problem, self._config.template)
        else:
            form = self._config.template.removesuffix("-prefilled")
            prefill = TEMPLATES[self._config.template].prefill
            text = training_template(form, tokenizer).prompt(chat) + prefill
        return Prompt(problem, text, tuple(tokenizer(text, add_special_tokens=False)["input_ids"]), prefill)

    def _apply_own(self, chat: Chat, tokenizer: Any) -> Any:
        if not tokenizer.chat_template:
            raise ConfigError(f"template 'chat': the tokenizer of {self.name} has no chat template: choose 'r1-zero', or another model")
        return lambda _: str(tokenizer.apply_chat_template(plain(chat), tokenize=False, add_generation_prompt=True))
