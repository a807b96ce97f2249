"""`run_zero` from beginning to end, and what it leaves behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import PreTrainedTokenizerFast

from dunwu.cli.main import main
from dunwu.config.zero import ZeroConfig
from dunwu.data.prompts import make_prompts
from dunwu.errors import DataError, RunError, TrainingError
from dunwu.evaluation.store import read_evaluation
from dunwu.jobs.zero import run_zero
from dunwu.models.loading import load_model, stop_token_ids
from dunwu.process.code_hash import file_code_hash
from dunwu.rollout.base import group_requests
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.run.directory import config_hash, content_hash, read_manifest, read_metrics
from dunwu.run.step_manifest import verify_checkpoint
from dunwu.run.tables import read_rollouts
from dunwu.types import Problem, SamplingParams
from tests.recorder import Recorder

TRANSFORMERS_ALONE = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
model, tokenizer = AutoModelForCausalLM.from_pretrained(sys.argv[1]), AutoTokenizer.from_pretrained(sys.argv[1])
found = []
for text in json.loads(sys.argv[2]):
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    found.append(model.generate(ids, do_sample=False, max_new_tokens=12)[0, ids.shape[1]:].tolist())
assert "dunwu" not in sys.modules
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, zero_config: Callable[..., ZeroConfig]) -> Path:
    """A finished run. Tests that change it copy it first."""
    return run_zero(zero_config(), tmp_path_factory.mktemp("zero") / "run")


def test_a_group_reward_ranks_eight_answers(zero_config: Callable[..., ZeroConfig], tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "def rank(prompts, completions, **columns):\n"
        "    order = sorted(range(8), key=lambda i: (len(completions[i]), i))\n"
        "    return [order.index(i) / 7 for i in range(8)]\n",
        encoding="utf-8",
    )
    part = f"{{kind: own, function: '{own}:rank', sees: group, weight: 0.5}}"
    config = zero_config(f"reward=[accuracy, {part}]", "grpo.group_size=8", "grpo.steps=1", "dump_rollouts_every=1", "reward_workers=1")
    run = run_zero(config, tmp_path / "run")
    rows = read_rollouts(run / "rollouts" / "step-00001.parquet")
    for start in range(0, len(rows), 8):
        group = rows[start : start + 8]
        order = sorted(range(8), key=lambda i: (len(group[i]["prefill"] + group[i]["completion"]), i))
        assert [group[i]["reward_rank"] for i in order] == pytest.approx([place / 7 for place in range(8)])
        assert all(row["reward"] == pytest.approx(row["reward_accuracy"] + 0.5 * row["reward_rank"]) for row in group)
    assert read_metrics(run)[0]["dead_groups"] == 0
    assert read_manifest(run)["inputs"]["reward.1"] == file_code_hash(own)


def bytes_of(run: Path) -> dict[str, bytes]:
    """All files but those that say who took the run up and when."""
    changing = ("lock", "manifest.json", "report.html")
    files = (path for path in run.rglob("*") if path.is_file())
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in files if path.parent != run or path.name not in changing}


def test_the_run_directory_is_whole_and_readable(finished: Path, zero_config: Callable[..., ZeroConfig]) -> None:
    config = zero_config()
    assert ZeroConfig.model_validate(yaml.safe_load((finished / "config.yaml").read_text(encoding="utf-8"))) == config
    assert [row["step"] for row in read_metrics(finished)] == [1, 2, 3, 4, 5, 6]
    assert {path.name for path in (finished / "rollouts").iterdir()} == {"step-00003.parquet", "step-00006.parquet"}
    rows = read_rollouts(finished / "rollouts" / "step-00006.parquet")
    assert len(rows) == 16
    assert {row["policy_version"] for row in rows} == {5}
    assert {"prompt", "completion", "reward", "reward_accuracy", "reward_format", "advantage", "behaviour_logprobs"} <= rows[0].keys()
    assert {path.name for path in (finished / "checkpoints").iterdir()} == {"latest", "step-000004", "step-000006"}
    for folder in (finished / "checkpoints").glob("step-*"):
        verify_checkpoint(folder)
    assert len(read_evaluation(finished / "evaluations" / "before-say.parquet").rows) == 6
    report = (finished / "report.html").read_text(encoding="utf-8")
    assert "<svg" in report


def test_the_metrics_have_their_names(finished: Path) -> None:
    expected = {
        "reward",
        "reward_std",
        "rewards/accuracy",
        "rewards/format",
        "frac_reward_zero_std",
        "completions/mean_length",
        "completions/clipped_ratio",
        "entropy",
        "clip_ratio/region_mean",
        "num_tokens",
        "step_time",
        "mismatch",
        "skipped",
        "dead_groups",
        "excluded",
    }
    assert all(expected <= row.keys() for row in read_metrics(finished))
    assert any(row["updates"] for row in read_metrics(finished)), "a run in which nothing is learned tests nothing"


def test_the_summary_has_the_keys_of_the_design(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    assert summary.keys() == {"say", "seconds", "seed", "device"}
    assert summary["say"].keys() == {"before", "after"}
    for phase in summary["say"].values():
        assert {"pass_at_1", "interval", "majority_at_k", "mean_length", "reflections_per_completion"} <= phase.keys()
    assert {"evaluate_before", "evaluate_after", "train"} <= summary["seconds"].keys()
    assert (summary["seed"], summary["device"]) == (0, "cpu")


def test_the_manifest_says_what_went_in_and_came_out(finished: Path, taught_base: str, zero_config: Callable[..., ZeroConfig]) -> None:
    manifest = read_manifest(finished)
    assert manifest["kind"] == "zero"
    assert manifest["inputs"].keys() == {"model", "data", "evaluations"}
    assert manifest["inputs"]["model"] == content_hash(Path(taught_base))
    assert manifest["data"] == {"rows": 5, "dropped": {}, "generated prompts too long": 0}
    assert manifest["outputs"] == {"checkpoint": content_hash(finished / "checkpoints" / "step-000006")}
    assert manifest["config_hash"] == config_hash(zero_config().model_dump(mode="json"))
    assert manifest["finished"] is not None
    assert manifest["seed"] == 0


def test_a_finished_run_is_not_done_again(finished: Path, zero_config: Callable[..., ZeroConfig], tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    before = bytes_of(run)
    run_zero(zero_config(), run, resume=True)
    assert bytes_of(run) == before
    assert read_manifest(run)["finished"] == read_manifest(finished)["finished"]


def test_evaluations_on_disk_are_not_made_again(finished: Path, zero_config: Callable[..., ZeroConfig], tmp_path: Path) -> None:
    """Two sets of one kind; the first is found on disk (planted there, so that measuring it again would show), the second is made."""
    config = zero_config("grpo.steps=1")
    twice = config.model_copy(update={"evaluations": config.evaluations * 2})
    run_zero(twice, tmp_path / "run")
    names = ("before-say", "after-say", "before-say-2", "after-say-2")
    assert {path.stem for path in (tmp_path / "run" / "evaluations").glob("*.parquet")} == set(names)
    planted = (finished / "evaluations" / "after-say.parquet").read_bytes()
    for name in names[:2]:
        (tmp_path / "run" / "evaluations" / f"{name}.parquet").write_bytes(planted)
    made = (tmp_path / "run" / "evaluations" / "before-say-2.parquet").read_bytes()
    (tmp_path / "run" / "evaluations" / "before-say-2.parquet").unlink()
    stopped = read_manifest(tmp_path / "run") | {"finished": None}  # before its end
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(stopped))
    run_zero(twice, tmp_path / "run", resume=True)
    assert [(tmp_path / "run" / "evaluations" / f"{name}.parquet").read_bytes() for name in names[:2]] == [planted] * 2
    # It is the base that is measured "before", also when the run is taken up after its training.
    assert read_evaluation(tmp_path / "run" / "evaluations" / "before-say-2.parquet").rows == read_rows(made, tmp_path)


def read_rows(content: bytes, folder: Path) -> Any:
    path = folder / "made.parquet"
    path.write_bytes(content)
    return read_evaluation(path).rows


def test_two_runs_with_one_seed_are_one(finished: Path, zero_config: Callable[..., ZeroConfig], tmp_path: Path) -> None:
    """The second with a reward worker of its own: neither its timing nor its process may matter."""
    again = run_zero(zero_config("reward_workers=1"), tmp_path / "again")
    other = run_zero(zero_config("seed=1"), tmp_path / "other")
    first, second, third = [(run / "checkpoints" / "step-000006" / "model.safetensors").read_bytes() for run in (finished, again, other)]
    assert first == second
    assert first != third


def test_a_lora_run_ends_in_a_plain_checkpoint(
    zero_config: Callable[..., ZeroConfig], taught_base: str, tmp_path: Path, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    config = zero_config("lora={rank: 4, targets: [q_proj, down_proj]}", "grpo.learning_rate=2e-2")
    run = run_zero(config, tmp_path / "run", reporter=recorder)
    folder = run / "checkpoints" / "step-000006"
    assert "rank 4" in recorder.of("facts")[0]["trained"]
    trained, base = (load_model(str(source))[0].state_dict() for source in (folder, taught_base))
    assert trained.keys() == base.keys()
    moved = {name for name in base if not torch.equal(trained[name], base[name])}
    assert moved
    assert all(name.endswith(("q_proj.weight", "down_proj.weight")) for name in moved)
    assert main(["explain", str(folder)]) == 0
    assert "valid: every file is as it was written" in capsys.readouterr().out


def test_transformers_loads_the_checkpoint_and_agrees(finished: Path) -> None:
    folder = finished / "checkpoints" / "step-000006"
    texts = [f"Say {n} now." for n in range(5)]
    model, tokenizer = load_model(str(folder))
    prompts = make_prompts([Problem(text, "say", text, "number") for text in texts], "tiny", tokenizer, 100)
    greedy = SamplingParams(12, temperature=0.0, stop_token_ids=stop_token_ids(tokenizer, model))
    ours = [
        list(completion.tokens.ids) for completion in TorchEngine(model, tokenizer).generate(group_requests(prompts, greedy, 1, range(5)))
    ]
    command = [sys.executable, "-c", TRANSFORMERS_ALONE, str(folder), json.dumps([prompt.text for prompt in prompts])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env={"PYTHONPATH": "", "HF_HUB_OFFLINE": "1"})
    assert json.loads(done.stdout.partition("FOUND")[2]) == ours


def test_the_tokenizer_is_the_bases(finished: Path, world_tokenizer: PreTrainedTokenizerFast) -> None:
    _, tokenizer = load_model(str(finished / "checkpoints" / "step-000006"))
    text = "User: Use 3,7,8 to make 29.\nAssistant:<think>3+7=10</think><answer>用</answer>"
    assert tokenizer(text)["input_ids"] == world_tokenizer(text)["input_ids"]


def zero(run: Path, overrides: Sequence[str], *more: str) -> int:
    """The command line as a user would call it, on an empty recipe."""
    recipe = run.parent / "empty.yaml"
    recipe.write_text("seed: 0\n", encoding="utf-8")
    return main(["zero", "--recipe", str(recipe), "--out", str(run), *more, *overrides])


@pytest.mark.parametrize(
    ("mistakes", "part"),
    [
        (["model=nowhere/at all"], "no model folder 'nowhere/at all'"),
        (["tasks.0.task.kind=countdwn"], "did you mean countdown?"),
        (["grpo.lerning_rate=1e-5"], "did you mean grpo.learning_rate?"),
        (["grpo.learning_rate=fast"], "grpo.learning_rate = 'fast'"),
        (["grpo.algorithm=grpo-r2"], "did you mean 'grpo-r1'?"),
        (["grpo.group_size=1"], "grpo.group_size = 1"),
        (["grpo.minibatches=17"], "a step has 16 rollouts"),
        (["sampling.temperature=0.0"], "temperature = 0"),
        (["sampling.max_tokens=300"], "sampling.max_tokens = 300"),
        (["evaluations.0.sampling.max_tokens=300"], "evaluations.0.sampling.max_tokens = 300"),
        (["max_prompt_tokens=3"], "over max_prompt_tokens = 3"),
        (["tasks.0.task.path=nowhere.jsonl"], "nowhere.jsonl"),
        (["reward=[accuracy, {kind: safety, model: nowhere/at all}]"], "no model folder 'nowhere/at all'"),
        (["reward=[accuracy, {kind: sefety, model: x}]"], "did you mean safety?"),
        (["preset=deepseekmth"], "did you mean 'deepseekmath'?"),
        (["preset=deepseekmath", "grpo.bta=0.1"], "did you mean grpo.beta?"),
        (["device=cuda:77"], "device 'cuda:77' is not available"),
        (["seed=-1"], "seed = -1"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_makes_nothing(
    mistakes: list[str], part: str, say_overrides: Sequence[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert zero(tmp_path / "run", [*say_overrides, *mistakes]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dunwu: ")
    assert err.count("\n") == 1
    assert part in err
    assert not (tmp_path / "run").exists()


def test_a_data_set_without_answers_is_refused(say_overrides: Sequence[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.jsonl").write_text('{"problem": "Say 3."}\n', encoding="utf-8")
    assert zero(tmp_path / "run", [*say_overrides, f"tasks.0.task.path={tmp_path / 'rows.jsonl'}"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "no column answer or solution" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "overrides", "part"),
    [
        ([], [], "exists: resume it"),
        (["--resume"], ["grpo.learning_rate=1e-3"], "has grpo.learning_rate = 0.003, not 0.001: leave grpo.learning_rate out"),
        (["--resume", "--seed", "5"], [], "has seed = 0, not 5"),
    ],
    ids=["no-resume", "changed", "other-seed"],
)
def test_an_existing_run_is_not_touched(
    arguments: list[str], overrides: list[str], part: str, finished: Path, say_overrides: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = bytes_of(finished), (finished / "manifest.json").read_bytes()
    assert zero(finished, [*say_overrides, *overrides], *arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert part in err
    assert (bytes_of(finished), (finished / "manifest.json").read_bytes()) == before


def test_another_model_under_the_same_name_is_refused(
    say_overrides: Sequence[str], taught_base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = shutil.copytree(taught_base, tmp_path / "base")
    short = [*say_overrides, f"model={base}", "grpo.steps=1", "evaluations=[]"]
    assert zero(tmp_path / "run", short) == 0
    model, _ = load_model(str(base))
    with torch.no_grad():
        model.lm_head.weight.add_(0.01)
    model.save_pretrained(base)
    assert zero(tmp_path / "run", short, "--resume") == 2
    assert "inputs.model" in capsys.readouterr().err


@pytest.mark.parametrize("body", ["return c['gone']", "return [float('nan')]", "return [1.0, 2.0]", "return [None]"])
def test_a_reward_that_never_works_stops_the_run_with_its_name_and_all_saved(
    zero_config: Callable[..., ZeroConfig], tmp_path: Path, body: str
) -> None:
    (tmp_path / "mine.py").write_text(f"def broken(prompts, completions, **c):\n    {body}\n", encoding="utf-8")
    config = zero_config("evaluations=[]", f"reward=[{tmp_path}/mine.py:broken]")
    with pytest.raises(TrainingError) as caught:
        run_zero(config, tmp_path / "run")
    idle = body == "return [None]"
    assert ("broken" in str(caught.value)) is not idle
    steps = config.grpo.steps if idle else 1
    assert [row["step"] for row in read_metrics(tmp_path / "run")] == list(range(1, steps + 1))
    verify_checkpoint(tmp_path / "run" / "checkpoints" / f"step-{steps:06d}")
    assert (tmp_path / "run" / "rollouts" / f"step-{steps:05d}.parquet").is_file()


def rows_at(path: Path, count: int, long: int | None = None) -> Path:
    """A file for training alone; problem number ``long`` has a prompt of some 40 words more."""
    texts = [f"Say {n}.{' please' * (40 if n == long else 0)}" for n in range(count)]
    path.mkdir(exist_ok=True)
    lines = [json.dumps({"problem": text, "answer": str(n)}) for n, text in enumerate(texts)]
    (path / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (path / "test.jsonl").write_text(json.dumps({"problem": "Say 99.", "answer": "99"}), encoding="utf-8")
    (path / "validation.jsonl").write_text(json.dumps({"problem": "Say 98.", "answer": "98"}), encoding="utf-8")
    return path


def of_rows(zero_config: Callable[..., ZeroConfig], data: Path, *overrides: str, more: str = "") -> ZeroConfig:
    return zero_config(f"tasks=[{{task: {{kind: dataset, path: {data}{more}}}}}]", "evaluations=[]", "grpo.steps=2", *overrides)


@pytest.mark.parametrize("name", ["train.jsonl", "test.jsonl"])
def test_a_changed_data_file_is_noticed_on_resume(zero_config: Callable[..., ZeroConfig], tmp_path: Path, name: str) -> None:
    config = of_rows(zero_config, rows_at(tmp_path / "data", 6))
    run_zero(config, tmp_path / "run")
    run_zero(config, tmp_path / "run", resume=True)
    with (tmp_path / "data" / name).open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps({"problem": "Say 77.", "answer": "77"}))
    with pytest.raises(RunError, match=r"inputs\.data") as caught:
        run_zero(config, tmp_path / "run", resume=True)
    assert [each for each in ("train.jsonl", "test.jsonl", "validation.jsonl") if each in str(caught.value)] == [name]


def test_a_long_row_is_refused_before_the_run_or_dropped_and_counted(zero_config: Callable[..., ZeroConfig], tmp_path: Path) -> None:
    data = rows_at(tmp_path / "data", 30, long=29)
    with pytest.raises(DataError, match=r"row 30 of train\.jsonl.*drop"):
        run_zero(of_rows(zero_config, data, "max_prompt_tokens=30"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    run_zero(of_rows(zero_config, data, "max_prompt_tokens=30", more=", unusable: drop"), tmp_path / "run")
    manifest = read_manifest(tmp_path / "run")
    assert manifest["data"] == {"rows": 29, "dropped": {"prompt too long": 1}, "generated prompts too long": 0}


def test_max_prompt_tokens_may_be_raised_on_resume_and_nothing_else_that_matters(
    zero_config: Callable[..., ZeroConfig], tmp_path: Path
) -> None:
    data = rows_at(tmp_path / "data", 6)
    run_zero(of_rows(zero_config, data, "max_prompt_tokens=40"), tmp_path / "run")
    for refused in (["max_prompt_tokens=39"], ["max_prompt_tokens=50", "seed=1"], ["max_prompt_tokens=50", "grpo.beta=0.5"]):
        with pytest.raises(RunError):
            run_zero(of_rows(zero_config, data, *refused), tmp_path / "run", resume=True)
    config = of_rows(zero_config, data, "max_prompt_tokens=50", "save_every=1")
    run_zero(config, tmp_path / "run", resume=True)
    assert read_manifest(tmp_path / "run")["config"]["max_prompt_tokens"] == 50
    assert ZeroConfig.model_validate(yaml.safe_load((tmp_path / "run" / "config.yaml").read_text(encoding="utf-8"))) == config


def test_answers_in_a_form_that_the_model_does_not_write_teach_nothing_and_the_run_says_so(
    zero_config: Callable[..., ZeroConfig], tmp_path: Path, recorder: Recorder
) -> None:
    run = run_zero(zero_config("answer_form=boxed", "grpo.steps=5"), tmp_path / "run", reporter=recorder)
    [warning] = read_manifest(run)["warnings"]
    assert set(warning["kinds"]) == {"no right answer", "dead groups", "unreadable"}
    assert r"\boxed{}" in warning["text"]
    assert warning["text"] in recorder.of("warn")
    assert [text for facts in recorder.of("facts") for text in facts.values() if "nothing was learnt" in text]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Warnings during training" in page
    assert "Nothing was learnt: the rewards of" in page
    rows = read_rollouts(run / "rollouts" / "step-00003.parquet")
    assert {json.loads(row["data"])["answer_form"] if isinstance(row["data"], str) else row["data"]["answer_form"] for row in rows} == {
        "boxed"
    }
    assert {row["verdict"] for row in rows} == {"unparsable"}
