"""Mistakes of a user, each with the real command: one line with the value and the remedy, and what was finished stays finished."""

from __future__ import annotations

import gzip
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dunwu.cli.main import main
from dunwu.run.usage import ARTEFACT

FIRST = "name: p\nstages:\n  first: {work: general, rows: 4, model: MODEL}\n"
TRAINED = "template: tiny, epochs: 1, batch_size: 4, max_length: 128, device: cpu, threads: 1"


class Desk:
    """A folder with a recipe, and what the command says of it."""

    def __init__(self, folder: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.out, self._model, self._capsys = folder, folder / "run", model, capsys
        self.said = ""

    def rows(self, name: str, rows: list[Any]) -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def run(self, recipe: str, *arguments: str) -> str:
        """Runs it; the line of the mistake, empty where there is none."""
        file = self.folder / "recipe.yaml"
        file.write_text(recipe.replace("MODEL", self._model).replace("DIR", str(self.folder)), encoding="utf-8")
        code = main(["run", str(file), "--out", str(self.out), *arguments])
        self.said, error = self._capsys.readouterr()
        lines = [line for line in error.splitlines() if line.startswith("dunwu: ")]
        assert (code, len(lines)) in ((0, 0), (2, 1)), f"exit code {code}: {error}"
        assert "Traceback" not in error
        return lines[0] if lines else ""

    @property
    def first_was_done_before(self) -> bool:
        return "stage first: done before" in self.said


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, new_policy: Callable[..., Any], world_tokenizer: Any) -> str:
    from dunwu.models.loading import save_model

    folder = tmp_path_factory.mktemp("model")
    save_model(new_policy(0), world_tokenizer, folder)
    return str(folder)


@pytest.fixture
def desk(tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, model, capsys)


@pytest.mark.parametrize(
    ("stages", "part"),
    [
        ("  a: {work: clean, inputs: {data: a}}", "the stages a -> a"),
        ("  a: {work: clean, inputs: {data: b}}\n  b: {work: clean, inputs: {data: a}}", "the stages a -> b -> a"),
        (
            "  a: {work: clean, inputs: {data: c}}\n  b: {work: clean, inputs: {data: a}}\n  c: {work: clean, inputs: {data: b}}",
            "a -> b -> c -> a",
        ),
        ("  b: {work: clean, inputs: {data: frist}}", "inputs.data = 'frist' is not a stage; did you mean first?"),
        ("  b: {work: clean, inputs: {data: ./rows.jsonl}}", "a file from outside is a stage with `work: file`"),
        ("  b: {work: sft, data: x, inputs: {model: first}}", "inputs.model must be of the kind model, and first makes data"),
        ("  first: {work: general}", "line 4: the key 'first' is given twice"),
        ("  b: {work: cleann}", "did you mean clean?"),
        ("  b: {work: clean, inputs: {data: first}, normalize: true}", "unknown key normalize: did you mean normalise?"),
        ("  b: {work: clean}", "stage b: data is missing"),
        ("  b: {work: file, path: ~nobody-of-this-name/rows.jsonl}", "rows.jsonl does not exist; check the path"),
        ("  b: {work: file, path: DIR/nowhere}", "stage b: DIR/nowhere does not exist; check the path"),
        ("  b: {work: file, path: DIR/loop.jsonl}", "stage b: DIR/loop.jsonl does not exist; check the path"),
        ("  b: {work: clean, data: DIR/nowhere.jsonl}", "stage b: data = 'DIR/nowhere.jsonl' does not exist; check the path"),
        ("  b: {work: own, function: 'DIR/torn.py:f'}", "DIR/torn.py is not valid Python ('(' was never closed"),
    ],
)
def test_a_recipe_that_cannot_be_done(stages: str, part: str, desk: Desk) -> None:
    (desk.folder / "loop.jsonl").symlink_to("loop.jsonl")
    (desk.folder / "torn.py").write_text("def f(\n", encoding="utf-8")
    assert part.replace("DIR", str(desk.folder)) in desk.run(f"{FIRST}{stages}\n")


@pytest.mark.parametrize("option", ["--from", "--until"])
def test_an_unknown_stage_in_an_option(option: str, desk: Desk) -> None:
    assert "has no stage 'frist': did you mean first?" in desk.run(FIRST, option, "frist")


def torn_parquet() -> bytes:
    import io

    import pyarrow as pa
    from pyarrow import parquet

    whole = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist([{"prompt": "1", "completion": "2"}] * 9), whole)
    return whole.getvalue()[:-20]


