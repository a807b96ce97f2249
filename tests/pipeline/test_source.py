"""Which source files a stage can reach: changes there count, others do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunwu.errors import ConfigError
from dunwu.pipeline import source
from dunwu.pipeline.identity import code_of
from dunwu.pipeline.source import PACKAGE, source_hashes

FILES = {
    "__init__.py": "",
    "entry.py": "from toy.near import f\nimport numpy\n",
    "near.py": "def f():\n    import toy.deep.late\n    start('toy.worker')\n",
    "worker.py": "from toy.common import x",
    "common.py": "x = 1",
    "unrelated.py": "import toy.entry",
    "analysis/__init__.py": "",
    "analysis/report.py": "from toy.unrelated import y",
    "deep/__init__.py": "",
    "deep/late.py": "from toy.analysis.report import write\n",
    "deep/kernel.c": "int x;",
    "deep/kernels/more.h": "int y;",
    "deep/late.pyc": "cache",
    "other/__init__.py": "",
    "other/table.csv": "1,2",
}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "toy"


def reached(toy: Path) -> dict[str, str]:
    return source_hashes([toy / "entry.py"], toy)


def test_imports_are_followed_whole_and_names_of_modules_in_texts_too(toy: Path) -> None:
    assert reached(toy).keys() == {"entry.py", "near.py", "deep/late.py", "worker.py", "common.py", "deep/kernel.c", "deep/kernels/more.h"}


@pytest.mark.parametrize("name", FILES)
def test_a_change_counts_where_it_can_be_reached(name: str, toy: Path) -> None:
    before = reached(toy)
    path = toy / name
    path.write_text(path.read_text(encoding="utf-8") + "\nmore = 1\n", encoding="utf-8")
    after = reached(toy)
    assert (before != after) == (name in before)
    assert [key for key in before if before[key] != after[key]] == ([name] if name in before else [])


CODE = 'def f(x):\n    """One."""\n    return x + 1\n'


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('def f(x):\n    """Another docstring."""\n\n    return (x + 1)  # and a comment\n', True),
        ('"""A module."""\n\ndef f(x):\n    return x + 1\n', True),
        ('def f(x):\n    """One."""\n    return x - 1\n', False),
        ('def f(x):\n    """One."""\n    return x + 2\n', False),
        ('def f(y):\n    """One."""\n    return y + 1\n', False),
        ('def f(x):\n    print("One.")\n    return x + 1\n', False),
        ("def f(x):\n    raise ValueError(x)\n    return x + 1\n", False),
    ],
)
def test_comments_and_docstrings_change_no_identity_and_operators_do(text: str, same: bool, toy: Path) -> None:
    (toy / "common.py").write_text(CODE, encoding="utf-8")
    before = reached(toy)
    (toy / "common.py").write_text(text, encoding="utf-8")
    assert (reached(toy) == before) is same


MESSAGES = (
    'def f(x):\n    if x:\n        raise ValueError(f"no {x}: mend it")\n    print("0 of nothing", x, flush=True)\n'
    '    self.reporter.say(f"found {x}")\n    voice.say("aloud")\n    return "text"\n'
)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("no {x}: mend it", "{x} is invalid: correct it", True),
        ("no {x}: mend it", "{-x} is invalid", False),
        ("0 of nothing", "no rows", True),
        ("flush=True", "flush=False", False),
        ("found {x}", "there is {x}", True),
        ("found {x}", "found {-x}", False),
        ("aloud", "silently", False),
        ("ValueError", "KeyError", False),
        ('"text"', '"texts"', False),
    ],
)
def test_messages_change_no_identity_and_what_is_computed_does(old: str, new: str, same: bool, toy: Path) -> None:
    (toy / "common.py").write_text(MESSAGES, encoding="utf-8")
    before = reached(toy)
    (toy / "common.py").write_text(MESSAGES.replace(old, new), encoding="utf-8")
    assert (reached(toy) == before) is same


def test_a_comment_in_any_real_file_changes_no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_of("dunwu.jobs.zero:run_zero")
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + (b"\n# a comment\n" if path.suffix == ".py" else b""))
    source._read.cache_clear()
    assert code_of("dunwu.jobs.zero:run_zero") == before
    source._read.cache_clear()


def test_the_real_stages_reach_what_makes_their_output_and_not_what_shows_it() -> None:
    zero = code_of("dunwu.jobs.zero:run_zero")
    assert {"jobs/zero.py", "trainers/grpo.py", "algorithms/loss.py", "rewards/worker.py", "tasks/game24.csv"} <= zero.keys()
    assert {"rollout/torch_engine/native/decode.c", "models/kernels/score.c"} <= zero.keys()
    assert not [name for name in zero if name.startswith(("analysis/", "cli/"))]
    assert not {"pipeline/execute.py", "pipeline/graph.py", "pipeline/live.py"} & zero.keys()
    assert not {"jobs/headline.py", "jobs/preview.py", "jobs/memory.py", "run/reporter.py", "run/console.py", "errors.py"} & zero.keys()
    assert not {"text/translate.py", "text/catalogue.py", "text/zh.json"} & zero.keys(), "a translation changes no stage"
    measure = code_of("dunwu.jobs.measure:run_measure")
    assert "evaluation/metrics.py" in measure
    assert not {"trainers/grpo.py", "jobs/zero.py"} & measure.keys()
    assert code_of("") == {}


def test_a_users_file_counts_and_what_it_takes_from_us(tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    own.write_text("from dunwu.text.boxes import last_box\n", encoding="utf-8")
    assert {"mine.py", "text/boxes.py", "jobs/own.py"} <= code_of("dunwu.jobs.own:run_own", [own]).keys()
    assert (PACKAGE / "text" / "boxes.py").is_file()


@pytest.mark.parametrize("text", ["def f(\n", "x = '\0'\n"])
def test_a_users_file_that_is_no_python(text: str, tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    own.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.py is not valid Python"):
        code_of("dunwu.jobs.own:run_own", [own])


def test_files_of_one_name_in_two_folders_count_each(tmp_path: Path) -> None:
    files = [tmp_path / folder / "own.py" for folder in ("a", "b")]
    for number, file in enumerate(files):
        file.parent.mkdir()
        file.write_text(f"x = {number}\n", encoding="utf-8")
    before = code_of("", files)
    assert before.keys() == {"own.py", "own.py (2)"}
    assert code_of("", files[::-1]) != before
    files[0].write_text("x = 7\n", encoding="utf-8")
    assert code_of("", files) != before
