"""The dotted keys of a configuration model, from which the nearest is suggested for an unknown key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from dunwu.config.base import Config


def known_keys(model: type[Config], data: Any, prefix: str = "") -> Iterator[str]:
    """All dotted keys under `model`; list indices are those of `data` (0 where it has none), and `kind` selects a union's member."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        yield key
        value = data.get(name) if isinstance(data, dict) else None
        yield from _below(field.annotation, value, key)


def _below(annotation: Any, value: Any, key: str) -> Iterator[str]:
    if isinstance(annotation, type) and issubclass(annotation, Config):
        yield from known_keys(annotation, value, f"{key}.")
    elif get_origin(annotation) is Annotated:
        yield from _below(get_args(annotation)[0], value, key)
    elif get_origin(annotation) in (Union, UnionType):
        for variant in _variants(get_args(annotation), value):
            yield from _below(variant, value, key)
    elif get_origin(annotation) is tuple:
        places = value if isinstance(value, list) and value else [None]
        for place, item in enumerate(places):
            yield from _below(get_args(annotation)[0], item, f"{key}.{place}")


def _variants(variants: tuple[Any, ...], value: Any) -> list[Any]:
    """The models of a union that have the data's `kind`; all of them if the data has none."""
    kind = value.get("kind") if isinstance(value, dict) else None
    same = [v for v in variants if isinstance(v, type) and issubclass(v, Config) and _kind(v) == kind]
    return same or list(variants)


def _kind(model: type[Config]) -> Any:
    field = model.model_fields.get("kind")
    return field.default if field else None


def nearest_key(key: str, keys: list[str]) -> str | None:
    """The most likely key: the same name (or its initials, `lr`) elsewhere, else a similar sibling, else a similar one anywhere."""
    keys = [k for k in keys if not key.startswith(f"{k}.")]
    parent, _, last = key.rpartition(".")
    last = last.replace("-", "_")
    same_name = [k for k in keys if last in (_name(k), "".join(word[:1] for word in _name(k).split("_")))]
    if same_name:
        return min(same_name, key=lambda k: (-difflib.SequenceMatcher(None, key, k).ratio(), k))
    siblings = {_name(k): k for k in keys if k.rpartition(".")[0] == parent}
    close = difflib.get_close_matches(last, siblings, n=1)
    if close:
        return siblings[close[0]]
    by_last = {_name(k): k for k in reversed(keys)}
    close = difflib.get_close_matches(last, by_last, n=1, cutoff=0.75)
    if close:
        return by_last[close[0]]
    close = difflib.get_close_matches(key, keys, n=1)
    return close[0] if close else None


def _name(key: str) -> str:
    return key.rpartition(".")[2]
