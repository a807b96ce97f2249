"""The last checkpoint of SFT, of RL, of LoRA and of new students in other engines: its chat template prompts, its stop tokens end, greedy
answers are ours. So is what `dunwu export` makes of one that was taught with a system prompt.

In transformers always. ``DUNWU_VLLM_PYTHON`` names an interpreter with vLLM, ``DUNWU_LLAMA_CPP`` a folder of llama.cpp with its converter
(which needs the package sentencepiece), ``DUNWU_SMOLLM2`` a folder of `dunwu import`, which replaces the small model: the converter knows
only real tokenizers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from dunwu.cli.main import main
from dunwu.config.distill_methods import DistillationConfig
from dunwu.config.load import load_config
from dunwu.config.pretrain import Family, ModelShape
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.data.prompts import make_prompts
from dunwu.jobs.distillation import run_distillation
from dunwu.jobs.sft import run_sft
from dunwu.jobs.zero import run_zero
from dunwu.models.bundled import newest_checkpoint
from dunwu.models.loading import load_model, save_model
from dunwu.models.new import new_model
from dunwu.rollout.base import group_requests
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.types import Problem, SamplingParams
from tests.models.tokenizers_of_kinds import SMOLLM2, smollm2_like

REAL, VLLM, LLAMA_CPP = (os.environ.get(f"DUNWU_{name}") for name in ("SMOLLM2", "VLLM_PYTHON", "LLAMA_CPP"))
STUDENTS: dict[Family, str] = {"qwen2": "logits", "qwen3": "hidden", "llama": "attention"}
"""By architecture, what each learns of the checkpoint of SFT."""
KINDS = ("sft", "rl", "lora", "export", *STUDENTS)
SYSTEM = "Be brief."
QUESTIONS, MOST = [f"Say {n}." for n in range(4)], 24
Answer = tuple[list[int], list[int]]
"""The ids of prompt and answer, its end token included."""


@pytest.fixture(scope="module")
def finals(say_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The last checkpoints: SFT on chats, 2 steps of RL from there, SFT with LoRA, new students; and SFT with a system prompt, exported."""
    folder = tmp_path_factory.mktemp("finals")
    if (base := REAL) is None:
        base = new_base(smollm2_like(), folder / "base", layers=2)
    rows = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": f"<answer>{n}</answer>"}]}
        for n, text in enumerate(QUESTIONS)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    fixed = ["device=cpu", "threads=1", "matmul_precision=float32"]
    speed = ["epochs=2", "learning_rate=1e-4"] if REAL else ["epochs=40", "learning_rate=1e-2"]
    sft = [f"data={folder / 'rows.jsonl'}", "template=auto", "batch_size=4", "sampling.max_tokens=5", "sample_every=1000", *speed, *fixed]
    made = {
        "sft": run_sft(load_config(SftConfig, None, [f"model={base}", *sft]), folder / "sft"),
        "lora": run_sft(load_config(SftConfig, None, [f"model={base}", *sft, "lora={rank: 4}"]), folder / "lora"),
    }
    task = f"{{kind: dataset, path: {say_data}}}"
    steps = ["grpo.steps=2", "grpo.prompts_per_step=2", "grpo.group_size=2", "grpo.learning_rate=1e-6", "grpo.max_learning_rate=1e-4"]
    rl = [
        f"model={newest_checkpoint(made['sft'])}",
        f"tasks=[{{task: {task}}}]",
        "evaluations=[]",
        "template=chat",
        "reward_workers=0",
        *steps,
    ]
    made["rl"] = run_zero(load_config(ZeroConfig, None, [*rl, "sampling.max_tokens=16", "sample_every=1000", *fixed]), folder / "rl")
    for family, method in STUDENTS.items():
        student = new_base(AutoTokenizer.from_pretrained(base), folder / f"new-{family}", layers=1, family=family)
        learnt = [f"model={student}", f"teacher={newest_checkpoint(made['sft'])}", f"method={method}", *sft]
        made[family] = run_distillation(load_config(DistillationConfig, None, learnt), folder / family)
    asked = run_sft(load_config(SftConfig, None, [f"model={base}", *sft, f"template={{system: {SYSTEM}}}"]), folder / "system")
    assert main(["export", str(asked), "--out", str(folder / "export")]) == 0
    return {**{kind: newest_checkpoint(run) for kind, run in made.items()}, "export": folder / "export"}


