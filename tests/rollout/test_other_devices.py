"""The paths of MPS and CUDA on tensors that only say they are there, and compute on the CPU. On MPS they refuse float64, which it lacks.

On CUDA this runs all but the kernels: the copy in bfloat16, graphs whose capture is the step itself, attention and draws.
"""

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

MPS, CUDA = torch.device("mps:0"), torch.device("cuda:0")
LACKS = {MPS: (torch.float64, torch.complex128), CUDA: ()}


class Elsewhere(torch.Tensor):
    """``inner`` on the CPU. To torch's C++ it is on ``meta``, as it may know no more of the other device than the name."""

    inner: torch.Tensor
    there: torch.device = MPS
    """Where all of them are; set by `on`."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "Elsewhere":
        if inner.dtype in LACKS[cls.there]:
            raise TypeError(f"{cls.there} has no {inner.dtype}")
        place = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "device": "meta"}
        made: Elsewhere = torch.Tensor._make_wrapper_subclass(cls, inner.size(), dtype=inner.dtype, **place)  # type: ignore[attr-defined]
        made.inner = inner
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.there

    def tolist(self) -> Any:
        return self.inner.tolist()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made = torch.nn.Parameter(Elsewhere(self.inner.clone()), self.requires_grad)
        return memo.setdefault(id(self), made)

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        assert not kwargs.get("pin_memory"), "MPS has no pinned memory"
        stays = torch.device(kwargs.get("device") or "meta").type == "meta"
        if kwargs.get("device") is not None:
            kwargs["device"] = torch.device("cpu")
        wrappers: dict[int, Elsewhere] = {}
        inner = func(*tree_map(lambda value: bare(value, wrappers), args), **tree_map(lambda value: bare(value, wrappers), kwargs))
        if not stays:
            assert kwargs.get("dtype") not in LACKS[cls.there], "it is converted before the copy: convert on the CPU, after it"
            return inner
        return tree_map(lambda value: wrappers[id(value)] if id(value) in wrappers else dressed(value), inner)


def bare(value: Any, wrappers: dict[int, Elsewhere] | None = None) -> Any:
    """What is inside; ``wrappers`` notes around which tensor it was, for those that are changed in place."""
    if not isinstance(value, Elsewhere):
        return value
    if wrappers is not None:
        wrappers[id(value.inner)] = value
    return value.inner


def dressed(value: Any) -> Any:
    return Elsewhere(value) if isinstance(value, torch.Tensor) and not isinstance(value, Elsewhere) else value


class NamedInCalls(TorchFunctionMode):
    """Calls that name the device are made on the CPU, and their results moved."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def here(value: Any) -> Any:
            return torch.device("cpu") if value == Elsewhere.there and isinstance(value, torch.device) else bare(value)

        kwargs = kwargs or {}
        if not any(isinstance(value, torch.device) and value == Elsewhere.there for value in (*args, *kwargs.values())):
            return func(*args, **kwargs)
        return tree_map(dressed, func(*map(here, args), **{name: here(value) for name, value in kwargs.items()}))


