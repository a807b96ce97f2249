"""`--resume` on the command line and in Python: the run's own configuration, what may change, what is refused, and the command for it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest

import dunwu
from dunwu.cli.main import main
from dunwu.config.base import Config
from dunwu.config.load import load_config
from dunwu.config.pretrain import PretrainConfig
from dunwu.config.recipes import find_recipe
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import Interrupted, RunError
from dunwu.run.directory import RunDirectory, content_hash

JOBS: dict[str, tuple[str, str, type[Config]]] = {
    "zero": ("dunwu.jobs.zero", "run_zero", ZeroConfig),
    "sft": ("dunwu.jobs.sft", "run_sft", SftConfig),
    "reward-model": ("dunwu.jobs.reward_model", "run_reward_model", RewardModelConfig),
    "pretrain": ("dunwu.jobs.pretrain", "run_pretrain", PretrainConfig),
}
Call = tuple[Any, Path, bool]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What the jobs were called with; none of them runs."""
    found: list[Call] = []

    def run(config: Config, out: Path, resume: bool, *_: object) -> Path:
        found.append((config, out, resume))
        raise Interrupted("stopped", signal.SIGTERM)

    for module, name, _ in JOBS.values():
        made = types.ModuleType(module)
        setattr(made, name, run)
        monkeypatch.setitem(sys.modules, module, made)
    return found


def make_run(path: Path, kind: str = "zero", *keys: str) -> None:
    """The run directory of a run that was stopped."""
    config = load_config(JOBS[kind][2], find_recipe("tiny", kind), keys)
    RunDirectory.create(path, kind, config.model_dump(mode="json"), 0).close()


