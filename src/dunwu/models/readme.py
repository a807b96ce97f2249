"""The head of a model's or data set's card (`README.md`), in YAML: what it says of licence, languages and base. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dunwu.config.licences import LICENCES, UNKNOWN
from dunwu.config.yaml_text import parse_yaml

README = "README.md"
_LONGEST = 1 << 20


def front_matter(path: Path | None) -> Mapping[str, Any]:
    """The mapping between the lines ``---`` at the top of a file; empty if there is none that can be read."""
    if path is None or not path.is_file() or path.stat().st_size > _LONGEST:
        return {}
    first, *rest = path.read_text(encoding="utf-8", errors="replace").split("\n---", 1)
    if not rest or not first.startswith("---"):
        return {}
    try:
        found = parse_yaml(first.removeprefix("---"))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def licence_in(head: Mapping[str, Any]) -> str:
    """The licence of a card's head, by the hub's id; `UNKNOWN` if it has none of these."""
    found = head.get("license")
    return found if isinstance(found, str) and found in LICENCES else UNKNOWN


def licence_of(data: Path) -> str:
    """The licence in the card beside a data file, or in a folder of them."""
    return licence_in(front_matter((data if data.is_dir() else data.parent) / README))
