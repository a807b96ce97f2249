"""Mixtures: proportions by hand, repeats and shortfalls told, the same bytes again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from dunwu.config.data_rows import MixingConfig
from dunwu.config.load import validate
from dunwu.data.builders.mixing import draw, mix_rows, targets
from dunwu.data.io.data_set import DataSet
from dunwu.errors import DataError


def rows(name: str, number: int, words: int = 1) -> list[dict[str, Any]]:
    return [{"problem": f"{name}{n} " + "word " * (words - 2) + "?", "answer": "1"} for n in range(number)]


def mixed(write_rows: Any, count: Any, **more: Any) -> DataSet:
    sources = {
        "many": {"data": write_rows("many.jsonl", rows("m", 90, 4)), "share": 3},
        "few": {"data": write_rows("few.jsonl", rows("f", 10, 9)), "share": 1},
    }
    return mix_rows(validate(MixingConfig, {"sources": sources, **more}), count)


def sources(made: DataSet) -> dict[str, int]:
    return dict(Counter(row["source"] for row in made.rows))


def test_targets_by_hand() -> None:
    assert targets({"a": 3, "b": 1}, {"a": [1] * 90, "b": [1] * 10}, None, 1) == {"a": 30, "b": 10}
    assert targets({"a": 3, "b": 1}, {"a": [1] * 90, "b": [1] * 10}, None, 2) == {"a": 60, "b": 20}
    assert targets({"a": 1, "b": 1, "c": 1}, {}, 100, 1) == {"a": 34, "b": 33, "c": 33}
    assert targets({"a": 0.75, "b": 0.25}, {}, 800, 1) == {"a": 600, "b": 200}


def test_a_draw_comes_as_near_as_a_row_allows() -> None:
    rng = Random(0)
    assert len(draw([10] * 9, 34, 1, rng)) == 3
    assert len(draw([10] * 9, 36, 1, rng)) == 4
    assert sorted(draw([1] * 4, 10, 2, rng)) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert sorted(draw([1] * 4, 6, 2, rng)[:4]) == [0, 1, 2, 3]
    assert draw([5], 0, 1, rng) == []


def test_as_many_as_there_are(write_rows: Any, count: Callable[..., Any]) -> None:
    made = mixed(write_rows, count)
    assert sources(made) == {"many": 30, "few": 10}
    assert len({row["problem"] for row in made.rows}) == 40
    assert made.notes == []
    assert made.rows == mixed(write_rows, count).rows
    assert made.rows != mixed(write_rows, count, seed=1).rows
    assert [row["source"] for row in made.rows[:12]] != ["many"] * 12


def test_repeats_and_shortfalls_are_told(write_rows: Any, count: Callable[..., Any]) -> None:
    made = mixed(write_rows, count, total=100, most_repeats=2)
    assert sources(made) == {"many": 75, "few": 20}
    assert made.facts["few"]["rows repeated"] == 10
    assert made.facts["few"]["rows short"] == 5
    assert made.notes == ["**few falls short:** 20 of 25 rows."]


def test_shares_of_tokens(write_rows: Any, count: Callable[..., Any]) -> None:
    """Rows of 5 and 10 words, the answer's included: 3 to 1 in tokens is 6 to 1 in rows."""
    made = mixed(write_rows, count, unit="tokens", total=200)
    assert sources(made) == {"many": 30, "few": 5}
    assert made.facts["few"]["tokens drawn"] == 50


def test_a_row_remembers_where_it_was_before(write_rows: Any, count: Callable[..., Any]) -> None:
    data = write_rows("old.jsonl", [{"problem": "q", "answer": "1", "source": "old", "level": 3}])
    made = mix_rows(validate(MixingConfig, {"sources": {"new": {"data": data, "share": 1}}}), count)
    assert made.rows == [{"problem": "q", "answer": "1", "source": "new/old", "level": 3}]


def test_rows_of_the_wrong_shape(write_rows: Any, count: Callable[..., Any]) -> None:
    data = write_rows("odd.jsonl", [{"sentence": "hello"}])
    with pytest.raises(DataError, match=r"odd\.jsonl, row 1: .*columns: sentence"):
        mix_rows(validate(MixingConfig, {"sources": {"new": {"data": data, "share": 1}}}), count)
