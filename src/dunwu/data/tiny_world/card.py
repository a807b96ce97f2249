"""The card of a tiny base model: its identity, its training, and the frequency of reflective words in its corpus.

Mappings are one level deep, because `dunwu explain` and the report show the card unchanged. Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from dunwu.data.tiny_world.corpus import documents
from dunwu.errors import ModelError
from dunwu.models.bundled import bundled_path
from dunwu.models.reflection import reflection_counts

CARD = "card.json"
WEIGHTS = "model.safetensors"
COUNTED_DOCUMENTS = 20_000
DIALOGUES = "puzzle_dialogues"
_CPUINFO = Path("/proc/cpuinfo")


class CountedDocument(NamedTuple):
    """One document of the corpus: its source, number of tokens, and count of each reflective word (English and Chinese)."""

    source: str
    tokens: int
    words: Mapping[str, int]

    @property
    def reflections(self) -> int:
        return sum(self.words.values())


def corpus_texts(seed: int, weights: Mapping[str, float], number: int = COUNTED_DOCUMENTS) -> list[tuple[str, str]]:
    """``(source, text)`` of the first documents of a seed."""
    return list(islice(documents(seed, 0, weights), number))


def count_documents(texts: Iterable[tuple[str, str]], count_tokens: Callable[[str], int]) -> list[CountedDocument]:
    """Count tokens and reflective words document by document."""
    return [CountedDocument(source, count_tokens(text), reflection_counts(text)) for source, text in texts]


def corpus_facts(counted: Sequence[CountedDocument]) -> dict[str, Any]:
    """Shares of documents and tokens by source, and the frequency of reflective words in each source.

    A source or word that is missing from a mapping of reflections has none; a value that cannot be computed is ``None``.
    """
    by_source: dict[str, list[CountedDocument]] = {}
    for each in counted:
        by_source.setdefault(each.source, []).append(each)
    sources = dict(sorted(by_source.items(), key=lambda item: -len(item[1])))
    reflecting = {name: rows for name, rows in sources.items() if _reflections(rows)}
    words: Counter[str] = Counter()
    for each in counted:
        words.update(each.words)
    return {
        "corpus_documents_counted": len(counted),
        "reflections_per_document": _per_document(counted),
        "reflections_per_1000_tokens": _per_1000_tokens(counted),
        "puzzle_dialogues_with_reflections": _ratio(sum(row.reflections > 0 for row in sources.get(DIALOGUES, ())), sources.get(DIALOGUES)),
        "reflections_per_document_by_source": {name: _per_document(rows) for name, rows in reflecting.items()},
        "reflections_per_1000_tokens_by_source": {name: _per_1000_tokens(rows) for name, rows in reflecting.items()},
        "share_of_documents_by_source": {name: _ratio(len(rows), counted) for name, rows in sources.items()},
        "share_of_tokens_by_source": {name: rounded(_tokens(rows) / _tokens(counted)) for name, rows in sources.items()},
        "reflective_words_per_1000_documents": {word: rounded(1000 * count / len(counted)) for word, count in words.most_common()},
    }


def corpus_hash(texts: Iterable[tuple[str, str]]) -> str:
    """SHA-256 of documents, to check that the code still generates the corpus on which a model was trained."""
    total = hashlib.sha256()
    for source, text in texts:
        total.update(f"{source}\0{text}\0".encode())
    return total.hexdigest()


def weights_hash(folder: Path) -> str:
    """SHA-256 of the weights in a model folder. Raises ``OSError`` when they cannot be read."""
    with (folder / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def processor_name(cpuinfo: Path = _CPUINFO) -> str:
    """The processor's model as reported by the system, or else its architecture."""
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.is_file() else []
    fields = (line.partition(":") for line in lines)
    named = next((value.strip() for name, _, value in fields if name.strip() == "model name"), "")
    return named or platform.processor() or platform.machine()


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write ``card.json`` beside the weights."""
    (folder / CARD).write_text(json.dumps(dict(card), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def rounded(value: float) -> float:
    """``value`` with five significant digits, the precision of all figures in a card."""
    return float(f"{value:.5g}")


def _tokens(rows: Sequence[CountedDocument]) -> int:
    return sum(row.tokens for row in rows)


def _reflections(rows: Sequence[CountedDocument]) -> int:
    return sum(row.reflections for row in rows)


def _per_document(rows: Sequence[CountedDocument]) -> float | None:
    return _ratio(_reflections(rows), rows)


def _per_1000_tokens(rows: Sequence[CountedDocument]) -> float:
    return rounded(1000 * _reflections(rows) / _tokens(rows))


def _ratio(count: int, rows: Sequence[CountedDocument] | None) -> float | None:
    return rounded(count / len(rows)) if rows else None


_REMEDY = "install Dunwu again, or make it with `dunwu pretrain --recipe tiny`"


def read_card(folder: Path | None = None) -> dict[str, Any]:
    """`card.json` beside the weights of `folder` (`None`: the bundled model). Raises `ModelError` when it is missing or corrupt."""
    path = (folder or bundled_path()) / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: the bundled model's card cannot be read ({error.strerror}); {_REMEDY}") from None
    except ValueError:
        card = None
    if not isinstance(card, dict):
        raise ModelError(f"{path}: the bundled model's card is corrupt; {_REMEDY}")
    return card


def check_hash(folder: Path | None = None) -> str:
    """The SHA-256 of the weights. Raises `ModelError` when it differs from the card's or one of them is missing."""
    folder = folder or bundled_path()
    expected = read_card(folder).get("sha256")
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(f"{path}: the bundled weights are missing; {_REMEDY}")
    found = weights_hash(folder)
    if found != expected:
        raise ModelError(f"{path}: sha256 {found[:12]} is not the card's {str(expected)[:12]}; {_REMEDY}")
    return found