def run_cli(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    return code, capsys.readouterr().err


@pytest.mark.parametrize(("given", "code"), [((), 143), (("answer_form=boxed",), 2)])
def test_a_run_from_before_a_key_existed_resumes_with_its_default(
    given: tuple[str, ...], code: int, tmp_path: Path, calls: list[Call], capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config(ZeroConfig, find_recipe("tiny", "zero"), []).model_dump(mode="json")
    del config["answer_form"], config["evaluations"][0]["answer_form"]
    RunDirectory.create(tmp_path / "run", "zero", config, 0).close()
    assert run_cli(capsys, "zero", "--out", str(tmp_path / "run"), "--resume", *given)[0] == code
    assert len(calls) == (code == 143)


def test_another_task_is_refused_by_its_kind(tmp_path: Path, calls: list[Call], capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "run")
    code, err = run_cli(capsys, "zero", "--out", str(tmp_path / "run"), "--resume", "--task", "gsm8k")
    assert (code, calls) == (2, [])
    assert "tasks.0.task.kind = 'countdown', not 'dataset': leave tasks out" in err


@pytest.mark.parametrize("command", JOBS)
def test_a_run_resumes_with_its_own_configuration_and_what_is_given_over_it(
    command: str, tmp_path: Path, calls: list[Call], capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "my run", command, "seed=7", "learning_rate=0.0025" if command != "zero" else "grpo.learning_rate=0.0025")
    code, err = run_cli(capsys, command, "--out", str(tmp_path / "my run"), "--resume", "save_every=3")
    ((config, _, resume),) = calls
    assert (config.seed, config.save_every, resume) == (7, 3, True)
    assert (config.grpo if command == "zero" else config).learning_rate == 0.0025
    assert code == 143
    assert f"to resume: dunwu {command} --out '{tmp_path}/my run' --resume\n" in err


def test_a_recipe_given_again_is_set_over_the_runs_own_keys(tmp_path: Path, calls: list[Call], capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("model: base\ngrpo: {steps: 9}\nsave_every: 2\n", encoding="utf-8")
    make_run(tmp_path / "run", "zero", "model=base", "grpo.steps=9", "seed=7")
    assert run_cli(capsys, "zero", "--recipe", str(recipe), "--out", str(tmp_path / "run"), "--resume")[0] == 143
    ((config, _, _),) = calls
    assert (config.model, config.grpo.steps, config.save_every, config.seed) == ("base", 9, 2, 7)


@pytest.mark.parametrize(
    ("command", "made", "given", "parts"),
    [
        ("zero", [], ["seed=7"], ("seed = 0", "not 7")),
        ("zero", [], ["--model", "other"], ("model = 'tiny'", "not 'other'")),
        ("zero", ["grpo.steps=9"], ["grpo.steps=8"], ("grpo.steps = 9", "not 8")),
        ("zero", ["grpo.steps=9"], ["grpo.steps=10", "grpo.group_size=4"], ("grpo.group_size = 8", "not 4")),
        (
            "zero",
            ["grpo.steps=9", "reward=[{kind: safety, model: m, after: 0.5}]"],
            ["grpo.steps=10"],
            ("grpo.steps = 9", "not 10", "reward model"),
        ),
        ("sft", [], ["epochs=9"], ("epochs = 2", "not 9", "falls over all steps")),
        ("sft", ["final_learning_rate=1.0"], ["epochs=1"], ("epochs = 2", "not 1")),
        ("reward-model", [], ["epochs=9"], ("epochs = 1", "not 9", "falls over all steps")),
        ("pretrain", [], ["tokens=99000000"], ("not 99000000", "falls over all steps")),
    ],
)
def test_a_key_that_may_not_change_is_refused_before_anything_is_loaded(
    command: str,
    made: list[str],
    given: list[str],
    parts: tuple[str, ...],
    tmp_path: Path,
    calls: list[Call],
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_run(tmp_path / "run", command, *made)
    code, err = run_cli(capsys, command, "--out", str(tmp_path / "run"), "--resume", *given)
    assert (code, calls, err.count("\n")) == (2, [], 1)
    assert all(part in err for part in parts)


@pytest.mark.parametrize(
    ("command", "made", "given"), [("zero", "grpo.steps=9", "grpo.steps=12"), ("sft", "final_learning_rate=1.0", "epochs=5")]
)
def test_more_steps_may_be_asked_for(
    command: str, made: str, given: str, tmp_path: Path, calls: list[Call], capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "run", command, made)
    assert run_cli(capsys, command, "--out", str(tmp_path / "run"), "--resume", given)[0] == 143
    assert len(calls) == 1


@pytest.mark.parametrize("command", JOBS)
def test_a_folder_without_a_run_has_nothing_to_resume(
    command: str, tmp_path: Path, calls: list[Call], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    make_run(tmp_path / "other", "sft" if command != "sft" else "zero")
    for name in ("nowhere", "empty", "other"):
        code, err = run_cli(capsys, command, "--out", str(tmp_path / name), "--resume")
        assert (code, calls, err.count("\n")) == (2, [], 1)
        assert name in err
    assert not (tmp_path / "nowhere").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_run_stopped_before_it_is_on_disk_is_to_be_started_again(
    tmp_path: Path, calls: list[Call], capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = run_cli(capsys, "zero", "--out", f"{tmp_path}/run", "seed=4")
    assert code == 143
    assert f"to start again: dunwu zero --out {tmp_path}/run seed=4\n" in err


@pytest.mark.parametrize("train", [dunwu.train_grpo, dunwu.train_sft, dunwu.train_reward_model])
def test_python_refuses_to_resume_what_is_not_there(train: Any, tmp_path: Path, calls: list[Call]) -> None:
    with pytest.raises(RunError):
        train(out=tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_python_resumes_with_the_runs_own_configuration(tmp_path: Path, calls: list[Call]) -> None:
    make_run(tmp_path / "run", "zero", "seed=7", "grpo.steps=9")
    with pytest.raises(Interrupted):
        dunwu.train_grpo(out=tmp_path / "run", resume=True, grpo={"steps": 12})
    ((config, _, _),) = calls
    assert (config.seed, config.grpo.steps) == (7, 12)
    with pytest.raises(RunError, match="seed"):
        dunwu.train_grpo(out=tmp_path / "run", resume=True, seed=8)


SHORT = "grpo.prompts_per_step=2 grpo.group_size=2 sampling.max_tokens=12 save_every=2 threads=1 reward_workers=0"
HELD_OUT = "evaluations.0.problems=2 evaluations.0.samples=1 evaluations.0.sampling.max_tokens=12"
KEYS = [*SHORT.split(), *HELD_OUT.split()]


@pytest.mark.parametrize(
    "staleness", [[], pytest.param(["grpo.staleness=1", "grpo.tis_clip=2.0"], marks=pytest.mark.slow)], ids=["", "stale"]
)
def test_a_finished_run_with_more_steps_ends_as_one_that_had_them_from_the_start(
    tmp_path: Path, staleness: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["zero", "--out", f"{tmp_path}/long", *KEYS, *staleness, "grpo.steps=5"]) == 0
    assert main(["zero", "--out", f"{tmp_path}/run", *KEYS, *staleness, "grpo.steps=3"]) == 0
    first = dunwu.read_run(tmp_path / "run").manifest["finished"]
    assert main(["zero", "--out", f"{tmp_path}/run", "--resume", "grpo.steps=5"]) == 0
    assert "grpo.steps was 3, is now 5" in capsys.readouterr().out
    run, other = dunwu.read_run(tmp_path / "run"), dunwu.read_run(tmp_path / "long")
    assert [row["step"] for row in run.metrics.rows] == [1, 2, 3, 4, 5]
    assert run.model.name == "step-000005"
    assert content_hash(run.model / "model.safetensors") == content_hash(other.model / "model.safetensors")
    assert run.manifest["finished"] > first
    assert run.summary["countdown"] == other.summary["countdown"]


def test_a_comment_in_a_custom_reward_is_no_change_and_code_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, out = tmp_path / "own.py", f"{tmp_path}/run"
    own.write_text("def half(completions, **columns):\n    return [0.5] * len(completions)\n", encoding="utf-8")
    assert main(["zero", "--out", out, *KEYS, "grpo.steps=1", f"reward={own}:half"]) == 0
    own.write_text(own.read_text(encoding="utf-8").replace("    return", "    # a half for all\n    return"), encoding="utf-8")
    capsys.readouterr()
    assert main(["zero", "--out", out, "--resume"]) == 0
    assert capsys.readouterr().out.startswith(f"{out} is finished: checkpoint {out}/checkpoints/step-000001, report {out}/report.html\n")
    own.write_text(own.read_text(encoding="utf-8").replace("0.5", "0.25"), encoding="utf-8")
    capsys.readouterr()
    code, err = run_cli(capsys, "zero", "--out", out, "--resume")
    assert (code, err.count("\n")) == (2, 1)
    assert str(own) in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_exits_with_the_code_of_its_signal(tmp_path: Path, number: signal.Signals, code: int) -> None:
    arguments = ["zero", "--out", f"{tmp_path}/run", *KEYS, "grpo.steps=100000"]
    program = "import sys\nfrom dunwu.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    with subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        deadline = time.monotonic() + 60
        while not (tmp_path / "run" / "checkpoints" / "latest").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        run.send_signal(number)
        assert run.stderr is not None
        assert f"--out {tmp_path}/run --resume" in run.stderr.read()
        assert run.wait(30) == code
