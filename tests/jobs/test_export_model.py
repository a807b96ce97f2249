"""`dunwu export`: the folder is the model, asks as its run did, says how it was made, and is written as a whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from dunwu.cli.main import main
from dunwu.config.load import load_config
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.data.prompts import prompt_template
from dunwu.jobs import export_model
from dunwu.jobs.reward_model import run_reward_model
from dunwu.jobs.sft import run_sft
from dunwu.jobs.zero import run_zero
from dunwu.models.bundled import newest_checkpoint, trained_as
from dunwu.models.facts import model_facts
from dunwu.models.loading import load_model
from dunwu.run import atomic
from dunwu.text.answer_forms import FORMS
from dunwu.types import Problem
from tests.models.smol_like import SMOL, save_smol
from tests.trainers.reward_model_data import polite_pairs, write_rows

SYSTEM = 'Be brief: "one" {{ word }}.\nNo more.'
FAST = ["device=cpu", "threads=1"]


@pytest.fixture(scope="module")
def zero_run(zero_config: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 2 steps that measures itself."""
    return run_zero(zero_config("grpo.steps=2"), tmp_path_factory.mktemp("zero") / "run")


@pytest.fixture(scope="module")
def chat_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SFT run on a chat model, with LoRA, a system prompt, a suffix and an example."""
    folder = tmp_path_factory.mktemp("chat")
    smol = save_smol(folder / "smol")
    (folder / "rows.jsonl").write_text('{"prompt": "Say 1.", "completion": "1"}\n' * 4, encoding="utf-8")
    block = {"system": SYSTEM, "suffix": "In words.", "few_shot": [{"question": "Say 0.", "answer": "0"}]}
    keys = [f"model={smol}", f"data={folder}/rows.jsonl", f"template={json.dumps(block)}", "lora={rank: 2}", "learning_rate=1e-2", *FAST]
    return run_sft(
        load_config(SftConfig, None, [*keys, "batch_size=2", "sampling={max_tokens: 4, temperature: 0.6, top_p: 0.95}"]), folder / "run"
    )


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    """``export(model, "--dtype", "float16")``: the exported folder."""

    def run(model: Path | str, *options: str, code: int = 0) -> Path:
        assert main(["export", str(model), "--out", str(tmp_path / "out" / "mine"), *options]) == code
        return tmp_path / "out" / "mine"

    return run


def head(folder: Path) -> Any:
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---\n")[1])


def greedy(folder: Path, question: str, jinja: str | None = None) -> list[int]:
    """As somebody would ask in transformers, from the answer's first token."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    chat = [{"role": "user", "content": question}]
    ids = tokenizer.apply_chat_template(chat, chat_template=jinja, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    said: list[int] = model.generate(**ids, do_sample=False, max_new_tokens=8)[0].tolist()
    return said


def test_the_folder_is_the_checkpoint(zero_run: Path, export: Callable[..., Path]) -> None:
    out, checkpoint = export(zero_run), newest_checkpoint(zero_run)
    saved, original = load_file(out / "model.safetensors"), load_file(checkpoint / "model.safetensors")
    assert saved.keys() == original.keys()
    assert all(torch.equal(saved[name], original[name]) for name in saved)
    assert (out / "tokenizer.json").read_bytes() == (checkpoint / "tokenizer.json").read_bytes()
    assert greedy(out, "Say 2 now.") == greedy(checkpoint, "Say 2 now.", (out / "chat_template.jinja").read_text(encoding="utf-8"))
    assert {path.name for path in out.iterdir()} == {
        *("README.md", "config.json", "generation_config.json", "model.safetensors", "dunwu.yaml"),
        *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
    }


def test_transformers_asks_as_the_run_did(zero_run: Path, export: Callable[..., Path]) -> None:
    out = export(zero_run)
    _, tokenizer = load_model(str(newest_checkpoint(zero_run)))
    trained = prompt_template("tiny", tokenizer).prompt(Problem("p", "t", "Say 2 now.", "number"))
    chat = [{"role": "user", "content": "Say 2 now."}]
    ids = AutoTokenizer.from_pretrained(out).apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert tuple(ids) == trained.token_ids
    assert re.search(r"\n```text\nUser: Say \d now\.\nAssistant:\n```\n", (out / "README.md").read_text(encoding="utf-8"))


def test_our_own_commands_ask_as_the_run_did(zero_run: Path, export: Callable[..., Path], tmp_path: Path, say_data: Path) -> None:
    out, found = export(zero_run), []
    for number, model in enumerate((newest_checkpoint(zero_run), out)):
        folder = tmp_path / str(number)
        sizes = ["--problems", "3", "--samples", "1", "--temperature", "0", "--max-tokens", "10", "--threads", "1", "--device", "cpu"]
        assert main(["eval", str(model), "--task", str(say_data), "--out", str(folder), *sizes]) == 0
        found.append(json.loads((folder / "summary.json").read_text(encoding="utf-8"))["say"])
    assert found[0] == found[1]


def test_the_card_says_how_it_was_made(zero_run: Path, export: Callable[..., Path]) -> None:
    out = export(zero_run, "--name", "My model", "--license", "MIT")
    assert (
        head(out).items()
        >= {"license": "mit", "library_name": "transformers", "language": ["en"], "pipeline_tag": "text-generation"}.items()
    )
    text = (out / "README.md").read_text(encoding="utf-8")
    summary = json.loads((zero_run / "summary.json").read_text(encoding="utf-8"))["say"]
    low, high = summary["after"]["interval"]
    assert f"{100 * summary['after']['pass_at_1']:.1f} % ({100 * low:.1f} to {100 * high:.1f})" in text
    for part in ("# My model", "`grpo.steps`", "`grpo-r1: advantage", "1 accuracy + 1 format", "say", "pass@1, 3 problems x 2"):
        assert part in text


def test_no_place_of_this_machine_is_in_the_folder(zero_run: Path, chat_run: Path, tmp_path: Path) -> None:
    for number, run in enumerate((zero_run, chat_run)):
        assert main(["export", str(run), "--out", str(tmp_path / "deep" / str(number))]) == 0
        for path in (tmp_path / "deep" / str(number)).iterdir():
            content = path.read_bytes()
            assert not [place for place in (tmp_path.parent, Path.home(), Path.cwd(), zero_run, chat_run) if bytes(place) in content], path


def test_a_system_prompt_a_suffix_and_examples_are_in_the_chat_template(chat_run: Path, export: Callable[..., Path]) -> None:
    out = export(chat_run)
    tokenizer = AutoTokenizer.from_pretrained(out)
    turns = [("system", SYSTEM), ("user", "Say 0."), ("assistant", "0"), ("user", "Say 1.\nIn words.")]
    expected = [{"role": role, "content": content} for role, content in turns]
    asked = tokenizer.apply_chat_template([{"role": "user", "content": "Say 1."}], add_generation_prompt=True, tokenize=False)
    assert asked == tokenizer.apply_chat_template(expected, chat_template=SMOL, add_generation_prompt=True, tokenize=False)
    assert trained_as(str(out)) == {"template": "auto"}
    assert model_facts(str(out)).template == "auto"


def test_a_request_that_depends_on_the_problem_is_in_the_card(tmp_path: Path, say_data: Path, export: Callable[..., Path]) -> None:
    keys = ["template={suffix: answer_form}", "answer_form=boxed", "evaluations=[]", "sampling.max_tokens=4", "reward_workers=0"]
    sizes = ["grpo.steps=1", "grpo.prompts_per_step=2", "grpo.group_size=2", *FAST]
    task = f"tasks=[{{task: {{kind: dataset, path: {say_data}}}}}]"
    run = run_zero(load_config(ZeroConfig, None, [f"model={save_smol(tmp_path / 'smol')}", task, *keys, *sizes]), tmp_path / "run")
    out, asks = export(run), FORMS["boxed"].asks["en"]
    assert (out / "chat_template.jinja").read_text(encoding="utf-8") == SMOL
    assert trained_as(str(out)) == {"template": {"suffix": "answer_form"}, "answer_form": "boxed"}
    text = (out / "README.md").read_text(encoding="utf-8")
    assert f"<|im_start|>user\nWhat is 17 + 25?\n{asks}<|im_end|>" in text
    assert f"End a problem with this line, as in training: `{asks}`" in text


def test_lora_is_merged(chat_run: Path, export: Callable[..., Path]) -> None:
    out, checkpoint = export(chat_run), newest_checkpoint(chat_run)
    saved, merged = load_file(out / "model.safetensors"), load_file(checkpoint / "model.safetensors")
    assert all(torch.equal(saved[name], merged[name]) for name in saved)
    assert not (out / "adapter").exists()
    assert "`lora`" in (out / "README.md").read_text(encoding="utf-8")


def test_every_token_that_ends_an_answer_is_in_the_generation_config(chat_run: Path, export: Callable[..., Path]) -> None:
    checkpoint = newest_checkpoint(chat_run)
    found = json.loads((export(chat_run) / "generation_config.json").read_text(encoding="utf-8"))
    assert found["eos_token_id"] == AutoTokenizer.from_pretrained(checkpoint).convert_tokens_to_ids("<|im_end|>")
    assert found.items() >= {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 0}.items()


def test_the_sampling_of_the_base_goes_and_its_other_ends_stay(tmp_path: Path, export: Callable[..., Path]) -> None:
    base = Path(save_smol(tmp_path / "plain"))
    (base / "generation_config.json").write_text('{"eos_token_id": [3, 4], "repetition_penalty": 1.1}', encoding="utf-8")
    found = json.loads((export(base) / "generation_config.json").read_text(encoding="utf-8"))
    assert sorted(found["eos_token_id"]) == [3, 4]
    assert found["repetition_penalty"] == 1.1  # no run of ours, so nothing better is known


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_the_weights_are_rounded_once(dtype: str, zero_run: Path, export: Callable[..., Path]) -> None:
    out, wanted = export(zero_run, "--dtype", dtype), getattr(torch, dtype)
    original = load_file(newest_checkpoint(zero_run) / "model.safetensors")
    assert all(torch.equal(tensor, original[name].to(wanted)) for name, tensor in load_file(out / "model.safetensors").items())
    assert json.loads((out / "config.json").read_text(encoding="utf-8"))["dtype"] == dtype


def test_a_plain_folder_is_exported_with_what_is_known(tmp_path: Path, export: Callable[..., Path]) -> None:
    base = Path(save_smol(tmp_path / "plain"))
    (base / "README.md").write_text("---\nlicense: cc-by-4.0\nbase_model: someone/big\nlanguage: en\n---\n", encoding="utf-8")
    out = export(base)
    assert head(out).items() >= {"license": "cc-by-4.0", "base_model": "someone/big", "language": ["en"]}.items()
    assert (out / "chat_template.jinja").read_text(encoding="utf-8") == SMOL
    assert not (out / "dunwu.yaml").exists()


def test_an_export_is_exported_again_without_a_second_system_prompt(chat_run: Path, export: Callable[..., Path]) -> None:
    inside = chat_run / "released"  # where the run's configuration is found above it
    assert main(["export", str(chat_run), "--out", str(inside)]) == 0
    try:
        again = export(inside)
        assert (again / "chat_template.jinja").read_bytes() == (inside / "chat_template.jinja").read_bytes()
        assert (again / "dunwu.yaml").read_bytes() == (inside / "dunwu.yaml").read_bytes()
    finally:
        shutil.rmtree(inside)


def test_the_bundled_model(export: Callable[..., Path]) -> None:
    assert head(export("tiny"))["license"] == "mit"


def test_a_reward_model_stays_one(
    tmp_path: Path, new_policy: Callable[..., Any], world_tokenizer: Any, taught_base: str, export: Callable[..., Path]
) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", polite_pairs(40))
    keys = [f"model={taught_base}", f"data={data}", "batch_size=16", *FAST]
    run = run_reward_model(load_config(RewardModelConfig, None, keys), tmp_path / "rm")
    out = export(run)
    ids = torch.tensor([[5, 6, 7]])
    scores = [AutoModelForSequenceClassification.from_pretrained(each)(input_ids=ids).logits for each in (out, newest_checkpoint(run))]
    assert torch.equal(*scores)
    assert head(out)["pipeline_tag"] == "text-classification"
    assert "held-out accuracy" in (out / "README.md").read_text(encoding="utf-8")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["export", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    return error


def test_bad_input_is_one_line(zero_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, taken = ["--out", str(tmp_path / "new")], tmp_path / "taken"
    taken.mkdir()
    unfinished = shutil.copytree(zero_run, tmp_path / "unfinished")
    shutil.rmtree(unfinished / "checkpoints")
    capsys.readouterr()
    assert "exists" in refused(capsys, str(zero_run), "--out", str(taken))
    assert "checkpoint" in refused(capsys, str(unfinished), *out)
    assert "nowhere" in refused(capsys, str(tmp_path / "nowhere"), *out)
    assert "apache-2.0" in refused(capsys, str(zero_run), *out, "--license", "apache2")
    assert "--name" in refused(capsys, str(zero_run), *out, "--name", "a\nb")
    assert "float8" in refused(capsys, str(zero_run), *out, "--dtype", "float8")
    assert "owner/name" in refused(capsys, str(zero_run), *out, "--push", "a/b/c")
    assert "--out" in refused(capsys, str(zero_run))
    assert not (tmp_path / "new").exists()


def test_a_corrupt_checkpoint_is_refused_and_an_older_one_is_taken(
    zero_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(zero_run, tmp_path / "run")
    checkpoint = newest_checkpoint(run)
    weights = bytearray((checkpoint / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (checkpoint / "model.safetensors").write_bytes(weights)
    capsys.readouterr()
    assert "corrupt" in refused(capsys, str(checkpoint), "--out", str(tmp_path / "new"))
    plain = shutil.copytree(checkpoint, tmp_path / "plain")
    (plain / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    assert "model.safetensors" in refused(capsys, str(plain), "--out", str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_full_disk_leaves_nothing(
    zero_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(export_model, "save_model", full)
        assert "disk full" in refused(capsys, str(zero_run), "--out", str(tmp_path / "a" / "new"))
        assert list((tmp_path / "a").iterdir()) == []
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert "free space" in refused(capsys, str(zero_run), "--out", str(tmp_path / "b" / "new"))
    assert not (tmp_path / "b").exists()


KILLED = """
import os, signal, sys
from dunwu.cli.main import main
from dunwu.jobs import export_model
def killed(card, history):
    os.kill(os.getpid(), signal.SIGKILL)
export_model.model_card = killed
main(["export", *sys.argv[1:]])
"""


def test_a_killed_export_leaves_no_folder(zero_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-c", KILLED, str(zero_run), "--out", str(tmp_path / "new")]
    assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "new").exists()
    [leftover] = tmp_path.iterdir()
    assert main(["export", str(zero_run), "--out", str(tmp_path / "new")]) == 0
    said = capsys.readouterr()
    assert leftover.name in "".join((said.out + said.err).split())
    assert leftover.exists()


CONVERTER = """
import pathlib, sys
if "--fail" in pathlib.Path(__file__).with_name("mode").read_text():
    sys.exit("BPE pre-tokenizer was not recognized")
folder, out, kind = sys.argv[1], sys.argv[3], sys.argv[5]
assert (pathlib.Path(folder) / "model.safetensors").is_file() and (pathlib.Path(folder) / "README.md").is_file()
pathlib.Path(out).write_text(f"GGUF {kind}")
"""


def test_gguf_by_llama_cpps_converter(
    zero_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    llama = tmp_path / "llama.cpp"
    llama.mkdir()
    monkeypatch.setenv("DUNWU_LLAMA_CPP", str(llama))
    assert "DUNWU_LLAMA_CPP" in refused(capsys, str(zero_run), "--out", str(tmp_path / "absent"), "--gguf")
    assert (tmp_path / "absent" / "model.safetensors").is_file()
    (llama / "convert_hf_to_gguf.py").write_text(CONVERTER, encoding="utf-8")
    (llama / "mode").write_text("--fail", encoding="utf-8")
    assert "not recognized" in refused(capsys, str(zero_run), "--out", str(tmp_path / "failed"), "--gguf")
    assert not list((tmp_path / "failed").glob("*.gguf"))
    (llama / "mode").write_text("", encoding="utf-8")
    assert main(["export", str(zero_run), "--out", str(tmp_path / "mine"), "--gguf", "--dtype", "float16"]) == 0
    assert (tmp_path / "mine" / "mine.gguf").read_text(encoding="utf-8") == "GGUF f16"
    assert "gguf" in head(tmp_path / "mine")["tags"]
    monkeypatch.delenv("DUNWU_LLAMA_CPP")
    monkeypatch.setenv("PATH", os.pathsep.join([str(llama), os.environ["PATH"]]))
    (llama / "convert_hf_to_gguf.py").chmod(0o755)
    assert main(["export", str(zero_run), "--out", str(tmp_path / "found"), "--gguf"]) == 0