ROW = b'{"prompt": "How many?", "completion": "Two."}\n'


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("x.jsonl", b"", "has no rows: give a file with at least one"),
        ("x.jsonl", ROW + b"hello\n", "x.jsonl, row 2: not valid JSON"),
        ("x.jsonl", b"[1]\n", "row 1: a number instead of a JSON object"),
        ("x.jsonl", b'{"prompt": "\xff"}\n', "not readable as UTF-8 text"),
        ("x.xlsx", b"prompt,completion\n", "x.xlsx has an unknown format: convert it"),
        ("x.jsonl.gz", gzip.compress(ROW * 99)[:-12], "x.jsonl.gz, row "),
        ("x.parquet", torn_parquet(), "x.parquet is not a readable Parquet file ("),
        ("x/readme.txt", b"none", "x holds no data file: put .jsonl"),
    ],
    ids=("empty", "no-json", "no-object", "no-text", "unknown", "torn-gzip", "torn-parquet", "no-data-file"),
)
def test_a_file_that_cannot_be_read(name: str, content: bytes, part: str, desk: Desk) -> None:
    path = desk.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    place = f"DIR/{name.partition('/')[0]}"
    recipe = f"{FIRST}  rows: {{work: file, path: {place}}}\n  b: {{work: clean, inputs: {{data: rows}}, model: MODEL}}\n"
    line = desk.run(recipe)
    assert line.startswith("dunwu: stage b: ")
    assert part in line
    path.unlink()
    (desk.folder / "x.jsonl").write_bytes(ROW)
    assert desk.run(recipe.replace(place, "DIR/x.jsonl")) == ""
    assert desk.first_was_done_before


ASK, SAY = {"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}
PAIR = {"prompt": "q", "chosen": "good", "rejected": "bad"}
WORKS = {
    "sft": f"{{work: sft, data: DIR/x.jsonl, model: MODEL, {TRAINED}}}",
    "pairs": "{work: reward_model, data: DIR/x.jsonl, model: MODEL, device: cpu, threads: 1}",
    "labelled": "{work: reward_model, criterion: safety, data: DIR/x.jsonl, model: MODEL, device: cpu, threads: 1}",
    "zero": "{work: zero, model: MODEL, tasks: [{task: {kind: dataset, path: DIR/x.jsonl}}], evaluations: [], device: cpu, threads: 1}",
    "chat": "{work: zero, model: MODEL, tasks: [{task: {kind: chat, path: DIR/x.jsonl}}], evaluations: [], device: cpu, threads: 1}",
    "mix": "{work: mix, model: MODEL, sources: {x: {data: DIR/x.jsonl, share: 1}}}",
    "clean": "{work: clean, model: MODEL, data: DIR/x.jsonl}",
    "general": "{work: general, model: MODEL, sources: {x: {kind: files, data: DIR/x.jsonl}}}",
    "annotated": "{work: cold_start, model: MODEL, sources: {x: {kind: annotated, data: DIR/x.jsonl}}}",
}


@pytest.mark.parametrize(
    ("work", "row", "part"),
    [
        ("sft", {"sentence": "x"}, "of no known form (columns: sentence)"),
        ("sft", {"messages": []}, "messages is []; give a list of {role, content}"),
        ("sft", {"messages": [ASK, {**SAY, "content": 2}]}, "messages[1]: content and reasoning_content must be text, and content is 2"),
        ("sft", {"messages": [SAY, ASK]}, "it starts with an assistant turn"),
        ("sft", {"messages": [ASK, SAY, SAY]}, "turn 3 has the role assistant"),
        ("sft", {"messages": [ASK, {**SAY, "content": ""}]}, "messages[1] is empty"),
        ("sft", {"messages": [ASK, {**SAY, "content": "\ud83d"}]}, "messages[1]: it has half a character ('\\ud83d')"),
        ("pairs", {"prompt": "q", "rejected": "b"}, "(columns: prompt, rejected); the nearest, preferences, needs a value in chosen"),
        ("pairs", {**PAIR, "prompt": 3}, "prompt is neither text nor a list"),
        ("pairs", {**PAIR, "chosen": "\ud83d"}, "it has half a character"),
        ("labelled", {"prompt": "q", "completion": "a", "label": "maybe"}, "label is 'maybe': give 'safe' or 'unsafe'"),
        ("zero", {"problem": "q"}, "(columns: problem): set answer_column"),
        ("zero", {"problem": 3, "answer": "4"}, "a number instead of text in column problem"),
        ("chat", {"prompt": 3}, "prompt must be text"),
        ("mix", {"sentence": "x"}, "of no known form"),
        ("mix", {"prompt": "q", "completion": "a", "note": "\ud83d"}, "it has half a character"),
        ("clean", {"messages": [ASK, {**SAY, "content": None}]}, "and content is None; write it as text"),
        ("general", {"prompt": 3, "completion": "x"}, "prompt is 3; give a list of {role, content}"),
        ("annotated", {"messages": [ASK, SAY, ASK, SAY]}, "row 1"),
    ],
)
def test_rows_in_the_wrong_shape(work: str, row: dict[str, Any], part: str, desk: Desk) -> None:
    desk.rows("x.jsonl", [row])
    line = desk.run(f"{FIRST}  b: {WORKS[work]}\n")
    assert line.startswith(f"dunwu: stage b: {desk.folder / 'x.jsonl'}, row 1")
    assert part in line


def test_rows_of_parquet_that_json_cannot_hold_become_text(desk: Desk) -> None:
    from datetime import date

    import pyarrow as pa
    from pyarrow import parquet

    rows = pa.Table.from_pylist([{"prompt": "1+1?", "completion": "2", "day": date(2025, 1, 20)}])
    parquet.write_table(rows, desk.folder / "x.parquet")
    assert desk.run(f"{FIRST}  b: {WORKS['mix'].replace('x.jsonl', 'x.parquet')}\n") == ""
    (written,) = (desk.out / "stages" / "b").glob("*/output/rows.jsonl")
    assert json.loads(written.read_text(encoding="utf-8"))["day"] == "2025-01-20"


CHAIN = FIRST + "  b: {work: mix, model: MODEL, inputs: {sources.x.data: first}, sources: {x: {share: 1}}}\n"
LAST = CHAIN + "  c: {work: clean, model: MODEL, inputs: {data: b}, near_duplicates: NEAR}\n"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("harm", "part"),
    [
        (lambda b: flip(b / "output" / "rows.jsonl"), "rows.jsonl is corrupted"),
        (lambda b: (b / "output" / "rows.jsonl").unlink(), "rows.jsonl is missing"),
        (lambda b: (b / "output" / "card.json").unlink(), "card.json is missing"),
        (lambda b: (b / "output" / "rows.jsonl").write_bytes(b""), "rows.jsonl has 0 bytes"),
        (lambda b: (b / ARTEFACT).write_bytes(b""), "artefact.json is corrupt"),
        (lambda b: (b / ARTEFACT).write_bytes(b"["), "artefact.json is corrupt"),
        (lambda b: (b / ARTEFACT).write_text("[" * 100_000), "artefact.json is corrupt"),
    ],
)
def test_a_damaged_artefact(harm: Callable[[Path], Any], part: str, desk: Desk) -> None:
    assert desk.run(LAST.replace("NEAR", "0.9")) == ""
    (folder,) = (desk.out / "stages" / "b").iterdir()
    harm(folder)
    line = desk.run(LAST.replace("NEAR", "0.8"))
    assert part in line
    assert f"delete {folder} and run again" in line
    shutil.rmtree(folder)
    assert desk.run(LAST.replace("NEAR", "0.8")) == ""
    assert desk.first_was_done_before


