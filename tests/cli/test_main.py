"""The command line: light to start, errors in one line, exit codes, dry runs that make nothing."""

import os
import signal
import subprocess
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dunwu.cli.main import COMMANDS, main
from dunwu.cli.outputs import check_file, check_folder
from dunwu.config.distill import DistillConfig
from dunwu.config.load import load_config, read_mapping
from dunwu.config.pretrain import PretrainConfig
from dunwu.config.recipes import bundled_recipes, find_recipe
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.errors import CheckpointError, ConfigError, Interrupted, RunError, TrainingError, UserError
from dunwu.pipeline.recipe_file import read_pipeline

HEAVY = ("torch", "transformers", "pydantic", "tyro", "yaml", "numpy")


def stub(monkeypatch: pytest.MonkeyPatch, module: str, **members: object) -> None:
    """A module that is not there, or heavy, as a small one with these members."""
    made = types.ModuleType(module)
    vars(made).update(members)
    monkeypatch.setitem(sys.modules, module, made)


def run_cli(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def loaded_after(arguments: Sequence[str]) -> set[str]:
    """Heavy modules that are loaded after the command ran in a fresh interpreter."""
    program = (
        "import sys\nfrom dunwu.cli.main import main\n"
        f"try:\n    code = main({list(arguments)!r})\nexcept SystemExit as leaving:\n    code = leaving.code\n"
        f"print('LOADED', *(name for name in {HEAVY!r} if name in sys.modules))\nassert not code, code"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_help_loads_nothing_heavy() -> None:
    assert loaded_after(["--help"]) == set()


@pytest.mark.parametrize(
    "arguments",
    [["pretrain", "--dry-run"], ["explain", "tiny"], *([name, "--help"] for name in COMMANDS)],
)
def test_help_of_a_command_and_dry_runs_load_no_torch(arguments: list[str]) -> None:
    assert not loaded_after(arguments) & {"torch", "transformers"}


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_cli(capsys, "--help")
    assert code == 0
    assert all(f"  {name} " in out for name in COMMANDS)
    assert run_cli(capsys)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["zer"], "did you mean zero?"),
        (["fly"], "the commands are zero"),
        (["zero", "--recipe", "tiny/zer"], "did you mean tiny/zero?"),
        (["zero", "--recipe", "nowhere.yaml"], "there is no recipe 'nowhere.yaml'"),
        (["zero", "--dryrun"], "did you mean --dry-run?"),
        (["zero", "grpo.lr=1"], "did you mean grpo.learning_rate?"),
        (["zero", "--seed", "many"], "--seed"),
        (["zero", "stray"], "'stray' has no value"),
        (["zero", "tiny/zero"], "--recipe tiny/zero"),
        (["zero", "rows.jsonl"], "--task rows.jsonl"),
        (["sft", "rows.jsonl"], "--data rows.jsonl"),
        (["sft", "--recipe", "tiny/zero"], "dunwu zero --recipe tiny/zero"),
        (["zero", "--recipe", "tiny/sft"], "dunwu sft --recipe tiny/sft"),
        (["zero", "--recipe", "tiny/stages"], "dunwu run tiny/stages"),
        (["reward-model", "--recipe", "tiny/zero"], "dunwu zero --recipe tiny/zero"),
        (["run", "recipes/tiny/zero.yaml"], "dunwu zero --recipe recipes/tiny/zero.yaml"),
        (["pretrain", "token=1"], "did you mean tokens?"),
        (["eval", "--task", "countdwn"], "did you mean countdown?"),
        (["eval", "--split", "train"], "split = 'train'"),
        (["eval", "--problems", "0"], "problems = 0"),
        (["report"], "dunwu report --help"),
        (["report", "nowhere"], "nowhere"),
        (["report", "."], "not a run directory"),
        (["report", ".", "--zzz"], "'--zzz' is not understood"),
        (["explain", "nowhere"], "checkpoint folder"),
    ],
)
def test_the_users_mistake_is_one_line_and_exit_code_2(arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run_cli(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("dunwu: ")
    assert err.count("\n") == 1
    assert part in err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (RunError("runs/x: locked;\nwait"), 2, "dunwu: runs/x: locked; wait\n"),
        (CheckpointError("torn"), 1, "dunwu: torn\n"),
        (KeyboardInterrupt(), 130, "dunwu: interrupted\n"),
        (Interrupted("stopped after step 3"), 130, "dunwu: stopped after step 3\n"),
        (Interrupted("stopped after step 3", signal.SIGTERM), 143, "dunwu: stopped after step 3\n"),
        (OSError(28, "No space left on device", "runs/x/metrics.jsonl"), 1, "dunwu: runs/x/metrics.jsonl: No space left on device\n"),
    ],
)
def test_errors_become_lines(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def write_report(run: Path, path: Path | None, **shown: Any) -> Path:
        raise error

    (tmp_path / "manifest.json").write_text('{"kind": "zero", "config": {}}', encoding="utf-8")
    stub(monkeypatch, "dunwu.analysis.report", write_report=write_report)
    assert run_cli(capsys, "report", str(tmp_path)) == (code, "", line)


def test_our_own_mistakes_keep_their_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def write_report(run: Path, path: Path | None, **shown: Any) -> Path:
        raise FileNotFoundError(2, "No such file", "inner")

    (tmp_path / "manifest.json").write_text('{"kind": "zero", "config": {}}', encoding="utf-8")
    stub(monkeypatch, "dunwu.analysis.report", write_report=write_report)
    with pytest.raises(FileNotFoundError):
        main(["report", str(tmp_path)])


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    script = "import sys, time\nfrom dunwu.cli.main import main\ntime.sleep(0.5)\nsys.exit(main(['--help']))"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=30) == 1


