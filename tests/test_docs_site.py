"""The documentation as a site: a reference that holds every key, and links that resolve."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.base import Config, Positive
from dunwu.config.data_replies import PairJudgeConfig
from dunwu.config.sft import SftConfig
from dunwu.config.yaml_text import parse_yaml
from dunwu.config.zero import GrpoConfig
from scripts.config_reference import JOBS, PAGE, meaning, paper_values, reference, type_of
from scripts.docs_site import FRONT, ROOT, existing, linked_files, listing, relinked


class Unexplained(Config):
    """A key without a meaning."""

    value: Positive = 1


class OtherDefault(GrpoConfig):
    """A key whose meaning is inherited."""

    learning_rate: float = 1.0


def names(nav: Any) -> list[str]:
    return [nav] if isinstance(nav, str) else [name for part in (nav.values() if isinstance(nav, dict) else nav) for name in names(part)]


@pytest.mark.parametrize("model", JOBS.values(), ids=lambda model: model.__name__)
def test_the_reference_holds_every_key(model: type[Config]) -> None:
    sections = {part.partition("\n")[0]: part for part in reference().split("\n### ")}
    schema = model.model_json_schema()
    for name, part in {model.__name__: schema, **schema.get("$defs", {})}.items():
        keys = re.findall(r"^\| `(?:[\w.]+\.)?(\w+)` \| [^|]+ \| [^|]+ \| [^|]", sections[name].replace("\\|", "/"), flags=re.MULTILINE)
        assert sorted(keys) == sorted(part["properties"]), name


def test_the_reference_in_the_repository_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: make reference"


def test_keys_are_found_by_the_name_that_the_command_line_takes() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for key in (
        "grpo.learning_rate",
        "sampling.max_tokens",
        "lora.rank",
        "tripwire.share",
        "evaluations.0.task",
        "preset",
        "work",
        "inputs",
        "stages",
    ):
        assert f"`{key}`" in text, key


def test_a_key_without_a_meaning_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"Unexplained\.value"):
        meaning(Unexplained, "value")
    assert meaning(OtherDefault, "learning_rate") == meaning(GrpoConfig, "learning_rate")


def test_types_in_words() -> None:
    assert type_of(GrpoConfig.model_fields["clip_low"].annotation) == "number > 0 or null"
    assert type_of(SftConfig.model_fields["sampling"].annotation) == "[SamplingConfig](#samplingconfig)"
    assert type_of(*[getattr(SftConfig.model_fields["model"], part) for part in ("annotation", "metadata")]).startswith("model")


def test_the_papers_values_stand_beside_their_keys() -> None:
    papers = paper_values()
    assert any(line.startswith("`3e-06` r1-zero-nature") for line in papers[GrpoConfig, "learning_rate"])
    assert papers[SftConfig, "learning_rate"] == ["`5e-05` stage dev3 (S: cosine from 5e-5)"]
    assert papers[PairJudgeConfig, "votes"][0].startswith("`4` default (N, Methods")
    assert not any("not stated" in line or "our default" in line for lines in papers.values() for line in lines)


def test_links_follow_their_targets_onto_the_site() -> None:
    assert relinked("[a](docs/r1.md) [b](LICENSE) [c](https://x.org)", "README.md", "index.md") == (
        "[a](r1.md) [b](LICENSE.md) [c](https://x.org)"
    )
    assert relinked("[a](../tiny-world.md#x)", "docs/decisions/0002-tiny-world.md", "decisions/0002-tiny-world.md") == (
        "[a](../tiny-world.md#x)"
    )
    assert relinked("[a](../examples/own_reward.py)", "docs/rewards.md", "rewards.md") == "[a](examples/own_reward.py.md)"
    assert "examples/minimal_grpo.py" in linked_files()


def test_the_navigation_has_every_page() -> None:
    nav = parse_yaml((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    pages = {FRONT.get(f"docs/{path.name}", path.name) for path in (ROOT / "docs").glob("*.md")}
    assert pages | set(FRONT.values()) <= set(names(nav))
    assert existing({"a": ["r1.md", "missing.md"]}, set()) == {"a": ["r1.md"]}
    assert existing({"a": ["missing.md"]}, set()) is None


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="needs the extra docs")
def test_the_site_is_built_without_a_warning_and_needs_no_network(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r'<(?:script|img|iframe)[^>]+src="https?:|<link[^>]+href="https?:[^>]+stylesheet', text), page.name


def test_a_notebook_is_a_page() -> None:
    assert listing("examples/demo.ipynb").startswith("# ")
    assert "\n````python\n" in listing("examples/demo.ipynb")
    assert listing("LICENSE").startswith("# LICENSE\n\n````text\nMIT License")
