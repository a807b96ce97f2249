"""The door for Python: light to import, typed, one result for each way of saying the same, and every example in the docs runs."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import dunwu
from dunwu import api
from dunwu.config.load import load_config
from dunwu.config.recipes import find_recipe
from dunwu.config.zero import GrpoConfig, ZeroConfig
from dunwu.errors import ConfigError, DataError, DunwuError, Interrupted, RunError
from dunwu.run.directory import content_hash

ROOT = Path(__file__).resolve().parents[1]
NAMES = {
    "Engine",
    "Problem",
    "evaluate",
    "load_model",
    "problems",
    "read_run",
    "reward",
    "run_pipeline",
    "train_grpo",
    "train_reward_model",
    "train_sft",
    "verify",
}
HEAVY = ("torch", "transformers", "pydantic", "numpy", "rich")
SHORT: dict[str, Any] = {
    "grpo": {"steps": 3, "prompts_per_step": 4, "group_size": 2},
    "sampling": {"max_tokens": 30},
    "evaluations": [],
    "reward_workers": 0,
    "device": "cpu",
    "threads": 1,
}


@pytest.fixture(scope="module")
def engine() -> dunwu.Engine:
    return dunwu.Engine("tiny", device="cpu")


def python(program: str, folder: Path) -> str:
    """What a fresh interpreter prints; the program is a script without a guard for its worker processes."""
    (folder / "script.py").write_text(program, encoding="utf-8")
    done = subprocess.run([sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def examples(page: str) -> str:
    """All Python of a page, in order."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


