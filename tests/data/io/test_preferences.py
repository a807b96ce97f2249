"""Preference rows: what is read, what is held out, and what is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dunwu.data.io.preferences import LabelledAnswer, Pair, pair_row, read_labelled, read_pairs, user_turn
from dunwu.errors import DataError
from dunwu.models.chat import Message

HH = Path(__file__).resolve().parents[3] / "shared" / "data" / "hh_rlhf" / "pairs.jsonl.gz"
TALK = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "bye"}]


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def pair(number: int, **more: Any) -> dict[str, Any]:
    return {"prompt": f"question {number}", "chosen": "yes", "rejected": "no", **more}


def test_rows_of_every_form_are_read(tmp_path: Path) -> None:
    write(
        tmp_path / "train.jsonl",
        [pair(1), {"prompt": TALK, "chosen": [*TALK, {"role": "assistant", "content": "so long"}], "rejected": ""}],
    )
    write(tmp_path / "test.jsonl", [pair(2, margin=2.5)])
    found = read_pairs(tmp_path, {})
    assert found.train == (
        Pair(user_turn("question 1"), "yes", "no"),
        Pair((Message("user", "hi"), Message("assistant", "hello"), Message("user", "bye")), "so long", ""),
    )
    assert found.held_out == (Pair(user_turn("question 2"), "yes", "no", 2.5),)


def test_no_conversation_is_on_both_sides(tmp_path: Path) -> None:
    data = write(tmp_path / "rows.jsonl", [pair(number % 50) for number in range(200)])
    found = read_pairs(data, {})
    prompts = [{item.prompt for item in part} for part in (found.train, found.held_out)]
    assert not prompts[0] & prompts[1]
    assert len(found.train) + len(found.held_out) == 200
    assert len(found.held_out) % 4 == 0  # all four rows of a conversation went the same way


def test_a_held_out_file_decides_and_leaks_are_dropped(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [pair(1), pair(2), pair(3)])
    write(tmp_path / "validation.jsonl", [pair(2)])
    found = read_pairs(tmp_path, {})
    assert [item.prompt[0].content for item in found.train] == ["question 1", "question 3"]
    assert found.leaked == 1


def test_only_some_rows(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [pair(1, subset="a"), pair(2, subset="b")])
    write(tmp_path / "test.jsonl", [pair(3, subset="a")])
    assert [item.prompt[0].content for item in read_pairs(tmp_path, {"subset": "a"}).train] == ["question 1"]
    with pytest.raises(DataError, match="no row with subset = c: correct `only`"):
        read_pairs(tmp_path, {"subset": "c"})


def test_labels(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [{"prompt": "p", "completion": "<think>x</think>y", "label": "unsafe"}])
    write(tmp_path / "test.jsonl", [{"prompt": "q", "completion": "y", "label": "safe"}])
    found = read_labelled(tmp_path, {})
    assert found.train == (LabelledAnswer(user_turn("p"), "<think>x</think>y", False),)
    assert found.held_out[0].safe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chosen": None}, r"row 1: .*\(columns: prompt, chosen, rejected\); the nearest, preferences, needs a value in chosen"),
        ({"rejected": 5}, "rejected is int instead of text"),
        ({"rejected": TALK}, "rejected is list instead of text"),
        ({"prompt": TALK[:2]}, "ends with a user turn"),
        ({"prompt": [{"role": "tool", "content": "x"}]}, "neither text nor a list"),
        ({"prompt": ["hi"]}, "neither text nor a list"),
        ({"prompt": []}, "neither text nor a list"),
        ({"margin": -1}, "margin is -1"),
        ({"margin": True}, "margin is True"),
        ({"margin": float("nan")}, "margin is nan"),
    ],
)
def test_what_is_no_pair_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_pairs(write(tmp_path / "rows.jsonl", [pair(1) | change]), {})


@pytest.mark.parametrize("label", [1, "Safe", "harmless", ["safe"]])
def test_a_label_is_never_guessed(label: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give 'safe' or 'unsafe'"):
        read_labelled(write(tmp_path / "rows.jsonl", [{"prompt": "p", "completion": "y", "label": label}]), {})


def test_too_few_rows_to_hold_any_out(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no (training|held-out) rows among its 1: add rows"):
        read_pairs(write(tmp_path / "rows.jsonl", [pair(1)]), {})


def test_a_written_pair_is_read_back(tmp_path: Path) -> None:
    original = Pair((Message("user", "hi"), Message("assistant", "hello"), Message("user", "再见")), "a", "b", 1.25)
    write(tmp_path / "train.jsonl", [pair_row(original)])
    write(tmp_path / "test.jsonl", [pair(1)])
    assert read_pairs(tmp_path, {}).train == (original,)


@pytest.mark.skipif(not HH.exists(), reason="the shared HH-RLHF sample is not here")
def test_hh_rlhf_is_read_as_it_is() -> None:
    found = read_pairs(HH, {"subset": "helpful-base"})
    assert len(found.train) + len(found.held_out) + found.leaked == 1560
    assert 0.05 < len(found.held_out) / 1560 < 0.15
    assert all(item.prompt[-1].role == "user" for item in found.train)


def test_a_small_file_holds_out_one_prompt(tmp_path: Path) -> None:
    found = read_pairs(write(tmp_path / "rows.jsonl", [pair(1), pair(2), pair(1)]), {})
    assert (len(found.train) + len(found.held_out), found.leaked) == (3, 0)
    assert {item.prompt for item in found.train}.isdisjoint({item.prompt for item in found.held_out})


def test_columns_by_our_names(tmp_path: Path) -> None:
    rows = [{"q": f"question {n}", "answers": {"good": "a", "bad": "b"}} for n in range(3)]
    names = {"prompt": "q", "chosen": "answers.good", "rejected": "answers.bad"}
    found = read_pairs(write(tmp_path / "rows.jsonl", rows), {}, names)
    assert {item.chosen for item in (*found.train, *found.held_out)} == {"a"}
