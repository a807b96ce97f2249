"""`dunwu run`, `dunwu status` and `dunwu explain` on pipelines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dunwu.cli.main import COMMANDS, main

FUNCTION = """
def copy(out, files, text="x"):
    (out / "text").write_text("".join((path / "text").read_text() for path in files.values()) + text)
"""
RECIPE = """
name: small
stages:
  a: {work: own, function: "FILE:copy"}
  b: {work: own, function: "FILE:copy", inputs: {files.a: a}, parameters: {text: y}}
"""


@pytest.fixture(autouse=True)
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("run", "status"):
        monkeypatch.setitem(COMMANDS, name, "")


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "f.py").write_text(FUNCTION, encoding="utf-8")
    (tmp_path / "small.yaml").write_text(RECIPE.replace("FILE", "f.py"), encoding="utf-8")
    return "small.yaml"


def test_a_run_its_status_and_where_it_came_from(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", recipe]) == 0
    out = capsys.readouterr().out
    assert "stage b: done in 0s" in out
    assert "data  " in out
    assert "runs/small/stages/b/" in out
    assert main(["status", "runs/small"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["done     a (own)", "done     b (own)"]
    assert main(["status", "runs/small", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["done"], [stage["state"] for stage in status["stages"]]) == (True, ["done", "done"])
    assert main(["explain", status["stages"][1]["path"]]) == 0
    told = capsys.readouterr().out
    assert told.startswith("stage b (own)\n")
    assert "<- files.a: stage a (own)" in told
    assert 'parameters = {"text": "y"}' in told or 'parameters.text = "y"' in told


def test_overrides_from_and_until(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", recipe, "--out", "o", "--until", "a", "a.parameters.text=z"]) == 0
    assert "stage b" not in capsys.readouterr().out
    assert main(["run", recipe, "--out", "o", "--from", "b", "a.parameters.text=z"]) == 0
    out = capsys.readouterr().out
    assert "stage a: used as it is" in out
    assert "stage b: done" in out
    (text,) = Path("o/stages/b").glob("*/output/text")
    assert text.read_text() == "zy"


def test_a_dry_run_makes_nothing_and_prints_a_recipe(recipe: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(["run", recipe, "--dry-run", "b.parameters.text=q"]) == 0
    out = capsys.readouterr().out
    assert "# stages: a -> b" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    Path("copy.yaml").write_text(out, encoding="utf-8")
    assert main(["run", "copy.yaml", "--dry-run"]) == 0
    assert capsys.readouterr().out == out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "run: "),
        (["run", "nowhere.yaml"], "there is no recipe 'nowhere.yaml'"),
        (["run", "small.yaml", "--utnil", "b"], "unknown option --utnil: did you mean --until?"),
        (["run", "small.yaml", "--from", "c"], "has no stage 'c'"),
        (["run", "small.yaml", "--from", "b"], "--from b: the artefact of stage a is needed"),
        (["run", "small.yaml", "--until", "../b"], "has no stage '../b'"),
        (["run", "small.yaml", "c.text=1"], "a stage (a, b)"),
        (["run", "small.yaml", "b.inputs.files.a=b"], "b -> b"),
        (["run", "small.yaml", "b.inputs.files.a=c"], "is not a stage"),
        (["run", "small.yaml", "b.function=g.py:copy"], "stage b: function = 'g.py:copy' does not exist; check the path"),
        (["run", "small.yaml", "b.function=f.py:paste"], "f.py has no function paste; it has copy"),
        (["run", "small.yaml", "--out", "small.yaml"], "cannot be a run directory"),
        (["status", "nowhere"], "holds no run of a pipeline"),
        (["status", "."], "holds no run of a pipeline"),
        (["explain", "small.yaml"], "checkpoint folder"),
    ],
)
def test_the_users_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("dunwu: ")
    assert err.count("\n") == 1
    assert said in err


def test_a_corrupt_artefact_is_one_line_and_exit_code_2(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", recipe, "--out", "o"]) == 0
    (text,) = Path("o/stages/a").glob("*/output/text")
    text.write_text("Y", encoding="utf-8")
    capsys.readouterr()
    assert main(["run", recipe, "--out", "o", "b.parameters.text=w"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "text is corrupted" in err
    assert "and run again" in err


READING = """
name: reading
stages:
  tuned: {work: sft, model: tiny, data: rows.jsonl}
  zero: {work: zero, inputs: {model: tuned}, tasks: [{task: {kind: dataset, path: problems.jsonl}}], evaluations: []}
"""


def test_a_dry_run_reads_the_data_that_is_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "reading.yaml").write_text(READING, encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text('{"prompt": "1+1?", "completion": "2"}\n', encoding="utf-8")
    problems = [json.dumps({"problem": f"{n}+1?", "answer": str(n + 1)}) for n in range(50)]
    (tmp_path / "problems.jsonl").write_text("\n".join(problems), encoding="utf-8")
    assert main(["run", "reading.yaml", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "# tuned: data: 1 conversations" in out
    assert "# zero: training data: " in out
    (tmp_path / "problems.jsonl").write_text('{"problem": "1+1?"}\n', encoding="utf-8")
    assert main(["run", "reading.yaml", "--dry-run"]) == 2
    assert main(["run", "reading.yaml", "--dry-run", "--until", "tuned"]) == 0
    (tmp_path / "rows.jsonl").write_text('{"sentence": "x"}\n', encoding="utf-8")
    assert main(["run", "reading.yaml", "--dry-run", "--until", "tuned"]) == 2
    assert not (tmp_path / "runs").exists()
