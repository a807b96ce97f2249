"""`run_sft` from beginning to end: what it leaves behind, what it refuses, and that the bundled base learns a form it did not know."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from dunwu.cli.sft_command import run as sft_command
from dunwu.config.load import load_config
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.data.prompts import make_prompts
from dunwu.errors import RunError, UserError
from dunwu.jobs.sft import run_sft
from dunwu.jobs.zero import run_zero
from dunwu.models import chat
from dunwu.models.loading import load_model, save_model, stop_token_ids
from dunwu.rollout.base import group_requests
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.run.directory import content_hash, read_manifest, read_metrics
from dunwu.run.step_manifest import verify_checkpoint
from dunwu.types import Problem, SamplingParams
from tests.recorder import Recorder

ConfigOf = Callable[..., SftConfig]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"prompt": f"Say {n}.", "completion": [{"role": "assistant", "content": f"{n}!", "reasoning_content": "ok"}]} for n in range(9)]
    return write(tmp_path_factory.mktemp("data") / "train.jsonl", rows)


@pytest.fixture(scope="module")
def overrides(taught_base: str, data: Path) -> list[str]:
    often = ["save_every=2", "sample_every=3", "evaluate_every=2", "sampling.max_tokens=8"]
    return [f"model={taught_base}", f"data={data}", f"validation={data}", "batch_size=4", "device=cpu", "threads=1", *often]


@pytest.fixture(scope="module")
def sft_config(overrides: Sequence[str]) -> ConfigOf:
    return lambda *more: load_config(SftConfig, None, [*overrides, *more])


@pytest.fixture(scope="module")
def finished(sft_config: ConfigOf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 6 updates. Tests that change it copy it first."""
    return run_sft(sft_config(), tmp_path_factory.mktemp("sft") / "run")


def test_the_run_directory_is_whole(finished: Path, taught_base: str, data: Path) -> None:
    assert [row["step"] for row in read_metrics(finished)] == [1, 2, 3, 4, 5, 6]
    final = finished / "checkpoints" / "step-000006"
    verify_checkpoint(final)
    manifest = read_manifest(finished)
    assert manifest["kind"] == "sft"
    assert manifest["steps"] == 6
    assert [row["step"] for row in read_metrics(finished) if isinstance(row.get("sample"), str) and "Say" in row["sample_prompt"]] == [3, 6]
    assert "Samples during training" in (finished / "report.html").read_text(encoding="utf-8")
    hashes = {"model": content_hash(Path(taught_base)), "data": content_hash(data), "validation": content_hash(data)}
    assert manifest["inputs"].items() >= hashes.items()
    assert manifest["inputs"].keys() - hashes.keys() == {"data_tokens", "validation_tokens"}
    assert manifest["outputs"] == {"checkpoint": content_hash(final)}
    assert manifest["data"]["data"]["conversations"] == 9
    assert manifest["data"]["data"]["learned_tokens"] * 2 == sum(row["learned_tokens"] for row in read_metrics(finished))
    summary = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    assert summary["validation"].keys() == {"before", "after"}
    assert summary["validation"]["after"]["eval_loss"] < summary["validation"]["before"]["eval_loss"]
    assert (summary["seed"], summary["device"]) == (0, "cpu")


