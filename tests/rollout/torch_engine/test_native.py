"""What the C decoder promises beyond agreeing with the reference: invariance, precision, and doing without where it cannot be had."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dunwu.errors import ModelError
from dunwu.models import native
from dunwu.models.logprobs import token_logprobs
from dunwu.models.native import NativeUnavailable, library
from dunwu.rollout.base import group_requests
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.rollout.torch_engine.native.decoder import SOURCE, NativeDecoder
from dunwu.rollout.torch_engine.weights import decoder_weights, rope_table
from dunwu.types import Completion, Prompt, SamplingParams

LENGTHS = [3, 17, 1, 7, 20, 5, 2]
SAMPLED = SamplingParams(max_tokens=24, stop_token_ids=(1, 5, 9, 40, 41, 42))

MakeModel = Callable[[str], Any]
MakePrompts = Callable[..., list[Prompt]]


def drawn(completions: Sequence[Completion]) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
    return [(completion.tokens.ids, completion.tokens.behaviour_logprobs) for completion in completions]


def check_near(ours: Sequence[Completion], reference: Sequence[Completion]) -> None:
    """The same tokens and nearly the same log-probabilities.

    Torch rounds otherwise on each processor, and a draw that close to a boundary falls to the neighbour: one rollout in twenty may part.
    """
    parted = 0
    for a, b in zip(ours, reference, strict=True):
        equal = [x == y for x, y in zip(a.tokens.ids, b.tokens.ids, strict=False)]
        same = [*equal, False].index(False)
        assert a.tokens.behaviour_logprobs[:same] == pytest.approx(b.tokens.behaviour_logprobs[:same], abs=1e-4)
        parted += a.tokens.ids != b.tokens.ids
    assert parted <= len(ours) // 20


@pytest.fixture
def threads() -> Any:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("family", "precision"),
    [
        ("qwen2", "bfloat16"),
        ("qwen3", "float32"),
        pytest.param("qwen2", "float32", marks=pytest.mark.slow),
        pytest.param("qwen3", "bfloat16", marks=pytest.mark.slow),
    ],
)
def test_bits_do_not_depend_on_batch_slots_or_threads(
    family: str, precision: Any, make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, threads: Any, native_decoder: None
) -> None:
    model, prompts, seeds = make_model(family), make_prompts(LENGTHS), range(70)
    threads(1)
    whole = drawn(TorchEngine(model, tokenizer, 70, precision).generate(group_requests(prompts, SAMPLED, 10, seeds)))
    for count, max_batch in ((1, 3), (2, 70), (2, 7), (3, 40), (4, 1)):
        threads(count)
        assert drawn(TorchEngine(model, tokenizer, max_batch, precision).generate(group_requests(prompts, SAMPLED, 10, seeds))) == whole


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_bits_do_not_depend_on_the_prompts_beside_it(
    precision: Any, make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, threads: Any, native_decoder: None
) -> None:
    """Alone, or read together with others: in one team or one thread's share, before and behind the end of a block of rows."""
    model, prompts = make_model("qwen2"), make_prompts([1 + i * 7 % 37 for i in range(60)])
    threads(1)
    alone = [
        drawn(TorchEngine(model, tokenizer, 4, precision).generate(group_requests([p], SAMPLED, 2, [2 * i, 2 * i + 1])))
        for i, p in enumerate(prompts)
    ]
    for count, max_batch in ((1, 120), (2, 120), (3, 7)):
        threads(count)
        together = drawn(TorchEngine(model, tokenizer, max_batch, precision).generate(group_requests(prompts, SAMPLED, 2, range(120))))
        assert together == [completion for pair in alone for completion in pair]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama", "yarn"])
def test_prompts_are_read_as_the_model_reads_them(
    family: str, precision: Any, make_model: MakeModel, make_prompts: MakePrompts, threads: Any, native_decoder: None
) -> None:
    model, prompts = make_model(family), [prompt.token_ids for prompt in make_prompts([40, 1, 33, 7, 40, 16, 2])]
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(0.5)  # logits of the size that trained models have
        exact = torch.cat([model(torch.tensor([prompt])).logits[:, -1] for prompt in prompts])
    for count in (1, 2, 9):
        decoder = NativeDecoder(decoder_weights(model), precision, count)
        decoder.reserve(1, 8, len(prompts), 40)
        decoder.load(decoder_weights(model))
        decoder.use_rope(rope_table(model, 48))
        found = decoder.read(prompts, range(len(prompts))[::-1])
        assert (found - exact).abs().max() < (1e-4 if precision == "float32" else 0.2)
        assert (found - exact).abs().mean() < (1e-5 if precision == "float32" else 0.03)


