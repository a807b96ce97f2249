"""Whatever an own function raises is a failed reward that names the kind of the exception; the worker goes on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from dunwu.errors import ConfigError, Interrupted
from dunwu.process.attempt import attempt
from dunwu.process.own_code import load_function
from dunwu.rewards.compose import ComposedReward, Part
from dunwu.rewards.own import OwnFunction
from dunwu.rewards.own_group import GroupFunction
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.scope import Whole
from dunwu.types import Problem

PROBLEM = Problem("p", "mine", "?", "number", "1")
OWN = """
import os, sys

class Silent(Exception):
    def __str__(self):
        raise ValueError("no words")

class Endless(Exception):
    def __str__(self):
        raise Endless()

class Strange(Exception):
    def __str__(self):
        return 3

class Ends(Exception):
    def __str__(self):
        raise SystemExit

class Bare(BaseException):
    pass

def score(prompts, completions, **columns):
    kind = completions[0]
    if kind == "pid":
        return [os.getpid() for _ in completions]
    raise {"Silent": Silent, "Endless": Endless, "Strange": Strange, "Ends": Ends, "Bare": Bare, "KeyboardInterrupt": KeyboardInterrupt,
           "SystemExit": SystemExit, "GeneratorExit": GeneratorExit}[kind]()
"""
KINDS = ("Silent", "Endless", "Strange", "Ends", "Bare", "KeyboardInterrupt", "SystemExit", "GeneratorExit")


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    return f"{tmp_path / 'own.py'}:score"


def test_the_worker_is_kept_and_the_kind_is_told(own: str, capfd: pytest.CaptureFixture[str]) -> None:
    reward = ComposedReward(0.0, (Part("mine", Whole, OwnFunction(own)),))
    with RewardPool(reward, 1, 5.0) as pool:
        for key, text in enumerate(["pid", *KINDS, "pid"]):
            pool.submit(key, PROBLEM, text)
        first, *failed, last = pool.collect().values()
    assert first.parts["mine"] == last.parts["mine"]
    for kind, found in zip(KINDS, failed, strict=True):
        assert (found.total, found.verdict.reason) == (None, "error")
        assert found.failures["mine"].startswith(f"part mine: {kind}:")
    assert capfd.readouterr().err == ""


def test_so_it_is_for_a_function_that_sees_the_group(own: str, capfd: pytest.CaptureFixture[str]) -> None:
    with RewardPool(GroupFunction(own, 2), 1, 5.0) as pool:
        for key, kind in enumerate(KINDS):
            pool.submit(key, PROBLEM, f'["{kind}", "b"]')
        found = pool.collect().values()
    assert [each.verdict.detail.partition(":")[0] for each in found] == list(KINDS)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted])
def test_a_wish_to_stop_passes_through_where_ctrl_c_is_heard(error: type[BaseException]) -> None:
    def stop() -> str:
        raise error

    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    with pytest.raises(error):
        attempt(stop, str)


def test_a_file_that_leaves_when_it_is_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="SystemExit: 3"):
        load_function(f"{tmp_path / 'leaves.py'}:f")


def test_what_a_function_prints_is_seen_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.py"
    own.write_text("def score(completions, **columns):\n    print('looked at', completions[0])\n    return [1.0]\n", encoding="utf-8")
    with RewardPool(ComposedReward(0.0, (Part("mine", Whole, OwnFunction(f"{own}:score")),)), 1, 5.0) as pool:
        pool.submit(0, PROBLEM, "a text")
        assert pool.collect()[0].total == 1.0
    assert capfd.readouterr() == ("", "looked at a text\n")
