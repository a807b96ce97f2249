"""Structured answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.types import Problem
from dunwu.verifiers.json_schema import NotJson, parse_json, same, verify_json_schema

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def verdict(schema: Any, answer: str, **data: Any) -> Any:
    return verify_json_schema(Problem(id="j", task="t", text="", verifier="json_schema", data={"schema": schema, **data}), answer)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ('{"name": "Ada", "age": 36}', "correct"),
        ('```json\n{"name": "Ada", "age": 36}\n```', "correct"),
        ('\n```\n{"name": "Ada", "age": 36}\n```\n', "correct"),
        ('{"name": "Ada", "age": 36.0}', "correct"),  # an integer in JSON
        ('{"name": "ada", "age": 36}', "wrong"),
        ('{"name": "Ada", "age": -1}', "wrong"),
        ('{"name": "Ada", "age": true}', "wrong"),
        ('{"name": "Ada"}', "wrong"),
        ('{"name": "Ada", "age": 36, "more": 1}', "wrong"),
        ("[]", "wrong"),
        ('Here it is: {"name": "Ada", "age": 36}', "unparsable"),
        ('{"name": "Ada", "age": 36} {"name": "Bob", "age": 1}', "unparsable"),
        ('{"name": "Eve", "name": "Ada", "age": 36}', "unparsable"),
        ("{'name': 'Ada', 'age': 36}", "unparsable"),
        ('{"name": "Ada", "age": NaN}', "unparsable"),
        ('{"name": "Ada", "age": 1e999}', "unparsable"),
        ("", "unparsable"),
    ],
)
def test_verdicts(answer: str, reason: str) -> None:
    found = verdict(PERSON, answer)
    assert (found.reason, found.score) == (reason, float(reason == "correct")), found


def test_the_value_may_be_given() -> None:
    assert verdict({}, '{"a": [1, 2.0], "b": null}', value={"b": None, "a": [1.0, 2]}).score == 1.0
    assert verdict({}, '{"a": [2, 1]}', value={"a": [1, 2]}).score == 0.0


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [(1, 1.0, True), (True, 1, False), (0, False, False), (None, False, False), ("1", 1, False), ([1], [True], False), ({}, [], False)],
)
def test_equality(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal


@pytest.mark.parametrize(
    "text",
    ["[" * 40 + "]" * 40, "[" * 30_000, "[" + "1," * 20_000 + "1]", "9" * 5000, '"' + "a" * 70_000 + '"', '{"a":' * 40 + "1" + "}" * 40],
)
def test_bounds(text: str) -> None:
    with pytest.raises(NotJson):
        parse_json(text)


def test_brackets_inside_strings_are_text() -> None:
    assert parse_json('["' + "[" * 100 + '\\""]') == ["[" * 100 + '"']


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.org/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#"},
        {"type": "nothing"},
        {"pattern": "("},
        {"unevaluatedProperties": False},
    ],
)
def test_a_schema_that_cannot_be_checked_is_an_error(schema: Any) -> None:
    for answer in ('{"a": 1}', '"a"'):
        found = verdict(schema, answer)
        if found.score is None:
            assert found.reason == "error"
            return
    pytest.fail(str(found))


@pytest.mark.parametrize("schema", [{"pattern": "^(a|aa)+$"}, {"items": {"pattern": "^(a|a)*$"}}])
def test_a_pattern_that_times_out_is_the_answers_fault(schema: Any) -> None:
    text = '"' + "a" * 60 + 'b"'
    found = verdict(schema, f"[{text}]" if "items" in schema else text)
    assert (found.score, found.reason) == (0.0, "timeout")


def test_our_keywords_agree_with_jsonschema() -> None:
    schema = {"patternProperties": {"^n_": {"type": "integer"}}, "additionalProperties": {"type": "string"}}
    assert verdict(schema, '{"n_a": 1, "b": "x"}').score == 1.0
    assert verdict(schema, '{"n_a": "1", "b": "x"}').score == 0.0
    assert verdict(schema, '{"n_a": 1, "b": 2}').score == 0.0
    assert verdict({"uniqueItems": True}, "[1, true, {}, []]").score == 1.0
    assert verdict({"uniqueItems": True}, "[1, 1.0]").score == 0.0
    assert verdict({"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}, "[1, 2]").score == 1.0


def test_a_problem_without_schema_raises() -> None:
    with pytest.raises(KeyError):
        verify_json_schema(Problem(id="j", task="t", text="", verifier="json_schema"), "{}")


@given(st.text())
def test_no_text_raises(text: str) -> None:
    assert verdict(PERSON, text).score == 0.0


FOLLOWED: list[tuple[Any, str]] = [
    ({"type": "string", "format": "date"}, '"2026-02-28"'),
    ({"type": "string", "format": "date-time"}, '"2026-02-28T10:00:00Z"'),
    ({"type": "string", "format": "email"}, '"a@b.org"'),
    ({"type": "string", "format": "uri"}, '"https://a.b/c"'),
    ({"type": "string", "format": "ipv6"}, '"::1"'),
    ({"type": "string", "format": "colour"}, '"x"'),
    ('{"type":"integer"}', "5"),
    ({"type": "integer"}, "```JSON\n5\n```"),
    ({"type": "integer"}, '```json title="a"\n5\n```'),
    ({"type": "integer"}, "~~~json\n5\n~~~"),
    ({"type": "integer"}, "  ```json\n  5\n  ```"),
    ({"type": "integer"}, "5.0"),
]
NOT_FOLLOWED: list[tuple[Any, str]] = [
    ({"type": "string", "format": "date"}, '"2026-02-30"'),
    ({"type": "string", "format": "date"}, '"tomorrow"'),
    ({"type": "string", "format": "date-time"}, '"2026-02-28"'),
    ({"type": "string", "format": "email"}, '"a b@c"'),
    ({"type": "string", "format": "uri"}, '"no uri"'),
    ({"type": "string", "format": "ipv4"}, '"1.2.3.456"'),
    ({"type": "string", "format": "uuid"}, '"x"'),
    ({"const": 1}, "true"),
    ({"const": 0}, "false"),
    ({"enum": [[1]]}, "[true]"),
    ({"type": "integer"}, "true"),
    ({"type": "number"}, '"1"'),
    ({"type": "integer"}, "5 5"),
    ({"type": "integer"}, "5\n6"),
    ({"type": "integer"}, "```json\n5\n```\n```json\n6\n```"),
    ({"type": "object", "required": ["a"]}, '{"A":1}'),
    ({"type": "integer"}, "NaN"),
    ({"type": "integer"}, "0x5"),
    ({"type": "integer"}, "05"),
    ({"type": "integer"}, "٥"),
    ({"type": "object"}, '{"a":1,"a":2}'),
    ({"type": "array", "items": {"type": "integer"}}, '[1,"2"]'),
]


@pytest.mark.parametrize(("schema", "answer"), FOLLOWED)
def test_valid_values(schema: Any, answer: str) -> None:
    assert verdict(schema, answer).score == 1.0


@pytest.mark.parametrize(("schema", "answer"), NOT_FOLLOWED)
def test_invalid_values(schema: Any, answer: str) -> None:
    assert verdict(schema, answer).score == 0.0


def test_a_schema_in_a_text_column() -> None:
    assert verdict('{"type": "integer"}', "5").score == 1.0
    assert verdict('{"type": ', "5").score is None