def test_a_dry_run_makes_nothing_and_prints_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run_cli(
        capsys,
        "zero",
        "--dry-run",
        "--model",
        "12/3",
        "--seed",
        "5",
        "grpo.steps=10",
        "--grpo.minibatches",
        "2",
        "grpo.prompts_per_step=4",
    )
    assert code == 0
    assert list(tmp_path.iterdir()) == []
    assert "rollouts: 320 (10 steps of 4 prompts x 8)" in out
    assert "updates: 20" in out
    copy = tmp_path / "copy.yaml"
    copy.write_text(out, encoding="utf-8")
    config = load_config(ZeroConfig, copy, [])
    assert (config.model, config.seed, config.grpo.steps) == ("12/3", 5, 10)


def test_pretrain_dry_run_counts_updates(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_cli(capsys, "pretrain", "--recipe", "tiny", "--dry-run", "tokens=100", "batch_tokens=30")
    assert code == 0
    assert "updates: 3 of 30 tokens" in out


def test_zero_and_pretrain_hand_over_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, Path, bool]] = []
    stub(monkeypatch, "dunwu.jobs.zero", run_zero=lambda config, out, resume, *_: calls.append((config, out, resume)))
    stub(monkeypatch, "dunwu.jobs.pretrain", run_pretrain=lambda config, out, resume, reporter: calls.append((config, out, resume)))
    assert main(["zero", "--out", "runs/a", "seed=4"]) == 0
    assert main(["pretrain", "tokens=5"]) == 0
    (first, out, resume), (second, _, second_resume) = calls
    assert isinstance(first, ZeroConfig)
    assert (first.seed, out, resume) == (4, Path("runs/a"), False)
    assert isinstance(second, PretrainConfig)
    assert (second.tokens, second_resume) == (5, False)


