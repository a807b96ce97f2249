"""What must hold on a GPU, as a list for `pytest -m gpu`; every test also runs on the CPU, so that its own code is tried.

The errors that were seen are properties of the tests (`record_property`), and lines of `benchmarks/gpu_check.py`.
"""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.checkpoints import Shape, qwen2
from benchmarks.decode_attention import flash, flex
from dunwu.data.io.chat_examples import Example
from dunwu.jobs.zero import run_zero
from dunwu.models.loading import load_model
from dunwu.models.precision import causal_attention, torch_precision
from dunwu.rollout.base import group_requests
from dunwu.rollout.torch_engine import cuda_graphs, engine
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.rollout.torch_engine.forward import masked_sdpa
from dunwu.rollout.torch_engine.sampling import draw
from dunwu.run.directory import read_metrics
from dunwu.trainers.scoring import TorchScorer, pad_right
from dunwu.trainers.sft_scoring import PackedTorchScorer
from dunwu.types import Completion, Problem, Prompt, Reward, Rollout, SamplingParams, TokenSequence, Verdict

HERE = torch.cuda.is_available()
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not HERE, reason="no GPU that torch can use")])]
GREEDY = SamplingParams(max_tokens=48, temperature=0.0)
Record = Callable[[str, object], None]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture
def rounded(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Generation from a copy in bfloat16, as on CUDA, wherever the test runs."""
    if device.type != "cuda":
        monkeypatch.setattr(engine, "copied_as", lambda _, precision: torch.bfloat16 if precision != "float32" else torch.float32)


def random_model(device: torch.device) -> Any:
    """A Qwen2 with biases whose logits do not tie."""
    model = qwen2(Shape(hidden=64, layers=3, heads=4, kv_heads=2, head_dim=16, intermediate=96))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.to(device)


def tiny_model(device: torch.device) -> Any:
    return load_model("tiny", device)[0].eval()


def prompts(vocabulary: int, lengths: Sequence[int] = (3, 40, 1, 17, 5, 29)) -> list[Prompt]:
    generator = torch.Generator().manual_seed(1)
    rows = [tuple(torch.randint(6, min(vocabulary, 80), (length,), generator=generator).tolist()) for length in lengths]
    return [Prompt(Problem(str(i), "t", "", "number"), "", row) for i, row in enumerate(rows)]


def generated(
    model: Any, params: SamplingParams, *, graphs: bool = True, precision: Any = "float32", group: int = 1, attention: Any = masked_sdpa
) -> list[Completion]:
    tokenizer = load_model("tiny")[1]
    made = TorchEngine(model, tokenizer, 512, precision, native=False)
    made.graphs, made.attention = graphs, attention
    found = prompts(model.config.vocab_size)
    return made.generate(group_requests(found, params, group, range(group * len(found))))


def tokens(completions: Sequence[Completion]) -> list[tuple[int, ...]]:
    return [completion.tokens.ids for completion in completions]


@pytest.mark.parametrize("make", [random_model, tiny_model])
def test_greedy_tokens_in_float32_are_those_of_transformers(make: Callable[[torch.device], Any], device: torch.device) -> None:
    model = make(device)
    expected = []
    for prompt in prompts(model.config.vocab_size):
        ids = torch.tensor([prompt.token_ids], device=device)
        settings = {"do_sample": False, "max_new_tokens": GREEDY.max_tokens, "eos_token_id": None, "pad_token_id": 0}
        output = model.generate(ids, attention_mask=torch.ones_like(ids), **settings)
        expected.append(tuple(output[0, ids.shape[1] :].tolist()))
    for graphs in (False, True):
        assert tokens(generated(model, GREEDY, graphs=graphs)) == expected


@pytest.mark.usefixtures("rounded")
def test_bfloat16_chooses_what_float64_chooses(device: torch.device, record_property: Record) -> None:
    model = tiny_model(device)
    completions = generated(model, GREEDY, precision="auto")
    exact, same, errors = copy.deepcopy(model).cpu().double(), [], []
    for prompt, completion in zip(prompts(model.config.vocab_size), completions, strict=True):
        ids = torch.tensor([prompt.token_ids + completion.tokens.ids])
        with torch.no_grad():
            logprobs = exact(ids).logits[0, len(prompt.token_ids) - 1 : -1].log_softmax(-1)
        chosen = torch.tensor(completion.tokens.ids)
        # A tie within the rounding of bfloat16 is no disagreement.
        same.append(logprobs.amax(-1) - logprobs.gather(-1, chosen[:, None])[:, 0] < 0.02)
        errors.append((logprobs.gather(-1, chosen[:, None])[:, 0] - torch.tensor(completion.tokens.behaviour_logprobs)).abs())
    agreement, error = torch.cat(same).double().mean().item(), torch.cat(errors).mean().item()
    record_property("agreement", agreement)
    record_property("mean_logprob_error", error)
    assert agreement >= 0.99
    assert error < 0.03


def test_the_draw_has_the_right_frequencies_and_is_that_of_the_cpu(device: torch.device, record_property: Record) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, seeds = torch.randn(256, 50_000, generator=generator).mul(2), torch.arange(256)
    same = []
    for position in range(8):
        at = torch.full((256,), position)
        there, logprobs = draw(logits.to(device), seeds.to(device), at.to(device), SamplingParams(1))
        same.append(there.cpu() == draw(logits, seeds, at, SamplingParams(1))[0])
        torch.testing.assert_close(logprobs.cpu(), logits.log_softmax(-1).gather(-1, there.cpu()[:, None])[:, 0], atol=1e-4, rtol=0)
    share = torch.cat(same).double().mean().item()
    record_property("same_draws", share)
    assert share >= 0.995
    wanted = torch.tensor([0.5, 0.25, 0.125, 0.125])
    rows = wanted.log().expand(20_000, 4).to(device)
    found, _ = draw(rows, torch.arange(20_000, device=device), torch.zeros(20_000, dtype=torch.int64, device=device), SamplingParams(1))
    chi2 = ((torch.bincount(found.cpu(), minlength=4) - 20_000 * wanted) ** 2 / (20_000 * wanted)).sum().item()
    record_property("chi2", chi2)
    assert chi2 < 16.3  # 3 degrees of freedom, p = 0.001


@pytest.mark.parametrize("params", [GREEDY, SamplingParams(48, stop_token_ids=tuple(range(20))), SamplingParams(16, top_p=0.9)])
def test_graphs_draw_what_single_kernels_draw(params: SamplingParams, device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    captured, model, capture = list[Any](), random_model(device), cuda_graphs.capture

    def counted(step: Any, pool: Any) -> Any:
        captured.append(capture(step, pool))
        return captured[-1]

    monkeypatch.setattr(cuda_graphs, "capture", counted)
    assert tokens(generated(model, params, group=4)) == tokens(generated(model, params, group=4, graphs=False))
    assert captured


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_other_ways_to_attend_give_the_same_tokens(device: torch.device, record_property: Record) -> None:
    model = tiny_model(device)
    expected = tokens(generated(model, GREEDY))
    assert tokens(generated(model, GREEDY, graphs=device.type == "cuda", attention=flex)) == expected
    if device.type == "cuda":
        model, expected = model.bfloat16(), generated(model.bfloat16(), GREEDY, precision="bfloat16")
        pairs = zip(generated(model, GREEDY, precision="bfloat16", attention=flash), expected, strict=True)
        error = max(abs(left.tokens.behaviour_logprobs[0] - right.tokens.behaviour_logprobs[0]) for left, right in pairs)
        record_property("flash_logprob_error", error)
        assert error < 0.05


@pytest.mark.parametrize(("heads", "keys"), [(4, 4), (4, 2)])
def test_attention_in_training_is_exact_attention(heads: int, keys: int, device: torch.device, record_property: Record) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, count, 100, 32, generator=generator).to(device) for count in (heads, keys, keys))
    wide = [each.cpu().double().repeat_interleave(heads // each.shape[1], dim=1) for each in (q, k, v)]
    hidden = torch.ones(100, 100).triu(1).bool()
    weights = (wide[0] @ wide[1].transpose(-1, -2) / 32**0.5).masked_fill(hidden, -torch.inf).softmax(-1)
    exact = (weights @ wide[2]).transpose(1, 2)
    for dtype, most in ((torch.float32, 1e-5), (torch.bfloat16, 2e-2)):
        found = causal_attention(torch.nn.Module(), q, k, v.to(dtype), None)[0]
        error = (found.cpu().double() - exact).abs().max().item()
        record_property(f"error_{dtype}", error)
        assert error < most


def rollouts(vocabulary: int) -> list[Rollout]:
    found = prompts(vocabulary)
    ids = [(*prompt.token_ids[::-1], 7, 9) for prompt in found]
    verdict = Reward(None, {}, Verdict(None, "error"))
    return [
        Rollout(prompt, Completion(TokenSequence.drawn(row, [0.0] * len(row), 0), "", "stop"), verdict)
        for prompt, row in zip(found, ids, strict=True)
    ]


def test_packed_rows_score_like_padded_ones(device: torch.device, record_property: Record) -> None:
    import numpy as np

    model, found = tiny_model(device), rollouts(80)
    rows = [rollout.prompt.token_ids + rollout.completion.tokens.ids for rollout in found]
    starts = [len(rollout.prompt.token_ids) for rollout in found]
    examples = [Example(np.array(row, np.int32), np.arange(len(row)) >= start, "") for row, start in zip(rows, starts, strict=True)]
    for precision, most in (("float32", 1e-4), ("bfloat16", 0.1)):
        padded = TorchScorer(model, 1.0, precision, 0)(found)[0]
        packed = PackedTorchScorer(model, precision)(examples).logprobs_N
        flat = torch.cat([row[: len(rollout.completion.tokens)] for row, rollout in zip(padded, found, strict=True)])
        error = (packed - flat).abs().max().item()
        record_property(f"error_{precision}", error)
        assert error < most


def test_gradients_are_those_of_the_cpu(device: torch.device, record_property: Record) -> None:
    def gradients(model: Any) -> dict[str, torch.Tensor]:
        ids, mask = pad_right([prompt.token_ids for prompt in prompts(80)], 0, model.device)
        scored = mask.bool()
        scored[:, 0] = False
        logits = model(input_ids=ids).logits[:, :-1][scored[:, 1:]]
        torch.nn.functional.cross_entropy(logits, ids[scored]).backward()
        return {name: parameter.grad.cpu().double() for name, parameter in model.named_parameters()}

    here, there = gradients(random_model(torch.device("cpu"))), gradients(random_model(device))
    errors = {name: ((there[name] - grad).norm() / grad.norm().clamp(min=1e-12)).item() for name, grad in here.items()}
    record_property("largest_relative_error", max(errors.values()))
    assert max(errors.values()) < 1e-3


@pytest.mark.parametrize("staleness", [[], pytest.param(["grpo.staleness=1", "grpo.tis_clip=2"], marks=pytest.mark.slow)])
def test_a_resumed_run_ends_like_a_whole_one(
    staleness: list[str], device: torch.device, zero_config: Callable[..., Any], tmp_path: Path, record_property: Record
) -> None:
    config = zero_config(f"device={device.type}", "evaluations=[]", *staleness)
    half = config.model_copy(update={"grpo": config.grpo.model_copy(update={"steps": 3})})
    run_zero(config, tmp_path / "whole")
    run_zero(half, tmp_path / "resumed")
    run_zero(config, tmp_path / "resumed", resume=True)
    whole, resumed = (load_model(str(next((tmp_path / name / "checkpoints").glob("step-000006"))))[0] for name in ("whole", "resumed"))
    pairs = zip(whole.parameters(), resumed.parameters(), strict=True)
    error = max((left - right).abs().max().item() for left, right in pairs)
    record_property("largest_difference", error)
    assert [row["step"] for row in read_metrics(tmp_path / "resumed")] == list(range(1, 7))
    assert error == 0 if device.type == "cpu" else error < 0.05  # kernels with atomic sums differ in their last bits


def test_the_device_multiplies_in_bfloat16_unless_told_otherwise(device: torch.device) -> None:
    assert torch_precision("auto", device) == ("bfloat16" if device.type == "cuda" else "float32")
    assert torch_precision("float32", device) == "float32"
