"""The losses of a student beside its teacher, over the learned tokens of conversations.

With N the learned tokens of all conversations of an update, w the weight, P the teacher and Q the student::

    logits      L = 1/N sum ((1 - w) * -log Q(token) + w * D(P, Q))         on-policy    w = 1
    layers      L = 1/N sum (-log Q(token) + w * distance)                  where the token is predicted

No row's logits are kept (`dunwu.models.chunked_logits`), of teacher or student.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dunwu.algorithms.distillation import (
    FORWARD_KL,
    REVERSE_KL,
    Divergence,
    full_divergence,
    jensen_shannon,
    skewed_forward,
    skewed_reverse,
    top_k_divergence,
)
from dunwu.algorithms.distillation_layers import (
    HiddenTransfer,
    LayerMap,
    cosine_distance,
    last_k_map,
    relation,
    relation_divergence,
    squared_distance,
    uniform_map,
    visible_tokens,
)
from dunwu.config.distill_methods import AttentionMethod, DivergenceName, Diverging, HiddenMethod
from dunwu.data.io.chat_examples import Example
from dunwu.errors import ConfigError
from dunwu.models.chunked_logits import Measure, logit_loss
from dunwu.models.chunked_scores import product_dtype
from dunwu.models.layer_states import AttentionStates, LayerStates
from dunwu.models.native_logprobs import NativeScorer
from dunwu.models.precision import matmul_precision
from dunwu.models.protocols import CausalLM
from dunwu.models.state_reader import NativeReader, StateReader
from dunwu.trainers.scoring import pad_right
from dunwu.trainers.sft_scoring import Scores
from dunwu.trainers.teacher_store import StoredExample, joined

_DIVERGENCES: Mapping[DivergenceName, Callable[[Diverging], Divergence]] = {
    "forward-kl": lambda method: FORWARD_KL,
    "reverse-kl": lambda method: REVERSE_KL,
    "jensen-shannon": lambda method: jensen_shannon(method.beta),
    "skewed-forward": lambda method: skewed_forward(method.skew),
    "skewed-reverse": lambda method: skewed_reverse(method.skew),
}


class Read(NamedTuple):
    """A model and what reads its states."""

    model: CausalLM
    reader: StateReader


@dataclass(frozen=True, slots=True)
class Batch:
    """Conversations padded on the right; ``learned_BT`` is true on tokens with a loss."""

    ids_BT: Tensor
    mask_BT: Tensor
    learned_BT: Tensor

    @classmethod
    def of(cls, examples: Sequence[Example], device: torch.device) -> Batch:
        """The conversations as rows."""
        ids_BT, mask_BT = pad_right([example.ids.tolist() for example in examples], 0, device)
        learned_BT, _ = pad_right([example.learned.tolist() for example in examples], 0, device)
        return cls(ids_BT, mask_BT.bool(), learned_BT.bool())

    @property
    def targets_N(self) -> Tensor:
        """The learned tokens."""
        return self.ids_BT[self.learned_BT]

    def before(self, values_BT: Tensor) -> Tensor:
        """The values of the tokens before the learned ones, which predict them, (N, ...)."""
        return values_BT[:, :-1][self.learned_BT[:, 1:]]


class LogitScorer:
    """Cross-entropy and divergence from the teacher: the model given, or for `StoredExample`s what is stored of it.

    The divergence is over the first ``tokens`` of both vocabularies: logits past them are of padding.
    """

    def __init__(self, student: Read, teacher: Read | None, method: Diverging, weight: float, tokens: int) -> None:
        self._student, self._teacher, self._weight, self._tokens = student, teacher, weight, tokens
        self._divergence, self._temperature = _DIVERGENCES[method.divergence](method), method.temperature
        self._pair = self._native_pair()
        self.name = _names(student, teacher)

    def __call__(self, examples: Sequence[Example]) -> Scores:
        """See `dunwu.trainers.sft_scoring.ExampleScorer`."""
        if self._pair is not None:
            return self._natively(examples, *self._pair)
        model, reader = self._student
        batch = Batch.of(examples, model.device)
        with matmul_precision(reader.precision, model.device):
            hidden_ND = batch.before(reader.last(batch.ids_BT, batch.mask_BT))
            measure = self._beside(batch) if self._teacher else self._stored(examples)
            return _scores(model, hidden_ND, batch.targets_N, 1 - self._weight, measure, self._weight)

    def _native_pair(self) -> tuple[NativeScorer, NativeScorer] | None:
        """Student and teacher, if the native scorer can compare them: by a KL divergence at temperature 1 over all of both vocabularies."""
        readers = [read.reader for read in (self._student, self._teacher) if read is not None]
        scorers = [reader.native for reader in readers if isinstance(reader, NativeReader)]
        if len(scorers) < 2 or self._temperature != 1 or self._divergence not in (FORWARD_KL, REVERSE_KL):
            return None
        student, teacher = scorers
        whole = self._tokens == self._student.model.config.vocab_size
        return (student, teacher) if whole and student.can_compare(teacher) else None

    def _natively(self, examples: Sequence[Example], student: NativeScorer, teacher: NativeScorer) -> Scores:
        learned_N = torch.from_numpy(np.concatenate([example.learned[example.start :] for example in examples]))
        parts = ([row.ids[: row.start].tolist() for row in examples], [row.ids[row.start :].tolist() for row in examples])
        found = student.beside(teacher, *parts, reverse=self._divergence == REVERSE_KL)
        logprobs_N, entropies_N, divergences_N = (values[learned_N] for values in found)
        cross_entropy, divergence = -logprobs_N.sum(), divergences_N.sum()
        loss = (1 - self._weight) * cross_entropy + self._weight * divergence
        return Scores(logprobs_N, entropies_N, None, loss, {"cross_entropy": cross_entropy.item(), "divergence": divergence.item()})

    def _beside(self, batch: Batch) -> Measure:
        assert self._teacher is not None, "a batch is measured beside a teacher"
        model, reader = self._teacher
        with torch.no_grad(), matmul_precision(reader.precision, model.device):
            head = model.lm_head.weight.to(product_dtype(model.lm_head.weight))  # once: a frozen weight is not kept by autocast
            hidden_ND = batch.before(reader.last(batch.ids_BT, batch.mask_BT)).to(head.dtype)

        def measure(rows: slice, logits_CV: Tensor) -> Tensor:
            with torch.no_grad(), matmul_precision(reader.precision, model.device):
                taught_CV = (hidden_ND[rows] @ head.T).to(logits_CV.dtype)
            return full_divergence(self._divergence, logits_CV[:, : self._tokens], taught_CV, self._temperature)

        return measure

    def _stored(self, examples: Sequence[Example]) -> Measure:
        stored = [example for example in examples if isinstance(example, StoredExample)]
        assert len(stored) == len(examples), "without a teacher, every example must have its distributions"
        top = joined(stored, self._student.model.device)
        return lambda rows, logits_CV: top_k_divergence(self._divergence, logits_CV[:, : self._tokens], top[rows])


class HiddenDistance(nn.Module):
    """The distance of hidden states; its projections and layer weights are trained."""

    term = "hidden"
    layers: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    """Layers of student and teacher whose attention is read."""

    def __init__(self, method: HiddenMethod, student: CausalLM, teacher: CausalLM, seed: int) -> None:
        super().__init__()
        sizes, widths = _layers(student, teacher), (student.config.hidden_size, teacher.config.hidden_size)
        layer_map = uniform_map(*sizes) if method.layers != "last" else last_layers(method.last, *sizes)
        distance = squared_distance if method.distance == "mse" else cosine_distance
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.transfer = HiddenTransfer(layer_map, *widths, distance, sizes[1] if method.layers == "learned" else 0)
        self.to(student.device)

    def forward(self, student: LayerStates, teacher: LayerStates, mask_BT: Tensor) -> Tensor:
        """How far the insides of two models are apart at each token, ``[B, T]``."""
        ours, theirs = ([state_BTD.float() for state_BTD in states.hidden] for states in (student, teacher))
        found: Tensor = self.transfer(ours, theirs)
        return found


class AttentionDistance(nn.Module):
    """The KL divergence of attention maps or value relations; it has no weights."""

    term = "attention"

    def __init__(self, method: AttentionMethod, student: CausalLM, teacher: CausalLM) -> None:
        super().__init__()
        sizes = _layers(student, teacher)
        self._map = uniform_map(*sizes) if method.layers == "uniform" else last_layers(method.last, *sizes)
        self._values, self._heads = method.of == "values", relation_heads(method, _attention_width(student), _attention_width(teacher))
        self.layers = tuple(ours for ours, _ in self._map), tuple(theirs for _, theirs in self._map)

    def forward(self, student: LayerStates, teacher: LayerStates, mask_BT: Tensor) -> Tensor:
        """As `HiddenDistance`."""
        visible_BTT = visible_tokens(mask_BT)
        pairs = ((student.attention[ours], teacher.attention[theirs]) for ours, theirs in self._map)
        found = [relation_divergence(*(self._relation(states, visible_BTT) for states in pair)) for pair in pairs]
        return torch.stack(found).mean(dim=0)

    def _relation(self, states: AttentionStates, visible_BTT: Tensor) -> Tensor:
        if not self._values:
            return relation(states.query_BHTd.float(), states.key_BKTd.float(), self._heads, visible_BTT)
        # As many as queries, so that both models have the same number of relation heads.
        values_BHTd = states.value_BKTd.float().repeat_interleave(states.query_BHTd.shape[1] // states.value_BKTd.shape[1], dim=1)
        return relation(values_BHTd, values_BHTd, self._heads, visible_BTT)


class LayerScorer:
    """Cross-entropy and the distance of what happens inside the models."""

    def __init__(self, student: Read, teacher: Read, distance: HiddenDistance | AttentionDistance, weight: float) -> None:
        self._student, self._teacher, self._distance, self._weight = student, teacher, distance, weight
        self.name = _names(student, teacher)

    def __call__(self, examples: Sequence[Example]) -> Scores:
        """See `dunwu.trainers.sft_scoring.ExampleScorer`."""
        model, reader = self._student
        batch = Batch.of(examples, model.device)
        ours, theirs = self._distance.layers
        with matmul_precision(reader.precision, model.device):
            if isinstance(reader, NativeReader):
                learned = [example.learned for example in examples]
                student, logprobs_N, entropies_N = reader.scored_layers(batch.ids_BT, batch.mask_BT, ours, learned)
                scores = Scores(logprobs_N, entropies_N, None)
            else:
                student = reader.layers(batch.ids_BT, batch.mask_BT, ours)
                scores = _scores(model, batch.before(student.hidden[-1]), batch.targets_N, 1.0)
            with torch.no_grad(), matmul_precision(self._teacher.reader.precision, model.device):
                teacher = self._teacher.reader.layers(batch.ids_BT, batch.mask_BT, theirs)
        distance = batch.before(self._distance(student, teacher, batch.mask_BT)).sum()
        terms = {"cross_entropy": -scores.logprobs_N.sum().item(), self._distance.term: distance.item()}
        return Scores(scores.logprobs_N, scores.entropies_N, scores.hits_N, scores.loss + self._weight * distance, terms)


def _names(student: Read, teacher: Read | None) -> str:
    """How the states are read; said twice only where it differs."""
    ours, theirs = student.reader.name, teacher.reader.name if teacher else student.reader.name
    return ours if ours == theirs else f"{ours}; the teacher: {theirs}"


def _scores(
    model: CausalLM, hidden_ND: Tensor, targets_N: Tensor, weight: float, divergence: Measure | None = None, of_divergence: float = 0.0
) -> Scores:
    """The weighted sum of cross-entropy and ``divergence``, and what is reported."""

    def measure(rows: slice, logits_CV: Tensor) -> Tensor:
        logprobs_CV = logits_CV.log_softmax(dim=-1)
        cross_entropy = -logprobs_CV.gather(-1, targets_N[rows, None])[:, 0]
        with torch.no_grad():
            entropy = -(logprobs_CV.exp() * logprobs_CV).sum(dim=-1)
            hit = (logits_CV.argmax(dim=-1) == targets_N[rows]).to(logits_CV.dtype)
        return torch.stack([cross_entropy, entropy, hit, *([divergence(rows, logits_CV)] if divergence else [])], dim=-1)

    weights = [weight, 0.0, 0.0, *([of_divergence] if divergence else [])]
    weights_NK = torch.tensor(weights, device=hidden_ND.device).expand(len(targets_N), -1)
    loss, values_NK = logit_loss(model.lm_head, hidden_ND, weights_NK, measure)
    terms = {"cross_entropy": values_NK[:, 0].sum().item(), "divergence": values_NK[:, 3].sum().item()} if divergence else {}
    return Scores(-values_NK[:, 0], values_NK[:, 1], values_NK[:, 2].bool(), loss, terms)


def _layers(student: CausalLM, teacher: CausalLM) -> tuple[int, int]:
    return int(student.config.num_hidden_layers), int(teacher.config.num_hidden_layers)


def last_layers(last: int, student_layers: int, teacher_layers: int) -> LayerMap:
    """The map of the last layers. Raises ``ConfigError`` if one of the models has fewer."""
    most = min(student_layers, teacher_layers)
    if last > most:
        raise ConfigError(
            f"method.last = {last}: the student has {student_layers} layers, the teacher {teacher_layers}; set it to {most} at most"
        )
    return last_k_map(student_layers, teacher_layers, last)


def relation_heads(method: AttentionMethod, student: tuple[int, int], teacher: tuple[int, int]) -> int:
    """How many relation heads there are, given the width of attention and the heads of both. Raises ``ConfigError`` if they do not fit."""
    (ours, our_heads), (theirs, their_heads) = student, teacher
    heads = method.heads or gcd(our_heads, their_heads)
    if ours % heads or theirs % heads:
        raise ConfigError(
            f"method.heads = {heads}: attention is {ours} wide in the student and {theirs} in the teacher; set it to a divisor of both,"
            f" such as {gcd(our_heads, their_heads)}"
        )
    return heads


def _attention_width(model: CausalLM) -> tuple[int, int]:
    """The width of all heads together, and their number."""
    heads = int(model.config.num_attention_heads)
    return heads * int(getattr(model.config, "head_dim", None) or model.config.hidden_size // heads), heads
