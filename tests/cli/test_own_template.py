"""A template of one's own in every command, and what is wrong with one: a line and exit code 2 before a model trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.api import Engine, evaluate, train_grpo
from dunwu.cli.main import main
from dunwu.config.load import read_mapping
from dunwu.models.loading import load_tokenizer
from tests.models.smol_like import save_smol

FAST = ["threads=1", "device=cpu"]
SMALL = ["grpo.steps=1", "grpo.prompts_per_step=2", "grpo.group_size=2", "sampling.max_tokens=4", "evaluations=[]", *FAST]
TURNS = [("system", "Be brief."), ("user", "Say 1."), ("assistant", r"\boxed{1}")]


@pytest.fixture(scope="module")
def smol(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_smol(tmp_path_factory.mktemp("smol") / "model")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    rows = {
        "train.jsonl": [{"problem": f"Say {n}.", "answer": str(n)} for n in range(3, 40)],
        "shots.jsonl": [{"problem": "Say 1.", "answer": r"\boxed{1}"}, {"problem": "Say 2.", "answer": r"\boxed{2}"}],
    }
    for name, found in rows.items():
        (tmp_path / name).write_text("".join(f"{json.dumps(row)}\n" for row in found), encoding="utf-8")
    (tmp_path / "block.yaml").write_text(
        f"system: Be brief.\nsuffix: 'Put it in \\boxed{{}}.'\nfew_shot: {{file: {tmp_path}/shots.jsonl, count: 1}}\n", encoding="utf-8"
    )
    return {name: tmp_path / name for name in (*rows, "block.yaml")}


def expected(smol: str, problem: str) -> str:
    chat = [*TURNS, ("user", f"{problem}\nPut it in \\boxed{{}}.")]
    turns = [{"role": role, "content": content} for role, content in chat]
    return str(load_tokenizer(smol).apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def shown(out: str) -> str:
    """The prompt that a dry run prints."""
    return "\n".join(line.removeprefix("# | ") for line in out.splitlines() if line.startswith("# | "))


def test_an_evaluation_shows_its_first_prompt_before_anything_is_sampled(
    smol: str, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["eval", "--model", smol, "--task", str(files["train.jsonl"]), "--out", str(tmp_path / "none"), "--dry-run"]
    assert main([*command, f"template={files['block.yaml']}"]) == 0
    prompt = "\n".join(line.removeprefix("| ") for line in capsys.readouterr().out.splitlines() if line.startswith("| "))
    assert prompt == expected(smol, prompt.rpartition("\n<|im_start|>user\n")[2].partition("\n")[0])
    assert not (tmp_path / "none").exists()


def test_a_run_keeps_its_template_for_resume_evaluation_and_the_next_run(
    smol: str, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, task = tmp_path / "run", str(files["train.jsonl"])
    command = ["zero", "--model", smol, "--task", task, "--out", str(run), f"template={files['block.yaml']}", *SMALL]
    assert main([*command, "--dry-run"]) == 0
    out = capsys.readouterr().out
    prompt = shown(out)
    assert prompt == expected(smol, prompt.rpartition("\n<|im_start|>user\n")[2].partition("\n")[0])
    assert f"{len(load_tokenizer(smol).encode(prompt, add_special_tokens=False))} tokens" in out

    assert main(command) == 0
    capsys.readouterr()
    config = read_mapping(run / "config.yaml")
    assert config["answer_form"] == "boxed"
    assert config["template"]["few_shot"] == [{"question": "Say 1.", "answer": r"\boxed{1}"}]
    assert main([*command, "grpo.steps=2", "--resume"]) == 0
    files["shots.jsonl"].write_text(json.dumps({"problem": "Say 7.", "answer": "7"}) + "\n", encoding="utf-8")
    capsys.readouterr()
    assert main([*command, "grpo.steps=3", "--resume"]) == 2
    assert "template.few_shot.0.question" in capsys.readouterr().err
    files["block.yaml"].unlink()
    assert main(["zero", "--out", str(run), "--resume", "grpo.steps=3"]) == 0
    capsys.readouterr()

    assert (
        main(["eval", str(run), "--task", task, "--problems", "1", "--samples", "1", "--max-tokens", "4", "--json", "--threads", "1"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["template"]["system"] == "Be brief."
    assert found["config"]["answer_form"] == "boxed"
    capsys.readouterr()
    assert main(["zero", "--model", str(run), "--task", task, "--dry-run", "sampling.max_tokens=4", "evaluations=[]"]) == 0
    out = capsys.readouterr().out
    assert "answer_form: boxed" in out
    assert shown(out) == prompt


def test_rows_are_learned_in_the_template_that_the_checkpoint_is_asked_in(
    smol: str, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, data = tmp_path / "run", str(files["train.jsonl"])
    command = [
        "sft",
        "--model",
        smol,
        "--data",
        data,
        f"template={files['block.yaml']}",
        "epochs=1",
        "batch_size=40",
        "sampling.max_tokens=4",
    ]
    assert main([*command, *FAST, "--dry-run"]) == 0
    assert shown(capsys.readouterr().out) == expected(smol, "Say 3.") + "3<|im_end|>"
    assert main([*command, *FAST, "--out", str(run)]) == 0
    capsys.readouterr()
    assert main(["zero", "--model", str(run), "--task", data, "--dry-run", "sampling.max_tokens=4", "evaluations=[]"]) == 0
    out = capsys.readouterr().out
    assert "answer_form: boxed" in out
    assert "Put it in \\boxed{}.<|im_end|>" in shown(out)


def test_python_takes_blocks(smol: str, files: dict[str, Path], tmp_path: Path) -> None:
    block: dict[str, Any] = {"system": "r1", "few_shot": {"file": str(files["shots.jsonl"]), "count": 1}}
    task = str(files["train.jsonl"])
    keys = {"grpo": {"steps": 1, "prompts_per_step": 2, "group_size": 2}, "sampling": {"max_tokens": 4}, "threads": 1, "device": "cpu"}
    run = train_grpo(model=smol, tasks=task, template=block, evaluations=[], out=tmp_path / "run", reporter=None, **keys)
    assert run.config["template"]["few_shot"] == [{"question": "Say 1.", "answer": r"\boxed{1}"}]
    result = evaluate(smol, task, template=block, problems=1, samples=1, sampling={"max_tokens": 4}, device="cpu", reporter=None)
    assert len(result.rows) == 1
    engine = Engine(smol, template=block, device="cpu")
    [completion] = engine.generate([[{"role": "user", "content": "Say 3."}]], max_tokens=4)
    assert len(completion.tokens) <= 4


BAD = [
    ("zero", ["template.systm=r1"]),
    ("zero", ["template={none}.jinja"]),
    ("zero", ["template.system.file={none}"]),
    ("zero", ["template.few_shot.file={none}.jsonl"]),
    ("zero", ["template.few_shot.file={none}"]),
    ("zero", ["template.few_shot.file={train.jsonl}", "template.few_shot.columns={prompt: ask, completion: answer}"]),
    ("zero", ["template.few_shot.file={shots.jsonl}", "template.few_shot.count=3"]),
    ("zero", ["template={{ problm }}"]),
    ("zero", ["template={% for m in messages %}"]),
    ("zero", ["template={{ problem + 1 }}"]),
    ("zero", ["template.few_shot.file={train.jsonl}", "template.few_shot.count=37"]),
    ("zero", ["template.few_shot.file={train.jsonl}", "template.few_shot.count=37", "max_prompt_tokens=9999"]),
    ("sft", ["template={{ problem }}"]),
    ("sft", ["template.prefill=<think>"]),
    ("eval", ["template.systm=r1"]),
    ("eval", ["template={{ messages[0]['content'] + 1 }}"]),
    ("eval", ["template.few_shot.file={train.jsonl}", "template.few_shot.count=37"]),
]


@pytest.mark.parametrize(("command", "keys"), BAD)
def test_a_template_that_cannot_be_used_is_one_line(
    command: str, keys: list[str], files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, places = save_smol(tmp_path / "model", positions=512), {**files, "none": tmp_path / "none"}
    for name, path in places.items():
        keys = [key.replace(f"{{{name}}}", str(path)) for key in keys]
    option = ["--data" if command == "sft" else "--task", str(files["train.jsonl"])]
    rest = SMALL if command == "zero" else ["epochs=1", *FAST] if command == "sft" else ["--max-tokens", "4", "--threads", "1"]
    out = [] if command == "eval" else ["--out", str(tmp_path / "run")]
    assert main([command, "--model", model, *option, *out, *rest, *keys]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert error[-1].startswith("dunwu: ")
    assert "Traceback" not in "".join(error)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
