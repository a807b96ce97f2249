"""The built-in engine: continuous batching in process, on the very parameters that the trainer updates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dunwu.errors import ModelError, TrainingError, UserError
from dunwu.models.loading import stop_token_ids
from dunwu.models.native import NativeUnavailable, check_ids
from dunwu.rollout.base import OnCompletion
from dunwu.rollout.torch_engine.cache import KVCache
from dunwu.rollout.torch_engine.native.decoder import NativeDecoder, Precision
from dunwu.rollout.torch_engine.native.generation import NativeGeneration
from dunwu.rollout.torch_engine.scheduler import Generation, Work
from dunwu.rollout.torch_engine.slots import Finished
from dunwu.rollout.torch_engine.weights import DecoderWeights, check_supported, decoder_weights, rope_table
from dunwu.types import Completion, Prompt, SamplingParams, TokenSequence


class TorchEngine:
    """Generates with the live parameters of ``model``, a Qwen2-, Qwen3- or Llama-type causal language model.

    Every call of ``generate`` reads the parameters as they are then; ``load_weights(version)`` only records which policy they are.
    Up to ``max_batch`` rollouts decode together. On a CPU the result is a function of the weights, the arguments and, without the native
    decoder, the thread count.

    With ``native``, a CPU that has a C compiler decodes with `native/decode.c`; ``precision`` is that of its matrix products and its cache
    (``auto``: bfloat16 where the processor multiplies it). Elsewhere, and for models it does not know, torch decodes in the model's type;
    ``decoder`` says which it is and why.
    """

    def __init__(self, model: Any, tokenizer: Any, max_batch: int = 512, precision: Precision = "float32", native: bool = True) -> None:
        """Raises ``ModelError`` for an architecture that the engine does not compute."""
        check_supported(model)
        assert max_batch >= 1, f"max_batch is {max_batch}"
        self.policy_version = 0
        self._model, self._tokenizer, self._max_batch = model, tokenizer, max_batch
        self._silent_ids = {tokenizer.pad_token_id, tokenizer.eos_token_id}
        self._cache: KVCache | None = None
        self._native: NativeDecoder | None = None
        self.decoder = "torch"
        if native:
            self._take_native(precision)

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """See ``Engine.stop_token_ids``."""
        return stop_token_ids(self._tokenizer, self._model)

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
        generation = self._begin(work, capacity)
        version = self.policy_version
        completions: dict[int, Completion] = {}
        try:
            while generation.running:
                for finished in generation.step():
                    completion = self._completion(finished, params, version)
                    completions[finished.rollout] = completion
                    if on_completion is not None:
                        on_completion(finished.rollout, completion)
        except TrainingError:
            if self._native is not None:
                self._native.forget()
            raise
        self._keep(generation)
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

    def weights(self) -> Mapping[str, Tensor]:
        """See ``Engine.weights``."""
        return dict(self._model.named_parameters())

    def _take_native(self, precision: Precision) -> None:
        try:
            self._native = NativeDecoder(decoder_weights(self._model), precision, torch.get_num_threads())
            self.decoder = f"native, {self._native.precision}"
        except NativeUnavailable as reason:
            self.decoder = f"torch ({reason})"

    @torch.inference_mode()
    def _begin(self, work: Work, capacity: int) -> Generation | NativeGeneration:
        weights, rope = decoder_weights(self._model), rope_table(self._model, capacity)
        if self._native is not None:
            return NativeGeneration(work, weights, rope, self._native, self._max_batch)
        cache = self._take_cache(weights, min(self._max_batch, work.rollouts), capacity)
        return Generation(work, weights, rope, cache, self._max_batch)

    def _take_cache(self, weights: DecoderWeights, slots: int, capacity: int) -> KVCache:
        """The kept cache where it is large enough, else a new one. It is taken out: a call that fails does not give it back."""
        cache, self._cache = self._cache, None
        device, dtype = weights.embedding.device, weights.embedding.dtype
        if cache is not None and cache.holds(slots, capacity, device, dtype):
            return cache
        return KVCache(len(weights.layers), slots, weights.kv_heads, capacity, weights.head_dim, device=device, dtype=dtype)

    def _keep(self, generation: Generation | NativeGeneration) -> None:
        # A fresh allocation costs page faults on a CPU; on an accelerator the memory is worth more to the trainer.
        if isinstance(generation, Generation) and generation.cache.kv.device.type == "cpu":
            self._cache = generation.cache

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
        check_ids((prompt.token_ids for prompt in prompts), vocabulary)

    def _completion(self, finished: Finished, params: SamplingParams, version: int) -> Completion:
        if not all(map(math.isfinite, finished.logprobs)):
            raise TrainingError(f"policy {version} gives logits that are not finite; go back to an earlier checkpoint")
        ids = finished.token_ids
        stopped = ids[-1] in params.stop_token_ids
        shown = [token for token in (ids[:-1] if stopped else ids) if token not in self._silent_ids]
        text = self._tokenizer.decode(shown, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return Completion(TokenSequence.drawn(ids, finished.logprobs, version), text, "stop" if stopped else "length")
