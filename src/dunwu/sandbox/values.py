"""Plain Python values as JSON that keeps their exact types. Used on both sides of the sandbox; standard library only.

None, bool, int, float, str, list and dict with string keys represent themselves. The others have a tag:
``{"$tuple": [...]}``, ``{"$set": [...]}``, ``{"$frozenset": [...]}``, ``{"$dict": [[key, value], ...]}`` and ``{"$int": "0x..."}`` for an
int with more digits than Python reads and prints.
Types are compared with ``is``: an instance of a subclass (an int that equals everything) cannot be encoded.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, defaultdict
from typing import Any

MAX_DEPTH = 100
SHORT_BITS = 13_000
"""Largest int written in decimal: about 3,900 digits, below the length from which Python refuses to read or print one."""
MAX_BITS = 1 << 20
"""Largest int: about 315,000 digits."""
MAX_HASHED = 10_000
"""Most set elements and tagged dict keys in one value: hashes of ints can be made to collide, which takes quadratic time."""

_HEXADECIMAL = re.compile(r"-?0x[0-9a-f]+")
PLAIN_DICTS = (dict, Counter, OrderedDict, defaultdict)
"""Dicts of the standard library, by exact type: honest programs return them, and they equal a dict of the same items."""
COLLECTIONS: dict[str, type] = {"$tuple": tuple, "$set": set, "$frozenset": frozenset}
TAGS: dict[type, str] = {kind: tag for tag, kind in COLLECTIONS.items()}


def encode_value(value: Any, depth: int = 0) -> Any:
    """Input for `json.dumps`. Raises `TypeError` for an unsupported type, `ValueError` for too long an int or too deep nesting."""
    kind = type(value)
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if kind is int and value.bit_length() > MAX_BITS:
        raise ValueError(f"an int of {value.bit_length()} bits; at most {MAX_BITS} are supported")
    if kind is int and value.bit_length() > SHORT_BITS:
        return {"$int": hex(value)}
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is list:
        return [encode_value(item, depth + 1) for item in value]
    if kind in TAGS:
        return {TAGS[kind]: [encode_value(item, depth + 1) for item in value]}
    if kind in PLAIN_DICTS:
        return _encode_dict(value, depth)
    raise TypeError(f"a value of type {kind.__name__}; supported are None, bool, int, float, str, list, tuple, set, frozenset and dict")


def decode_value(data: Any) -> Any:
    """The inverse of `encode_value`. Raises `ValueError` for anything that `encode_value` does not write."""
    return _Decoder().decode(data, 0)


def _encode_dict(value: dict[Any, Any], depth: int) -> Any:
    if all(type(key) is str and not key.startswith("$") for key in value):
        return {key: encode_value(item, depth + 1) for key, item in value.items()}
    return {"$dict": [[encode_value(key, depth + 1), encode_value(item, depth + 1)] for key, item in value.items()]}


def _hexadecimal(text: Any) -> int:
    if type(text) is not str or len(text) > MAX_BITS // 4 + 4 or not _HEXADECIMAL.fullmatch(text):
        raise ValueError(f"not an encoded int: {str(text)[:20]!r}")
    return int(text, 16)


class _Decoder:
    def __init__(self) -> None:
        self.hashed = 0

    def decode(self, data: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        if type(data) is int and data.bit_length() > MAX_BITS:
            raise ValueError(f"an int of {data.bit_length()} bits")
        if data is None or type(data) in (bool, int, float, str):
            return data
        if type(data) is list:
            return [self.decode(item, depth + 1) for item in data]
        if type(data) is not dict:
            raise ValueError(f"a value of type {type(data).__name__}")
        if len(data) == 1 and next(iter(data)).startswith("$"):
            return self._tagged(*next(iter(data.items())), depth)
        return {key: self.decode(item, depth + 1) for key, item in data.items()}

    def _tagged(self, tag: str, items: Any, depth: int) -> Any:
        if tag == "$int":
            return _hexadecimal(items)
        if type(items) is not list or (tag != "$dict" and tag not in COLLECTIONS):
            raise ValueError(f"not an encoded value: {tag[:20]!r}")
        if tag != "$tuple":
            self.hashed += len(items)
            if self.hashed > MAX_HASHED:
                raise ValueError(f"more than {MAX_HASHED} elements of sets and keys of dicts")
        try:
            if tag == "$dict":
                return {self.decode(key, depth + 1): self.decode(item, depth + 1) for key, item in items}
            return COLLECTIONS[tag](self.decode(item, depth + 1) for item in items)
        except TypeError as error:
            raise ValueError(f"not an encoded value: {error}") from error
