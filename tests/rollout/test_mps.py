"""The path that Apple's GPUs take, on tensors that say they are on MPS, compute on the CPU and refuse float64, which MPS lacks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from dunwu.models.loading import load_model
from dunwu.rollout.base import group_requests
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.trainers.scoring import TorchScorer
from dunwu.types import Completion, Prompt, Reward, Rollout, SamplingParams, TokenSequence, Verdict

MPS = torch.device("mps:0")
LACKS = (torch.float64, torch.complex128)


class Apple(torch.Tensor):
    """``inner`` on the CPU. To torch's C++ it is on ``meta``, as torch for other systems knows no more of MPS than the name."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "Apple":
        if inner.dtype in LACKS:
            raise TypeError(f"MPS has no {inner.dtype}")
        place = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "device": "meta"}
        made: Apple = torch.Tensor._make_wrapper_subclass(cls, inner.size(), dtype=inner.dtype, **place)  # type: ignore[attr-defined]
        made.inner = inner
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return MPS

    def tolist(self) -> Any:
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        assert not kwargs.get("pin_memory"), "MPS has no pinned memory"
        there = torch.device(kwargs.get("device") or "meta").type == "meta"
        if kwargs.get("device") is not None:
            kwargs["device"] = torch.device("cpu")
        wrappers: dict[int, Apple] = {}
        inner = func(*tree_map(lambda value: bare(value, wrappers), args), **tree_map(lambda value: bare(value, wrappers), kwargs))
        if not there:
            assert kwargs.get("dtype") not in LACKS, "MPS converts before the copy: convert on the CPU, after it"
            return inner
        return tree_map(lambda value: wrappers[id(value)] if id(value) in wrappers else dressed(value), inner)


def bare(value: Any, wrappers: dict[int, Apple] | None = None) -> Any:
    """What is inside; ``wrappers`` notes around which tensor it was, for those that are changed in place."""
    if not isinstance(value, Apple):
        return value
    if wrappers is not None:
        wrappers[id(value.inner)] = value
    return value.inner


def dressed(value: Any) -> Any:
    return Apple(value) if isinstance(value, torch.Tensor) and not isinstance(value, Apple) else value


class OnApple(TorchFunctionMode):
    """Calls that name the device are made on the CPU, and their results moved."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def here(value: Any) -> Any:
            return torch.device("cpu") if value == MPS and isinstance(value, torch.device) else bare(value)

        kwargs = kwargs or {}
        if not any(isinstance(value, torch.device) and value == MPS for value in (*args, *kwargs.values())):
            return func(*args, **kwargs)
        return tree_map(dressed, func(*map(here, args), **{name: here(value) for name, value in kwargs.items()}))


class InsideTorch(TorchDispatchMode):
    """The same for what torch itself makes beside such tensors, such as a mask."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.device((kwargs or {}).get("device") or "cpu").type == "meta" or any(issubclass(each, Apple) for each in types):
            return Apple.__torch_dispatch__(func, types, args, kwargs)
        return func(*args, **(kwargs or {}))


@contextmanager
def apple() -> Iterator[None]:
    with OnApple(), InsideTorch():
        yield


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


MakeModel = Callable[[str], Any]
MakePrompts = Callable[..., list[Prompt]]


def test_the_stand_in_refuses_what_mps_lacks() -> None:
    with apple():
        there = torch.ones(3, device=MPS)
        assert there.device.type == "mps"
        assert (there + 1).device.type == "mps"
        assert there.cpu().double().device.type == "cpu"
        with pytest.raises(TypeError, match="float64"):
            there.double()
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(2, dtype=torch.float64, device=MPS)


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
        assert (left.grad - right.grad.inner).norm() < 1e-4 * left.grad.norm()


def test_steps_of_grpo_run_there(zero_config: Callable[..., Any], open_trainer: Callable[..., Any], tmp_path: Path) -> None:
    config = zero_config("grpo.beta=0.1", "grpo.tis_clip=2", "grpo.minibatches=2")
    model = load_model(config.model)[0]
    with apple(), open_trainer(tmp_path, config, model=moved(model)) as trainer:
        metrics = [trainer.step(step) for step in (1, 2)]
    assert trainer.policy.scorer.name.startswith("torch, float32")
    assert all(row["loss"] is not None and row["skipped"] == 0 for row in metrics)
