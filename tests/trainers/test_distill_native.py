"""Distillation by the native scorer against torch in float32: the same losses and gradients, but for what bfloat16 products differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from dunwu.config.distill_methods import DistillationConfig
from dunwu.config.load import load_config
from dunwu.data.io.chat_examples import Example
from dunwu.models.native import NativeUnavailable
from dunwu.models.native_library import native_precision
from dunwu.models.native_logprobs import NativeScorer
from dunwu.trainers.distill import make_scorer

VOCABULARIES = (100, 2100)  # one panel of logits, and three
METHODS = (
    *("logits", "{kind: logits, divergence: reverse-kl, temperature: 2}", "on-policy", "hidden"),
    *("{kind: hidden, layers: learned, distance: cosine}", "{kind: hidden, layers: last, last: 1}"),
    *("{kind: attention, of: maps}", "{kind: attention, of: values, layers: last, last: 2}"),
)


def make_pair(vocabulary: int) -> tuple[Any, Any]:
    """A Qwen2 student and a wider and deeper Llama teacher."""
    torch.manual_seed(5)
    shape: dict[str, Any] = {"vocab_size": vocabulary, "num_attention_heads": 4, "head_dim": 32, "max_position_embeddings": 128}
    student = Qwen2ForCausalLM(
        Qwen2Config(**shape, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_key_value_heads=2, tie_word_embeddings=True)
    )
    teacher = LlamaForCausalLM(LlamaConfig(**shape, hidden_size=96, intermediate_size=128, num_hidden_layers=3, num_key_value_heads=1))
    with torch.no_grad():
        for parameter in (*student.parameters(), *teacher.parameters()):
            parameter.add_((0.1 if parameter.ndim == 2 else 0.3) * torch.randn_like(parameter))
    return student, teacher


def make_examples(vocabulary: int) -> list[Example]:
    random = np.random.default_rng(3)
    sizes = ((5, 40), (1, 9), (12, 64), (30, 33))
    return [
        Example(random.integers(0, vocabulary, length).astype(np.int32), np.arange(length) >= start, f"row {start}", start)
        for start, length in sizes
    ]


def scored(method: str, precision: str, student: Any, teacher: Any) -> tuple[str, float, dict[str, float], dict[str, torch.Tensor]]:
    config = load_config(
        DistillationConfig, None, ["model=tiny", "teacher=tiny", "data=rows", f"method={method}", f"matmul_precision={precision}", "seed=1"]
    )
    vocabulary = student.config.vocab_size
    scorer, beside = make_scorer(config, student, teacher, vocabulary)
    scores = scorer(make_examples(vocabulary))
    student.zero_grad()
    scores.loss.backward()  # type: ignore[no-untyped-call]
    named = [*student.named_parameters(), *(beside.named_parameters() if beside else ())]
    return scorer.name, scores.loss.item(), dict(scores.terms), {name: each.grad.clone() for name, each in named if each.grad is not None}


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("method", METHODS)
def test_losses_and_gradients_are_those_of_torch(method: str, vocabulary: int) -> None:
    student, teacher = make_pair(vocabulary)
    try:
        NativeScorer(student)
    except NativeUnavailable as reason:
        pytest.skip(f"no native scorer: {reason}")
    _, loss, terms, exact = scored(method, "float32", student, teacher)
    name, found, found_terms, gradients = scored(method, "auto", student, teacher)
    rounds = native_precision() == "bfloat16"
    assert name == f"native, {native_precision()}"
    assert found == pytest.approx(loss, rel=0.01 if rounds else 1e-5)
    assert found_terms == pytest.approx(terms, rel=0.03 if rounds else 1e-5)
    assert gradients.keys() == exact.keys()
    for parameter, theirs in exact.items():
        assert (gradients[parameter] - theirs).norm() <= (0.06 if rounds else 1e-4) * theirs.norm(), parameter