def test_the_names() -> None:
    assert set(dunwu.__all__) == NAMES
    assert set(dir(dunwu)) == NAMES | {"__version__", "errors"}
    for name in NAMES:
        assert inspect.getdoc(getattr(dunwu, name)), name
    assert list(inspect.signature(dunwu.train_grpo).parameters)[:3] == ["recipe", "out", "resume"]
    with pytest.raises(AttributeError):
        dunwu.train_ppo  # noqa: B018
    for name in NAMES:
        assert f"`{name}`" in (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def test_importing_loads_nothing_heavy_and_verifying_no_torch(tmp_path: Path) -> None:
    program = f"""
import sys
import dunwu
print([name for name in {HEAVY!r} if name in sys.modules])
from dunwu import *
problem = problems("countdown", 1)[0]
verify(problem, "1"), verify("1/2", "0.5"), reward(problem, "text")
print([name for name in ("torch", "transformers") if name in sys.modules])
"""
    assert python(program, tmp_path).splitlines() == ["[]", "[]"]


@pytest.mark.parametrize("page", [pytest.param("docs/python.md", marks=pytest.mark.slow), "README.md"])
def test_the_examples_run(page: str, tmp_path: Path) -> None:
    assert examples(page)
    python(examples(page), tmp_path)


def test_one_configuration_said_in_many_ways(tmp_path: Path) -> None:
    expected = load_config(ZeroConfig, find_recipe("tiny/zero", "zero"), ["grpo.steps=7", "seed=3"])
    file = tmp_path / "mine.yaml"
    during = {"evaluate_every": 15, "evaluate_problems": 64}
    file.write_text(f"{json.dumps({'grpo': {'steps': 7, 'beta': 0.0}, 'seed': 2, **during})}\n", encoding="utf-8")
    said: list[tuple[Any, dict[str, Any]]] = [
        ("tiny/zero", {"grpo": {"steps": 7}, "seed": 3}),
        (find_recipe("tiny/zero", "zero"), {"grpo": GrpoConfig(steps=7, beta=0.0), "seed": 3}),
        (file, {"seed": 3}),
        ({"grpo": {"steps": 7, "beta": 0.0}}, {**during, "seed": 3, "tasks": "countdown"}),
        (during, {"grpo": {"steps": 7, "beta": 0}, "seed": 3, "tasks": [{"kind": "countdown"}]}),
        (expected, {}),
    ]
    for recipe, keys in said:
        assert api._config(ZeroConfig, recipe, "zero", keys) == expected
    full = api._config(
        ZeroConfig, {}, "zero", {"model": "owner/model", "tasks": ["game24", {"task": {"kind": "countdown"}, "weight": 2.0}]}
    )
    assert [(source.task.kind, source.weight) for source in full.tasks] == [("game24", 1.0), ("countdown", 2.0)]
    assert full.tasks[0].task.model_dump()["wording"] == "full"
    assert api._config(ZeroConfig, {"preset": "r1-zero-v1"}, "zero", {"grpo": {"steps": 7}}).grpo.group_size == 16


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: dunwu.train_grpo(out="x", grpo={"stepz": 1}), ConfigError),
        (lambda: dunwu.train_grpo(out="x", tasks="countdwn"), ConfigError),
        (lambda: dunwu.train_grpo("tiny/zerro", out="x"), ConfigError),
        (lambda: dunwu.train_sft(out="x", data=None), ConfigError),
        (lambda: dunwu.run_pipeline({"stages": {}}, out="x"), ConfigError),
        (lambda: dunwu.read_run("no/such/run"), RunError),
        (lambda: dunwu.problems("countdwn"), ConfigError),
        (lambda: dunwu.problems("countdown", split="dev"), ConfigError),
        (lambda: dunwu.problems(limit=-1), ConfigError),
        (lambda: dunwu.problems(limit="ten"), ConfigError),
        (lambda: dunwu.problems("countdown", seed=-1, split="train"), ConfigError),
        (lambda: dunwu.train_grpo(out="x", seed=-1), ConfigError),
        (lambda: dunwu.train_sft(out=None), ConfigError),
        (lambda: dunwu.train_grpo(3, out="x"), ConfigError),
        (lambda: dunwu.run_pipeline(None, out="x"), ConfigError),
        (lambda: dunwu.run_pipeline(3, out="x"), ConfigError),
        (lambda: dunwu.run_pipeline("r1", out=None), ConfigError),
        (lambda: dunwu.evaluate(out=__file__, problems=1), RunError),
        (lambda: dunwu.evaluate(out=3, problems=1), ConfigError),
        (lambda: dunwu.evaluate(3), ConfigError),
        (lambda: dunwu.evaluate(seed=-1), ConfigError),
        (lambda: dunwu.read_run(None), RunError),
        (lambda: dunwu.verify("1", "1", data=["a"]), DataError),
        (lambda: dunwu.verify("1", "1", answer_form=["boxed"]), DataError),
        (lambda: dunwu.reward("1", "1"), DataError),
        (lambda: dunwu.reward(dunwu.problems(limit=1)[0], [3]), DataError),
        (lambda: dunwu.verify("", "1", kind="number"), DataError),
        (lambda: dunwu.verify("1/2", "0.5", kind="maths"), DataError),
        (lambda: dunwu.verify("4", 4), DataError),
        (lambda: dunwu.verify(4, "4"), DataError),
        (lambda: dunwu.reward(dunwu.problems(limit=1)[0], "x", parts=["accuracie"]), ConfigError),
        (lambda: dunwu.reward(dunwu.problems(limit=1)[0], "x", parts=["accuracy", {"kind": "safety", "model": "m"}]), ConfigError),
        (lambda: dunwu.reward(dunwu.problems(limit=1)[0], "x", parts=["accuracy", {"kind": "teacher", "teacher": "tiny"}]), ConfigError),
    ],
)
def test_mistakes_are_errors_of_one_line(call: Any, error: type[DunwuError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "prompts",
    [
        None,
        3,
        [3],
        {"role": "user", "content": "hi"},
        [{"role": "user", "content": "hi"}],
        [["user", "hi"]],
        [[{"content": "hi"}]],
        [[{"role": "user"}]],
        [[]],
    ],
)
def test_what_is_no_prompt_is_refused_in_one_line(prompts: Any, engine: dunwu.Engine) -> None:
    with pytest.raises(DataError) as caught:
        engine.generate(prompts)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keys", [{"samples": 0}, {"samples": "two"}, {"seed": -1}, {"seed": None}, {"max_tokens": "few"}])
def test_wrong_keys_of_generate_are_refused_in_one_line(keys: dict[str, Any], engine: dunwu.Engine) -> None:
    with pytest.raises(ConfigError) as caught:
        engine.generate("hi", **keys)
    assert "\n" not in str(caught.value)


def test_an_engine_draws_what_an_evaluation_draws() -> None:
    model = dunwu.load_model()
    sampling = {"max_tokens": 40, "temperature": 0.8}
    result = dunwu.evaluate(model, problems=3, samples=2, seed=5, sampling=sampling)
    assert result.summary()["problems"] == 3
    engine = dunwu.Engine(model)
    drawn = engine.generate(dunwu.problems("countdown", 3, seed=5), samples=2, seed=5, **sampling)
    assert [row.completion for row in result.rows] == [completion.text for completion in drawn]
    problem = dunwu.problems("countdown", 1)[0]
    asked = [problem, [{"role": "user", "content": problem.text}], f"User: {problem.text}\nAssistant:"]
    assert len({completion.text for completion in engine.generate(asked, temperature=0.0, max_tokens=20)}) == 1
    with pytest.raises(DataError):
        engine.generate([[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]])


def test_training_in_a_thread_and_beside_a_running_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One says what it does, the other is told not to."""

    async def notebook() -> None:
        dunwu.train_grpo(out=tmp_path / "loop", reporter=None, **SHORT)

    asyncio.run(notebook())
    assert capsys.readouterr() == ("", "")
    thread = threading.Thread(target=lambda: dunwu.train_grpo(out=tmp_path / "thread", **SHORT))
    thread.start()
    thread.join()
    assert "zero 3/3" in capsys.readouterr().out
    models = [dunwu.read_run(tmp_path / name).model for name in ("loop", "thread")]
    assert content_hash(models[0] / "model.safetensors") == content_hash(models[1] / "model.safetensors")


def test_ctrl_c_saves_and_the_same_call_resumes(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        f"import os, signal\nasked = []\ndef stop(prompts, completions, **columns):\n    asked.append(1)\n"
        f"    if len(asked) == 10:\n        os.kill({os.getpid()}, signal.SIGINT)\n    return [0.0]\n",
        encoding="utf-8",
    )
    keys = {**SHORT, "reward": ["accuracy", f"{tmp_path}/own.py:stop"], "out": tmp_path / "run"}
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught:
        dunwu.train_grpo(**keys)
    assert isinstance(caught.value, Interrupted)
    assert signal.getsignal(signal.SIGINT) is before
    assert dunwu.read_run(tmp_path / "run").model.name == "step-000002"
    with pytest.raises(RunError):
        dunwu.train_grpo(**keys)
    run = dunwu.train_grpo(**keys, resume=True)
    assert [row["step"] for row in run.metrics.rows] == [1, 2, 3]
    assert run.model.name == "step-000003"


def notebook() -> list[dict[str, Any]]:
    """The cells of the demo."""
    cells: list[dict[str, Any]] = json.loads((ROOT / "examples" / "demo.ipynb").read_text(encoding="utf-8"))["cells"]
    return cells


def test_the_notebook_holds_no_outputs() -> None:
    code = [cell for cell in notebook() if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in code] == [[]] * len(code)
    assert [cell["execution_count"] for cell in code] == [None] * len(code)
    assert code[0]["metadata"]["tags"] == ["parameters"]


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    """Its cells as one program, with few steps in place of the cell with the parameters."""
    parameters, *code = ["".join(cell["source"]) for cell in notebook() if cell["cell_type"] == "code"]
    names = [line.partition(" = ")[0] for line in parameters.splitlines()]
    assert names == ["steps", "problems", "samples", "out"]
    short = 'import matplotlib\nmatplotlib.use("agg")\nsteps, problems, samples, out = 3, 8, 2, "run"'
    printed = python("\n\n".join([short, *code, 'figure.savefig("last.png")']), tmp_path)
    assert "trained: " in printed
    assert len(dunwu.read_run(tmp_path / "run").metrics.rows) == 3
    assert (tmp_path / "last.png").stat().st_size > 10_000


def test_warnings_of_a_silent_run_are_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"problem": f"Say {number}.", "answer": str(answer)} for number in range(4) for answer in (number, number + 1)]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    dunwu.evaluate(task=str(tmp_path / "test.jsonl"), problems=1, samples=1, sampling={"max_tokens": 2}, reporter=None)
    assert capsys.readouterr() == ("", "")
    assert "4 problems occur with different golds" in caplog.text
