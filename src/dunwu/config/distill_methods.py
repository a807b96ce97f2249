"""What a student learns of a teacher that computes beside it: its distributions, hidden states or attention."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from dunwu.config.base import Config, Count, Positive, Share
from dunwu.config.blocks import SamplingConfig
from dunwu.config.references import ModelRef
from dunwu.config.sft import SftConfig

DivergenceName = Literal["forward-kl", "reverse-kl", "jensen-shannon", "skewed-forward", "skewed-reverse"]
Weight = Annotated[float, Field(ge=0)]


def _refuse_unused(method: Config, key: str, used: bool, needs: str) -> None:
    value = getattr(method, key)
    if not used and value != type(method).model_fields[key].default:
        raise ValueError(f"method.{key} = {value} has no effect without {needs}: add that, or leave it out")


class Diverging(Config):
    """How far the student's next-token distributions are from the teacher's."""

    divergence: DivergenceName = "forward-kl"
    """forward-kl: soft targets; reverse-kl: MiniLLM; jensen-shannon: GKD; skewed-forward, skewed-reverse: DistiLLM."""
    beta: Share = 0.5
    """Of jensen-shannon: the teacher's share of the mixture. 0 is forward KL, 1 reverse KL."""
    skew: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Of the skewed divergences: the share of the distribution that is mixed into the other one."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Both distributions are taken at this temperature, and the divergence is multiplied by its square."""

    @model_validator(mode="after")
    def _of_this_divergence(self) -> Self:
        _refuse_unused(self, "beta", self.divergence == "jensen-shannon", "divergence: jensen-shannon")
        _refuse_unused(self, "skew", self.divergence.startswith("skewed"), "divergence: skewed-forward or skewed-reverse")
        return self


class LogitsMethod(Diverging):
    """Fine-tuning on the rows with `(1 - weight) * cross-entropy + weight * divergence`, after Hinton et al. (arXiv 1503.02531)."""

    kind: Literal["logits"] = "logits"
    weight: Share = 0.5
    """Weight of the divergence; 0 is fine-tuning alone."""
    top_k: Count = 0
    """Store this many of the teacher's most probable tokens and the mass of all others, once, before training. 0: the teacher's whole
    distribution, computed beside the student's in each update."""
    stored: Annotated[str, Field(min_length=1)] | None = None
    """Folder of what `top_k` stores, which several students may share. null: in the run directory."""

    @model_validator(mode="after")
    def _something_to_store(self) -> Self:
        _refuse_unused(self, "stored", self.top_k > 0, "top_k")
        return self


class HiddenMethod(Config):
    """Fine-tuning on the rows with `cross-entropy + weight * distance` of hidden states, after TinyBERT (arXiv 1909.10351)."""

    kind: Literal["hidden"] = "hidden"
    weight: Weight = 1.0
    """Weight of the distance; 0 is fine-tuning alone."""
    layers: Literal["uniform", "last", "learned"] = "uniform"
    """Which layer of the teacher a layer of the student learns from. uniform: the one at the same share of the depth; last: for the last
    layers, as many as the key `last` says, the one as far from the end; learned: a weighted mean of all, whose weights are trained."""
    last: Positive = 1
    """Number of layers, with layers = last."""
    distance: Literal["mse", "cosine"] = "mse"
    """Mean squared error over the width, or 1 - cosine. Student states of another width are projected to the teacher's; the projection is
    trained too."""

    @model_validator(mode="after")
    def _last_layers(self) -> Self:
        _refuse_unused(self, "last", self.layers == "last", "layers: last")
        return self


class AttentionMethod(Config):
    """Fine-tuning on the rows with `cross-entropy + weight * KL` of attention, after MiniLM (arXiv 2002.10957, 2012.15828)."""

    kind: Literal["attention"] = "attention"
    weight: Weight = 1.0
    """Weight of the KL divergence; 0 is fine-tuning alone."""
    of: Literal["maps", "values"] = "maps"
    """maps: queries with keys; values: values with values."""
    layers: Literal["uniform", "last"] = "last"
    """As of hidden states; MiniLM has the last layer alone."""
    last: Positive = 1
    """Number of layers, with layers = last."""
    heads: Count = 0
    """Relation heads, into which the heads of both models are cut; 0: the largest number that divides the heads of both."""

    @model_validator(mode="after")
    def _last_layers(self) -> Self:
        _refuse_unused(self, "last", self.layers == "last", "layers: last")
        return self


class OnPolicyMethod(Diverging):
    """The divergence alone, on batches of the student's completions and of the rows: GKD (arXiv 2306.13649), algorithm 1."""

    kind: Literal["on-policy"] = "on-policy"
    divergence: DivergenceName = "reverse-kl"
    """As of logits."""
    student_share: Share = 1.0
    """Share of the updates whose completions the student samples; the others take the rows."""
    sampling: SamplingConfig = SamplingConfig()
    """How the student samples."""


def named_kind(value: Any) -> Any:
    """``logits`` as ``{kind: logits}``."""
    return {"kind": value} if isinstance(value, str) else value


BesideTeacher = Annotated[
    Annotated[LogitsMethod | HiddenMethod | AttentionMethod | OnPolicyMethod, Field(discriminator="kind")], BeforeValidator(named_kind)
]


class DistillationConfig(SftConfig):
    """Fine-tuning of a student beside a frozen teacher with the same tokenizer."""

    teacher: ModelRef
    """The teacher: `tiny` (bundled), a local Hugging Face folder, or a hub id."""
    method: BesideTeacher = LogitsMethod()
    """What the student learns of it besides the rows: logits, hidden, attention, on-policy, or a block with keys of its own."""
