"""Completions as the page's data."""

from __future__ import annotations

from dunwu.analysis.browser.entry import HEAD, TAIL, evaluation_entry, problem_entry, rollout_entry

ROW = {
    "problem_id": "p1",
    "problem": "1+1?",
    "difficulty": 2.0,
    "prefill": "<think>",
    "completion": "a\u202eb😀",
    "tokens": 4,
    "thinking_tokens": 1,
    "finish_reason": "stop",
    "reward": 1.23456,
    "reward_accuracy": 1.0,
    "reward_format": None,
    "verdict": "correct",
    "verdict_detail": "",
    "advantage": -0.5,
    "behaviour_logprobs": [-0.001, -0.567, -250.0, 0.0],
    "token_characters": [1, 1, 2, 0],
    "entropies": [0.004, 1.239, 0.0, 0.125],
}


def test_values_and_lengths_are_those_of_the_shown_tokens() -> None:
    found = rollout_entry(ROW)
    assert found["text"] == "a[U+202E]b😀"
    assert found["characters"] == [1, 8, 3, 0]  # as JavaScript counts: the face twice
    assert (found["logprobs"], found["entropies"]) == ([0, -57, -9900, 0], [0, 124, 0, 12])
    assert (found["reward"], found["parts"], found["advantage"], found["before"]) == (1.2346, {"accuracy": 1.0}, -0.5, "<think>")
    assert "gap" not in found
    assert "advantages" not in found


def test_old_and_odd_rows_have_no_tokens() -> None:
    old = {key: value for key, value in ROW.items() if key not in ("token_characters", "entropies")}
    for row in (old, ROW | {"token_characters": [9, 9, 9, 9]}, ROW | {"token_characters": [5, -1, 0, 0]}, ROW | {"token_characters": []}):
        found = rollout_entry(row)
        assert found["text"] == "a[U+202E]b😀"
        assert not found.keys() & {"characters", "logprobs", "entropies"}
    assert "logprobs" not in rollout_entry(ROW | {"behaviour_logprobs": [0.0]})
    assert rollout_entry({})["text"] == ""


def test_long_text_is_cut_in_the_middle() -> None:
    text = "x" * 6000 + "\n" + "y" * 44_000
    found = rollout_entry(ROW | {"completion": text, "token_characters": None})
    assert found["gap"] == {"at": HEAD, "characters": 50_001 - HEAD - TAIL, "tokens": 0}
    assert len(found["text"]) == HEAD + TAIL


def test_long_text_is_cut_between_tokens() -> None:
    count, size = 2000, 7
    row = {
        "completion": "1234567" * count,
        "token_characters": [size] * count,
        "behaviour_logprobs": [-place / 100 for place in range(count)],
    }
    found = rollout_entry(ROW | row | {"entropies": None})
    first, last = HEAD // size, count - TAIL // size
    assert found["gap"] == {"at": first * size, "characters": (last - first) * size, "tokens": last - first}
    assert found["logprobs"][first - 1 : first + 1] == [-(first - 1), -last]
    assert len(found["text"]) == sum(found["characters"])


def test_a_token_longer_than_everything_is_left_out() -> None:
    row = {"completion": "a" * 50_000, "token_characters": [1, 49_999], "behaviour_logprobs": [-1.0, -2.0], "entropies": None}
    found = rollout_entry(ROW | row)
    assert (found["text"], found["gap"]) == ("a", {"at": 1, "characters": 49_999, "tokens": 1})


def test_an_evaluation_has_its_score_as_reward() -> None:
    row = {
        "problem_id": "p",
        "text": "why?",
        "completion": "because",
        "score": 0.0,
        "verdict": "unparsable",
        "unread": "no answer",
        "sample": 3,
    }
    found = evaluation_entry(row)
    assert (found["reward"], found["verdict"], found["detail"], found["sample"], found["text"]) == (
        0.0,
        "unparsable",
        "no answer",
        3,
        "because",
    )
    assert problem_entry(row) == {"id": "p", "text": "why?"}
    assert problem_entry(ROW) == {"id": "p1", "text": "1+1?", "difficulty": 2.0}
