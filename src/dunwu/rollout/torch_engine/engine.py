"""The built-in engine: continuous batching in process, directly on the parameters that the trainer updates."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from dunwu.errors import ModelError, TrainingError, UserError
from dunwu.models.loading import stop_token_ids
from dunwu.models.native import NativeUnavailable, check_ids
from dunwu.models.precision import torch_precision
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.rollout.base import OnCompletion
from dunwu.rollout.torch_engine.cache import KVCache
from dunwu.rollout.torch_engine.cuda_graphs import CAPACITY, KEPT_BYTES, GraphedGeneration, Stepper, round_up
from dunwu.rollout.torch_engine.forward import Attention, masked_sdpa
from dunwu.rollout.torch_engine.native.decoder import NativeDecoder, Precision
from dunwu.rollout.torch_engine.native.generation import NativeGeneration
from dunwu.rollout.torch_engine.rollout_copy import RolloutCopy
from dunwu.rollout.torch_engine.scheduler import Generation, Work
from dunwu.rollout.torch_engine.slots import Finished
from dunwu.rollout.torch_engine.weights import DecoderWeights, check_supported, decoder_weights, rope_table
from dunwu.types import Completion, Request, SamplingParams, TokenSequence


class TorchEngine:
    """Generates with the live parameters of ``model``, a Qwen2-, Qwen3- or Llama-type causal language model.

    ``load_weights(version)`` announces that an update has changed the parameters, and the new policy version. Changes that torch counts
    (in-place assignments, but not through ``.data`` or by a fused optimiser) are noticed without it.
    Up to ``max_batch`` rollouts decode together. On a CPU the result is a function of the weights, the arguments and, without the native
    decoder, the thread count.

    With ``native``, a CPU with a C compiler decodes with `native/decode.c`; ``precision`` is that of its matrix products and its cache
    (``auto``: bfloat16 if the processor supports such products). Otherwise torch decodes in the model's type; on CUDA with a copy in
    ``precision`` (``auto``: bfloat16 if the device has it), refreshed after ``load_weights``. ``decoder`` names decoder and reason.
    """

    def __init__(
        self, model: CausalLM, tokenizer: Tokenizer, max_batch: int = 512, precision: Precision = "float32", native: bool = True
    ) -> None:
        """Raises ``ModelError`` for an architecture that the engine does not compute."""
        check_supported(model)
        assert max_batch >= 1, f"max_batch is {max_batch}"
        self.policy_version = 0
        self._model, self._tokenizer, self._max_batch = model, tokenizer, max_batch
        self._silent_ids = {tokenizer.pad_token_id, tokenizer.eos_token_id}
        self._cache: KVCache | None = None
        self._native: NativeDecoder | None = None
        self._packed: tuple[tuple[int, int], ...] = ()
        self._copied_as = copied_as(model, precision)
        self._copy: RolloutCopy | None = None
        self._steppers: dict[tuple[SamplingParams, Attention], Stepper] = {}
        self.graphs = model.device.type == "cuda"
        """Step by CUDA graphs; else each kernel is launched."""
        self.attention: Attention = masked_sdpa
        self._generating = threading.Lock()
        self.decoder = "torch" if self._copied_as is None else f"torch, {str(self._copied_as).removeprefix('torch.')}"
        if native:
            self._take_native(precision)

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """See ``Engine.stop_token_ids``."""
        return stop_token_ids(self._tokenizer, self._model)

    def generate(self, requests: Sequence[Request], on_completion: OnCompletion | None = None) -> list[Completion]:
        """See ``Engine.generate``. Requests with different sampling parameters run one kind after the other, and calls of threads in turn.

        Raises ``TrainingError`` if the logits are not finite.
        """
        self._check_fit(requests)
        with self._generating:
            return self._generate(requests, on_completion)

    def _generate(self, requests: Sequence[Request], on_completion: OnCompletion | None) -> list[Completion]:
        completions: dict[int, Completion] = {}
        for params in dict.fromkeys(request.params for request in requests):
            places = [place for place, request in enumerate(requests) if request.params == params]
            for index, completion in self._run(Work.of([requests[place] for place in places], params)):
                completions[places[index]] = completion
                if on_completion is not None:
                    on_completion(places[index], completion)
        return [completions[place] for place in range(len(requests))]

    def _run(self, work: Work) -> Iterator[tuple[int, Completion]]:
        """Yields completions as they finish, with the index of their rollout in ``work``."""
        generation = self._begin(work, max(map(len, work.token_ids)) + work.params.max_tokens)
        version = self.policy_version
        try:
            while generation.running:
                for finished in generation.step():
                    yield finished.rollout, self._completion(finished, work.params, version)
        except TrainingError:
            if self._native is not None:
                self._native.forget()
            raise
        self._keep(generation)

    @torch.no_grad()
    def load_weights(self, version: int, state: Mapping[str, Tensor] | None = None) -> None:
        """Use the current parameters as this policy version; with ``state``, first copy all of them from it.

        Raises ``ModelError`` if names or shapes do not match: a missing parameter would silently stay the old policy's.
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
        self.policy_version, self._packed = version, ()

    def weights(self) -> Mapping[str, Tensor]:
        """See ``Engine.weights``."""
        return dict(self._model.named_parameters())

    def close(self) -> None:
        """See ``Engine.close``."""
        self._cache = self._native = self._copy = None
        self._steppers = {}

    def _take_native(self, precision: Precision) -> None:
        try:
            self._native = NativeDecoder(decoder_weights(self._model), precision, torch.get_num_threads())
            self.decoder = f"native, {self._native.precision}"
        except NativeUnavailable as reason:
            self.decoder += f" ({reason})"

    @torch.inference_mode()
    def _begin(self, work: Work, capacity: int) -> Generation | NativeGeneration:
        if self._native is not None:
            if self._changed():  # packing takes seconds for a large model
                self._native.load(decoder_weights(self._model))
            return NativeGeneration(work, rope_table(self._model, capacity), self._native, self._max_batch)
        weights = self._weights()
        cache = self._take_cache(weights, min(self._max_batch, work.rollouts), round_up(capacity, CAPACITY) if self.graphs else capacity)
        rope = rope_table(self._model, cache.capacity, weights.embedding.dtype)
        if not self.graphs:
            return Generation(work, weights, rope, cache, self._max_batch, self.attention)
        key = work.params, self.attention
        if key not in self._steppers:
            self._steppers[key] = Stepper(weights, rope, cache, *key)
        return GraphedGeneration(work, self._steppers[key])

    def _changed(self) -> bool:
        """True once after each change of the weights."""
        parameters = tuple((parameter.data_ptr(), parameter._version) for parameter in self._model.parameters())
        before, self._packed = self._packed, parameters
        return parameters != before

    def _weights(self) -> DecoderWeights:
        """What torch decodes with: the live parameters, or the rounded copy."""
        if self._copied_as is None:
            return decoder_weights(self._model)
        if self._changed() or self._copy is None:
            live = decoder_weights(self._model)
            self._copy = self._copy or RolloutCopy(live, self._copied_as)
            self._copy.refresh(live)
        return self._copy.weights

    def _take_cache(self, weights: DecoderWeights, slots: int, capacity: int) -> KVCache:
        """The kept cache if it is large enough, else a new one. It is removed here, so that a failed call does not keep it."""
        cache, self._cache = self._cache, None
        device, dtype = weights.embedding.device, weights.embedding.dtype
        if cache is not None and cache.holds(slots, capacity, device, dtype):
            return cache
        self._steppers = {}  # their graphs read the cache that was
        return KVCache(len(weights.layers), slots, weights.kv_heads, capacity, weights.head_dim, device=device, dtype=dtype)

    def _keep(self, generation: Generation | NativeGeneration) -> None:
        # A new allocation costs page faults on a CPU, and new graphs on CUDA; otherwise the trainer needs the memory more.
        cache = None if isinstance(generation, NativeGeneration) else generation.cache
        if cache is not None and (cache.kv.device.type == "cpu" or (self.graphs and cache.kv.nbytes <= KEPT_BYTES)):
            self._cache = cache
        else:
            self._steppers = {}

    def _check_fit(self, requests: Sequence[Request]) -> None:
        limit, vocabulary = self._model.config.max_position_embeddings, self._model.config.vocab_size
        for place, request in enumerate(requests):
            length, most = len(request.token_ids), request.params.max_tokens
            assert most >= 1, f"max_tokens is {most}"
            if length == 0:
                raise UserError(f"request {place} has no tokens; check the template")
            if length + most > limit:
                raise UserError(
                    f"request {place} has {length} tokens; with max_tokens {most} that is more than the model's {limit} positions; lower"
                    " max_tokens or shorten the prompt"
                )
        check_ids(dict.fromkeys(request.token_ids for request in requests), vocabulary)

    def _completion(self, finished: Finished, params: SamplingParams, version: int) -> Completion:
        if not all(map(math.isfinite, finished.logprobs)):
            remedy = "resume from an earlier checkpoint" if version else "its weights or config.json are corrupt: load another checkpoint"
            raise TrainingError(f"policy {version} gives logits that are not finite; {remedy}")
        ids = finished.token_ids
        stopped = ids[-1] in params.stop_token_ids
        shown = [token for token in (ids[:-1] if stopped else ids) if token not in self._silent_ids]
        text = self._tokenizer.decode(shown, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return Completion(TokenSequence.drawn(ids, finished.logprobs, version), text, "stop" if stopped else "length")


def copied_as(model: CausalLM, precision: Precision) -> torch.dtype | None:
    """The type of the copy that torch decodes with on CUDA; ``None``: the live parameters are used, as elsewhere."""
    return getattr(torch, torch_precision(precision, model.device)) if model.device.type == "cuda" else None
