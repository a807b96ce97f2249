"""Decoding in graphs gives the rollouts of single kernels. On a CPU a graph is the step itself, so all but the capture is tested."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from dunwu.errors import TrainingError
from dunwu.rollout.base import group_requests
from dunwu.rollout.torch_engine import cuda_graphs, engine
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.types import Prompt, SamplingParams

LENGTHS = [3, 11, 1, 7, 20, 5, 2]
STOPS = (1, 5, 9, 40, 41, 42)
SAMPLED = SamplingParams(max_tokens=24, stop_token_ids=STOPS)

MakeModel = Callable[[str], Any]
MakePrompts = Callable[..., list[Prompt]]


def eager(model: Any, tokenizer: Any, max_batch: int = 512) -> TorchEngine:
    return TorchEngine(model, tokenizer, max_batch, native=False)


def graphed(model: Any, tokenizer: Any, max_batch: int = 512) -> TorchEngine:
    made = eager(model, tokenizer, max_batch)
    made.graphs = True
    return made


def drawn(made: TorchEngine, prompts: list[Prompt], params: SamplingParams = SAMPLED, group: int = 2) -> list[tuple[int, ...]]:
    requests = group_requests(prompts, params, group, range(group * len(prompts)))
    return [completion.tokens.ids for completion in made.generate(requests)]


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was captured."""
    found: list[Any] = []

    def capture(step: Any, pool: Any) -> Any:
        found.append(step.args)
        return step

    monkeypatch.setattr(cuda_graphs, "capture", capture)
    return found


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama", "yarn"])
def test_graphs_draw_what_single_kernels_draw(family: str, make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any) -> None:
    model, prompts = make_model(family), make_prompts(LENGTHS)
    filtered = SamplingParams(max_tokens=9, temperature=0.7, top_p=0.9, stop_token_ids=STOPS)
    for params in (SAMPLED, filtered, SamplingParams(max_tokens=24, temperature=0.0), SamplingParams(max_tokens=1)):
        expected = drawn(eager(model, tokenizer), prompts, params)
        assert params.max_tokens == 1 or len({len(ids) for ids in expected}) > 1 or not params.stop_token_ids
        for max_batch in (2, 3, 512):
            assert drawn(graphed(model, tokenizer, max_batch), prompts, params) == expected


def test_logprobs_belong_to_the_tokens(make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any) -> None:
    model, requests = make_model("qwen2"), group_requests(make_prompts(LENGTHS), SAMPLED, 2, range(14))
    for left, right in zip(eager(model, tokenizer).generate(requests), graphed(model, tokenizer, 5).generate(requests), strict=True):
        assert left.finish_reason == right.finish_reason
        assert left.tokens.behaviour_logprobs == pytest.approx(right.tokens.behaviour_logprobs, abs=1e-5)


def test_a_graph_is_captured_once_and_used_in_later_calls(
    captures: list[Any], make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any
) -> None:
    model, prompts = make_model("qwen2"), make_prompts(LENGTHS)
    made = graphed(model, tokenizer)
    for _ in range(3):
        assert drawn(made, prompts) == drawn(eager(model, tokenizer), prompts)
    assert captures == [(14, 128), (8, 128)]
    drawn(made, prompts, SamplingParams(max_tokens=20))  # other parameters: other graphs, on the same cache
    drawn(made, prompts)
    assert captures == [(14, 128), (8, 128), (14, 128)]
    more = make_prompts([4] * 20)  # they do not fit: a new cache, new graphs
    assert drawn(made, more) == drawn(eager(model, tokenizer), more)
    assert len(captures) > 3


