"""A model in this process as a generator."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from dunwu.config.data import LocalGenerator
from dunwu.data.few_shot import with_examples
from dunwu.data.generators.base import Chat, OnCompletion, Request, TextCompletion
from dunwu.data.prompts import chat_prompt, sampling_params
from dunwu.models.loading import load_model, pick_device
from dunwu.models.protocols import CausalLM
from dunwu.rollout.build import build_engine
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.types import Prompt
from dunwu.types import Request as EngineRequest


class Local:
    """Completes requests with the built-in engine. Completions depend only on the weights and the requests of a call."""

    independent = False

    def __init__(self, config: LocalGenerator) -> None:
        self._config = with_examples(config)
        self.template = self._config.template
        # The folder's name without its path: data cards must have the same bytes on every machine. The lineage has the folder's hash.
        self.name = Path(config.model).name if Path(config.model).expanduser().is_dir() else config.model

    def complete(self, requests: Sequence[Request], on_completion: OnCompletion) -> list[TextCompletion]:
        """See `Generator`. All requests of a call share their sampling."""
        if not requests:
            return []
        engine, tokenizer = self._engine, self.loaded[1]
        assert len({request.sampling for request in requests}) == 1, "requests of one call need the same sampling"
        params = sampling_params(requests[0].sampling, self.template, tokenizer, engine)
        prompts = {chat: self.prompt(chat) for chat in dict.fromkeys(request.chat for request in requests)}
        sampled = engine.generate([EngineRequest(prompts[each.chat].token_ids, params, each.seed) for each in requests])
        completions = [
            TextCompletion(prompts[request.chat].prefill + completion.text, completion.finish_reason == "stop")
            for request, completion in zip(requests, sampled, strict=True)
        ]
        for place, text in enumerate(completions):
            on_completion(place, text)
        return completions

    @cached_property
    def loaded(self) -> tuple[CausalLM, Any]:
        """The model and its tokenizer, loaded once."""
        torch.set_num_threads(self._config.threads or torch.get_num_threads())
        return load_model(self._config.model, pick_device(self._config.device))

    @cached_property
    def _engine(self) -> TorchEngine:
        return build_engine(self._config.engine, *self.loaded)

    def prompt(self, chat: Chat) -> Prompt:
        """The prompt for ``chat`` in the model's template."""
        return chat_prompt(chat, self.template, self.loaded[1])
