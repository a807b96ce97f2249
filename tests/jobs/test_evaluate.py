"""`run_evaluation`: a model on a held-out set, on the screen and on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dunwu.cli.eval_command import table
from dunwu.cli.main import main
from dunwu.config.blocks import SamplingConfig
from dunwu.config.tasks import DatasetTask
from dunwu.config.zero import EvalConfig
from dunwu.evaluation.store import read_evaluation
from dunwu.jobs.evaluate import run_evaluation
from dunwu.verifiers.unread import CUT_OFF, more_tokens
from tests.recorder import Recorder


@pytest.fixture(scope="module")
def config(say_data: Path) -> EvalConfig:
    return EvalConfig(task=DatasetTask(path=str(say_data)), problems=5, samples=3, sampling=SamplingConfig(max_tokens=10))


def test_it_measures_and_writes(taught_base: str, config: EvalConfig, tmp_path: Path) -> None:
    result = run_evaluation(taught_base, config, "tiny", tmp_path / "out", "cpu", 1, 64)
    assert len(result.rows) == 15
    assert {row.text for row in result.rows} == {f"Say {n} now." for n in range(5)}
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["model"] == taught_base
    assert summary[result.name] == json.loads(json.dumps(result.summary()))
    assert EvalConfig.model_validate_json(json.dumps(summary["config"])) == config
    assert read_evaluation(tmp_path / "out" / "evaluation.parquet").rows == result.rows


def test_it_is_the_same_again_whatever_the_batch(taught_base: str, config: EvalConfig) -> None:
    first, second = (run_evaluation(taught_base, config, "tiny", None, "cpu", 1, batch) for batch in (64, 2))
    assert [(row.problem_id, row.sample, row.completion) for row in first.rows] == [
        (row.problem_id, row.sample, row.completion) for row in second.rows
    ]


def test_the_command_prints_the_table(taught_base: str, say_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fixed = ["--template", "tiny", "--problems", "5", "--samples", "2", "--max-tokens", "10", "--threads", "1", "--device", "cpu"]
    assert main(["eval", "--model", taught_base, "--task", str(say_data), *fixed]) == 0
    out = capsys.readouterr().out
    plan, results = out.split("5 problems x 2 samples")
    assert "template    tiny" in plan
    assert "5 problems x 2 completions" in plan
    assert "10/10" in plan
    assert "pass@1" in results


def test_unreadable_answers_are_counted_with_a_reason_and_a_remedy(taught_base: str, config: EvalConfig, recorder: Recorder) -> None:
    cut = config.model_copy(update={"sampling": SamplingConfig(max_tokens=1)})
    result = run_evaluation(taught_base, cut, "tiny", None, "cpu", 1, 64, recorder)
    summary = result.summary()
    assert (summary["verdicts"], summary["unread"]) == ({"unparsable": 15}, {CUT_OFF: 15})
    assert [text.endswith(more_tokens(1, "tiny")) for text in recorder.of("warn")] == [True]
    assert recorder.of("step")[-1] == (15, {})
    assert any(line.split() == ["unparsable", "15:", *CUT_OFF.split()] for line in table(result.name, summary))


@pytest.mark.parametrize(("problems", "advised"), [(2, False), (1000, True)])
def test_all_rows_are_advised_only_if_the_split_is_the_limit(
    problems: int, advised: bool, taught_base: str, tmp_path: Path, recorder: Recorder
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"question": f"Say {n}.", "answer": str(n)}) + "\n" for n in range(60)), encoding="utf-8")
    config = EvalConfig(task=DatasetTask(path=str(rows)), problems=problems, samples=1, sampling=SamplingConfig(max_tokens=1))
    run_evaluation(taught_base, config, "tiny", None, "cpu", 1, 64, recorder)
    [text] = [facts["rows"] for facts in recorder.of("facts") if "rows" in facts]
    assert text.endswith("my_test.jsonl") == advised


def test_answers_are_read_where_answer_form_says(taught_base: str, say_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fixed = ["--template", "tiny", "--problems", "2", "--samples", "1", "--max-tokens", "10", "--threads", "1", "--device", "cpu"]
    assert main(["eval", "--model", taught_base, "--task", str(say_data), "--answer-form", "####", *fixed]) == 0
    out, err = capsys.readouterr()
    assert ["unparsable", "2:", "no", "line", "with", "####"] in [line.split() for line in out.splitlines()]
    assert "answer_form" in err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--model", "no/such/model folder"], "no model folder 'no/such/model folder'"),
        (["--task", "countdwn"], "did you mean countdown?"),
        (["--max-tokens", "1000"], "max_tokens"),
    ],
)
def test_a_mistake_is_one_line_and_makes_nothing(
    arguments: list[str], part: str, taught_base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = [] if "--model" in arguments else ["--model", taught_base]
    assert main(["eval", *model, "--problems", "2", "--threads", "1", "--out", str(tmp_path / "out"), *arguments]) == 2
    out, err = capsys.readouterr()
    assert "pass@1" not in out
    assert err.count("\n") == 1
    assert part in err
    assert not (tmp_path / "out").exists()