class InsideTorch(TorchDispatchMode):
    """The same for what torch itself makes beside such tensors, such as a mask."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.device((kwargs or {}).get("device") or "cpu").type == "meta" or any(issubclass(each, Elsewhere) for each in types):
            return Elsewhere.__torch_dispatch__(func, types, args, kwargs)
        return func(*args, **(kwargs or {}))


@contextmanager
def on(device: torch.device) -> Iterator[None]:
    """Tensors are made on ``device`` where it is asked for."""
    Elsewhere.there = device
    with NamedInCalls(), InsideTorch():
        yield


def moved(model: Any) -> Any:
    """The model with its parameters and tables there."""
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                module._parameters[name] = torch.nn.Parameter(Elsewhere(parameter.detach()))
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = Elsewhere(buffer)
    model.tie_weights()
    return model


MakeModel = Callable[[str], Any]
MakePrompts = Callable[..., list[Prompt]]


def test_the_stand_in_refuses_what_mps_lacks() -> None:
    with on(MPS):
        there = torch.ones(3, device=MPS)
        assert there.device.type == "mps"
        assert (there + 1).device.type == "mps"
        assert there.cpu().double().device.type == "cpu"
        with pytest.raises(TypeError, match="float64"):
            there.double()
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(2, dtype=torch.float64, device=MPS)


@pytest.fixture
def capable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA device that multiplies in bfloat16."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))


SETTINGS = (SamplingParams(12, stop_token_ids=(1, 5, 9)), SamplingParams(4, temperature=0.0), SamplingParams(6, top_p=0.8, top_k=20))


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_the_engine_generates_on_mps(family: str, make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any) -> None:
    for params in SETTINGS:
        requests = group_requests(make_prompts([3, 11, 1, 7]), params, 2, range(8))
        expected = TorchEngine(make_model(family), tokenizer, native=False).generate(requests)
        with on(MPS):
            engine = TorchEngine(moved(make_model(family)), tokenizer, 3)
            found = engine.generate(requests)
        assert [completion.tokens.ids for completion in found] == [completion.tokens.ids for completion in expected]
        assert engine.decoder == "torch (the model is on mps:0)"
        assert not engine.graphs


@pytest.mark.usefixtures("capable")
@pytest.mark.parametrize(("precision", "family"), [("float32", "qwen2"), ("float32", "llama"), ("float32", "qwen3"), ("auto", "qwen2")])
def test_the_engine_generates_on_cuda(
    precision: Any, family: str, make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    with on(CUDA):
        model = moved(make_model(family))
        engine = TorchEngine(model, tokenizer, 3, precision)
    assert engine.decoder == f"torch, {str(dtype).removeprefix('torch.')} (the model is on cuda:0)"
    monkeypatch.setattr("dunwu.rollout.torch_engine.engine.copied_as", lambda *_: dtype)
    plain = make_model(family)
    reference = TorchEngine(plain, tokenizer, 3, native=False)
    for step, params in enumerate((*SETTINGS, *SETTINGS)):
        requests = group_requests(make_prompts([3, 11, 1, 7]), params, 2, range(8))
        with on(CUDA):
            found = engine.generate(requests)
            with torch.no_grad():
                model.model.norm.weight.mul_(0.9)
            engine.load_weights(step + 1)
        expected = reference.generate(requests)
        with torch.no_grad():
            plain.model.norm.weight.mul_(0.9)
        pairs = [(left.tokens.ids, right.tokens.ids) for left, right in zip(found, expected, strict=True)]
        if precision == "float32":
            assert all(left == right for left, right in pairs)
        else:  # attention without a kernel of its own rounds differently in bfloat16
            assert sum(left[0] == right[0] for left, right in pairs) >= 7
        assert {version for completion in found for version in completion.tokens.versions} == {step}


def test_the_trainer_scores_on_mps(make_model: MakeModel, make_prompts: MakePrompts) -> None:
    prompts = make_prompts([3, 11, 1, 7])
    completions = [
        Completion(TokenSequence.drawn(prompt.token_ids[::-1], [0.0] * len(prompt.token_ids), 0), "", "stop") for prompt in prompts
    ]
    rollouts = [Rollout(*pair, Reward(None, {}, Verdict(None, "error"))) for pair in zip(prompts, completions, strict=True)]
    plain = make_model("qwen2")
    TorchScorer(plain, 1.0, "float32", 0)(rollouts)[0].sum().backward()
    with on(MPS):
        there = moved(make_model("qwen2"))
        TorchScorer(there, 1.0, "float32", 0)(rollouts)[0].sum().backward()
    for left, right in zip(plain.parameters(), there.parameters(), strict=True):
        assert (left.grad - right.grad.inner).norm() < 1e-4 * left.grad.norm()


@pytest.mark.usefixtures("capable")
@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
@pytest.mark.parametrize(("device", "name"), [(MPS, "torch, float32"), (CUDA, "torch, bfloat16")])
def test_steps_of_grpo(
    device: torch.device, name: str, zero_config: Callable[..., Any], open_trainer: Callable[..., Any], tmp_path: Path
) -> None:
    config = zero_config("grpo.beta=0.1", "grpo.tis_clip=2", "grpo.minibatches=2")
    model = load_model(config.model)[0]
    with on(device), open_trainer(tmp_path, config, model=moved(model)) as trainer:
        metrics = [trainer.step(step) for step in (1, 2)]
    assert trainer.policy.scorer.name.startswith(name)
    assert all(row["loss"] is not None and row["skipped"] == 0 for row in metrics)
