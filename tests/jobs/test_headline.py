"""What a run says: readable at 80 columns, only what was measured, nothing that steers a terminal."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from dunwu.config.load import validate
from dunwu.config.tasks import CountdownTask, DatasetTask, TaskConfig
from dunwu.config.zero import EvalConfig, GrpoConfig, ZeroConfig
from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.jobs.headline import _answer_facts, announce, change, conclude, headline, plan_facts
from dunwu.run.console import ConsoleReporter
from dunwu.types import AnswerForm
from tests.recorder import Recorder


def row(place: int, right: bool, reflections: int, thinking: int, completion: str = "1+2", sample: int = 0) -> EvaluationRow:
    verdict = "correct" if right else "wrong"
    return EvaluationRow(
        f"p{place}",
        f"make {place}",
        "en",
        1.0,
        None,
        sample,
        completion,
        thinking,
        thinking + 9,
        "stop",
        float(right),
        verdict,
        reflections,
        "1",
        "1",
    )


def phases(name: str = "countdown", completion: str = "wait 1+2") -> dict[str, EvaluationResult]:
    before = [row(i, i % 5 == 0, 1, 28) for i in range(40)]
    after = [row(i, i % 5 != 0, 6, 78, completion) for i in range(40)]
    return {"before": EvaluationResult(name, 1, tuple(before)), "after": EvaluationResult(name, 1, tuple(after))}


@pytest.fixture
def narrow() -> ConsoleReporter:
    """80 columns that are no terminal; it prints to whatever stdout is."""
    return ConsoleReporter(Console(width=80, force_terminal=False))


def drawn(results: dict[str, dict[str, EvaluationResult]]) -> str:
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    console.print(headline(results))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_is_whole_at_80_columns() -> None:
    text = drawn({"countdown": phases(), "game24": phases("game24")})
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        "before after",
        "countdown",
        "pass@1 (95 % interval) 20.0 % (9.1 to 35.6) 80.0 % (64.4 to 90.9)",
        "thinking, tokens 28 78",
        "reflective words 1.0 6.0",
        "game24",
    ):
        assert line in lines


def test_majority_is_told_of_several_samples_only() -> None:
    several = EvaluationResult("x", 2, tuple(row(0, True, 0, 3, sample=sample) for sample in range(2)))
    assert "majority@2" in drawn({"x": {"before": several, "after": several}})
    assert "majority" not in drawn({"x": phases()})


def test_half_a_run_and_an_empty_set_give_a_table() -> None:
    text = drawn({"x": {"after": EvaluationResult("x", 2, ())}})
    assert "not measured" in text


def test_the_sentence_says_what_was_measured() -> None:
    assert change(phases()) == (
        "accuracy 20.0 % -> 80.0 % (the intervals do not overlap), thinking 28 -> 78 tokens, reflective words 1.0 -> 6.0 per completion."
    )
    same = phases()["before"]
    assert "does not show a change" in change({"before": same, "after": same})
    assert change({"after": same}) == ""
    nothing = EvaluationResult("x", 1, ())
    assert change({"before": nothing, "after": nothing}) == ""


def test_the_end_has_table_sentence_pair_and_paths(narrow: ConsoleReporter, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    hostile = "wait \x1b[31m[bold]1+2[/bold]\u202e</think>"
    seconds = {"evaluate_before": 12.0, "train": 301.0, "evaluate_after": 30.4, "train_generate": 100.0}
    checkpoint = tmp_path / ("long-" * 20) / "step-000100"
    conclude(narrow, {"countdown": phases(completion=hostile)}, seconds, checkpoint, tmp_path / "report.html")
    out = capsys.readouterr().out
    for part in (
        "countdown: accuracy 20.0 % -> 80.0 %",
        "from wrong to right",
        "make 1\n",
        "before: wrong, 37 tokens, 1 reflective word ",
        "after: correct, 87 tokens, 6 reflective words",
        "[bold]1+2[/bold]",
        "measuring before 12s, training 5m01s, measuring after 30s",
        str(checkpoint),
        str(tmp_path / "report.html"),
    ):
        assert part in out, part
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_the_end_says_that_nothing_was_learnt(recorder: Recorder, tmp_path: Path) -> None:
    rows = [{"step": step, "reward": 0.0, "frac_reward_zero_std": 1.0} for step in (1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    same = phases()["before"]
    conclude(recorder, {"x": {"before": same, "after": same}}, {}, tmp_path / "step-000002", tmp_path / "report.html")
    said = [text for facts in recorder.of("facts") for text in facts.values()]
    assert [text.startswith("x: nothing was learnt") for text in said].count(True) == 1


def test_the_beginning_says_what_will_be_done(narrow: ConsoleReporter, capsys: pytest.CaptureFixture[str]) -> None:
    config = ZeroConfig(grpo=GrpoConfig(steps=3, prompts_per_step=8, group_size=4), evaluations=(EvalConfig(problems=5, samples=2),))
    announce(narrow, config, Path("runs/x"), 1_110_400, "cpu", 2, "grpo-r1: an algorithm", {"generation": "native, bfloat16"})
    out = capsys.readouterr().out
    told = " ".join(out.split())
    for part in (
        "tiny (1,110,400 parameters)",
        "cpu, 2 threads",
        "3 steps x 8 prompts x 4 completions = 96 completions of at most 400 tokens",
        "grpo-r1: an algorithm",
        "countdown (at most 5 held-out problems x 2 completions)",
        "runs/x",
        "Ctrl-C saves, stops",
    ):
        assert part in told
    assert max(map(len, out.splitlines())) <= 80


def test_it_needs_no_torch() -> None:
    code = "import sys, dunwu.jobs.headline; sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("template", "task", "form", "part"),
    [
        ("auto", DatasetTask(path="gsm8k"), "tags-or-boxed", "set answer_form"),
        ("auto", DatasetTask(path="gsm8k"), "####", "answer_form = ####"),
        ("auto", CountdownTask(wording="full"), "tags-or-boxed", None),  # the problem itself says where the answer belongs
        ("r1-zero", DatasetTask(path="gsm8k"), "tags-or-boxed", None),
        ("r1-zero", DatasetTask(path="gsm8k"), "boxed", "the template asks for tags"),
    ],
)
def test_the_plan_says_where_answers_are_read_if_nothing_asks_for_it(
    template: str, task: TaskConfig, form: AnswerForm, part: str | None
) -> None:
    facts = dict(_answer_facts(form, template, [task]))
    assert part in facts["answers"] if part else facts == {}


def test_the_plan_names_the_parts_of_the_reward_and_the_tripwire() -> None:
    reward = ["accuracy", {"kind": "language", "weight": 0.5}, "mine.py:brevity"]
    config = validate(ZeroConfig, {"reward": reward, "tripwire": {}, "sampling": {"max_tokens": 64}, "overlong_tokens": 16})
    facts = dict(plan_facts(config, Path("runs/x"), 1, "cpu", 1, "grpo", {}))
    assert facts["reward"] == "accuracy + 0.5 language + mine.py:brevity"
    assert "hidden check" in facts["tripwire"]
    assert "16 of 64 tokens" in facts["length"]