def test_a_finished_run_is_not_done_again(finished: Path, sft_config: ConfigOf, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    names = ("metrics.jsonl", "summary.json", "evaluations/before.json")
    before = [(run / name).read_bytes() for name in names]
    recorder = Recorder()
    run_sft(sft_config(), run, resume=True, reporter=recorder)
    assert len(recorder.events) == 1
    assert str(run / "checkpoints" / "step-000006") in recorder.of("say")[0]
    assert [(run / name).read_bytes() for name in names] == before
    with pytest.raises(RunError, match="resume it"):
        run_sft(sft_config(), run)


def test_what_was_measured_before_is_of_the_base_also_after_a_resumption(finished: Path, sft_config: ConfigOf, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    (run / "evaluations" / "before.json").unlink()
    (run / "manifest.json").write_text(json.dumps(read_manifest(run) | {"finished": None}))  # stopped before its end
    run_sft(sft_config(), run, resume=True)
    name = "evaluations/before.json"
    assert (run / name).read_bytes() == (finished / name).read_bytes()


def test_reinforcement_learning_goes_on_from_the_checkpoint(finished: Path, zero_config: Callable[..., ZeroConfig], tmp_path: Path) -> None:
    folder = finished / "checkpoints" / "step-000006"
    run = run_zero(zero_config(f"model={folder}", "grpo.steps=1", "evaluations=[]", "template=chat"), tmp_path / "zero")
    assert read_metrics(run)[0]["step"] == 1


def test_a_lora_run_ends_in_a_plain_checkpoint(sft_config: ConfigOf, taught_base: str, tmp_path: Path) -> None:
    run = run_sft(sft_config("lora={rank: 4, targets: [q_proj]}", "epochs=1", "learning_rate=1e-2"), tmp_path / "run")
    folder = run / "checkpoints" / "step-000003"
    trained, base = (load_model(str(source))[0].state_dict() for source in (folder, taught_base))
    moved = {name for name in base if not torch.equal(trained[name], base[name])}
    assert moved
    assert all(name.endswith("q_proj.weight") for name in moved)
    assert (folder / "adapter").is_dir()


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["model=nowhere/at all"], "no model folder 'nowhere/at all'"),
        (["data=nowhere.jsonl"], "nowhere.jsonl does not exist"),
        (["validation=nowhere.jsonl"], "nowhere.jsonl does not exist"),
        (["template=chatml"], "template = 'chatml' needs the token '<|im_end|>'"),
        (["max_length=5"], "tokens are over max_length = 5; raise it, or set overlong=drop"),
        (["max_length=5", "overlong=drop"], "all 9 conversations are over max_length = 5"),
        (["max_length=1000"], "max_length = 1000: the model has 256 positions; set it to 256 at most"),
        (["device=cuda:77"], "device 'cuda:77' is not available"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_line_and_makes_nothing(more: list[str], part: str, sft_config: ConfigOf, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        run_sft(sft_config(*more), tmp_path / "run")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_other_data_under_the_same_name_is_refused(sft_config: ConfigOf, data: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copy(data, tmp_path / "mine.jsonl"))
    config = sft_config(f"data={mine}", "epochs=1")
    run_sft(config, tmp_path / "run")
    write(mine, [{"prompt": "Say 1.", "completion": "2"}])
    with pytest.raises(RunError, match=r"inputs\.data"):
        run_sft(config, tmp_path / "run", resume=True)


def test_rows_that_became_other_tokens_are_refused(
    finished: Path, sft_config: ConfigOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a template that writes today's date would make them."""
    run = shutil.copytree(finished, tmp_path / "run")
    monkeypatch.setattr(chat, "FORMATS", {**chat.FORMATS, "tiny": chat.FORMATS["tiny"].replace("User: ", "User:  ")})
    with pytest.raises(RunError, match=r"inputs\.data_tokens"):
        run_sft(sft_config(), run, resume=True)


def test_dropped_rows_are_told(sft_config: ConfigOf, data: Path, tmp_path: Path, recorder: Recorder) -> None:
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    long = write(tmp_path / "long.jsonl", [*rows, {"prompt": "Say 1.", "completion": "1 " * 60}])
    run = run_sft(sft_config(f"data={long}", "max_length=40", "overlong=drop", "epochs=1"), tmp_path / "run", reporter=recorder)
    assert read_manifest(run)["data"]["data"]["too_long"] == 1
    assert "1 too long and dropped" in recorder.of("facts")[0]["data"]


KILLED = """
import os, signal, sys
from pathlib import Path
from dunwu.config.load import load_config
from dunwu.config.sft import SftConfig
from dunwu.data.io import token_file
from dunwu.jobs.sft import run_sft

def kill(path, expected, room=token_file._checked_room):
    assert room(path, expected) > 0
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    return expected

token_file._checked_room = kill
run_sft(load_config(SftConfig, None, sys.argv[3:]), Path(sys.argv[2]))
"""
"""A run that is sent a signal after the first rows of its token file."""


def test_killed_while_tokenising_a_run_begins_again(finished: Path, overrides: Sequence[str], sft_config: ConfigOf, tmp_path: Path) -> None:
    run = tmp_path / "run"
    killed = subprocess.run([sys.executable, "-c", KILLED, "SIGKILL", str(run), *overrides], check=False)
    assert killed.returncode == -signal.SIGKILL
    [partial] = (run / "tokens").glob("*.tmp")
    assert (partial / "data.arrow").exists()
    assert not (run / "manifest.json").exists()
    run_sft(sft_config(), run, resume=True)
    assert sorted(path.name for path in (run / "tokens").iterdir()) == ["data.arrow", "validation.arrow"]
    assert read_manifest(run)["inputs"] == read_manifest(finished)["inputs"]
    weights = "checkpoints/step-000006/model.safetensors"
    assert (run / weights).read_bytes() == (finished / weights).read_bytes()


def test_interrupted_while_it_tokenises_a_run_leaves_nothing(overrides: Sequence[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    stopped = subprocess.run([sys.executable, "-c", KILLED, "SIGINT", str(run), *overrides], capture_output=True, text=True, check=False)
    assert "dunwu.errors.Interrupted" in stopped.stderr
    assert not run.exists()


def test_a_resume_takes_the_token_files_as_they_are(finished: Path, sft_config: ConfigOf, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    (run / "tokens" / "validation.arrow").write_bytes(b"corrupt")
    before = {path.name: path.stat().st_ino for path in (run / "tokens").iterdir()}
    run_sft(sft_config(), run, resume=True)
    after = {path.name: path.stat().st_ino for path in (run / "tokens").iterdir()}
    assert after["data.arrow"] == before["data.arrow"]
    assert (run / "tokens" / "validation.arrow").stat().st_size > 1_000


def test_a_refused_resume_changes_no_token_file(sft_config: ConfigOf, data: Path, tmp_path: Path) -> None:
    mine, run = Path(shutil.copy(data, tmp_path / "mine.jsonl")), tmp_path / "run"
    run_sft(sft_config(f"data={mine}", "epochs=1"), run)
    tokens = (run / "tokens" / "data.arrow").read_bytes()
    write(mine, [{"prompt": "Say 1.", "completion": "2"}])
    for config, resume in ((sft_config(f"data={mine}", "epochs=1"), True), (sft_config(f"data={mine}", "epochs=1"), False)):
        with pytest.raises(RunError):
            run_sft(config, run, resume=resume)
    assert (run / "tokens" / "data.arrow").read_bytes() == tokens


FORM = re.compile(r"\|special_token\|\d+ and \d+ make (\d+)\.\|special_token\|\1<\|endoftext\|>")
"""DeepSeek-R1's cold-start form, reasoning and a summary of it; the base has never seen it."""


def in_form(folder: str, questions: Sequence[str]) -> int:
    """Greedy completions that have the form, their end included."""
    model, tokenizer = load_model(folder)
    prompts = make_prompts([Problem(text, "sum", text, "number") for text in questions], "tiny", tokenizer, 100)
    greedy = SamplingParams(80, temperature=0.0, stop_token_ids=stop_token_ids(tokenizer, model))
    said = TorchEngine(model, tokenizer).generate(group_requests(prompts, greedy, 1, range(len(prompts))))
    return sum(FORM.fullmatch(tokenizer.decode(completion.tokens.ids)) is not None for completion in said)


def test_the_bundled_base_learns_a_form_it_did_not_know(tmp_path: Path) -> None:
    """Not the sums, which it cannot do: how to write them down."""
    sums = [(a, 2 + a * 7 % 11) for a in range(2, 82)]
    said = "|special_token|{0} and {1} make {2}.|special_token|{2}"
    path = write(tmp_path / "sums.jsonl", [{"prompt": f"What is {a}+{b}?", "completion": said.format(a, b, a + b)} for a, b in sums])
    settings = ["epochs=6", "batch_size=8", "learning_rate=3e-3", "sample_every=1000", "save_every=1000", "device=cpu"]
    run = run_sft(load_config(SftConfig, None, [f"data={path}", *settings]), tmp_path / "run")
    unseen = [f"What is {a}+{b}?" for a, b in zip(range(82, 98), range(20, 36), strict=True)]
    assert in_form("tiny", unseen) == 0
    assert in_form(str(run / "checkpoints" / "step-000060"), unseen) >= 8


def qwen(folder: Path) -> Path:
    """A random model of Qwen's shape with a byte-level tokenizer whose end of sequence is not the end of a turn."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({letter: place for place, letter in enumerate(letters)}, []))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(token) for token in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("qwen2", vocab_size=len(tokenizer), eos_token_id=256, **sizes))
    save_model(model, tokenizer, folder)
    return folder


def test_a_model_of_another_family_learns_to_end_its_turn(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{"prompt": text, "completion": "yo"} for text in ("hi", "hey", "ho")])
    settings = [f"model={qwen(tmp_path / 'base')}", f"data={path}", "template=chatml", "epochs=30", "learning_rate=1e-2"]
    run = run_sft(load_config(SftConfig, None, [*settings, "device=cpu", "sampling.max_tokens=5"]), tmp_path / "run")
    model, tokenizer = load_model(str(run / "checkpoints" / "step-000030"))
    prompts = make_prompts([Problem("p", "t", "hi", "text")], "chat", tokenizer, 100)
    assert prompts[0].text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    greedy = SamplingParams(20, temperature=0.0, stop_token_ids=stop_token_ids(tokenizer, model))
    [said] = TorchEngine(model, tokenizer).generate(group_requests(prompts, greedy, 1, [0]))
    assert tokenizer.decode(said.tokens.ids) == "yo<|im_end|>"
    assert said.finish_reason == "stop"


def command(run: Path, overrides: Sequence[str], *more: str) -> int:
    recipe = run.parent / "empty.yaml"
    recipe.write_text("seed: 0\n", encoding="utf-8")
    return sft_command(["--recipe", str(recipe), "--out", str(run), *more, *overrides])


def test_the_command_ends_with_next_commands(overrides: Sequence[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(tmp_path / "run", overrides, "epochs=1") == 0
    assert f"dunwu zero --model {tmp_path / 'run' / 'checkpoints' / 'step-000003'}" in capsys.readouterr().out


def test_a_token_that_the_model_does_not_embed_is_one_line(sft_config: ConfigOf, taught_base: str, tmp_path: Path) -> None:
    model, tokenizer = load_model(taught_base)
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    save_model(model, tokenizer, tmp_path / "model")
    with pytest.raises(UserError, match="is outside the model's vocabulary of") as caught:
        run_sft(sft_config(f"model={tmp_path / 'model'}", "template=chatml"), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
