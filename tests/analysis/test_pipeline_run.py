"""The page of a pipeline's run: its graph, what each stage made, costs, cards; half done, damaged and under attack."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dunwu.analysis.pipeline_run import StageRun, read_pipeline_run
from dunwu.analysis.stage_graph import HEIGHT, WIDTH, draw
from dunwu.analysis.stage_table import total_costs, write_stage_page
from dunwu.cli.main import main
from tests.analysis.test_report import HOSTILE, Page

IDENTITY = "0123456789abcdef" * 4
CARD = {
    "title": "General data",
    "sources": {"tiny": 1200},
    "filters": [{"name": "repeats itself", "before": 1500, "removed": 300, "examples": [f"again {HOSTILE}"]}],
    "tokens": {"rows": 1200, "sum": 34567, "mean": 28.8},
    "examples": [{"messages": [{"role": "user", "content": HOSTILE}]}],
    "certificates": [{"name": "countdown", "problems": 100, "compared": 1500, "removed": 7, "sha256": "ab" * 32}],
    "facts": {"generated_tokens": 34567, "by kind": {"facts": 3}},
    "notes": ["a note"],
}
STAGES = {
    "data": {"work": "general"},
    "tuned": {"work": "sft", "inputs": {"data": "data"}},
    "measured": {"work": "suite", "inputs": {"model": "tuned"}},
}


def finish(run: Path, stage: str, makes: str, payload: str, **cost: float) -> Path:
    """The folder of a finished stage."""
    folder = run / "stages" / stage / IDENTITY[:16]
    (folder / payload).mkdir(parents=True)
    artefact = {"makes": makes, "payload": payload, "cost": cost}
    (folder / "artefact.json").write_text(json.dumps(artefact), encoding="utf-8")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """`data` and `tuned` are done, `measured` is not."""
    run = tmp_path / "run"
    data = finish(run, "data", "data", "run/data", seconds=90.0, generated_tokens=34567, trained_tokens=0, flops=1e9)
    for name, text in {"card.json": json.dumps(CARD), "card.md": "# General data"}.items():
        (data / "run" / "data" / name).write_text(text, encoding="utf-8")
    tuned = finish(run, "tuned", "model", "run/checkpoints/step-000002", seconds=30.0, generated_tokens=0, trained_tokens=1000, flops=1e9)
    files = {
        "summary.json": {"validation": {"before": {"eval_loss": 2.0}, "after": {"eval_loss": 0.5}}},
        "manifest.json": {"kind": "sft"},
        "metrics.jsonl": {"step": 1, "loss": 1.0},
    }
    for name, content in files.items():
        (tuned / "run" / name).write_text(json.dumps(content), encoding="utf-8")
    (run / "recipe.yaml").write_text(json.dumps({"name": "small", "stages": STAGES}), encoding="utf-8")
    journal = {name: {"state": "done", "identity": IDENTITY} for name in ("data", "tuned")}
    (run / "progress.json").write_text(json.dumps(journal), encoding="utf-8")
    return run


def test_it_reads_what_is_done_and_what_waits(run: Path) -> None:
    found = read_pipeline_run(run)
    assert found is not None
    assert [(stage.name, stage.state, stage.inputs, stage.makes) for stage in found.stages] == [
        ("data", "done", (), "data"),
        ("tuned", "done", ("data",), "model"),
        ("measured", "waiting", ("tuned",), ""),
    ]
    assert [stage.result for stage in found.stages] == ["1,200 rows, 34,567 tokens", "validation loss 2.00 → 0.50", ""]
    assert total_costs(found.stages) == ("2.0 min", "35,567", "2.0e+09")


@pytest.mark.parametrize(
    ("kind", "file", "content", "told"),
    [
        (
            "zero",
            "run/summary.json",
            {"countdown": {"before": {"pass_at_1": 0.18}, "after": {"pass_at_1": 0.74}}, "seed": 0},
            "countdown 18.0 % → 74.0 %",
        ),
        ("sft", "run/summary.json", {"loss": {"first": 2.0, "last": 0.25}}, "loss 0.25 at the end"),
        ("reward_model", "run/summary.json", {"held_out": {"accuracy": 0.8}}, "held-out accuracy 80.0 %"),
        ("suite", "payload/suite.json", {"sets": {"a": {"completions": 30}, "b": {"completions": 12}}}, "42 completions in 2 sets"),
        ("stage_table", "payload/stages.json", {"thresholds": [{"outcome": "met"}, {"outcome": "not met"}]}, "1 of 2 thresholds met"),
    ],
)
def test_what_each_kind_of_stage_made_in_words(kind: str, file: str, content: dict[str, Any], told: str, tmp_path: Path) -> None:
    folder = finish(tmp_path, "a", "model", "payload")
    (folder / "run").mkdir()
    (folder / file).write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(json.dumps({"stages": {"a": {"work": kind}}}), encoding="utf-8")
    (tmp_path / "progress.json").write_text(json.dumps({"a": {"identity": IDENTITY}}), encoding="utf-8")
    found = read_pipeline_run(tmp_path)
    assert found is not None
    assert found.stages[0].result == told


def test_the_page_of_a_pipeline_without_a_table(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run)]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == run / "stages.html"
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    words = page.words.replace("\N{NO-BREAK SPACE}", " ")
    for told in (
        "tuned sft from data validation loss 2.00 → 0.50 30.0 s 1,000 1.0e+09",
        "all 2.0 min 35,567 2.0e+09",
        "suite · waiting",
        "data: General data: 1,200 rows, 34,567 tokens",
        "repeats itself 1,500 300",
        "countdown 100 1,500 7 abababababababab",
        "by kind facts: 3",
        "a note",
    ):
        assert told in words
    links = [value for name, value in page.attributes if name == "href"]
    assert links == [f"stages/data/{IDENTITY[:16]}/run/data/card.md", f"stages/tuned/{IDENTITY[:16]}/run/report.html"]
    assert all((run / str(link)).is_file() for link in links), "the report of tuned was written too"
    assert html.count('<path d="M') == 2
    assert page.comments == []
    assert "<script>alert(1)</script>" in words
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800]", html)


def test_links_are_seen_from_where_the_page_lies(run: Path, tmp_path: Path) -> None:
    page = write_stage_page([run], tmp_path / "elsewhere.html")
    assert f'href="run/stages/tuned/{IDENTITY[:16]}/run/report.html"' in page.read_text(encoding="utf-8")


def test_names_are_text_in_the_drawing_too(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(json.dumps({"stages": {HOSTILE[:60]: {"work": HOSTILE}, "b": 3}}), encoding="utf-8")
    page = Page(write_stage_page([tmp_path], tmp_path / "stages.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert not any(name.startswith("on") for name, _ in page.attributes)


@pytest.mark.parametrize("text", ["", "[]", "stages: 3", "stages: {}", "{", "stages: {a: 1}"])
def test_what_is_no_recipe_gives_no_pipeline(text: str, tmp_path: Path) -> None:
    assert read_pipeline_run(tmp_path) is None
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    found = read_pipeline_run(tmp_path)
    assert found is None or [stage.state for stage in found.stages] == ["waiting"]


def test_damaged_files_of_a_stage_count_as_not_there(run: Path) -> None:
    (run / "stages" / "tuned" / IDENTITY[:16] / "artefact.json").write_text("{", encoding="utf-8")
    (run / "stages" / "data" / IDENTITY[:16] / "run" / "data" / "card.json").write_text("[]", encoding="utf-8")
    found = read_pipeline_run(run)
    assert found is not None
    assert [(stage.state, stage.result) for stage in found.stages] == [("done", ""), ("waiting", ""), ("waiting", "")]
    (run / "progress.json").write_text("", encoding="utf-8")
    found = read_pipeline_run(run)
    assert found is not None
    assert {stage.state for stage in found.stages} == {"waiting"}


def test_in_the_graph_what_is_taken_stands_above_what_takes_it() -> None:
    links = {"base": (), "zero": (), "cold": ("zero",), "dev1": ("cold",), "suite-base": ("base",), "table": ("suite-base", "dev1")}
    graph = draw([StageRun(name, "x", inputs) for name, inputs in links.items()])
    places = {node.stage.name: node for node in graph.nodes}
    for name, inputs in links.items():
        assert all(places[source].y < places[name].y for source in inputs)
    assert places["base"].y == places["zero"].y == 0, "nothing stands higher than the first row"
    assert len(graph.edges) == 5
    assert graph.height == places["table"].y + HEIGHT
    spots = [(node.x, node.y) for node in graph.nodes]
    assert len(set(spots)) == len(spots)


def test_a_source_stands_right_above_what_takes_it() -> None:
    links = {"late": (), "a": (), "b": ("a",), "c": ("b", "late")}
    places = {node.stage.name: node for node in draw([StageRun(name, "x", inputs) for name, inputs in links.items()]).nodes}
    assert places["late"].y == places["b"].y


def crossed(path: str, node: Any) -> bool:
    """Whether a line passes behind the inside of a box; sampled along its curves."""
    numbers = [float(each) for each in re.findall(r"-?[\d.]+", path)]
    points, rest = [(numbers[0], numbers[1])], re.findall(r"([CV])([^CV]*)", path)
    for kind, text in rest:
        x, y = points[-1]
        found = [float(each) for each in text.split()]
        if kind == "V":
            points += [(x, y + (found[0] - y) * t / 50) for t in range(51)]
        else:
            a, b, c = (found[0], found[1]), (found[2], found[3]), (found[4], found[5])
            for t in (step / 50 for step in range(51)):
                mix = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
                points.append(tuple(mix[0] * p + mix[1] * q + mix[2] * r + mix[3] * s for p, q, r, s in zip((x, y), a, b, c, strict=True)))
    return any(node.x + 1 < x < node.x + WIDTH - 1 and node.y + 1 < y < node.y + HEIGHT - 1 for x, y in points)


def graphs() -> Iterator[list[StageRun]]:
    """Thirty random graphs, and that of the bundled recipe."""
    for seed in range(30):
        rng = random.Random(seed)
        yield [StageRun(f"s{i}", "x", tuple(f"s{j}" for j in range(i) if rng.random() < 0.25)) for i in range(rng.randint(2, 18))]
    for recipe in (Path(__file__).parents[2] / "recipes").rglob("*.yaml"):
        written = yaml.safe_load(recipe.read_text(encoding="utf-8")).get("stages")
        if isinstance(written, dict):
            yield [StageRun(name, each["work"], tuple(dict.fromkeys(each.get("inputs", {}).values()))) for name, each in written.items()]


def test_no_line_passes_behind_a_box_and_no_box_covers_another() -> None:
    for stages in graphs():
        graph = draw(stages)
        assert [node.stage for node in graph.nodes] == stages
        for node in graph.nodes:
            assert 0 <= node.x <= graph.width - WIDTH + 1e-6
            assert not any(crossed(edge, node) for edge in graph.edges)
            others = [other for other in graph.nodes if other is not node and other.y == node.y]
            assert all(abs(other.x - node.x) >= WIDTH for other in others)


def test_every_input_is_joined_directly_or_by_a_longer_way() -> None:
    links = {"a": (), "b": ("a",), "c": ("a", "b"), "d": ("a",)}
    graph = draw([StageRun(name, "x", inputs) for name, inputs in links.items()])
    assert len(graph.edges) == 3, "a to c is implied by b"


def test_a_stopped_and_a_failed_stage_say_so(run: Path) -> None:
    journal = json.loads((run / "progress.json").read_text(encoding="utf-8"))
    journal["measured"] = {"state": "failed", "identity": IDENTITY, "message": f"no such file {HOSTILE}"}
    (run / "progress.json").write_text(json.dumps(journal), encoding="utf-8")
    page = write_stage_page([run], run / "stages.html").read_text(encoding="utf-8")
    assert '<span class="tag wrong">failed</span> no such file' in page
    assert "2 of 3 stages done; failed: measured" in page
    assert HOSTILE not in page
    journal["measured"] = {"state": "running", "identity": IDENTITY, "message": ""}
    (run / "progress.json").write_text(json.dumps(journal), encoding="utf-8")
    page = write_stage_page([run], run / "stages.html").read_text(encoding="utf-8")
    assert '<span class="tag open">stopped</span>' in page
    assert "stopped: measured" in page
