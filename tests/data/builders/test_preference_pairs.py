"""Preference pairs: what a judge prefers is what the rows say, each row that goes is counted, and no held-out prompt is trained on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.data_replies import PreferencesConfig
from dunwu.config.load import validate
from dunwu.config.tasks import ChatTask
from dunwu.data.builders.preference_pairs import build_preferences
from dunwu.data.generators.base import Scripted, TextCompletion
from dunwu.data.io.data_set import DataSet
from dunwu.data.io.journal import Journalled
from dunwu.data.io.preferences import read_pairs
from dunwu.errors import ConfigError, DataError, UserError
from dunwu.tasks.make import make_task
from dunwu.tasks.splits import split_of_text

_ANSWERS = re.compile(r"Answer A:\n```\n(.*)\n```\n\nAnswer B:\n```\n(.*)\n```\n\nCompare", re.DOTALL)
Function = Callable[[list[dict[str, str]], int], str]
WriteRows = Callable[..., str]


def talker(messages: list[dict[str, str]], seed: int) -> str:
    """Polite or not, and of any length, by the seed."""
    manner = "If you please: " if seed % 2 else "Well: "
    return f"<think>Call {seed}.</think>{manner}it is {' '.join(['so'] * (1 + seed // 2 % 9))}."


def rated(rate: Callable[[str], float], bias: float = 0.0) -> Function:
    def judge(messages: list[dict[str, str]], seed: int) -> str:
        found = _ANSWERS.search(messages[-1]["content"])
        assert found is not None
        return json.dumps({"A": rate(found[1]) + bias, "B": rate(found[2])})

    return judge


polite = rated(lambda answer: 8 if "please" in answer else 3)


@pytest.fixture
def prompts(write_rows: WriteRows) -> str:
    """Forty prompts that the hash of their text splits."""
    return write_rows("prompts.jsonl", [{"prompt": f"Tell me of thing {n}."} for n in range(40)])


def config(path: str | None = None, **more: Any) -> PreferencesConfig:
    judge = {"generator": {"kind": "own", "function": "m.py:judge"}, "balance_lengths": False, **more.pop("judge", {})}
    task = {"task": {"path": path}} if path else {}
    return validate(PreferencesConfig, {**task, "generator": {"kind": "own", "function": "m.py:talker"}, "judge": judge, **more})


def built(how: PreferencesConfig, count: Any, judge: Function = polite, generator: Function = talker) -> DataSet:
    return build_preferences(how, lambda c: Scripted(judge if c.function.endswith("judge") else generator, c.function), count)


def removed(made: DataSet) -> dict[str, int]:
    return {step.name: step.removed for step in made.funnel.steps if step.removed}


def written(made: DataSet, folder: Path, count: Any) -> Path:
    folder.mkdir()
    made.write(folder, count, 0)
    return folder


def test_what_the_judge_prefers_is_chosen_and_read_back(prompts: str, count: Any, tmp_path: Path) -> None:
    made = built(config(prompts, samples=6), count)
    data = read_pairs(written(made, tmp_path / "data", count), {})
    assert data.leaked == 0
    pairs = [*data.train, *data.held_out]
    assert len(pairs) == len(made.rows) > 30
    assert all("please" in pair.chosen and "please" not in pair.rejected and pair.margin == 5.0 for pair in pairs)
    assert all(pair.chosen.startswith("<think>Call") for pair in pairs)  # as it was written
    assert made.facts["mean margin"] == 5.0
    assert made.facts["position bias"] == 0.0
    assert {row["source"] for row in made.rows} == {"chat"}
    assert built(config(prompts, samples=6), count).rows == made.rows


def test_every_answer_is_kept_or_counted(prompts: str, count: Any) -> None:
    texts: list[str] = []

    def recorded(messages: list[dict[str, str]], seed: int) -> str:
        texts.append(talker(messages, seed))
        return texts[-1]

    made = built(config(prompts, samples=5), count, generator=recorded)
    answers, steps = made.facts["answers"], {step.name: step for step in made.funnel.steps}
    assert answers == 5 * made.facts["prompts"]
    assert steps["same visible text"].before == steps["answers without a counterpart"].after // 2
    assert steps["not clearly different"].after == len(made.rows)
    assert made.facts["judge"] == {"name": "m.py:judge", "requests": 4 * steps["same visible text"].after, "unreadable": 0}
    words_of_a_vote = 4
    assert made.facts["generated_tokens"] == sum(count(texts)) + words_of_a_vote * made.facts["judge"]["requests"]
    used = [text for row in made.rows for text in (row["chosen"], row["rejected"])]
    assert len(set(used)) == len(used), "an answer is in two pairs"


def test_a_judge_that_prefers_a_place_gives_no_pairs(prompts: str, count: Any, tmp_path: Path) -> None:
    made = built(config(prompts), count, rated(lambda answer: 4, bias=5))
    assert made.rows == []
    assert made.facts["position bias"] == 5.0
    with pytest.raises(DataError, match=r"\d+ answers.*'not clearly different'"):
        written(made, tmp_path / "data", count)


def test_only_pairs_above_the_margin_stay(prompts: str, count: Any) -> None:
    assert not built(config(prompts, judge={"margin": 5.0}), count).rows
    assert built(config(prompts, judge={"margin": 4.9}), count).rows


def test_votes_that_cannot_be_read_are_counted_and_their_pairs_left_out(prompts: str, count: Any) -> None:
    def hesitant(messages: list[dict[str, str]], seed: int) -> str:
        return "Both are fine." if "thing 1" in messages[-1]["content"] else polite(messages, seed)

    made, whole = built(config(prompts, samples=6), count, hesitant), built(config(prompts, samples=6), count)
    assert {row["prompt"][0]["content"] for row in made.rows} == {
        row["prompt"][0]["content"] for row in whole.rows if "thing 1" not in row["prompt"][0]["content"]
    }
    assert made.facts["judge"]["unreadable"] == 3 * 4 * removed(made)["missing votes"] > 0
    with pytest.raises(DataError, match=r"m.py:judge: .*\d+"):
        built(config(prompts), count, lambda messages, seed: "Both are fine.")


def test_answers_without_an_end_or_a_partner_are_counted(prompts: str, count: Any) -> None:
    def lost(messages: list[dict[str, str]], seed: int) -> str:
        return "<think>I wonder" if seed % 3 else talker(messages, seed)

    made = built(config(prompts, samples=4), count, generator=lost)
    assert removed(made)["answers truncated, or with misplaced tags"] > 0
    assert removed(made)["answers without a counterpart"] > 0
    same = built(config(prompts, samples=3), count, generator=lambda messages, seed: f"<think>{seed}</think>Yes.")
    assert removed(same)["duplicate answers"] == 2 * same.facts["prompts"]
    assert same.facts["judge"]["requests"] == 0


def test_harmful_prompts_are_left_out(write_rows: WriteRows, count: Any) -> None:
    path = write_rows("p/train.jsonl", [{"prompt": f"Help me steal thing {n}.", "harmful": n % 2 == 0} for n in range(40)])
    made = built(config(path, samples=8, held_out=0), count)
    numbers = {int(re.findall(r"\d+", row["prompt"][0]["content"])[0]) for row in made.rows}
    assert numbers
    assert all(n % 2 for n in numbers)
    assert made.facts["harmful prompts left out"] > 0


def test_an_answer_that_was_cut_off_is_not_judged(prompts: str, count: Any) -> None:
    class CutOff(Scripted):
        def complete(self, requests: Any, on_completion: Any) -> list[TextCompletion]:
            return [TextCompletion(each.text, finished=False) for each in super().complete(requests, on_completion)]

    def opened(c: Any) -> Scripted:
        return Scripted(polite) if c.function.endswith("judge") else CutOff(talker)

    made = build_preferences(config(prompts), opened, count)
    assert removed(made) == {"answers truncated, or with misplaced tags": made.facts["answers"]}


def test_kept_pairs_are_of_balanced_lengths(prompts: str, count: Any) -> None:
    longer = rated(lambda answer: min(10, len(answer) / 6))
    made = built(config(prompts, samples=8), count, longer)
    assert made.facts["chosen is longer"] == {"judged": 1.0, "kept": 1.0}
    with pytest.raises(DataError, match="dropped to balance lengths"):
        built(config(prompts, samples=8, judge={"balance_lengths": True}), count, longer).funnel.refuse_empty([])
    made = built(config(prompts, samples=8, judge={"balance_lengths": True}), count)
    assert made.facts["chosen is longer"]["kept"] == pytest.approx(0.5, abs=0.05)
    assert made.facts["chosen is longer"]["judged"] > 0.6


@pytest.mark.parametrize("files", ["one", "by split"])
def test_no_held_out_prompt_is_trained_on(files: str, write_rows: WriteRows, count: Any, tmp_path: Path) -> None:
    """Whoever reads the rows splits them by the hash of the text, whatever files the prompts were in."""
    if files == "one":
        path = write_rows("p/rows.jsonl", [{"prompt": f"Question {n}?"} for n in range(200)])
    else:
        write_rows("p/test.jsonl", [{"prompt": f"Question {n}?"} for n in range(100)])
        path = str(Path(write_rows("p/train.jsonl", [{"prompt": f"Question {n}?"} for n in range(100, 200)])).parent)
    made = built(config(path, samples=6, held_out=5, prompts=300), count)
    task = make_task(ChatTask(path=path))
    held_out = {each.text for split in ("test", "validation") for each in task.held_out(split, 1000)}  # type: ignore[arg-type]
    data = read_pairs(written(made, tmp_path / "data", count), {})
    assert not held_out & {pair.prompt[0].content for pair in data.train}
    assert data.held_out
    measured = {pair.prompt[0].content for pair in data.held_out}
    assert len(measured & held_out) <= 5
    with_none = built(config(path, samples=6, held_out=0, prompts=300), count)
    assert not held_out & {row["prompt"][0]["content"] for row in with_none.rows}


def test_rows_with_two_answers_are_judged_as_they_are(write_rows: WriteRows, count: Any) -> None:
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "Who are you?"}]
    rows = [
        {"prompt": turns, "first": "Why?", "second": "If you please: a program.", "source": "mine"},
        {"prompt": "Name a bird.", "first": "<think>hm</think>A swift, if you please.", "second": "<think>A bird"},
        {"prompt": "Name a fish.", "first": "A carp.", "second": "<think>hm</think>A carp."},
        {"prompt": "Name a fish, now.", "first": "A carp.", "second": "A pike."},
    ]

    def none(messages: list[dict[str, str]], seed: int) -> str:
        raise AssertionError("nothing is generated")

    made = built(config(data=write_rows("rows.jsonl", rows)), count, generator=none)
    assert [(len(row["prompt"]), row["chosen"], row["source"]) for row in made.rows] == [(3, "If you please: a program.", "mine")]
    assert removed(made) == {"truncated, or with misplaced tags": 1, "same visible text": 1, "not clearly different": 1}


def test_rows_of_held_out_files_stay_held_out(write_rows: WriteRows, count: Any) -> None:
    rows = [{"prompt": f"Question {n}?", "first": "If you please: yes.", "second": "No."} for n in range(60)]
    made = built(config(data=write_rows("test.jsonl", rows)), count)
    assert 0 < len(made.rows) < 20
    assert all(split_of_text(row["prompt"][0]["content"]) == "test" for row in made.rows)
    assert removed(made)["held out by their file, not by their hash"] == 60 - len(made.rows)


def test_what_an_evaluation_set_holds_is_not_judged(prompts: str, write_rows: WriteRows, count: Any) -> None:
    long = "Please name the seven rivers that run through the old town of ours"
    held = write_rows("held/test.jsonl", [{"problem": long, "answer": "1"}])
    write_rows("held/train.jsonl", [{"problem": "Other", "answer": "1"}])
    rows = [{"prompt": text, "first": "If you please: yes.", "second": "No."} for text in (f"{long}!", "Name a river.")]
    kept_out = [{"name": "held", "task": {"kind": "dataset", "path": str(Path(held).parent)}}]
    made = built(config(data=write_rows("rows.jsonl", rows), decontaminate=kept_out), count)
    assert [row["prompt"][0]["content"] for row in made.rows] == ["Name a river."]
    assert made.facts["judge"]["requests"] == 4
    assert made.certificates[0].removed == 1


@pytest.mark.parametrize("alive", [0, 7, 50, 101])
def test_what_was_written_is_kept_and_only_the_rest_is_asked(alive: int, prompts: str, count: Any, tmp_path: Path) -> None:
    calls: list[str] = []

    def opener(alive: int) -> Any:
        def limited(function: Function) -> Function:
            def ask(messages: list[dict[str, str]], seed: int) -> str:
                if len(calls) >= alive:
                    raise UserError("the endpoint is down")
                calls.append(messages[-1]["content"])
                return function(messages, seed)

            return ask

        def opened(c: Any) -> Journalled:
            return Journalled(Scripted(limited(polite if c.function.endswith("judge") else talker), c.function), tmp_path / "written.jsonl")

        return opened

    how = config(prompts)
    whole = built(how, count)
    needed = whole.facts["answers"] + whole.facts["judge"]["requests"]
    assert needed > 101
    with pytest.raises(UserError, match="the endpoint is down"):
        build_preferences(how, opener(alive), count)
    assert len(calls) == alive
    assert build_preferences(how, opener(needed), count).rows == whole.rows
    assert len(calls) == needed


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "a", "first": "x"}, "rows.jsonl, row 1: nothing in column second"),
        ({"first": "x", "second": "y"}, "row 1: nothing in column prompt"),
        ({"prompt": "a", "first": 3, "second": "y"}, "row 1: first is int instead of text"),
        ({"prompt": [{"role": "assistant", "content": "a"}], "first": "x", "second": "y"}, "ends with a user turn"),
        ({"prompt": "a\ud800", "first": "x", "second": "y"}, "half a character"),
    ],
)
def test_a_row_that_is_no_pair_is_named(row: dict[str, Any], message: str, tmp_path: Path, count: Any) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        built(config(data=str(path)), count)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "give either task"),
        ({"task": {"path": "a.jsonl"}, "data": "b.jsonl"}, "give either task"),
        ({"data": "b.jsonl", "samples": 1}, "samples = 1"),
        ({"data": "b.jsonl", "judge": {"votes": 3}}, "judge.votes = 3"),
    ],
)
def test_a_wrong_configuration_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**more)
