"""The built-in engine: continuous batching in process, on the very parameters that the trainer updates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dunwu.errors import ModelError, TrainingError, UserError
from dunwu.rollout.base import OnCompletion
from dunwu.rollout.torch_engine.cache import KVCache
from dunwu.rollout.torch_engine.scheduler import Generation, Work
from dunwu.rollout.torch_engine.slots import Finished
from dunwu.rollout.torch_engine.weights import DecoderWeights, check_supported, decoder_weights, rope_table
from dunwu.types import Completion, Prompt, SamplingParams


class TorchEngine:
    """Generates with the live parameters of ``model``, a Qwen2-, Qwen3- or Llama-type causal language model.

    Updates of the parameters are seen at the next token without any call; ``load_weights(version)`` only records which policy they are.
    Up to ``max_batch`` rollouts decode together. On a CPU the result is a function of the weights, the arguments and the thread count.
    """

    def __init__(self, model: Any, tokenizer: Any, max_batch: int = 512) -> None:
        """Raises ``ModelError`` for an architecture that the engine does not compute."""
        check_supported(model)
        assert max_batch >= 1, f"max_batch is {max_batch}"
        self.policy_version = 0
        self._model, self._tokenizer, self._max_batch = model, tokenizer, max_batch
        self._silent_ids = {tokenizer.pad_token_id, tokenizer.eos_token_id}
        self._cache: KVCache | None = None

    def generate(
        self,
        prompts: Sequence[Prompt],
        params: SamplingParams,
        group_size: int,
        seeds: Sequence[int],
        on_completion: OnCompletion | None = None,
    ) -> list[Completion]:
        """See ``Engine.generate``. Raises ``TrainingError`` when the weights give logits that are not finite."""
        assert len(seeds) == len(prompts) * group_size, f"{len(seeds)} seeds for {len(prompts)} prompts x {group_size}"
        if not seeds:
            return []
        self._check_fit(prompts, params)
        work = Work([prompt.token_ids for prompt in prompts], group_size, seeds, params)
        capacity = max(len(prompt.token_ids) for prompt in prompts) + params.max_tokens
        cache, generation = self._begin(work, capacity)
        version = self.policy_version
        completions: dict[int, Completion] = {}
        while generation.running:
            for finished in generation.step():
                completion = self._completion(finished, params, version)
                completions[finished.rollout] = completion
                if on_completion is not None:
                    on_completion(finished.rollout, completion)
        self._keep(cache)
        return [completions[rollout] for rollout in range(work.rollouts)]

    @torch.no_grad()
    def load_weights(self, version: int, state: Mapping[str, Tensor] | None = None) -> None:
        """Record the policy version; with ``state``, copy every parameter of the model from it first.

        Raises ``ModelError`` where names or shapes do not match: a parameter left out would silently stay the old policy's.
        """
        if state is not None:
            own = dict(self._model.named_parameters())
            missing = sorted(name for name in own if name not in state or state[name].shape != own[name].shape)
            if missing:
                raise ModelError(
                    f"policy {version} lacks {len(missing)} parameters in the model's shape, first {missing[0]!r}; send the whole state"
                )
            for name, parameter in own.items():
                parameter.copy_(state[name])
        self.policy_version = version

    @torch.inference_mode()
    def _begin(self, work: Work, capacity: int) -> tuple[KVCache, Generation]:
        weights = decoder_weights(self._model)
        cache = self._take_cache(weights, min(self._max_batch, work.rollouts), capacity)
        return cache, Generation(work, weights, rope_table(self._model, capacity), cache, self._max_batch)

    def _take_cache(self, weights: DecoderWeights, slots: int, capacity: int) -> KVCache:
        """The kept cache where it is large enough, else a new one. It is taken out: a call that fails does not give it back."""
        cache, self._cache = self._cache, None
        device, dtype = weights.embedding.device, weights.embedding.dtype
        if cache is not None and cache.holds(slots, capacity, device, dtype):
            return cache
        return KVCache(len(weights.layers), slots, weights.kv_heads, capacity, weights.head_dim, device=device, dtype=dtype)

    def _keep(self, cache: KVCache) -> None:
        # A fresh allocation costs page faults on a CPU; on an accelerator the memory is worth more to the trainer.
        if cache.kv.device.type == "cpu":
            self._cache = cache

    def _check_fit(self, prompts: Sequence[Prompt], params: SamplingParams) -> None:
        assert params.max_tokens >= 1, f"max_tokens is {params.max_tokens}"
        limit, vocabulary = self._model.config.max_position_embeddings, self._model.config.vocab_size
        for prompt in prompts:
            length = len(prompt.token_ids)
            if length == 0:
                raise UserError(f"prompt of problem {prompt.problem.id!r} has no tokens; check the template")
            if length + params.max_tokens > limit:
                raise UserError(
                    f"prompt of problem {prompt.problem.id!r} has {length} tokens; with max_tokens {params.max_tokens} that is more than"
                    f" the model's {limit} positions; lower max_tokens or shorten the prompt"
                )
            if max(prompt.token_ids) >= vocabulary:
                raise ModelError(
                    f"token id {max(prompt.token_ids)} is outside the model's vocabulary of {vocabulary}; use its own tokenizer"
                )

    def _completion(self, finished: Finished, params: SamplingParams, version: int) -> Completion:
        if not all(map(math.isfinite, finished.logprobs)):
            raise TrainingError(f"policy {version} gives logits that are not finite; go back to an earlier checkpoint")
        ids = finished.token_ids
        stopped = ids[-1] in params.stop_token_ids
        shown = [token for token in (ids[:-1] if stopped else ids) if token not in self._silent_ids]
        text = self._tokenizer.decode(shown, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return Completion(ids, text, finished.logprobs, "stop" if stopped else "length", version)
