"""`dunwu distill`: what it runs, a teacher over real HTTP that is killed, down or wrong, and each mistake in one line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dunwu.cli.main import main
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipe_file import read_pipeline
from tests.openai_server import CUT, Body, Raw, Teacher, serving, tiny_model

SUMS = "{kind: arithmetic, max_terms: 2, languages: [en]}"
FAST = ["device=cpu", "threads=1", "reward_workers=0", "evaluations=[]", "training.epochs=1", "training.sample_every=1000"]


def right(body: Body) -> str:
    number = int(re.findall(r"\d+", body["messages"][-1]["content"])[0])
    return f"<think>Twice {number} is what call {body['seed']} asks.</think>It is \\boxed{{{2 * number}}}."


@pytest.fixture
def sums(tmp_path: Path) -> str:
    (tmp_path / "sums").mkdir()
    for split, numbers in (("train", range(12)), ("validation", range(60, 62)), ("test", range(50, 53))):
        rows = [json.dumps({"problem": f"What do {n} apples and {n} apples make?", "answer": str(2 * n)}) for n in numbers]
        (tmp_path / "sums" / f"{split}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(tmp_path / "sums")


@pytest.fixture
def teacher() -> Iterator[Teacher]:
    with serving(Teacher(right)) as served:
        yield served


def command(teacher: Teacher, task: str, out: Path, *more: str) -> list[str]:
    given = ["distill", "--teacher", teacher.url, "teacher.model=m", "teacher.concurrency=3", "teacher.retries=0", "--task", task]
    return [*given, "--out", str(out), "rows.samples=2", *FAST, *more]


def rows_of(out: Path) -> list[dict[str, Any]]:
    [file] = out.glob("stages/teacher-data/*/run/data/rows.jsonl")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def dry(capsys: pytest.CaptureFixture[str], tmp_path: Path, *arguments: str) -> tuple[Pipeline, str]:
    assert main(["distill", *arguments, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "printed.yaml").write_text(printed, encoding="utf-8")
    return read_pipeline(tmp_path / "printed.yaml"), printed


def test_a_killed_run_asks_the_served_model_for_each_sample_once(tmp_path: Path) -> None:
    """SIGKILL while three requests are in flight; the same command then asks for these and what is left, and trains the student."""
    with serving(Teacher(tiny_model(), stall_after=20)) as teacher:
        arguments = [
            *command(teacher, "arithmetic", tmp_path / "run", "rows.prompts=24", "rows.sampling.max_tokens=40"),
            f"tasks=[{SUMS}]",
            "student={hidden: 32, layers: 1, heads: 1, kv_heads: 1, intermediate: 32}",
        ]
        killed = subprocess.Popen(
            [sys.executable, "-m", "dunwu.cli.main", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        began = time.monotonic()
        while teacher.stalled < 3:
            assert killed.poll() is None
            assert time.monotonic() - began < 120
            time.sleep(0.01)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        [journal] = tmp_path.glob("run/stages/teacher-data/*/run/written.jsonl")
        assert journal.read_bytes().count(b"\n") == 20
        teacher.release()
        assert main(arguments) == 0
        assert set(teacher.answered.values()) == {1}
        assert teacher.answered.total() == 48
        assert journal.read_bytes().count(b"\n") == 48
    [checkpoint] = tmp_path.glob("run/stages/student/*/run/checkpoints/step-*")
    assert (checkpoint / "model.safetensors").is_file()
    rows = rows_of(tmp_path / "run")

    replies = [row["messages"][1] for row in rows]
    assert all("<answer>" in reply["content"] for reply in replies)
    assert any(reply.get("reasoning_content") for reply in replies)


BAD: dict[str, Raw] = {
    "html": (200, b"<html>a proxy's page</html>"),
    "empty": (200, b""),
    "no choices": (200, b'{"object": "chat.completion"}'),
    "no text": (200, b'{"choices": [{"message": {"role": "assistant"}, "finish_reason": "stop"}]}'),
    "rate limit": (429, b"slow down"),
    "broken": (500, b"oops"),
    "cut": (CUT, b'{"choices": [{"mess'),
    "wrong key": (401, b"who are you"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_teacher_that_fails_half_way_is_one_line_and_loses_nothing(
    bad: str, sums: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher = Teacher(lambda body: right(body) if teacher.answered.total() < 7 else BAD[bad])
    with serving(teacher):
        arguments = command(teacher, sums, tmp_path / "run", "--until", "teacher-data")
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("dunwu: stage teacher-data: m at http://127.0.0.1")
        assert error.count("\n") == 1
        teacher.reply = right
        assert main(arguments) == 0
    assert set(teacher.answered.values()) == {1}
    assert teacher.answered.total() == 24
    assert len(rows_of(tmp_path / "run")) == 12


def test_an_endpoint_that_is_down(sums: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    down = Teacher(right)
    down.url = "http://127.0.0.1:9/v1"
    assert main(command(down, sums, tmp_path / "run")) == 2
    error = capsys.readouterr().err
    assert "127.0.0.1:9" in error
    assert error.count("\n") == 1


def test_other_filters_ask_an_endpoint_nothing_again(teacher: Teacher, sums: str, tmp_path: Path) -> None:
    arguments = command(teacher, sums, tmp_path / "run", "--until", "teacher-data")
    assert main([*arguments, "teacher.concurrency=2", "teacher.timeout=7"]) == 0
    assert main([*arguments, "teacher.requests_per_minute=6000"]) == 0
    assert len([*tmp_path.glob("run/stages/teacher-data/*")]) == 1
    assert main([*arguments, "rows.keep=2"]) == 0
    assert teacher.answered.total() == 24


def test_wrong_answers_alone_say_how_many_and_what_to_change(sums: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def reply(body: Body) -> str | Raw:
        if body["seed"] % 3 == 0:
            return "It is \\boxed{-1}."
        message = {"content": "I wonder"} if body["seed"] % 3 == 1 else {"content": "", "reasoning_content": "<think>"}
        ended = "length" if body["seed"] % 3 == 1 else "stop"
        return 200, json.dumps({"choices": [{"message": message, "finish_reason": ended}]}).encode()

    with serving(Teacher(reply)) as teacher:
        assert main(command(teacher, sums, tmp_path / "run", "rows.samples=4")) == 2
    error = capsys.readouterr().err
    assert "all 48 answers" in error
    counts = [int(each) for each in re.findall(r"'(?:truncated|not right by the rule verifier)'(?: removed most,)? (\d+)", error)]
    assert len(counts) == 2
    assert sum(counts) == 48
    assert error.count("\n") == 1


def test_the_cost_is_said_before_anything_is_asked(teacher: Teacher, sums: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = ["teacher.prompt_price=1", "teacher.completion_price=1000", "rows.sampling.max_tokens=100"]
    assert main([*command(teacher, sums, tmp_path / "run", *prices), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "2,400" in shown  # 12 problems, 2 answers, 100 tokens
    assert "2.40" in shown
    assert teacher.answered.total() == 0
    assert not (tmp_path / "run").exists()


def test_the_stages_of_a_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline, printed = dry(capsys, tmp_path, "--teacher", "tiny", "--seed", "3", "student={family: qwen2, tokens: 20000}")
    kinds = {stage.name: stage.kind for stage in pipeline.stages}
    assert kinds == {
        "teacher-data": "rejection_sampling",
        "student-base": "pretrain",
        "student": "sft",
        "measured-teacher": "suite",
        "measured-before": "suite",
        "measured-student": "suite",
        "table": "stage_table",
    }
    assert pipeline["student"].inputs == {"data": "teacher-data", "model": "student-base"}
    data, student, base = (pipeline[name].work for name in ("teacher-data", "student", "student-base"))
    assert (student.batch_size, student.epochs, student.final_learning_rate, student.seed) == (16, 2, 0.1, 3)  # type: ignore[attr-defined]
    assert base.shape.family == "qwen2"  # type: ignore[attr-defined]
    assert base.tokenizer == "tiny"  # type: ignore[attr-defined]
    assert data.filters.max_tokens == 1024  # type: ignore[attr-defined]
    assert [each.name for each in data.decontaminate] == ["countdown"]  # type: ignore[attr-defined]
    assert "409,600" in printed


def test_stored_answers_are_cleaned_and_none_is_asked(sums: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline, _ = dry(capsys, tmp_path, "--teacher", f"{sums}/train.jsonl", "--task", sums, "student={}")
    assert {stage.name: stage.kind for stage in pipeline.stages}["teacher-data"] == "clean"
    assert pipeline["student-base"].kind == "new_model"
    assert "measured-teacher" not in {stage.name for stage in pipeline.stages}
    assert main(["distill", "--teacher", f"{sums}/train.jsonl", "--dry-run", "rows.samples=3"]) == 2
    assert "rows.samples" in capsys.readouterr().err


def test_a_student_that_is_larger_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = "{hidden: 32, layers: 1, heads: 1, kv_heads: 1, intermediate: 32}"
    recipe = {"name": "n", "stages": {"small": {"work": "new_model", "shape": {"hidden": 32, "layers": 1, "heads": 1, "kv_heads": 1}}}}
    (tmp_path / "n.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    assert main(["run", str(tmp_path / "n.yaml"), "--out", str(tmp_path / "n")]) == 0
    capsys.readouterr()
    assert "note: the student has" in dry(capsys, tmp_path, "--teacher", str(tmp_path / "n"))[1]
    assert "note: the student has" not in dry(capsys, tmp_path, "--teacher", "tiny", f"student={shape}")[1]


def test_a_teacher_that_is_the_student_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "one model" in dry(capsys, tmp_path, "--teacher", "tiny", "method=logits")[1]
    assert "one model" not in dry(capsys, tmp_path, "--teacher", "tiny", "method=logits", "student={}")[1]


def test_own_rows_beside_a_teacher(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The teacher is asked for nothing: the rows are cleaned, and the student learns on them beside it."""
    (tmp_path / "rows.jsonl").write_text(json.dumps({"problem": "What is 2+2?", "answer": "4"}) + "\n", encoding="utf-8")
    asked = ["distill", "--dry-run", "--teacher", "tiny", "--model", "tiny", f"rows.data={tmp_path / 'rows.jsonl'}"]
    assert main([*asked, "method=logits"]) == 0
    (tmp_path / "graph.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    graph = read_pipeline(tmp_path / "graph.yaml")
    assert [graph[name].kind for name in ("teacher-data", "student")] == ["clean", "distillation"]
    assert main(asked) == 2
    assert "set method=logits or another" in capsys.readouterr().err
    assert main([*asked, "method=logits", "rows.samples=3"]) == 2
    assert "rows.samples has no effect" in capsys.readouterr().err


def test_stored_answers_under_other_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first row may be one that its label drops."""
    rows = [{"asked": "1+1?", "said": text, "label": label} for text, label in (("It is 3.", False), ("It is 2.", True))]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    stored = ["distill", "--dry-run", "--teacher", str(tmp_path / "rows.jsonl")]
    assert main([*stored, "teacher.columns={problem: asked, answer: said}"]) == 0
    assert "problem: asked" in capsys.readouterr().out
    assert main([*stored, "teacher.columns={problem: ask, answer: said}"]) == 2
    assert "did you mean asked?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "rows",
    [{"question": "Say 1.", "reply": "1"}, {"prompt": "Say 1."}, {"prompt": "Say 1.", "completion": ""}],
    ids=lambda row: str(len(row)),
)
def test_stored_answers_without_answers_are_refused_at_once(
    rows: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(rows) + "\n", encoding="utf-8")
    assert main(["distill", "--dry-run", "--teacher", str(tmp_path / "rows.jsonl")]) == 2
    error = capsys.readouterr().err
    assert "row 1" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "teacher is missing"),
        (["--teacher", "nowhere/"], "no model folder 'nowhere/'"),
        (["--teacher", "tiny", "--model", "nowhere/"], "no model folder 'nowhere/'"),
        (["--teacher", ""], "no model folder ''"),
        (["--teacher", "http://localhost:8000/v1"], "teacher.model is missing"),
        (["--teacher", "http://me:pw@host/v1", "teacher.model=m"], "key_env"),
        (["--teacher", "rows.jsonl"], "rows.jsonl"),
        (["--teacher", "tiny", "--task", "gsm9k"], "gsm8k"),
        (["--teacher", "tiny", "method=logit"], "method.kind"),
        (["--teacher", "tiny", "student={}", "method={kind: attention, heads: 7}"], "method.heads = 7"),
        (["--teacher", "tiny", "rows.smaples=3"], "rows.samples"),
        (["--teacher", "tiny", "student.hidden=65"], "hidden = 65"),
        (["--teacher", "tiny", "--techer", "x"], "--teacher"),
        (["--teacher", "tiny", "--recipe", "tiny/distill"], "dunwu run tiny/distill"),
        (["--teacher", "tiny", "--until", "studnet"], "student"),
        (["--teacher", "tiny", "training.learning_rate=3"], "training.max_learning_rate"),
        (["tiny/distill"], "--recipe"),
    ],
)
def test_mistakes(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["distill", "--dry-run", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_problems_longer_than_the_students_context(teacher: Teacher, sums: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = "student={hidden: 32, layers: 1, heads: 1, kv_heads: 1, intermediate: 32, max_positions: 6}"
    assert main(command(teacher, sums, tmp_path / "run", shape)) == 2
    error = capsys.readouterr().err
    assert "all 12 problems are too long" in error
    assert error.count("\n") == 1
    assert teacher.answered.total() == 0