@pytest.mark.parametrize("wrong", [-1, 100, 2**31])
def test_ids_outside_the_vocabulary_never_reach_c(wrong: int, make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any) -> None:
    model, good = make_model("qwen2"), make_prompts([4])
    bad = [replace(good[0], token_ids=(*good[0].token_ids, wrong))]
    for native_too in (True, False):
        engine = TorchEngine(model, tokenizer, native=native_too)
        with pytest.raises(ModelError, match=f"token id {wrong} is outside the model's vocabulary of 100"):
            engine.generate(group_requests([*good, *bad], SAMPLED, 1, range(2)))
        assert engine.generate(group_requests(good, SAMPLED, 1, [0])), "the engine is as good as before"


def test_the_decoder_refuses_ids_itself(make_model: MakeModel, native_decoder: None) -> None:
    model = make_model("qwen2")
    decoder = NativeDecoder(decoder_weights(model), "float32", 1)
    with pytest.raises(ModelError, match="token id -3"):
        decoder.read([(5, -3)], [0])


def test_bfloat16_stays_near_float32(make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, native_decoder: None) -> None:
    for family in ("qwen2", "qwen3", "llama"):
        model, prompts = make_model(family), make_prompts(LENGTHS)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 2:
                    parameter.mul_(0.5)  # logits of the size that trained models have
        engine = TorchEngine(model, tokenizer, 70, "bfloat16")
        assert engine.decoder.startswith("native, bfloat16")
        differences = []
        for completion, prompt in zip(
            engine.generate(group_requests(prompts, SAMPLED, 4, range(28))), [p for p in prompts for _ in range(4)], strict=True
        ):
            ids = torch.tensor([prompt.token_ids + completion.tokens.ids])
            scored = torch.arange(ids.shape[1])[None] >= len(prompt.token_ids)
            exact = token_logprobs(model, ids, torch.ones_like(ids), scored)[0][scored]
            differences.append((exact - torch.tensor(completion.tokens.behaviour_logprobs)).abs())
        found = torch.cat(differences)
        assert 0 < found.mean() < 0.02
        assert found.max() < 0.2


def test_the_decoder_says_what_is_bfloat16(make_model: MakeModel, tokenizer: Any, native_decoder: None) -> None:
    products = bool(library(SOURCE).dunwu_has_bf16())
    named = {precision: TorchEngine(make_model("qwen3"), tokenizer, 4, precision).decoder for precision in ("float32", "bfloat16", "auto")}
    assert named["float32"] == "native, float32"
    assert named["bfloat16"] == ("native, bfloat16" if products else "native, bfloat16 weights, float32 products")
    assert named["auto"] == ("native, bfloat16" if products else "native, float32")


def test_without_bfloat16_products_only_weights_are_rounded(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, native_decoder: None
) -> None:
    """Weights that are bfloat16 already give the bits of float32."""
    if library(SOURCE).dunwu_has_bf16():
        pytest.skip("this processor has bfloat16 products")
    model, prompts = make_model("qwen3"), make_prompts(LENGTHS)
    requests = group_requests(prompts, SAMPLED, 10, range(70))
    unrounded = drawn(TorchEngine(model, tokenizer, 70, "bfloat16").generate(requests))
    assert unrounded != drawn(TorchEngine(model, tokenizer, 70, "float32").generate(requests))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())
    found = [drawn(TorchEngine(model, tokenizer, 70, precision).generate(requests)) for precision in ("float32", "bfloat16")]
    assert found[0] == found[1]


@pytest.mark.parametrize("params", [{"top_p": 0.8}, {"top_k": 7}, {"min_p": 0.05}, {"temperature": 0.6, "top_p": 0.95}])
def test_filters_are_those_of_the_reference(
    params: dict[str, float], make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, native_decoder: None
) -> None:
    model, prompts = make_model("llama"), make_prompts(LENGTHS)
    sampling = SamplingParams(max_tokens=16, **params)  # type: ignore[arg-type]
    reference = TorchEngine(model, tokenizer, native=False).generate(group_requests(prompts, sampling, 3, range(21)))
    ours = TorchEngine(model, tokenizer, 5).generate(group_requests(prompts, sampling, 3, range(21)))
    check_near(ours, reference)