def test_training_that_cannot_go_on_is_not_told_to(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run_zero(*_: object) -> Path:
        raise TrainingError("five bad steps: lower the rate")

    stub(monkeypatch, "dunwu.jobs.zero", run_zero=run_zero)
    assert run_cli(capsys, "zero") == (1, "", "dunwu: five bad steps: lower the rate\n")


# `r1` has keys of stages, for `dunwu r1 --keys`: tests/pipeline/recipes/test_r1_paper.py.
@pytest.mark.parametrize("name", [name for name in bundled_recipes() if not name.endswith("/r1")])
def test_every_recipe_parses(name: str) -> None:
    if "stages" in read_mapping(bundled_recipes()[name]):
        assert read_pipeline(bundled_recipes()[name], []).stages
        return
    kinds = {"pretrain": PretrainConfig, "sft": SftConfig, "reward-model": RewardModelConfig, "distill": DistillConfig}
    folder, _, file = name.partition("/")
    kind = "distill" if folder == "distill" or file.startswith("distill-") else file
    load_config(kinds.get(kind, ZeroConfig), bundled_recipes()[name], [])


def test_the_recipes_of_the_readme_are_there() -> None:
    assert {"tiny/zero", "tiny/zero-24", "tiny/pretrain", "qwen2.5-0.5b/zero-gsm8k", "smollm2-135m/zero"} <= bundled_recipes().keys()


def test_a_recipe_is_found_by_path_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bundled = bundled_recipes()["tiny/zero"]
    for text in ("tiny/zero", "tiny/zero.yaml", "recipes/tiny/zero.yaml", "./recipes/tiny/zero.yaml", "tiny", "tiny/"):
        assert find_recipe(text, "zero") == bundled
    own = tmp_path / "recipes" / "tiny" / "zero.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("seed: 1\n", encoding="utf-8")
    assert find_recipe("recipes/tiny/zero.yaml", "zero") == Path("recipes/tiny/zero.yaml")
    with pytest.raises(ConfigError, match="did you mean tiny/zero-24"):
        find_recipe("tiny/zero-2", "zero")


def test_eval_hands_over_and_prints_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    calls: list[tuple[object, ...]] = []
    summary = {
        "pass_at_1": 0.25,
        "interval": [0.2, 0.305],
        "pass_at_k": 0.5,
        "majority_at_k": None,
        "k": 2,
        "mean_length": 41.25,
        "clipped_ratio": 0.0,
        "reflections_per_completion": 1.5,
        "problems": 10,
        "excluded": 0,
    }

    def run_evaluations(*arguments: object) -> object:
        calls.append(arguments)
        return [types.SimpleNamespace(name="countdown", summary=lambda: summary)]

    stub(monkeypatch, "dunwu.jobs.evaluate", run_evaluations=run_evaluations)
    code, out, _ = run_cli(
        capsys, "eval", "--problems", "10", "--samples", "2", "--temperature", "0.6", "--max-tokens", "9", "sampling.top_p=0.95"
    )
    assert code == 0
    model, sets, device, threads, batch, _reporter = calls[0]
    assert isinstance(sets, list)
    [asked] = sets
    config, template, folder = asked.config, asked.template, asked.out
    assert isinstance(config, EvalConfig)
    assert not asked.reuse
    assert (config.problems, config.samples, config.sampling.temperature, config.sampling.max_tokens) == (10, 2, 0.6, 9)
    assert config.sampling.top_p == 0.95
    assert (model, template, folder, device, threads, batch) == ("tiny", "tiny", None, "auto", 0, 512)
    assert "pass@1            25.0 %  (95 % interval 20.0 % to 30.5 %)" in out
    assert "majority@2        not measured" in out
    assert "41.2 tokens" in out


def test_report_of_a_folder_that_is_no_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    for arguments in ([str(tmp_path)], [str(tmp_path), str(tmp_path), "--out", str(tmp_path / "both.html")]):
        code, _, err = run_cli(capsys, "report", *arguments)
        assert (code, err.count("\n")) == (2, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


MANIFEST = '{"kind": "zero", "config": {}}'
STEP = '{"step": 1, "time": 1.0}\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metrics.jsonl", ""),
        ("metrics.jsonl", "{"),
        ("metrics.jsonl", "{\n"),
        ("metrics.jsonl", "[1,2]\n"),
        ("metrics.jsonl", '{"loss": 1}\n'),
        ("metrics.jsonl", f"{STEP}[1,2]\n{STEP}"),
        ("manifest.json", '{"step": 1}'),
        ("manifest.json", "[]"),
        ("manifest.json", ""),
        ("manifest.json", '{"kind": "Deployment"}'),
        ("config.yaml", "a: 1"),
        ("recipe.yaml", "{name: a, stages: {data: {work: general}}}"),
        ("stages.json", "{}"),
        ("progress.json", "[]"),
    ],
)
def test_report_of_files_that_are_only_named_like_a_runs_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    for folder in (run, other):
        folder.mkdir()
    (run / name).write_text(text, encoding="utf-8")
    (other / "manifest.json").write_text(MANIFEST, encoding="utf-8")
    for arguments in ([str(run)], [str(run), str(other), "--out", str(tmp_path / "both.html")]):
        code, out, err = run_cli(capsys, "report", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
    assert [path.name for path in run.iterdir()] == [name]
    assert not (tmp_path / "both.html").exists()


@pytest.mark.parametrize(
    "files", [{"manifest.json": MANIFEST}, {"metrics.jsonl": STEP + '{"st'}, {"manifest.json": MANIFEST, "metrics.jsonl": "{"}]
)
def test_report_of_a_run_that_was_killed_while_writing(tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert run_cli(capsys, "report", str(tmp_path))[0] == 0
    page = tmp_path.parent / f"{tmp_path.name}.html"
    for _ in range(2):
        assert run_cli(capsys, "report", str(tmp_path), "--out", str(page)) == (0, f"{page}\n", "")


def test_report_replaces_no_file_but_a_page_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "manifest.json").write_text(MANIFEST, encoding="utf-8")
    for name in ("report.html", "thesis.tex"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
        assert run_cli(capsys, "report", str(tmp_path), *(["--out", str(tmp_path / name)] if name == "thesis.tex" else []))[0] == 2
        assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


OUTS = (
    ["zero", "--dry-run"],
    ["zero"],
    ["sft"],
    ["pretrain"],
    ["reward-model"],
    ["r1"],
    ["distill", "--teacher", "tiny"],
    ["eval"],
)


@pytest.mark.parametrize("place", ["file", "file/below", "file/below/deeper"])
@pytest.mark.parametrize("command", OUTS, ids=" ".join)
def test_an_out_that_cannot_be_a_folder_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str], place: str
) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for module in ("zero", "sft", "pretrain", "reward_model", "execute", "evaluate", "preview"):
        room = "pipeline" if module == "execute" else "jobs"
        monkeypatch.setitem(sys.modules, f"dunwu.{room}.{module}", None)
    code, out, err = run_cli(capsys, *command, "--out", str(tmp_path / place))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("place", ["", "file/below"])
