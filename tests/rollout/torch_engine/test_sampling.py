"""The draw: its hash, its distribution, its filters and the log-probability it reports."""

import math
from typing import Any

import pytest
import torch

from dunwu.rollout.torch_engine import sampling
from dunwu.rollout.torch_engine.sampling import GOLDEN_GAMMA, as_int64, draw, splitmix64, uniforms
from dunwu.types import SamplingParams


def params(**changes: float) -> SamplingParams:
    return SamplingParams(max_tokens=1, **changes)  # type: ignore[arg-type]


def many(logits: list[float], settings: SamplingParams, draws: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.tensor([logits]).expand(draws, -1)
    return draw(rows, torch.arange(draws), torch.zeros(draws, dtype=torch.int64), settings)


def test_splitmix64_gives_the_published_first_outputs_of_seed_zero() -> None:
    states = torch.tensor([as_int64(GOLDEN_GAMMA), as_int64(2 * GOLDEN_GAMMA)])
    assert [value % 2**64 for value in splitmix64(states).tolist()] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_uniforms_are_uniform_over_seeds_and_over_positions() -> None:
    zeros, counts = torch.zeros(100_000, dtype=torch.int64), torch.arange(100_000)
    for u in (uniforms(counts, zeros), uniforms(zeros, counts), uniforms(counts - 50_000, zeros + 3)):
        assert u.min() >= 0
        assert u.max() < 1
        bins = torch.histc(u, 100, 0, 1)
        chi2 = ((bins - 1000) ** 2 / 1000).sum().item()
        assert 50 < chi2 < 160  # 99 degrees of freedom
        lagged = torch.corrcoef(torch.stack((u[:-1], u[1:])))[0, 1].abs()
        assert lagged < 0.02


def test_neighbouring_seeds_have_unrelated_streams() -> None:
    positions = torch.arange(10_000)
    for shift in (0, 1, 2):
        left = uniforms(torch.full_like(positions, 5), positions + shift)
        right = uniforms(torch.full_like(positions, 6), positions)
        assert torch.corrcoef(torch.stack((left, right)))[0, 1].abs() < 0.04


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_drawn_frequencies_are_the_softmax(temperature: float) -> None:
    logits = [0.0, 1.0, -1.0, 2.0, 0.3, -3.0]
    tokens, logprobs = many(logits, params(temperature=temperature))
    expected = (torch.tensor(logits) / temperature).softmax(0)
    counts = torch.bincount(tokens, minlength=6)
    chi2 = ((counts - 20_000 * expected) ** 2 / (20_000 * expected)).sum().item()
    assert chi2 < 20.5  # 5 degrees of freedom, p = 0.001
    torch.testing.assert_close(logprobs, expected.log()[tokens], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("settings", "support"),
    [
        (params(top_k=2), {3, 1}),
        (params(top_k=100), {0, 1, 2, 3, 4}),
        (params(top_p=0.45), {3, 1}),  # 0.4 alone does not reach it
        (params(top_p=0.39), {3}),
        (params(top_p=0.95), {3, 1, 0, 2}),
        (params(min_p=0.45), {3, 1, 0}),  # at least 0.18
        (params(top_k=3, top_p=0.7), {3, 1}),  # of what top-k left: 0.4/0.9, 0.7/0.9
        (params(top_k=3, top_p=0.9, min_p=0.6), {3, 1}),
        (params(top_p=1e-9), {3}),
    ],
)
def test_filters_keep_their_support_and_renormalise(settings: SamplingParams, support: set[int]) -> None:
    probs = torch.tensor([0.2, 0.3, 0.06, 0.4, 0.04])
    tokens, logprobs = many(probs.log().tolist(), settings)
    assert set(tokens.tolist()) == support
    mass = sum(probs[token].item() for token in support)
    torch.testing.assert_close(logprobs, (probs / mass).log()[tokens], atol=1e-5, rtol=0)
    counts = torch.bincount(tokens, minlength=5)
    for token in support:
        share = probs[token].item() / mass
        assert abs(counts[token].item() / 20_000 - share) <= 4.5 * math.sqrt(share * (1 - share) / 20_000)


def test_temperature_comes_before_the_filters() -> None:
    probs = torch.tensor([0.6, 0.3, 0.1])  # at temperature 2 the first has 0.47
    assert set(many(probs.log().tolist(), params(top_p=0.55))[0].tolist()) == {0}
    assert set(many(probs.log().tolist(), params(top_p=0.55, temperature=2.0))[0].tolist()) == {0, 1}


def test_impossible_tokens_are_never_drawn() -> None:
    logits = [-math.inf, 0.0, -math.inf, 0.0, -math.inf]
    tokens, logprobs = many(logits, params())
    assert set(tokens.tolist()) == {1, 3}
    torch.testing.assert_close(logprobs, torch.full_like(logprobs, -math.log(2)))


def test_greedy_takes_the_highest_and_reports_the_softmax_at_temperature_one() -> None:
    tokens, logprobs = many([0.0, 2.0, 1.0], params(temperature=0.0, top_k=1), draws=3)
    assert tokens.tolist() == [1, 1, 1]
    assert logprobs[0].item() == pytest.approx(2 - math.log(1 + math.e**2 + math.e), abs=1e-6)


def test_nan_logits_show_in_the_logprob() -> None:
    for settings in (params(), params(top_p=0.5), params(temperature=0.0)):
        assert many([0.0, math.nan], settings, draws=2)[1].isnan().all()


def test_half_precision_logits_are_scored_in_float32() -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(0)).bfloat16()
    tokens, logprobs = draw(logits, torch.arange(4), torch.zeros(4, dtype=torch.int64), params())
    assert logprobs.dtype == torch.float32
    torch.testing.assert_close(logprobs, logits.float().log_softmax(-1).gather(-1, tokens[:, None])[:, 0], atol=1e-5, rtol=0)


