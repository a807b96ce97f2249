"""Counts of filters, statistics of tokens, and a card that nothing in a row can break."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dunwu.data.builders.certificate import Certificate
from dunwu.data.builders.funnel import Funnel
from dunwu.data.io.card import escaped, read_card, row_text, token_statistics
from dunwu.data.io.data_set import DataSet
from dunwu.errors import DataError


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def test_each_filter_is_counted() -> None:
    funnel = Funnel("numbers")
    left = funnel.sift("odd", range(10), lambda n: n % 2 == 0)
    left = funnel.keep("low", left, [n > 3 for n in left])
    assert left == [4, 6, 8]
    assert [(s.name, s.before, s.removed, s.after) for s in funnel.steps] == [("odd", 10, 5, 5), ("low", 5, 2, 3)]
    assert funnel.steps[0].examples == ("1", "3")


def test_an_empty_result_names_the_filter_that_removed_most() -> None:
    funnel = Funnel("answers")
    funnel.begin("one", 10)
    funnel.sift("wrong", range(10), lambda n: n < 3)
    funnel.begin("two", 4)
    funnel.sift("long", range(4), lambda n: False)
    with pytest.raises(DataError, match=r"14 answers.*'one: wrong'.*7 of 10"):
        funnel.refuse_empty([])
    funnel.refuse_empty([1])
    with pytest.raises(DataError, match="no rows"):
        Funnel().refuse_empty([])


def test_token_statistics_by_hand() -> None:
    assert token_statistics([3, 1, 2, 10]) == {"rows": 4, "sum": 16, "mean": 4.0, "median": 2.5, "p95": 10, "max": 10}
    assert token_statistics(range(1, 101))["p95"] == 95


def test_the_text_of_a_row_has_its_reasoning() -> None:
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "reasoning_content": "r "}], "source": "s"}
    assert row_text(row) == "q\nr a"
    assert row_text({"prompt": [{"role": "user", "content": "q"}], "chosen": "good", "rejected": "bad", "margin": 1}) == "q\ngood\nbad"


def test_rows_and_card_are_written_and_the_same_again(tmp_path: Path) -> None:
    funnel = Funnel()
    funnel.sift("none", [1], lambda n: True)
    nasty = "\x1b[31m| <script>x</script>\n```\n# head\u202e"
    rows = [{"problem": nasty, "answer": "two words", "source": "a|b"}, {"problem": "one", "answer": "1"}]
    certificates = [Certificate("test set", 3, "ff", compared=2, removed=1, hits=[{"row": nasty, "shares": "x", "with": "p"}])]
    made = DataSet("Rows", rows, funnel, {"n": 1}, certificates, ["A note."])
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.write(tmp_path / name, words, 5)
    for file in ("rows.jsonl", "card.json", "card.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert [json.loads(line) for line in (tmp_path / "one/rows.jsonl").read_text(encoding="utf-8").splitlines()] == rows
    card = read_card(tmp_path / "one")
    assert card["sources"] == {"a|b": 1, "unnamed": 1}
    assert card["filters"][0] | {"examples": []} == {"name": "none", "before": 1, "removed": 0, "after": 1, "examples": []}
    assert card["certificates"][0]["removed"] == 1
    page = (tmp_path / "one/card.md").read_text(encoding="utf-8")
    assert "a\\|b" in page
    assert "A note." in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "<script>" not in page
    assert "\n# head" not in page


def test_a_long_value_is_cut_in_the_card_only() -> None:
    assert escaped("x" * 1000).endswith("... (1002 characters)")


def test_a_card_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing or corrupt"):
        read_card(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"facts": 3}', "{"])
def test_a_card_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="build the data set again"):
        read_card(tmp_path)
