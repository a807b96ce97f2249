"""A policy update on two processes (gloo): as many passes on each, one verdict, and the result of one process with the whole batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed
from safetensors.torch import load_file, save_file

from dunwu.algorithms.recipes import algorithm_named, with_config
from dunwu.config.load import load_config
from dunwu.config.zero import ZeroConfig
from dunwu.models.loading import load_model
from dunwu.trainers.experience import make_experience
from dunwu.trainers.policy_update import PolicyUpdate
from dunwu.types import Group

MakeGroups = Callable[..., list[Group]]
ALIVE = [[0.0, 1.0, 2.0, 3.0], [1.0, 0.0, 0.0, 2.0]]
THREE_LIVE, TWO_LIVE = [[0.0, 0.0, 1.0, 3.0], [1.0] * 4], [[0.0, 1.0, 2.0, 1.0], [1.0] * 4]
ROWS = ("grpo.micro_batch_tokens=1",)
OPTIONS = ("grpo.minibatches=2", "grpo.inner_epochs=2", "grpo.beta=0.05", "grpo.tis_clip=1.5", "grpo.entropy_bonus=0.1",
           "grpo.entropy_target=3", "grpo.entropy_step=0.01", "grpo.covariance_control=kl-cov", "grpo.covariance_share=0.3")  # fmt: skip

CASES: Mapping[str, tuple[Sequence[Sequence[float]], Sequence[str]]] = {
    "halves": (ALIVE, ()),
    "unequal": (THREE_LIVE, ROWS),
    "one has none": (TWO_LIVE, ("grpo.minibatches=8",)),
    "options": (ALIVE, (*OPTIONS, *ROWS)),
    "not finite": (ALIVE, ROWS),
    "other rollouts": (ALIVE, ()),
    "other rewards": (ALIVE, ()),
}
PASSES = {"halves": 1, "unequal": 2, "one has none": 2, "options": 8}
"""Forward passes with a gradient on each of two ranks. Of eight mini-batches of one rollout, six have no live one and make none at all."""


def learn(case: str, folder: Path, make_groups: MakeGroups, rank: int = 0) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """One rollout batch: what happened, and the weights and gradients afterwards."""
    rewards, overrides = CASES[case]
    config = load_config(ZeroConfig, None, ["grpo.beta=0", "grpo.max_grad_norm=1e9", "matmul_precision=float32", *overrides])
    torch.manual_seed(0)
    model, _ = load_model(str(folder))
    update = PolicyUpdate(model, with_config(algorithm_named(config.grpo.algorithm), config.grpo), config, pad=1)
    forward, backward = [0], [0]

    def count(module: Any, args: Any, output: Any) -> None:
        forward[0] += torch.is_grad_enabled()

    def passed(gradient: torch.Tensor) -> torch.Tensor:
        backward[0] += 1
        return gradient.fill_(torch.nan) if case == "not finite" and rank == 1 else gradient

    model.model.register_forward_hook(count)
    model.model.norm.weight.register_hook(passed)
    gradients: dict[str, torch.Tensor] = {}
    move = update.optimiser.update

    def keep(finite: bool = True) -> tuple[float, bool]:
        gradients.update({f"gradient.{name}": p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
        return move(finite)

    update.optimiser.update = keep  # type: ignore[method-assign]
    if case == "other rewards" and rank == 1:
        rewards = [[value + 1.0 for value in row] for row in rewards]
    groups = make_groups(rewards, first_token=300 + (rank if case == "other rollouts" else 0))
    try:
        totals = asdict(update.learn(make_experience(groups, update.algorithm), 1))
    except AssertionError:
        return {"refused": True}, {}
    del totals["entropies"]  # of this rank's rollouts alone
    told = {"forward": forward[0], "backward": backward[0], "totals": totals, "entropy": update.entropy and asdict(update.entropy)}
    return told, {**{name: parameter.detach().clone() for name, parameter in model.named_parameters()}, **gradients}


def run_rank(folder: Path, rank: int) -> None:
    """All cases, on one of two ranks."""
    from conftest import groups_of  # type: ignore[import-not-found]

    store = torch.distributed.FileStore(str(folder / "store"), 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    for case in CASES:
        told, tensors = learn(case, folder / "model", groups_of, rank)
        (folder / f"{case}-{rank}.json").write_text(json.dumps(told), encoding="utf-8")
        save_file(tensors, folder / f"{case}-{rank}.safetensors")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes left what they did."""
    folder = tmp_path_factory.mktemp("ranks")
    new_policy().save_pretrained(folder / "model")
    world_tokenizer.save_pretrained(folder / "model")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, __file__, str(folder)]
    processes = [subprocess.Popen([*command, str(rank)], env=environment, stderr=subprocess.PIPE, text=True) for rank in (0, 1)]
    try:
        errors = [process.communicate(timeout=180)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], errors
    return folder


def results(folder: Path, case: str) -> list[tuple[dict[str, Any], dict[str, torch.Tensor]]]:
    paths = [folder / f"{case}-{rank}" for rank in (0, 1)]
    return [(json.loads(Path(f"{path}.json").read_text(encoding="utf-8")), load_file(f"{path}.safetensors")) for path in paths]


@pytest.mark.parametrize("case", PASSES)
def test_two_ranks_are_one(case: str, ranks: Path, make_groups: MakeGroups) -> None:
    (told, tensors), (other_told, other_tensors) = results(ranks, case)
    assert told["forward"] == other_told["forward"] == PASSES[case]
    assert told["backward"] == other_told["backward"] == PASSES[case]
    assert told == other_told
    assert all(torch.equal(tensor, other_tensors[name]) for name, tensor in tensors.items())
    alone, expected = learn(case, ranks / "model", make_groups)
    assert tensors.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(tensors[name], expected[name], atol=1e-6, rtol=1e-4, msg=name)
    for name, total in alone["totals"].items():
        assert told["totals"][name] == pytest.approx(total, rel=1e-4, abs=1e-6), name
    assert told["entropy"] == pytest.approx(alone["entropy"]) if alone["entropy"] else told["entropy"] is None


def test_a_gradient_that_is_not_finite_on_one_rank_is_skipped_on_both(ranks: Path) -> None:
    (told, tensors), (other_told, other_tensors) = results(ranks, "not finite")
    start = dict(load_model(str(ranks / "model"))[0].named_parameters())
    for found, kept in ((told, tensors), (other_told, other_tensors)):
        assert (found["totals"]["updates"], found["totals"]["skipped"]) == (0, 1)
        assert (found["forward"], found["backward"]) == (4, 4)
        assert all(torch.equal(kept[name], parameter) for name, parameter in start.items())


@pytest.mark.parametrize("case", ["other rollouts", "other rewards"])
def test_ranks_that_differ_are_refused(ranks: Path, case: str) -> None:
    assert [told for told, _ in results(ranks, case)] == [{"refused": True}] * 2


if __name__ == "__main__":
    run_rank(Path(sys.argv[1]), int(sys.argv[2]))