def test_blocks_find_what_a_running_sum_in_float64_finds() -> None:
    generator = torch.Generator().manual_seed(0)
    for width in (1, 7, 1023, 1024, 1025, 3000, 4096, 151_936):
        probs = torch.randn(64, width, generator=generator).mul(3).softmax(dim=-1)
        uniform = torch.rand(64, 1, generator=generator).mul(2**24).floor() / 2**24
        index, mass, total = sampling.invert_in_blocks(probs, uniform)
        exact = probs.double().cumsum(dim=-1)
        expected = torch.searchsorted(exact, uniform.double() * exact[:, -1:], right=True)
        assert (index != expected).sum() <= 1  # a draw within rounding of a boundary
        assert torch.equal(mass, probs.gather(-1, index))
        torch.testing.assert_close(total.double(), exact[:, -1:], atol=1e-6, rtol=0)


def test_blocks_never_find_a_token_without_mass() -> None:
    generator = torch.Generator().manual_seed(1)
    probs = torch.rand(256, 2500, generator=generator) * (torch.rand(256, 2500, generator=generator) < 0.002)
    probs[:, 7] += 1e-7
    for uniform in (0.0, 2.0**-24, 0.5, 1 - 2.0**-24):
        index, mass, _ = sampling.invert_in_blocks(probs, torch.full((256, 1), uniform))
        assert (mass > 0).all()
        assert (index < 2500).all()


def test_blocks_draw_the_softmax_and_show_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 2)
    monkeypatch.setattr(sampling, "_invert", sampling.invert_in_blocks)
    test_drawn_frequencies_are_the_softmax(0.5)
    test_impossible_tokens_are_never_drawn()
    test_nan_logits_show_in_the_logprob()
    for settings, support in ((params(top_k=2), {3, 1}), (params(top_p=0.95), {3, 1, 0, 2})):
        test_filters_keep_their_support_and_renormalise(settings, support)


@pytest.mark.parametrize(
    "settings", [{"top_p": 0.95}, {"top_p": 0.3, "min_p": 0.01}, {"min_p": 0.2}, {"top_p": 0.0}, {"top_k": 40, "top_p": 0.9}]
)
@pytest.mark.parametrize("kind", ["peaked", "flat", "equal", "not finite"])
def test_filters_of_a_large_vocabulary_draw_what_a_sort_of_all_of_it_draws(
    settings: dict[str, Any], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(7)
    logits = torch.randn(7, 5000, generator=generator)
    logits = {"peaked": 6 * logits, "flat": logits, "equal": (3 * logits).round(), "not finite": 6 * logits}[kind]
    if kind == "not finite":
        logits[3, 17], logits[5, 2] = float("nan"), float("inf")
    seeds, positions = torch.arange(7), torch.arange(7) % 3
    found = draw(logits, seeds, positions, params(**settings))
    monkeypatch.setattr(sampling, "_likely", lambda probs, total, _: sampling._falling(probs))
    expected = draw(logits, seeds, positions, params(**settings))
    assert torch.equal(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1], atol=0, rtol=0, equal_nan=True)


@pytest.mark.parametrize("settings", [{}, {"top_p": 0.9}, {"temperature": 0.0}])
def test_rows_drawn_in_parts_are_those_drawn_together(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    logits = 4 * torch.randn(7, 500, generator=torch.Generator().manual_seed(7))
    together = draw(logits, torch.arange(7), torch.zeros(7, dtype=torch.long), params(**settings))
    monkeypatch.setattr(sampling, "LOGITS_AT_ONCE", 1100)
    parts = draw(logits, torch.arange(7), torch.zeros(7, dtype=torch.long), params(**settings))
    assert all(map(torch.equal, together, parts))
