"""Types survive exactly, and whatever a program writes in their place is refused."""

from __future__ import annotations

import collections
import json
import math
from typing import Any

import pytest

from dunwu.sandbox.values import MAX_BITS, MAX_DEPTH, MAX_HASHED, decode_value, encode_value


def through_json(value: Any) -> Any:
    return decode_value(json.loads(json.dumps(encode_value(value))))


def types(value: Any) -> Any:
    """The value with every type spelled out, so that True, 1 and 1.0 differ."""
    if isinstance(value, dict):
        return [(types(key), types(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, [types(item) for item in value])
    return (type(value).__name__, repr(value))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**4000),
        1.0,
        -0.0,
        0.1,
        math.inf,
        "",
        "\ud800 \0 é 数",
        [],
        [1, [2, (3,)]],
        (),
        {1, 2},
        frozenset({(1, "a")}),
        {},
        {"a": 1, "": None},
        {1: "int", "1": "str", (1, 2): {3}},
        {"$set": [1]},
        {"$tuple": {"$dict": []}},
        {None: True, False: 0},
    ],
)
def test_there_and_back(value: Any) -> None:
    assert types(through_json(value)) == types(value)


def test_nan_stays_nan() -> None:
    assert math.isnan(through_json(math.nan))


def test_plain_json_stands_for_itself() -> None:
    plain = {"a": [1, 2.5, "x", None, True], "b": {"c": {}}}
    assert encode_value(plain) == plain


@pytest.mark.parametrize("value", [collections.Counter("aab"), collections.OrderedDict(b=1, a=2), collections.defaultdict(int, a=1)])
def test_the_standard_librarys_dicts_are_dicts(value: Any) -> None:
    assert decode_value(encode_value(value)) == dict(value)


class EqualToAll(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


@pytest.mark.parametrize("value", [EqualToAll(1), collections.UserDict({"a": 1}), b"x", object(), 1j, {1: EqualToAll(2)}])
def test_other_types_have_no_encoding(value: Any) -> None:
    with pytest.raises(TypeError):
        encode_value(value)


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [10**5000, -(10**5000), [{3**20_000: (1 << 20_000,)}], 1 << (MAX_BITS - 1)], ids=["large", "negative", "inside", "largest"]
)
def test_integers_of_thousands_of_digits_come_back(value: Any) -> None:
    assert through_json(value) == value


@pytest.mark.parametrize("text", ["12", "0x", "0x1_0", " 0x1", "0b1", 5, "0x" + "f" * (MAX_BITS // 4 + 9)])
def test_only_hexadecimal_integers_are_read(text: Any) -> None:
    with pytest.raises(ValueError, match="encoded int"):
        decode_value({"$int": text})


@pytest.mark.parametrize("value", [nested(MAX_DEPTH + 1), 1 << MAX_BITS, -(1 << MAX_BITS)], ids=["deep", "long", "negative"])
def test_too_deep_and_too_long_is_refused_both_ways(value: Any) -> None:
    with pytest.raises(ValueError, match=r"nested|bits"):
        encode_value(value)
    with pytest.raises(ValueError, match=r"nested|bits"):
        decode_value(value)
    assert through_json(nested(MAX_DEPTH)) == nested(MAX_DEPTH)


def test_a_cycle_is_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(ValueError, match="nested"):
        encode_value(cycle)


@pytest.mark.parametrize(
    "data",
    [
        {"$set": [[1]]},
        {"$set": 3},
        {"$set": {"a": 1}},
        {"$dict": [1]},
        {"$dict": [[1]]},
        {"$dict": [[1, 2, 3]]},
        {"$dict": [[[1], 2]]},
        {"$other": [1]},
        {"$": []},
    ],
)
def test_what_was_never_encoded_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"not an encoded value|values to unpack"):
        decode_value(data)


def test_collisions_are_bounded() -> None:
    """Multiples of the modulus of int's hash all have the hash 0: a set of n of them takes n * n steps."""
    collided = [key * (2**61 - 1) for key in range(MAX_HASHED + 1)]
    for data in (
        {"$set": collided},
        {"$dict": [[key, 0] for key in collided]},
        [{"$set": collided[:9000]}, {"$set": collided[:2000]}],
    ):
        with pytest.raises(ValueError, match="elements"):
            decode_value(data)