@pytest.mark.parametrize("command", [["report"], ["review"]], ids=" ".join)
def test_an_out_that_cannot_be_a_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], place: str
) -> None:
    (tmp_path / "file").write_text('{"text": "a"}\n', encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    (tmp_path / "manifest.json").write_text(MANIFEST, encoding="utf-8")
    given = str(tmp_path if command == ["report"] else tmp_path / "rows.jsonl")
    code, out, err = run_cli(capsys, *command, given, "--out", str(tmp_path / place))
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which even root can make nothing")
@pytest.mark.parametrize("path", ["/proc/new", "/proc/new/deeper", "x" * 256])
def test_an_out_that_cannot_be_made_is_refused(path: str) -> None:
    for check in (check_folder, check_file):
        with pytest.raises(RunError):
            check(Path(path) / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_out_in_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    for path in (tmp_path, tmp_path / "below" / "deeper"):
        with pytest.raises(RunError):
            check_folder(path)
    with pytest.raises(RunError):
        check_file(tmp_path / "page.html")
    tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["zero", "--dry-run", "--memory", value] for value in ("nan", "inf", "-inf", "0", "-1", "1e999")),
        *(["eval", "--threads", value] for value in ("-1", "nan")),
        *(["eval", "--batch", value] for value in ("0", "-1")),
        *(["eval", "--temperature", value] for value in ("nan", "inf", "-1")),
        *(["eval", f"--{name}", "-1"] for name in ("problems", "samples", "max-tokens", "seed")),
        ["verify", "code", "a.py", "--problems", "p.json", "--workers", "0"],
        ["verify", "rollout", "a.json", "--row", "-1"],
        ["sandbox", "--workers", "-1"],
        ["sandbox", "--port", "65536"],
        ["r1", "--dry-run", "--seed", "-1"],
        ["sft", "--seed", "-1"],
    ],
    ids=" ".join,
)
def test_a_number_outside_its_bounds_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run_cli(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("name", ["summary.json", "evaluation.parquet"])
def test_eval_does_not_replace_an_evaluation_unless_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    def run_evaluations(*arguments: object) -> object:
        raise UserError("it is done")

    stub(monkeypatch, "dunwu.jobs.evaluate", run_evaluations=run_evaluations)
    assert "it is done" in run_cli(capsys, "eval", "--out", str(tmp_path))[2]
    (tmp_path / name).write_text("first", encoding="utf-8")
    code, _, err = run_cli(capsys, "eval", "--out", str(tmp_path))
    assert (code, err.count("\n")) == (2, 1)
    assert name in err
    assert "it is done" in run_cli(capsys, "eval", "--out", str(tmp_path), "--overwrite")[2]
    assert (tmp_path / name).read_text(encoding="utf-8") == "first"


def test_zero_trains_on_the_task_that_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.jsonl").write_text('{"problem": "1 + 1 = ?", "answer": "2"}\n', encoding="utf-8")
    for given, name in (
        (["--task", "game24"], "game24 test"),
        (["tasks=[game24]"], "game24 test"),
        (["--task", str(tmp_path / "own.jsonl")], ""),
    ):
        assert main(["zero", *given, "--dry-run", "--out", str(tmp_path / "run")]) == 0
        out = capsys.readouterr().out
        assert "countdown" not in out
        assert [line.partition(": ")[2].rpartition(",")[0] for line in out.splitlines() if "before and after" in line] == (
            [name] if name else []
        )
    assert main(["zero", "--task", "gmae24", "--out", str(tmp_path / "run")]) == 2
    assert "did you mean game24?" in capsys.readouterr().err