@pytest.mark.parametrize(
    "harm",
    [
        lambda run: (run / "manifest.json").unlink(),
        lambda run: (run / "manifest.json").write_bytes(b""),
        lambda run: (run / "manifest.json").write_bytes(b"\xff{"),
        lambda run: [path.write_text("[]") for path in run.glob("stages/*/*/identity.json")],
        lambda run: shutil.rmtree(run / "stages" / "b"),
        lambda run: [path.unlink() for path in run.glob("stages/b/*/artefact.json")],
        lambda run: [path.unlink() for name in ("artefact", "seconds") for path in run.glob(f"stages/b/*/{name}.json")],
        lambda run: (run / "recipe.yaml").unlink(),
    ],
)
def test_what_can_be_made_again_is_no_mistake(harm: Callable[[Path], Any], desk: Desk) -> None:
    assert desk.run(CHAIN) == ""
    harm(desk.out)
    assert desk.run(CHAIN) == ""
    assert desk.first_was_done_before


def test_the_data_set_of_a_builder_is_made_again_of_what_was_written(desk: Desk) -> None:
    """It lies in a finished run directory: without its artefact's manifest it is looked at before it is taken."""
    assert desk.run(CHAIN) == ""
    (folder,) = (desk.out / "stages" / "first").iterdir()
    rows = folder / "run" / "data" / "rows.jsonl"
    whole = rows.read_bytes()
    (folder / ARTEFACT).unlink()
    flip(rows)
    assert desk.run(CHAIN) == ""
    assert rows.read_bytes() == whole
    assert "stage b: done before" in desk.said


def test_a_run_directory_of_something_else(desk: Desk) -> None:
    assert desk.run(CHAIN) == ""
    assert "has name = 'p', not 'q'" in desk.run(CHAIN.replace("name: p", "name: q"))
    assert "the artefact of stage other is needed" in desk.run(
        CHAIN + "  other: {work: general}\n  c: {work: clean, inputs: {data: other}}\n", "--from", "c"
    )
    desk.out = desk.folder / "recipe.yaml"
    assert "cannot be a run directory (Not a directory): choose another --out" in desk.run(CHAIN)
    desk.out = desk.folder / ("x" * 300)
    assert "cannot be a run directory (File name too long)" in desk.run(CHAIN)


