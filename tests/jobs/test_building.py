"""The builders as stages: in a pipeline, stopped and continued, the same bytes again, and each mistake in one line."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.data_replies import ColdStartConfig, RejectionConfig
from dunwu.config.data_rows import DifficultyConfig, GeneralConfig
from dunwu.config.load import validate
from dunwu.errors import ConfigError, DataError, ModelError
from dunwu.jobs.building import run_cold_start, run_difficulty, run_general, run_rejection, token_counter
from dunwu.pipeline.execute import run_pipeline
from dunwu.pipeline.graph import Stage
from dunwu.pipeline.recipe_file import read_pipeline
from dunwu.pipeline.stages import KINDS, describe
from tests.recorder import Recorder

MODEL = '''
from pathlib import Path

ASKED = Path(__file__).with_name("asked.txt")


def answer(messages, seed):
    """Right, and written down how often it is asked; stops where a file says so."""
    with ASKED.open("a") as asked:
        asked.write("x")
    stop = Path(__file__).with_name("stop")
    if stop.exists() and len(ASKED.read_text()) > int(stop.read_text()):
        raise KeyboardInterrupt
    number = int("".join(c for c in messages[-1]["content"] if c.isdigit()))
    return f"<think>I count {number} and add one, which is call {seed}.</think>It is \\\\boxed{{{number + 1}}}."
'''
RECIPE = """
name: data
stages:
  cold:
    work: cold_start
    sources:
      zero:
        {kind: prompted, samples: 2, prompts: 99, generator: {kind: own, function: "FOLDER/model.py:answer"}, tasks: TASKS}
  samples:
    work: rejection_sampling
    generator: {kind: own, function: "FOLDER/model.py:answer"}
    tasks: TASKS
    samples: 2
    prompts: 6
  general: {work: general, rows: 30}
  mixture:
    work: mix
    inputs: {sources.cold.data: cold, sources.samples.data: samples, sources.general.data: general}
    sources: {cold: {share: 1}, samples: {share: 1}, general: {share: 1}}
    decontaminate: [{name: held, task: {kind: dataset, path: "FOLDER/rows"}}]
  clean: {work: clean, inputs: {data: mixture}}
  hard:
    work: difficulty
    generator: {kind: own, function: "FOLDER/model.py:answer"}
    task: {kind: dataset, path: "FOLDER/rows"}
    highest: 1.0
    samples: 1
    prompts: 5
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(MODEL, encoding="utf-8")
    (tmp_path / "rows").mkdir()
    for split, numbers in (("train", range(20)), ("test", range(50, 55)), ("validation", range(60, 62))):
        rows = [json.dumps({"problem": f"What comes after {n}?", "answer": str(n + 1)}) for n in numbers]
        (tmp_path / "rows" / f"{split}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    tasks = f'[{{task: {{kind: dataset, path: "{tmp_path}/rows"}}}}]'
    file = tmp_path / "data.yaml"
    file.write_text(RECIPE.replace("TASKS", tasks).replace("FOLDER", str(tmp_path)), encoding="utf-8")
    return file


def asked(recipe: Path) -> int:
    path = recipe.with_name("asked.txt")
    number = len(path.read_text(encoding="utf-8")) if path.exists() else 0
    path.write_text("", encoding="utf-8")
    return number


def hashes(made: Any) -> dict[str, str]:
    return {name: artefact.hash for name, artefact in made.items()}


def test_all_builders_in_one_pipeline(recipe: Path, tmp_path: Path) -> None:
    made = run_pipeline(read_pipeline(recipe), tmp_path / "one")
    assert asked(recipe) == 20 * 2 + 6 * 2 + 5
    for name, artefact in made.items():
        card = json.loads((artefact.payload / "card.json").read_text(encoding="utf-8"))
        (rows,) = artefact.payload.glob("*.jsonl")
        assert card["tokens"]["rows"] == len(rows.read_text(encoding="utf-8").splitlines()), name
        assert sum(card["sources"].values()) == card["tokens"]["rows"]
    mixture = json.loads((made["mixture"].payload / "card.json").read_text(encoding="utf-8"))
    assert sorted(name.partition("/")[0] for name in mixture["sources"]) == ["cold", "general", "samples"]
    assert mixture["certificates"][0]["problems"] == 5
    cost = made["samples"].manifest["cost"]
    assert cost["generated_tokens"] > 0
    assert hashes(run_pipeline(read_pipeline(recipe), tmp_path / "one")) == hashes(made)
    assert asked(recipe) == 0
    assert hashes(run_pipeline(read_pipeline(recipe), tmp_path / "two")) == hashes(made)


@pytest.mark.parametrize("at", [1, pytest.param(17, marks=pytest.mark.slow), 43])
def test_stopped_anywhere_it_goes_on_and_asks_nothing_twice(recipe: Path, tmp_path: Path, at: int) -> None:
    stop = recipe.with_name("stop")
    stop.write_text(str(at), encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(read_pipeline(recipe), tmp_path / "stopped")
    stop.unlink()
    assert asked(recipe) == at + 1
    made = run_pipeline(read_pipeline(recipe), tmp_path / "stopped")
    assert asked(recipe) == 20 * 2 + 6 * 2 + 5 - at
    assert hashes(made) == hashes(run_pipeline(read_pipeline(recipe), tmp_path / "whole"))


def test_the_tiny_model_gives_the_same_bytes_again(tmp_path: Path) -> None:
    """From sampling to rewriting by rules, with a journal that is lost half way in the second."""
    source = {"kind": "zero", "prompts": 24, "samples": 4, "sampling": {"max_tokens": 100}, "generator": {"kind": "local", "threads": 1}}
    config = validate(ColdStartConfig, {"sources": {"zero": source}, "reward_workers": 0})
    contents = []
    for name in ("one", "two"):
        run = run_cold_start(config, tmp_path / name)
        contents.append({path.name: path.read_bytes() for path in (run / "data").iterdir()})
    assert contents[0] == contents[1]
    rows = [json.loads(line) for line in contents[0]["rows.jsonl"].splitlines()]
    assert rows
    assert all("<answer>" in row["messages"][1]["content"] for row in rows)
    assert run_cold_start(config, tmp_path / "one", resume=True) == tmp_path / "one"


def test_every_builder_is_a_kind_of_work_and_says_what_it_takes(tmp_path: Path) -> None:
    assert {"cold_start", "rejection_sampling", "general", "difficulty", "clean", "mix"} <= KINDS.keys()
    stage = Stage("cold", ColdStartConfig(), {"sources.zero.generator.model": "zero-model"})
    assert stage.work.sources["zero"].generator.model == "@zero-model"  # type: ignore[attr-defined]
    assert describe(stage.work).makes == "data"
    with pytest.raises(ConfigError, match=r"inputs\.seed is not an input of cold_start"):
        Stage("cold", ColdStartConfig(), {"seed": "zero-model"})
    samples = Stage("samples", RejectionConfig(), {"generator.model": "m"})
    assert samples.described.resumes


def test_the_parameters_of_the_model_that_writes_are_counted(tmp_path: Path) -> None:
    work = describe(RejectionConfig())
    (tmp_path / "card.json").write_text('{"facts": {"generated_tokens": 7}}', encoding="utf-8")
    usage = work.usage(tmp_path, tmp_path)
    assert usage.generated_tokens == 7
    assert usage.parameters > 1_000_000


def own(path: Path) -> dict[str, Any]:
    path.write_text("def f(messages, seed): return 'so'\n", encoding="utf-8")
    return {"kind": "own", "function": f"{path}:f"}


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"tasks": [{"task": {"kind": "dataset", "path": "nowhere.jsonl"}}]}, DataError, "nowhere.jsonl does not exist"),
        ({"generator": {"kind": "local", "model": "nowhere/"}}, ModelError, "nowhere"),
        ({"model": "nowhere/"}, ModelError, "no model folder 'nowhere/'"),
        ({"reward_workers": 0, "prompts": 3}, DataError, "12 answers.*'not right by the rule verifier'"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_data_set(config: dict[str, Any], error: type[Exception], message: str, tmp_path: Path) -> None:
    how = validate(RejectionConfig, {"generator": own(tmp_path / "own.py"), **config})
    with pytest.raises(error, match=message) as caught:
        run_rejection(how, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "data").exists()


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (RejectionConfig, {"generator": {"kind": "endpoint", "model": "m", "url": "ftp://x"}}, "generator.*url"),
        (RejectionConfig, {"keep": 0}, "keep"),
        (GeneralConfig, {"sources": {"x": {"kind": "tiny", "weights": {"poems": 1}}}}, "poems"),
        (DifficultyConfig, {}, "task"),
    ],
)
def test_a_wrong_configuration_is_refused(model: Any, data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(model, data)


def test_general_data_needs_no_model(tmp_path: Path) -> None:
    run = run_general(GeneralConfig(rows=10), tmp_path / "run")
    assert (run / "data" / "rows.jsonl").is_file()
    assert token_counter("tiny")(["12 cats", ""])[1] == 0


class Picky(BaseHTTPRequestHandler):
    """Answers 1 more than it is asked about, and refuses two of the problems."""

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        number = int("".join(filter(str.isdigit, json.loads(content)["messages"][0]["content"])))
        self.send_response(400 if number in (3, 7) else 200)
        self.end_headers()
        message = {"content": f"<think>I count.</think>It is \\boxed{{{number + 1}}}."}
        self.wfile.write(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode())

    def log_message(self, *arguments: Any) -> None:
        pass


def test_what_an_endpoint_refuses_is_named_and_no_wrong_answer(recipe: Path, tmp_path: Path, recorder: Recorder) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Picky) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        generator = {"kind": "endpoint", "url": f"http://127.0.0.1:{server.server_port}/v1", "model": "m"}
        task = {"kind": "dataset", "path": str(tmp_path / "rows"), "unusable": "drop"}
        config = validate(DifficultyConfig, {"generator": generator, "task": task, "highest": 1.0, "prompts": 20, "samples": 2})
        out = run_difficulty(config, tmp_path / "run", reporter=recorder)
        server.shutdown()
    rows = [json.loads(line) for line in (out / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["pass_rate"] for row in rows} == {1.0}
    assert len(rows) == 18
    assert "40 answers" in recorder.of("say")[0]
    assert "refused 2 prompts" in recorder.of("say")[1]
    card = json.loads((out / "data" / "card.json").read_text(encoding="utf-8"))
    ((_, refused),) = card["facts"]["refused"].items()
    assert len(refused) == 2
    assert all(name.startswith("rows-") and "status 400" in reason for name, reason in refused.items())