def test_without_graphs_there_is_one_warning_and_the_same_rollouts(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(step: Any, pool: Any) -> Any:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(cuda_graphs, "capture", refuse)
    model, prompts = make_model("llama"), make_prompts(LENGTHS)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = drawn(graphed(model, tokenizer, 3), prompts)
    assert found == drawn(eager(model, tokenizer), prompts)
    assert len(said) == 1
    assert "operation not permitted" in str(said[0].message)


def test_a_capture_calls_torch_as_it_can_be_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU nothing else runs these lines."""
    calls = list[str]()

    class Graph:
        def replay(self) -> None:
            calls.append("replay")

    @contextmanager
    def graph(**given: Any) -> Iterator[None]:
        assert given["cuda_graph"].replay
        calls.append(given["capture_error_mode"])
        yield
        calls.append("end")

    @contextmanager
    def stream(which: str) -> Iterator[None]:
        try:
            yield
        finally:
            calls.append(f"back to {which}")

    signature = inspect.signature(torch.cuda.graph.__init__)
    fakes = {
        "CUDAGraph": Graph,
        "graph": lambda *args, **given: graph(**signature.bind(None, *args, **given).arguments),
        "stream": stream,
        "current_stream": lambda: "mine",
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    replay = cuda_graphs.capture(lambda: calls.append("step"), (0, 1))
    replay()
    assert calls == ["thread_local", "step", "end", "back to mine", "replay"]


def test_nothing_is_captured_beside_a_training_thread(
    captures: list[Any], make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any
) -> None:
    model, prompts = make_model("qwen2"), make_prompts(LENGTHS)
    made = graphed(model, tokenizer)
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(drawn, made, prompts).result() == drawn(eager(model, tokenizer), prompts)
    assert captures == []


def test_a_failed_call_leaves_nothing_behind(make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any) -> None:
    model, prompts = make_model("qwen2"), make_prompts(LENGTHS)
    made, expected = graphed(model, tokenizer, 4), drawn(eager(model, tokenizer), prompts)
    assert drawn(made, prompts) == expected
    weight = model.model.layers[0].mlp.down_proj.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.fill_(torch.nan)
    with pytest.raises(TrainingError):
        drawn(made, prompts)
    with torch.no_grad():
        weight.copy_(kept)
    assert drawn(made, prompts) == expected


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama"])
@pytest.mark.parametrize("graphs", [False, True])
def test_a_copy_generates_like_the_model_and_follows_it(
    graphs: bool, family: str, make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "copied_as", lambda *_: torch.float32)
    model, prompts = make_model(family), make_prompts(LENGTHS)
    made, plain = eager(model, tokenizer, 5), make_model(family)
    made.graphs = graphs
    monkeypatch.undo()
    reference = eager(plain, tokenizer)
    assert drawn(made, prompts) == drawn(reference, prompts)
    copy = made._copy
    for step in (1, 2):
        state = {name: parameter * 1.1 for name, parameter in model.named_parameters()}
        made.load_weights(step, state)
        reference.load_weights(step, state)
        assert drawn(made, prompts) == drawn(reference, prompts)
    with torch.no_grad():  # noticed without load_weights
        for each in (model, plain):
            each.model.norm.weight.mul_(0.5)
    assert drawn(made, prompts) == drawn(reference, prompts)
    assert made._copy is copy


def test_a_rounded_copy_is_the_model_in_bfloat16(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, prompts = make_model("qwen2"), make_prompts([9, 4])
    greedy = SamplingParams(max_tokens=6, temperature=0.0)
    whole = drawn(eager(make_model("qwen2").bfloat16(), tokenizer), prompts, greedy)
    monkeypatch.setattr(engine, "copied_as", lambda *_: torch.bfloat16)
    made = graphed(model, tokenizer)
    assert made.decoder == "torch, bfloat16"
    assert drawn(made, prompts, greedy) == whole
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert made._copy is not None
    assert made._copy.weights.embedding.dtype == torch.bfloat16


def test_the_live_parameters_are_used_except_on_cuda(make_model: MakeModel) -> None:
    model = make_model("qwen2")
    assert [engine.copied_as(model, precision) for precision in ("auto", "float32", "bfloat16")] == [None] * 3
