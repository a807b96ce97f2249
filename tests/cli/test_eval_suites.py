"""`dunwu eval --suite`."""

import json
from pathlib import Path

import pytest

from dunwu.cli.eval_suites import resumable
from dunwu.cli.main import main
from dunwu.errors import Interrupted
from dunwu.evaluation.kept import UNFINISHED
from dunwu.evaluation.store import read_evaluation

FIXED = ["--template", "tiny", "--threads", "1", "--device", "cpu", "--max-tokens", "8"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data sets with a small MATH-500."""
    folder = tmp_path_factory.mktemp("data")
    rows = [{"problem": f"Say {n} now.", "answer": str(n), "level": n % 2 + 1, "subject": "Algebra"} for n in range(4)]
    (folder / "math").mkdir()
    (folder / "math" / "math500_test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_suites_have_a_folder_each_and_are_not_repeated(
    taught_base: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["eval", taught_base, "--suite", "math500", "game24", "problems=4", "samples=2", "--data", str(data), "--out", str(out)]
    assert main([*command, "--protocol", "r1", *FIXED]) == 0
    said = capsys.readouterr().out
    assert "level 1" in said
    assert "samples 2 instead of 16" in " ".join(said.split())
    assert sorted(each.name for each in out.iterdir()) == ["game24", "math500"]
    summary = json.loads((out / "math500" / "summary.json").read_text(encoding="utf-8"))
    assert {each["key"]: each["value"] for each in summary["protocol"]["deviations"]} == {
        "sampling.max_tokens": 8,
        "samples": 2,
        "problems": 4,
    }
    groups = summary["math500"]["by_group"]
    assert [(each["value"], each["problems"]) for each in groups["level"]] == [("1", 2), ("2", 2)]
    assert not (out / "math500" / UNFINISHED).exists()
    before = read_evaluation(out / "math500" / "evaluation.parquet")
    assert main([*command, "--protocol", "r1", *FIXED]) == 0
    assert capsys.readouterr().out.count("is read, not repeated") == 2
    assert read_evaluation(out / "math500" / "evaluation.parquet") == before
    assert main([*command, *FIXED, "--seed", "3"]) == 2
    assert "seed = 0, not 3" in capsys.readouterr().err


def test_a_protocol_is_bounded_by_the_models_positions(taught_base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", taught_base, "--suite", "game24", "problems=1", "samples=1", "--protocol", "r1", "--out", str(tmp_path)]
    assert main([*command, *FIXED[:-2]]) == 0
    summary = json.loads((tmp_path / "game24" / "summary.json").read_text(encoding="utf-8"))
    (bound,) = [each for each in summary["protocol"]["deviations"] if each["key"] == "sampling.max_tokens"]
    assert bound["protocol"] == 32768
    assert f"at most {bound['value']:,} tokens instead of 32,768" in " ".join("".join(capsys.readouterr()).split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--suite", "game42"], "did you mean game24"),
        (["--suite", "game24", "--task", "gsm8k"], "both say"),
        (["--data", "rows.jsonl"], "--task rows.jsonl"),
        (["--suite", "game24", "game24"], "twice"),
        (["--suite", "game24", "--protocol", "r1", "--temperature", "0"], "greedy"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", *arguments]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--list-suites"]) == 0
    assert "aime2024" in capsys.readouterr().out


@pytest.mark.parametrize("kept", [True, False])
def test_a_stop_says_how_to_resume_where_completions_are_kept(kept: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["runs/a b", "--suite", "game24", "--out", "out"]
    with pytest.raises(Interrupted), resumable(arguments, tmp_path if kept else None):
        raise Interrupted("stopped", 2)
    assert capsys.readouterr().err.endswith("eval 'runs/a b' --suite game24 --out out\n" if kept else "")
    assert kept or not capsys.readouterr().err
