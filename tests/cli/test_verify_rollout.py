"""One completion's reward, explained part by part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.cli.main import main
from dunwu.run.tables import write_rollouts
from dunwu.types import Completion, Group, Problem, Prompt, Reward, Rollout, TokenSequence, Verdict

PROBLEM = Problem("p1", "countdown", "用3,8算出24。", "expression", language="zh", data={"numbers": [3, 8], "target": 24})


@pytest.fixture
def rollouts(tmp_path: Path) -> Path:
    """A run with one dumped rollout, whose recorded reward is not that of the run's configuration."""
    (tmp_path / "config.yaml").write_text("reward: [accuracy, format, {kind: language, weight: 0.5}]\n", encoding="utf-8")
    prompt = Prompt(PROBLEM, "用3,8算出24。<think>", (1, 2), prefill="<think>")
    text = "三乘八 is 二十四</think><answer>3 * 8</answer>"
    rollout = Rollout(
        prompt,
        Completion(TokenSequence.drawn((1, 2), (-0.1, -0.2), 0), text, "stop"),
        Reward(2.0, {"accuracy": 1.0}, Verdict(1.0, "correct")),
    )
    path = tmp_path / "rollouts" / "step-00010.parquet"
    write_rollouts(path, [Group(prompt, (rollout,))], [0.5], 10, [3])
    return path


def test_the_reward_of_the_run_part_by_part(rollouts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "rollout", str(rollouts)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["accuracy", "1.000", "1", "1.000", "answer"] in lines
    assert ["format", "1.000", "1", "1.000", "whole"] in lines  # the prefill counts
    assert ["language", "0.857", "0.5", "0.429", "reasoning"] in lines
    assert ["total", "2.429"] in lines
    assert lines[-1][:4] == ["The", "run", "recorded", "2.000:"]


def test_a_json_file_and_a_reward_given_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps({"problem": {"text": "?", "verifier": "number", "answer": "7"}, "completion": "<answer>8</answer>"}))
    assert main(["verify", "rollout", str(file), "--json", "reward=accuracy"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"parts": {"accuracy": 0.0}, "total": 0.0, "recorded": None, "verdict": "wrong", "detail": "another value"}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("none.json", None, "cannot be read"),
        ("bad.json", "{", "is not a rollout"),
        ("odd.json", "[]", "is not a rollout"),
        ("half.json", '{"problem": {}}', "is not a rollout"),
        ("other.json", '{"problem": {"text": "?", "verifier": "guess"}, "completion": "x"}', "no verifier 'guess', there are expression"),
    ],
)
def test_mistakes_are_one_line(name: str, content: str | None, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    assert main(["verify", "rollout", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "problem",
    [
        {"verifier": "choice", "answer": "Z"},
        {"verifier": "choice", "answer": None},
        {"verifier": "text", "answer": "Paris", "data": {"match": "zzz"}},
        {"verifier": "code", "data": {}},
        {"verifier": "instructions", "data": {"instructions": [{"kind": "zzz"}]}},
        {"verifier": "math", "answer": "proof"},
        {"verifier": "math", "answer": "5", "data": [1]},
    ],
)
@pytest.mark.parametrize("completion", ["<answer>B</answer>", "no answer"])
def test_a_malformed_problem_is_one_line(
    problem: dict[str, Any], completion: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps({"problem": {"text": "?", **problem}, "completion": completion}))
    assert main(["verify", "rollout", str(file), "--json", "reward=accuracy"]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.count("\n") == 1
    assert "http" not in found.err


def test_a_gold_that_is_a_number_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps({"problem": {"text": "?", "verifier": "text", "answer": 5}, "completion": "<answer>5</answer>"}))
    assert main(["verify", "rollout", str(file), "--json", "reward=accuracy"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == 1.0


def test_a_row_that_is_not_there(rollouts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "rollout", str(rollouts), "--row", "1"]) == 2
    assert "has the rows 0 to 0: --row 1" in capsys.readouterr().err


@pytest.mark.parametrize(("form", "total"), [("boxed", 2.0), ("tags", 0.0), ("####", 0.0), ("last-number", 2.0)])
def test_a_completion_in_another_form(form: str, total: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.json"
    problem = {"text": "?", "verifier": "number", "answer": "7"}
    file.write_text(json.dumps({"problem": problem, "completion": r"so it is \boxed{7}"}))
    assert main(["verify", "rollout", str(file), "--json", f"answer_form={form}"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == total
    file.write_text(json.dumps({"problem": {**problem, "data": {"answer_form": form}}, "completion": r"so it is \boxed{7}"}))
    assert main(["verify", "rollout", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == total