def test_prompts_are_replaced_when_their_groups_have_left(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, native_decoder: None
) -> None:
    """Many more prompts than slots: every place of the prompt store is used again, whole groups and parts of groups."""
    model, prompts = make_model("qwen2"), make_prompts([1 + i % 9 for i in range(40)])
    whole = TorchEngine(model, tokenizer, 120).generate(group_requests(prompts, SAMPLED, 3, range(120)))
    check_near(whole, TorchEngine(model, tokenizer, native=False).generate(group_requests(prompts, SAMPLED, 3, range(120))))
    for max_batch in (1, 2, 4, 7):
        assert drawn(TorchEngine(model, tokenizer, max_batch).generate(group_requests(prompts, SAMPLED, 3, range(120)))) == drawn(whole)


def test_a_larger_call_after_a_smaller_one(make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, native_decoder: None) -> None:
    model = make_model("qwen2")
    engine = TorchEngine(model, tokenizer, 8)
    for lengths, tokens in (([3], 4), ([30, 20, 9], 24), ([2, 2], 8)):
        params = SamplingParams(max_tokens=tokens)
        expected = TorchEngine(model, tokenizer, 8).generate(group_requests(make_prompts(lengths), params, 2, range(2 * len(lengths))))
        assert drawn(engine.generate(group_requests(make_prompts(lengths), params, 2, range(2 * len(lengths))))) == drawn(expected)


def test_without_a_compiler_torch_decodes(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.cache_clear()
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CC", raising=False)
    engine = TorchEngine(make_model("qwen2"), tokenizer)
    library.cache_clear()
    assert engine.decoder == "torch (no C compiler (cc, gcc or clang) on the path)"
    assert len(engine.generate(group_requests(make_prompts([4]), SAMPLED, 2, range(2)))) == 2


def test_a_compiler_that_fails_is_no_error(make_model: MakeModel, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'fatal error: no' >&2\nexit 1\n")
    broken.chmod(0o755)
    library.cache_clear()
    monkeypatch.setenv("CC", str(broken))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    engine = TorchEngine(make_model("qwen2"), tokenizer)
    library.cache_clear()
    assert engine.decoder == f"torch ({broken} cannot build decode.c: fatal error: no)"
    assert not list((tmp_path / "cache").rglob("*.so")), "nothing half made stays behind"


def test_the_switch_and_other_heads_leave_it_out(make_model: MakeModel, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model("qwen2")
    assert TorchEngine(model, tokenizer, native=False).decoder == "torch"
    library.cache_clear()
    monkeypatch.setenv(native.SWITCH, "0")
    assert "DUNWU_NATIVE=0" in TorchEngine(model, tokenizer).decoder
    library.cache_clear()
    with pytest.raises(NativeUnavailable, match="DUNWU_NATIVE=0"):
        library(SOURCE)
    library.cache_clear()


def test_weights_are_packed_once_between_two_changes(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, native_decoder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed: list[int] = []
    load = NativeDecoder.load
    monkeypatch.setattr(NativeDecoder, "load", lambda self, weights: (packed.append(1), load(self, weights))[1])
    model, requests = make_model("qwen2"), group_requests(make_prompts(LENGTHS), SAMPLED, 1, range(7))
    engine = TorchEngine(model, tokenizer, 4)
    first = drawn(engine.generate(requests))
    assert drawn(engine.generate(requests)) == first
    assert drawn(engine.generate(group_requests(make_prompts([30]), SAMPLED, 1, [0])))  # a longer table of positions
    assert len(packed) == 1
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    model(torch.tensor([[1, 2, 3]])).logits.square().mean().backward()
    optimiser.step()
    engine.load_weights(1)
    assert drawn(engine.generate(requests)) != first
    assert len(packed) == 2
    fresh = drawn(TorchEngine(model, tokenizer, 4).generate(requests))
    assert drawn(engine.generate(requests)) == fresh
    assert len(packed) == 3, "the fresh engine's"
