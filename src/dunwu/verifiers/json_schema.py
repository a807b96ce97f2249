"""Structured answers: JSON that follows a schema.

The schema comes from the data set, the text from the model. Length, depth, number of values and digits are bounded before validation.
Rejected: duplicate keys, NaN and infinities, anything around the JSON but white space or one fence. ``$ref`` resolves inside the schema
only; nothing is ever fetched. A ``pattern`` runs with a time limit, since a regular expression may take exponential time on a text.
Formats in `FORMATS` are checked, which JSON Schema by default does not do; other formats are ignored.
Not bounded: a schema that is itself exponential (both branches of an ``anyOf`` refer back to it); give rewards a time limit.
"""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

import jsonschema
import referencing
import referencing.exceptions
import regex
from jsonschema import validators

from dunwu.types import Problem, Verdict

MAX_LENGTH = 65_536
MAX_DEPTH = 32
MAX_VALUES = 10_000
MAX_DIGITS = 1000
PATTERN_SECONDS = 0.2

_FENCED = regex.compile(r"\s*+(`{3,}+|~{3,}+)[ \t]*+(?:(?i:json)\b[^\n`]*+)?\n(.*?)\n?[ \t]*+\1\s*+", regex.DOTALL)
_STRING_OR_SIGN = regex.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},]', regex.DOTALL)


_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date": lambda text: _is_date(text),
    "time": lambda text: regex.fullmatch(_CLOCK, text) is not None,
    "date-time": lambda text: _is_date(text[:10]) and regex.fullmatch(rf"[Tt ]{_CLOCK}", text[10:]) is not None,
    "email": lambda text: regex.fullmatch(r"[^\s@]{1,64}@[^\s@.]++(?:\.[^\s@.]++)*+", text) is not None,
    "ipv4": lambda text: _is_address(ipaddress.IPv4Address, text),
    "ipv6": lambda text: _is_address(ipaddress.IPv6Address, text),
    "uri": lambda text: regex.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*+:[^\s<>\"{}|\\^`]++", text) is not None,
    "uuid": lambda text: regex.fullmatch(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text) is not None,
}
"""The check of each ``format``, as in RFC 3339, 3986 and 4122."""


class NotJson(ValueError):
    """The text is not a single JSON value, or exceeds a bound; the message says which."""


def verify_json_schema(problem: Problem, answer: str) -> Verdict:
    """Check that ``answer`` is JSON that follows ``data["schema"]`` and equals ``data["value"]``, if given (`same`).

    A text that is not JSON is ``unparsable``; JSON that violates the schema or has another value is ``wrong``. A text on which a pattern
    runs out of time (``timeout``) also scores 0, so that it is no way out of a bad reward. An invalid schema, or one that refers to
    another document, is an error without a score.
    """
    schema = problem.data["schema"]
    if isinstance(schema, str):  # JSON in a text column
        try:
            schema = json.loads(schema)
        except (ValueError, RecursionError) as failure:
            return Verdict(None, "error", f"the schema: not JSON: {failure}"[:200])
    try:
        value = parse_json(answer)
    except NotJson as error:
        return Verdict(0.0, "unparsable", str(error))
    try:
        violation = next(_validator(json.dumps(schema)).iter_errors(value), None)
    except (jsonschema.SchemaError, referencing.exceptions.Unresolvable, regex.error) as failure:
        return Verdict(None, "error", f"the schema: {' '.join(str(getattr(failure, 'message', failure)).split())}"[:200])
    except RecursionError:
        return Verdict(None, "error", "the schema: refers to itself endlessly")
    except TimeoutError:
        return Verdict(0.0, "timeout", f"a pattern of the schema took more than {PATTERN_SECONDS} s on this text")
    if violation is not None:
        return Verdict(0.0, "wrong", f"{violation.json_path}: {violation.message}"[:200])
    if "value" in problem.data and not same(value, problem.data["value"]):
        return Verdict(0.0, "wrong", "another value")
    return Verdict(1.0, "correct")


