"""The built-in engine: continuous batching in process, directly on the parameters that the trainer updates."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from dunwu.errors import ModelError, TrainingError, UserError
from dunwu.models.loading import stop_token_ids
from dunwu.models.native import NativeUnavailable, check_ids
from dunwu.models.precision import torch_precision
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.rollout.base import OnCompletion
from dunwu.rollout.requests import Progress
from dunwu.rollout.torch_engine.cache import KVCache
from dunwu.rollout.torch_engine.cuda_graphs import CAPACITY, KEPT_BYTES, GraphedGeneration, Stepper, round_up
from dunwu.rollout.torch_engine.forward import Attention, masked_sdpa
from dunwu.rollout.torch_engine.generation import Generation
from dunwu.rollout.torch_engine.native.decoder import NativeDecoder, Precision
from dunwu.rollout.torch_engine.native.generation import NativeGeneration
from dunwu.rollout.torch_engine.rollout_copy import RolloutCopy
from dunwu.rollout.torch_engine.room import Room
from dunwu.rollout.torch_engine.scheduler import Scheduler
from dunwu.rollout.torch_engine.slots import Slots
from dunwu.rollout.torch_engine.weights import DecoderWeights, check_supported, decoder_weights, rope_table
from dunwu.types import Completion, Request, SamplingParams, TokenSequence


class TorchEngine:
    """Generates with the live parameters of ``model``, a Qwen2-, Qwen3- or Llama-type causal language model.

    ``load_weights(version)`` announces that an update has changed the parameters, and the new policy version. Changes that torch counts
    (in-place assignments, but not through ``.data`` or by a fused optimiser) are noticed without it.
    Up to ``max_batch`` rollouts decode together. On a CPU the result is a function of the weights, the arguments and, without the native
    decoder, the thread count.

    With ``native``, a CPU with a C compiler decodes with `native/decode.c`; ``precision`` is that of its weights, and of its products and
    its cache if the processor multiplies bfloat16 (``auto``: bfloat16 if it does). Otherwise torch decodes in the model's type; on CUDA
    with a copy in ``precision`` (``auto``: bfloat16 if the device has it), refreshed after ``load_weights``. ``decoder`` names decoder and
    reason.
    """

    def __init__(
        self, model: CausalLM, tokenizer: Tokenizer, max_batch: int = 512, precision: Precision = "float32", native: bool = True
    ) -> None:
        """Raises ``ModelError`` for an architecture that the engine does not compute."""
        check_supported(model)
        assert max_batch >= 1, f"max_batch is {max_batch}"
        self.policy_version = 0
        self._positions: int = model.config.max_position_embeddings
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
        """See ``Engine.generate``. Calls of threads take turns.

        With torch, requests with different sampling parameters run one kind after the other: its last bits depend on what runs together.
        Raises ``TrainingError`` if the logits are not finite.
        """
        check_fit(requests, self._positions, self._model.config.vocab_size)
        with self._generating:
            return self._generate(requests, on_completion)

    def requests(self, room: Room | None = None) -> Scheduler:
        """A scheduler for requests that come one by one. As long as it is used, nothing else may be: ``generate``, say.

        Torch reads whole prompts, draws one token a step, and keeps no prompts. Raises ``UserError`` if there is no memory.
        """
        room = (room or Room()).within(self._positions, self._position_bytes())
        decoding = self._decoding_of_streams(room)
        vocabulary = self._model.config.vocab_size
        return Scheduler(
            decoding,
            check=lambda request: check_fit([request], room.context, vocabulary),
            wake=lambda: self._follow(decoding, room.context),
        )

    def _generate(self, requests: Sequence[Request], on_completion: OnCompletion | None) -> list[Completion]:
        completions: dict[int, Completion] = {}
        kinds = {None} if self._native is not None else dict.fromkeys(request.params for request in requests)
        for params in kinds:
            places = [place for place, request in enumerate(requests) if params in (None, request.params)]
            for index, completion in self._run([requests[place] for place in places]):
                completions[places[index]] = completion
                if on_completion is not None:
                    on_completion(places[index], completion)
        return [completions[place] for place in range(len(requests))]

    def _run(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        """Yields completions as they finish, with the index of their request."""
        if not requests:
            return
        decoding = self._decoding_of(requests)
        scheduler, version = Scheduler(decoding, streams=False), self.policy_version
        try:
            for request in requests:
                scheduler.submit(request)
            while scheduler.running or scheduler.waiting:
                for progress in scheduler.step():
                    yield progress.id, self._completion(progress, version)
        except TrainingError:
            if self._native is not None:
                self._native.forget()
            raise
        self._keep(decoding)

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
            self.decoder = f"native, {self._native.arithmetic}"
        except NativeUnavailable as reason:
            self.decoder += f" ({reason})"

    @torch.inference_mode()
    def _decoding_of(self, requests: Sequence[Request]) -> Generation | NativeGeneration:
        """For requests that are all known; with torch, of one kind."""
        prompts = 1 + sum(one.token_ids != next.token_ids for one, next in pairwise(requests))
        longest, most = max(len(each.token_ids) for each in requests), max(each.params.max_tokens for each in requests)
        capacity = max(len(each.token_ids) + each.params.max_tokens for each in requests)
        slots = min(self._max_batch, len(requests))
        if self._native is not None:
            decoder = self._packed_decoder(capacity)
            # Requests start in order: of the prompts in use, all but the last have started all their requests.
            return NativeGeneration(decoder, slots, min(prompts, slots + 1), most, longest)
        params, weights = requests[0].params, self._weights()
        cache = self._take_cache(weights, slots, round_up(capacity, CAPACITY) if self.graphs else capacity)
        rope = rope_table(self._model, cache.capacity, weights.embedding.dtype)
        if not self.graphs:
            return Generation(weights, rope, Slots(cache, slots, most, len(params.stop_token_ids)), self.attention)
        key = params, self.attention
        if key not in self._steppers:
            self._steppers[key] = Stepper(weights, rope, cache, *key)
        return GraphedGeneration(self._steppers[key])

    @torch.inference_mode()
    def _decoding_of_streams(self, room: Room) -> Generation | NativeGeneration:
        slots, context = room.slots, room.context
        if self._native is not None:
            places = slots + 1 + room.prompts_kept
            return NativeGeneration(self._packed_decoder(context), slots, places, context, context, room)
        weights = self._weights()
        cache = self._take_cache(weights, slots, context)
        rope = rope_table(self._model, cache.capacity, weights.embedding.dtype)
        return Generation(weights, rope, Slots(cache, slots, context, 1), self.attention, steps_between_checks=1)

    def _position_bytes(self) -> int:
        """Of the keys and values of one token."""
        weights = decoder_weights(self._model)
        rounded = self._native.precision == "bfloat16" if self._native is not None else self._copied_as == torch.bfloat16
        return 2 * len(weights.layers) * weights.kv_heads * weights.head_dim * (2 if rounded else 4)

    @torch.inference_mode()
    def _follow(self, decoding: Generation | NativeGeneration, positions: int) -> None:
        """Take up weights that have changed since the last request."""
        if isinstance(decoding, Generation):
            decoding.weights = self._weights()
        elif self._changed():
            self._packed = ()
            self._packed_decoder(positions)
            decoding.forget_prompts()

    def _packed_decoder(self, capacity: int) -> NativeDecoder:
        """The native decoder with the current weights, for that many positions."""
        assert self._native is not None, "there is one"
        if self._changed():  # packing takes seconds for a large model
            self._native.load(decoder_weights(self._model))
        self._native.use_rope(rope_table(self._model, capacity))
        return self._native

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

    def _completion(self, progress: Progress, version: int) -> Completion:
        if progress.finish == "error":
            remedy = "resume from an earlier checkpoint" if version else "its weights or config.json are corrupt: load another checkpoint"
            raise TrainingError(f"policy {version} gives logits that are not finite; {remedy}")
        ids, stopped = progress.token_ids, progress.finish == "stop"
        shown = [token for token in (ids[:-1] if stopped else ids) if token not in self._silent_ids]
        text = self._tokenizer.decode(shown, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return Completion(TokenSequence.drawn(ids, progress.logprobs, version), text, "stop" if stopped else "length")


def check_fit(requests: Sequence[Request], limit: int, vocabulary: int) -> None:
    """Raise ``UserError`` for a request that does not fit ``limit`` positions, and ``ModelError`` for one with unknown tokens."""
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


def copied_as(model: CausalLM, precision: Precision) -> torch.dtype | None:
    """The type of the copy that torch decodes with on CUDA; ``None``: the live parameters are used, as elsewhere."""
    return getattr(torch, torch_precision(precision, model.device)) if model.device.type == "cuda" else None
