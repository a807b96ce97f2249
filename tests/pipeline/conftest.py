"""Small honest pipelines: stages that are functions in a file, which count how often they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.pipeline import OwnConfig
from dunwu.pipeline.graph import Pipeline, Stage
from tests.few_steps import r1_few_steps

FUNCTIONS = '''
from pathlib import Path

CALLS = Path(__file__).with_name("calls.txt")


def add(out, files, text, name=""):
    """What is in the files, and a text."""
    with CALLS.open("a") as calls:
        calls.write(name + "\\n")
    below = [path.joinpath("text").read_text() if path.is_dir() else path.read_text() for path in files.values()]
    if text == "fail":
        raise ValueError("asked to fail")
    (out / "text").write_text(" ".join([*below, text]))


def nothing(out, files):
    """Makes nothing."""
'''


class Workshop:
    """Makes stages and pipelines of them, and knows which of them were run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run = folder, folder / "run"
        self.file = folder / "functions.py"
        self.file.write_text(FUNCTIONS, encoding="utf-8")

    def stage(self, name: str, *sources: str, text: str | None = None, function: str = "add") -> Stage:
        """Its output is that of its sources and its text (by default its name)."""
        parameters = {"text": text or name, "name": name} if function == "add" else {}
        work = OwnConfig(function=f"{self.file}:{function}", parameters=parameters)
        return Stage(name, work, {f"files.{source}": source for source in sources})

    def diamond(self, **texts: str) -> Pipeline:
        """a -> b, a -> c, b and c -> d."""
        links = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
        return Pipeline("diamond", tuple(self.stage(name, *sources, text=texts.get(name)) for name, sources in links.items()))

    def calls(self) -> list[str]:
        """The stages that were run since this was last asked, in order."""
        path = self.folder / "calls.txt"
        names = path.read_text(encoding="utf-8").split() if path.exists() else []
        path.write_text("", encoding="utf-8")
        return names


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def text_of() -> Callable[[Mapping[str, Any], str], str]:
    """The text that a stage of a workshop made."""
    return lambda made, stage: (made[stage].payload / "text").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def few_steps() -> list[str]:
    """Overrides for `dunwu r1`: half a minute for the whole graph."""
    return r1_few_steps()
