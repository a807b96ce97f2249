"""The path that Apple's GPUs take, on tensors that say they are on MPS, compute on the CPU and refuse float64, which MPS lacks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from dunwu.rollout.base import group_requests
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.trainers.scoring import TorchScorer
from dunwu.types import Completion, Prompt, Reward, Rollout, SamplingParams, TokenSequence, Verdict

MPS = torch.device("mps:0")
LACKS = (torch.float64, torch.complex128)


class Apple(torch.Tensor):
    """``inner`` on the CPU."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "Apple":
        if inner.dtype in LACKS:
            raise TypeError(f"MPS has no {inner.dtype}")
        place = {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        made: Apple = torch.Tensor._make_wrapper_subclass(cls, inner.size(), dtype=inner.dtype, device=MPS, **place)  # type: ignore[attr-defined]
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


def computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """``func`` on the CPU; its results are on MPS where it was asked for that, or had such a tensor and was not asked for the CPU."""
    wrappers = dict[int, Apple]()

    def bare(value: Any) -> Any:
        if isinstance(value, Apple):
            wrappers[id(value.inner)] = value
            return value.inner
        return value

    inner_args, inner_kwargs = tree_map(bare, args), tree_map(bare, kwargs)
    asked = kwargs.get("device")
    there = asked.type == "mps" if asked is not None else bool(wrappers)
    if asked is not None and wrappers and not there:
        assert inner_kwargs.get("dtype") not in LACKS, "convert on the CPU, after the copy"
    if asked is not None:
        inner_kwargs["device"] = torch.device("cpu")
    if inner_kwargs.get("pin_memory"):
        raise RuntimeError("MPS has no pinned memory")

    def dressed(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return wrappers.get(id(value)) or (Apple(value) if there else value)

    if func is torch.ops.aten._to_copy.default and asked is not None and not there:
        return func(*inner_args, **inner_kwargs)
    return tree_map(dressed, func(*inner_args, **inner_kwargs))


class OnApple(TorchDispatchMode):
    """Where tensors are made on ``mps`` without one of them."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


def moved(model: Any) -> Any:
    """The model with its parameters and tables there."""
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                module._parameters[name] = torch.nn.Parameter(Apple(parameter.detach()))
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = Apple(buffer)
    model.tie_weights()
    return model


@contextmanager
def apple() -> Iterator[None]:
    with OnApple():
        yield


MakeModel = Callable[[str], Any]
MakePrompts = Callable[..., list[Prompt]]


def test_the_stand_in_refuses_what_mps_lacks() -> None:
    with apple():
        there = torch.ones(3, device="mps")
        assert there.device.type == "mps"
        assert (there + 1).device.type == "mps"
        assert there.cpu().double().device.type == "cpu"
        with pytest.raises(TypeError, match="float64"):
            there.double()
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(2, dtype=torch.float64, device="mps")


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_the_engine_generates_there(family: str, make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any) -> None:
    prompts = make_prompts([3, 11, 1, 7])
    for params in (
        SamplingParams(12, stop_token_ids=(1, 5, 9)),
        SamplingParams(4, temperature=0.0),
        SamplingParams(6, top_p=0.8, top_k=20),
    ):
        requests = group_requests(prompts, params, 2, range(8))
        expected = TorchEngine(make_model(family), tokenizer, native=False).generate(requests)
        with apple():
            engine = TorchEngine(moved(make_model(family)), tokenizer, 3)
            found = engine.generate(requests)
        assert [completion.tokens.ids for completion in found] == [completion.tokens.ids for completion in expected]
        assert engine.decoder == "torch (the model is on mps:0)"


def test_the_trainer_scores_and_updates_there(make_model: MakeModel, make_prompts: MakePrompts) -> None:
    prompts = make_prompts([3, 11, 1, 7])
    completions = [
        Completion(TokenSequence.drawn(prompt.token_ids[::-1], [0.0] * len(prompt.token_ids), 0), "", "stop") for prompt in prompts
    ]
    rollouts = [Rollout(*pair, Reward(None, {}, Verdict(None, "error"))) for pair in zip(prompts, completions, strict=True)]
    plain = make_model("qwen2")
    TorchScorer(plain, 1.0, "float32", 0)(rollouts)[0].sum().backward()
    with apple():
        there = moved(make_model("qwen2"))
        TorchScorer(there, 1.0, "float32", 0)(rollouts)[0].sum().backward()
    for left, right in zip(plain.parameters(), there.parameters(), strict=True):
        torch.testing.assert_close(left.grad, right.grad.inner)
