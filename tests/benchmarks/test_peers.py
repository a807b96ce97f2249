"""Workers take turns, tell their memory, and are left out with a reason where they are not there or die."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.peers import Contender, LeftOut, Worker, Workers
from benchmarks.results import Options, finish, result, shown, table

ECHO = """
import sys
sys.path.insert(0, {workers!r})
from talk import claim_stdout, orders, settings
answer = claim_stdout()
print("noise that is no answer")
answer({{"versions": {{"echo": settings()["precision"]}}}})
for order in orders():
    assert order["turn"] < {dies_at}, "enough is enough"
    with open("turns", "a") as turns:
        turns.write(f"{name}{{order['turn']}} ")
    answer(order)
"""


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two kinds of workers that send their orders back: ``trl``, which dies at turn 2, and ``dunwu``."""
    for name, dies_at in {"dunwu": 100, "trl": 2}.items():
        script = ECHO.format(workers=str(peers.WORKERS), name=name[0], dies_at=dies_at)
        (tmp_path / f"{name}_echo.py").write_text(script, encoding="utf-8")
    monkeypatch.setattr(peers, "WORKERS", tmp_path)
    monkeypatch.setenv("DUNWU_TRL_PYTHON", sys.executable)
    return tmp_path


def test_turns_alternate_and_the_first_is_not_counted(echo: Path) -> None:
    with Workers([Contender("dunwu", "a"), Contender("trl", "b")], "echo", {}, 1, echo) as workers:
        answers = workers.by_turns({"x": 7}, 1)
    assert (echo / "turns").read_text(encoding="utf-8") == "d0 t0 d1 t1 "
    assert answers == {"dunwu a": [{"x": 7, "turn": 1}], "trl b": [{"x": 7, "turn": 1}]}


def test_a_peer_that_dies_is_left_out_with_its_last_words(echo: Path) -> None:
    with Workers([Contender("dunwu", "a"), Contender("trl", "b")], "echo", {}, 1, echo) as workers:
        answers = workers.by_turns({}, 3)
    assert list(answers) == ["dunwu a"]
    assert len(answers["dunwu a"]) == 3
    assert "enough is enough" in workers.left_out["trl b"]


def test_our_own_worker_must_not_die(echo: Path) -> None:
    with Workers([Contender("dunwu", "a")], "echo", {}, 1, echo) as workers, pytest.raises(LeftOut, match="enough is enough"):
        workers.by_turns({}, 100)


def test_an_interpreter_that_is_not_there(echo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNWU_TRL_PYTHON", str(echo / "nowhere"))
    with pytest.raises(LeftOut, match=r"DUNWU_TRL_PYTHON=.*nowhere is no interpreter"):
        Worker.start("trl", "echo", {}, 1, echo)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_peak_memory_is_that_of_the_worker(echo: Path) -> None:
    worker = Worker.start("dunwu", "echo", {"precision": ""}, 1, echo)
    peak = worker.peak_rss()
    worker.close()
    assert peak is not None
    assert 2**20 < peak < 2**27, "a bare interpreter, not the process that started it"


def test_a_result_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = Options(long=True, threads=2, out=tmp_path / "out", only=("a", "b c"))
    found = result("engine", options, {"torch": "2"}, {"vllm": "not there"}, [{"x": 1}])
    finish(found, table(["x", "y"], [[1, None]]), options)
    assert json.loads((tmp_path / "out" / "engine.json").read_text(encoding="utf-8"))["rows"] == [{"x": 1}]
    page = (tmp_path / "out" / "engine.md").read_text(encoding="utf-8")
    assert "python -m benchmarks.engine --long --repeats 3 --threads 2 --device cpu --only a 'b c'" in page
    assert "Left out: vllm (not there)." in page
    assert "| x | y |\n|---|---|\n| 1 |  |" in page
    assert page in capsys.readouterr().out


@pytest.mark.parametrize(("value", "text"), [(1234.5, "1,234"), (12.345, "12.3"), (0.001234, "0.00123"), (7, "7"), (None, "")])
def test_numbers_are_rounded_for_reading(value: float | None, text: str) -> None:
    assert shown(value) == text
