"""The hook of `mkdocs.yml`: the README as the front page, and links to files outside `docs/`."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
FRONT = {
    "README.md": "index.md",
    "README.zh.md": "zh.md",
    "docs/README.md": "contents.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""Pages with another place on the site than in the repository."""
LANGUAGES = {".py": "python", ".yaml": "yaml"}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Navigation: entries without a page go, decisions come by themselves."""
    made = set(FRONT.values())
    config.nav = [kept for entry in config.nav or [] if (kept := existing(entry, made))]
    decisions = sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs" / "decisions").glob("*.md"))
    config.nav.append({"Decisions": decisions})
    return config


def existing(entry: Any, made: set[str]) -> Any:
    """A navigation entry without the pages that do not exist; empty when none is left."""
    if isinstance(entry, str):
        return entry if entry in made or (ROOT / "docs" / entry).is_file() else None
    ((title, inner),) = entry.items()
    kept = [each for part in inner if (each := existing(part, made))] if isinstance(inner, list) else existing(inner, made)
    return {title: kept} if kept else None


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made at the build."""
    from mkdocs.structure.files import File

    for file in [file for file in files if f"docs/{file.src_uri}" in FRONT]:
        files.remove(file)
    pages = {site: (ROOT / name).read_text(encoding="utf-8") for name, site in FRONT.items()}
    pages |= {f"{name}.md": listing(name) for name in linked_files()}
    for place, text in pages.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links point to where their targets are on the site."""
    place = page.file.src_uri
    return relinked(markdown, next((name for name, site in FRONT.items() if site == place), f"docs/{place}"), place)


def relinked(text: str, source: str, place: str) -> str:
    """The links of a page that stands at `source` in the repository, as links from `place` on the site."""

    def moved(match: re.Match[str]) -> str:
        target = os.path.normpath(os.path.join(os.path.dirname(source), match[1]))
        if not (ROOT / target).is_file():
            return match[1]
        there = FRONT.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else f"{target}.md")
        return os.path.relpath(there, os.path.dirname(place) or ".")

    return LINK.sub(moved, text)


def linked_files() -> list[str]:
    """The files outside `docs/` that pages link to, by their path in the repository."""
    sources = [*FRONT, *(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]
    found = {
        os.path.normpath(os.path.join(os.path.dirname(source), target))
        for source in sources
        for target in LINK.findall((ROOT / source).read_text(encoding="utf-8"))
    }
    return sorted(name for name in found if (ROOT / name).is_file() and not name.startswith("docs/") and name not in FRONT)


def listing(name: str) -> str:
    """A file as a page."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if name.endswith(".ipynb"):
        cells = [("".join(cell["source"]), cell["cell_type"] == "code") for cell in json.loads(text)["cells"]]
        return "\n\n".join(fenced(source, "python") if code else source for source, code in cells)
    return f"# {name}\n\n{fenced(text, LANGUAGES.get(Path(name).suffix, 'text'))}"


def fenced(text: str, language: str) -> str:
    return f"````{language}\n{text}\n````"