class FakeEndpoint:
    """Answers each request with what ``reply(number)`` gives: a status and a body, or nothing, which hangs up."""

    def __init__(self) -> None:
        self.asked = 0
        self.reply: Callable[[int], tuple[int, str] | None] = lambda number: None
        fake, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                with lock:
                    fake.asked += 1
                    found = fake.reply(fake.asked)
                if found is not None:
                    self.send_response(found[0])
                    self.end_headers()
                    self.wfile.write(found[1].encode())

            def log_message(self, format: str, *arguments: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    fake = FakeEndpoint()
    thread = threading.Thread(target=fake.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
    thread.join()


def chat(content: Any) -> tuple[int, str]:
    return 200, json.dumps({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]})


RIGHT = chat('It is.\n{"analysis": "the same", "correctness": true}')
JUDGED = """  samples:
    work: rejection_sampling
    model: MODEL
    generator: {kind: own, function: "DIR/model.py:answer"}
    tasks: [{task: {kind: dataset, path: DIR/q.jsonl, verifier: text}}]
    prompts: 6
    samples: 1
    near_duplicates: 1
    reward_workers: 0
    judge: {retries: 0, generator: {kind: endpoint, url: "URL", model: m, retries: 0, timeout: 5, concurrency: 1}}
"""


@pytest.fixture
def judged(desk: Desk, endpoint: FakeEndpoint) -> str:
    desk.rows("q.jsonl", [{"problem": f"Who lives in house {n}?", "answer": f"family {n}"} for n in range(20)])
    code = "def answer(messages, seed):\n    return '<think>I know.</think>They of ' + messages[-1]['content']\n"
    (desk.folder / "model.py").write_text(code, encoding="utf-8")
    return FIRST + JUDGED.replace("URL", endpoint.url)


@pytest.mark.parametrize(
    ("reply", "part"),
    [
        ((401, "bad key"), "refuses: status 401: bad key; set key_env"),
        ((404, "no model m"), "refuses: status 404: no model m"),
        ((429, "slow down"), "status 429: slow down, 1 times"),
        ((500, "oops"), "status 500: oops, 1 times"),
        ((200, "<html>log in</html>"), "not an answer of a chat completion: <html>log in</html>, 1 times"),
        ((200, '{"result": 1}'), 'not an answer of a chat completion: {"result": 1}'),
        ((200, '{"choices": []}'), "not an answer of a chat completion"),
        (None, "no answer (RemoteProtocolError"),
    ],
)
def test_an_endpoint_that_fails_half_way_and_comes_back(
    reply: tuple[int, str] | None, part: str, judged: str, desk: Desk, endpoint: FakeEndpoint
) -> None:
    endpoint.reply = lambda number: RIGHT if number <= 2 else reply
    line = desk.run(judged)
    assert line.startswith(f"dunwu: stage samples: m at {endpoint.url}")
    assert part in line
    assert endpoint.asked in (3, 4), "the third prompt, and perhaps the first again to see whether it still answers that"
    endpoint.asked, endpoint.reply = 0, lambda number: RIGHT
    assert desk.run(judged) == ""
    assert endpoint.asked == 4, "the two answers of the first time are kept"
    assert desk.first_was_done_before


@pytest.mark.parametrize("text", ["I cannot say.", '{"correctness": true}', '{"analysis": "so", "correctness": "perhaps"}'])
def test_a_judge_whose_text_is_no_judgement(text: str, judged: str, desk: Desk, endpoint: FakeEndpoint) -> None:
    endpoint.reply = lambda number: chat(text)
    assert f"stage samples: m at {endpoint.url}: none of its 6" in desk.run(judged)


@pytest.mark.parametrize("url", ["http://", "ftp://host/v1", "http://host:99999/v1", "http://host:port/v1", "http://[::1/v1", "http://a b"])
def test_an_address_that_is_none(url: str, desk: Desk) -> None:
    line = desk.run(FIRST + JUDGED.replace("URL", url))
    assert f"judge.generator.url: '{url}' is not the address of an endpoint; give one such as http://localhost:8000/v1" in line


def test_nobody_at_the_address(judged: str, desk: Desk, endpoint: FakeEndpoint) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as free:
        port = free.server_port
    line = desk.run(judged.replace(endpoint.url, f"http://127.0.0.1:{port}/v1"))
    assert "no answer (ConnectError: " in line
    assert "1 times" in line
