"""`dunwu compare`: what can be compared, mistakes, and a whole comparison of tiny models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dunwu.cli.main import main
from dunwu.run.usage import count_parameters


def test_what_can_be_compared_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare"]) == 0
    said = capsys.readouterr().out
    assert "distill-vs-rl" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["distil-vs-rl"], "distill-vs-rl"),
        (["distill-vs-rl"], "teacher"),
        (["distill-vs-rl", "--teacher", "nowhere/"], "nowhere/"),
        (["distill-vs-rl", "--teacher", "http://localhost:8000/v1", "teacher.model=m"], "take a local model"),
        (["distill-vs-rl", "--teacher", "tiny", "ways=[lojits]"], "lojits"),
        (["distill-vs-rl", "--teacher", "tiny", "--task", "gsm9k"], "gsm8k"),
        (["distill-vs-rl", "--teacher", "tiny", "rl.grpo.stepz=3"], "rl.grpo.steps"),
    ],
)
def test_mistakes(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *arguments, "--dry-run"][: len(arguments) + (1 if len(arguments) == 1 else 2)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_whole_comparison(taught_base: str, say_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    shape = "student={hidden: 16, layers: 1, heads: 2, kv_heads: 1, intermediate: 32, max_positions: 256, tokens: 2000}"
    small = [
        shape,
        f"assistant.model={taught_base}",
        "seeds=2",
        "device=cpu",
        "threads=1",
        "reward_workers=0",
    ]
    rows = ["rows.prompts=5", "rows.samples=8", "rows.keep=4", "rows.sampling.max_tokens=10", "rows.filters.min_language=0"]
    training = ["training.batch_size=4", "training.epochs=2", "training.learning_rate=1e-2", "rl.sampling.max_tokens=10"]
    rl = ["rl.grpo.prompts_per_step=1", "rl.grpo.group_size=2", "on_policy.sampling.max_tokens=10"]
    task = f"evaluations=[{{task: {{kind: dataset, path: {say_data}}}, problems: 3, samples: 2, sampling: {{max_tokens: 10}}}}]"
    given = ["--teacher", taught_base, "--model", taught_base, "--task", str(say_data), "--out", str(out)]
    command = ["compare", "distill-vs-rl", *given, *small, *rows, *training, *rl, task]
    assert main(command) == 0
    [file] = out.glob("stages/comparison/*/output/comparison.json")
    found = {row["name"]: row for row in json.loads(file.read_text(encoding="utf-8"))["rows"]}
    assert {"rl", "text", "logits", "on-policy", "dialogue", "hidden", "attention", "progressive", "text+rl"} <= found.keys()
    text = found["text"]["student_flops"]
    [student] = out.glob("stages/text-0/*/run/checkpoints/step-*")
    parameters = count_parameters(student)
    assert text > 0
    assert all(row["seeds"] == 2 for row in found.values())
    for name in ("logits", "hidden", "attention"):
        assert found[name]["student_flops"] == text
        assert found[name]["teacher_flops"] > found["text"]["teacher_flops"] > 0
    for name in ("rl", "on-policy", "dialogue", "progressive", "text+rl"):  # at most a step too much
        assert text <= found[name]["student_flops"] <= text + 8 * parameters * 4 * 60
    assert found["rl"]["teacher_flops"] == 0
    assert found["progressive"]["teacher_flops"] > found["text"]["teacher_flops"]
    capsys.readouterr()
    assert main(["report", str(out)]) == 0
    assert "Distillation or reinforcement learning" in (out / "stages.html").read_text(encoding="utf-8")
    made = {path: path.stat().st_mtime_ns for path in out.glob("stages/*/*/artefact.json")}
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("stages/*/*/artefact.json")} == made


def test_a_dry_run_says_a_thing_once_for_all_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "distill-vs-rl", "--teacher", "nobody/nothing", "ways=[rl, text]", "--dry-run"]) == 0
    remarks = [line for line in capsys.readouterr().out.splitlines() if line.startswith("#")]
    assert len(remarks) == len(set(remarks))
    assert sum("nobody/nothing is no folder here" in line for line in remarks) == 2  # the teacher of the rows, and the one that is measured
    assert not any("@" in line for line in remarks)
