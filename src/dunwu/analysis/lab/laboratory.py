"""The laboratory of a run: its sections, and what they write: ``lab.json`` and ``lab.html``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from dunwu.analysis.lab import deeds, diversity, language_mixing, reflection_words, thinking_time
from dunwu.analysis.lab.estimates import Json
from dunwu.analysis.lab.material import Material
from dunwu.analysis.lab.section import Section
from dunwu.analysis.report import fill_template, keep_foreign, run_name, write_page
from dunwu.analysis.sections import Part
from dunwu.evaluation.metrics import finite_or_none
from dunwu.run.atomic import atomic_file
from dunwu.run.reporter import QUIET, Reporter
from dunwu.text.translate import translate

LAB_JSON, LAB_PAGE = "lab.json", "lab.html"
SECTIONS: tuple[Section, ...] = (
    thinking_time.SECTION,
    reflection_words.SECTION,
    deeds.SECTION,
    language_mixing.SECTION,
    diversity.SECTION,
)
"""In the order of the page."""


def analyse(material: Material, sections: Sequence[Section] = SECTIONS, reporter: Reporter = QUIET) -> dict[str, Json]:
    """The numbers of each section, by its name."""
    found: dict[str, Json] = {}
    with reporter.progress(len(sections), "lab") as advance:
        for done, section in enumerate(sections, start=1):
            found[section.name] = finite_or_none(section.analyse(material))
            advance(done, {})
    return found


def parts(found: Mapping[str, Json], sections: Sequence[Section] = SECTIONS) -> list[Part]:
    """The parts of the sections that had something to analyse."""
    return [section.part(found[section.name]) for section in sections if "missing" not in found.get(section.name, {"missing": ""})]


def absent(found: Mapping[str, Json], material: Material) -> list[str]:
    """What could not be read, and the sections that had nothing to analyse."""
    return [*material.missing, *(f"{name}: {each['missing']}." for name, each in found.items() if "missing" in each)]


def check_outputs(out: Path) -> None:
    """Raise ``RunError`` if a file of somebody else has the name of one of ours."""
    keep_foreign(out / LAB_JSON, _is_ours)
    keep_foreign(out / LAB_PAGE)


def _is_ours(text: str) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"run", "missing", SECTIONS[0].name} <= found.keys()


def write_laboratory(
    run: Path, out: Path, found: Mapping[str, Json], material: Material, sections: Sequence[Section] = SECTIONS
) -> tuple[Path, Path]:
    """Atomically write both files into ``out`` and return their paths. Raises ``RunError`` if they cannot be written."""
    numbers, page = out / LAB_JSON, out / LAB_PAGE
    lacking = absent(found, material)
    with atomic_file(numbers) as file:
        content = {"run": run_name(run), "missing": lacking, **found}
        file.write((json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace"))
    name = f"{translate('Laboratory', label=True)} · {run_name(run)}"
    text = fill_template(brand="Dunwu 顿悟 · laboratory", title=name, facts=(), missing=lacking, parts=parts(found, sections))
    return numbers, write_page(page, text)