def parse_json(text: str) -> Any:
    """The JSON value in ``text``, with or without a fence around it. Raises `NotJson`."""
    if len(text) > MAX_LENGTH:
        raise NotJson(f"{len(text)} characters, at most {MAX_LENGTH}")
    fenced = _FENCED.fullmatch(text)
    text = fenced.group(2) if fenced else text
    _check_size(text)
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_number, parse_int=lambda t: int(_short(t)), parse_float=_finite
        )
    except NotJson:
        raise
    except (ValueError, RecursionError) as error:
        raise NotJson(f"not JSON: {error}"[:200]) from None


def same(one: Any, other: Any) -> bool:
    """True if equal as JSON: numbers by value (1 is 1.0, but ``true`` is not 1), objects in any order of keys."""
    return bool(_canonical(one) == _canonical(other))


def _check_size(text: str) -> None:
    depth = values = 0
    for match in _STRING_OR_SIGN.finditer(text):
        sign = match.group()
        depth += (sign in ("[", "{")) - (sign in ("]", "}"))
        values += sign in ("[", "{", ",")
        if depth > MAX_DEPTH or values > MAX_VALUES:
            raise NotJson(f"more than {MAX_DEPTH} levels or {MAX_VALUES} values")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotJson("duplicate keys")
    return found


def _no_number(text: str) -> Any:
    raise NotJson(f"{text} is not JSON")


def _short(text: str) -> str:
    if len(text) > MAX_DIGITS:
        raise NotJson(f"a number of more than {MAX_DIGITS} digits")
    return text


def _finite(text: str) -> float:
    number = float(_short(text))
    if not math.isfinite(number):
        raise NotJson("a number too large for a float")
    return number


def _canonical(value: Any) -> Any:
    """A hashable form that is equal exactly for values that are equal as JSON."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__, value
    if isinstance(value, Mapping):
        return "object", frozenset((key, _canonical(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return "array", tuple(_canonical(item) for item in value)
    return "number", value


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, str) and not _search(pattern, instance):
        yield jsonschema.ValidationError(f"does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    for pattern, subschema in patterns.items() if isinstance(instance, dict) else ():
        for key, value in instance.items():
            if _search(pattern, key):
                yield from validator.descend(value, subschema, path=key, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key in instance if isinstance(instance, dict) else ():
        if key not in known and not any(_search(pattern, key) for pattern in patterns):
            if allowed is False:
                yield jsonschema.ValidationError(f"the key {key[:50]!r} is not allowed")
            else:
                yield from validator.descend(instance[key], allowed, path=key)


def _format(validator: Any, name: str, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, str) and name in FORMATS and not FORMATS[name](instance):
        yield jsonschema.ValidationError(f"is not a valid {name}")


def _is_date(text: str) -> bool:
    try:
        return regex.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_address(kind: Callable[[str], object], text: str) -> bool:
    try:
        return bool(kind(text))
    except ValueError:
        return False


def _unique_items(validator: Any, unique: bool, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    if unique and isinstance(instance, list) and len({_canonical(item) for item in instance}) < len(instance):
        yield jsonschema.ValidationError("has duplicate items")


def _unevaluated(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    raise jsonschema.SchemaError("unevaluatedProperties is not supported: its patterns would run without a time limit")


def _search(pattern: str, text: str) -> bool:
    return regex.search(pattern, text, timeout=PATTERN_SECONDS) is not None


@lru_cache(maxsize=256)
def _validator(schema_text: str) -> Any:
    """jsonschema's validator, with our own versions of keywords that run regular expressions or compare all pairs of items."""
    schema = json.loads(schema_text)
    found = validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    found.check_schema(schema)
    bounded = validators.extend(  # type: ignore[no-untyped-call]
        found,
        {
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional_properties,
            "uniqueItems": _unique_items,
            "format": _format,
            "unevaluatedProperties": _unevaluated,
        },
    )
    return bounded(schema, registry=referencing.Registry())