def new_base(tokenizer: Any, folder: Path, layers: int, family: Family = "llama") -> str:
    """A model with random weights; vLLM knows no smaller heads."""
    shape = ModelShape(family=family, hidden=64, layers=layers, heads=2, kv_heads=1, intermediate=64, max_positions=256)
    model = new_model(shape, tokenizer, 3)
    with torch.no_grad():
        model.model.embed_tokens.weight.mul_(8)
    save_model(model, tokenizer, folder)
    return str(folder)


@pytest.fixture(scope="module")
def ours(finals: dict[str, Path]) -> dict[str, list[Answer]]:
    """Greedy answers of the built-in engine."""
    return {kind: answers(final) for kind, final in finals.items()}


def answers(folder: Path) -> list[Answer]:
    model, tokenizer = load_model(str(folder))
    engine = TorchEngine(model, tokenizer, native=False)
    prompts = make_prompts([Problem(text, "t", text, "text") for text in QUESTIONS], "chat", tokenizer, 200)
    params = SamplingParams(MOST, temperature=0.0, stop_token_ids=engine.stop_token_ids)
    said = engine.generate(group_requests(prompts, params, 1, [0] * len(prompts)))
    return [(list(prompt.token_ids), list(each.tokens.ids)) for prompt, each in zip(prompts, said, strict=True)]


def chat(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def assert_asks_as_taught(kind: str, tokenizer: Any) -> None:
    asked = tokenizer.apply_chat_template(chat("Hi"), add_generation_prompt=True, tokenize=False)
    turns = [{"role": "system", "content": SYSTEM}] if kind == "export" else []
    expected = tokenizer.apply_chat_template([*turns, *chat("Hi")], chat_template=SMOLLM2, add_generation_prompt=True, tokenize=False)
    assert asked == expected


@pytest.mark.parametrize("kind", KINDS)
def test_transformers(kind: str, finals: dict[str, Path], ours: dict[str, list[Answer]]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(finals[kind])
    model = AutoModelForCausalLM.from_pretrained(finals[kind], dtype=torch.float32)
    assert_asks_as_taught(kind, tokenizer)
    found = []
    for text in QUESTIONS:
        ids = tokenizer.apply_chat_template(chat(text), add_generation_prompt=True, return_tensors="pt", return_dict=True)
        said = model.generate(**ids, do_sample=False, max_new_tokens=MOST)[0]
        length = ids["input_ids"].shape[1]
        found.append((said[:length].tolist(), said[length:].tolist()))
    assert found == ours[kind]
    if not REAL and kind != "lora":  # adapters alone do not teach a random base to stop
        assert {answer[-1] for _, answer in found} == {tokenizer.eos_token_id}


@pytest.mark.slow
@pytest.mark.skipif(not VLLM, reason="DUNWU_VLLM_PYTHON names no interpreter that has vLLM")
def test_vllm(finals: dict[str, Path], ours: dict[str, list[Answer]], tmp_path: Path) -> None:
    models = {kind: str(final) for kind, final in finals.items()}
    given = {"models": models, "chats": [chat(text) for text in QUESTIONS], "max_tokens": MOST}
    (tmp_path / "chats.json").write_text(json.dumps(given), encoding="utf-8")
    script = str(Path(__file__).with_name("vllm_chat.py"))
    done = subprocess.run([str(VLLM), script, str(tmp_path)], capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "vllm.json").read_text(encoding="utf-8"))
    assert {kind: [(each["prompt"], each["ids"]) for each in said] for kind, said in found.items()} == ours
    stops = load_model(models["sft"])[1].eos_token_id
    assert all((each["reason"] == "stop") == (each["ids"][-1] == stops) for said in found.values() for each in said)


@pytest.mark.slow
@pytest.mark.skipif(not (LLAMA_CPP and REAL), reason="DUNWU_LLAMA_CPP or DUNWU_SMOLLM2 is not set")
@pytest.mark.parametrize("kind", KINDS)
def test_llama_cpps_converter(kind: str, finals: dict[str, Path], ours: dict[str, list[Answer]], tmp_path: Path) -> None:
    """It takes the checkpoint and knows its tokenizer, and what is imported back answers as before."""
    converter, file = Path(str(LLAMA_CPP)) / "convert_hf_to_gguf.py", tmp_path / "final.gguf"
    command = [sys.executable, str(converter), str(finals[kind]), "--outfile", str(file), "--outtype", "f32"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert main(["import", str(file), "--out", str(tmp_path / "back")]) == 0
    assert_asks_as_taught(kind, AutoTokenizer.from_pretrained(tmp_path / "back"))
    assert answers(tmp_path / "back") == ours[kind]
