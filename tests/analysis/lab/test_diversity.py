"""Diversity within groups, and pass@k before and after."""

import math

import pytest

from dunwu.analysis.lab.diversity import SECTION
from dunwu.analysis.lab.material import Material
from dunwu.evaluation.self_bleu import self_bleu, words


def test_equal_texts_have_a_self_bleu_of_one():
    assert self_bleu([list("abcdef")] * 3) == pytest.approx(1)


def test_self_bleu_of_two_texts_by_hand():
    # a b c d against a b c e: p = 3/4, 2/3, 1/2, and 0.1/1 for no match; equal lengths, no brevity penalty
    expected = math.exp((math.log(3 / 4) + math.log(2 / 3) + math.log(1 / 2) + math.log(0.1)) / 4)
    assert self_bleu([list("abcd"), list("abce")]) == pytest.approx(expected)


def test_counts_are_clipped_and_short_texts_are_penalised():
    # "a a" against "a b a a": p1 = 2/2, p2 = 1/1, c = 2, r = 4; the other: p1 = 2/4 (a at most twice), p2 = 1/3, p3 and p4 smoothed
    first = math.exp(1 - 4 / 2)
    second = math.exp((math.log(2 / 4) + math.log(1 / 3) + math.log(0.1 / 2) + math.log(0.1)) / 4)
    assert self_bleu([list("aa"), list("abaa")]) == pytest.approx((first + second) / 2)


def test_self_bleu_needs_two_texts_with_words():
    assert self_bleu([list("abc"), []]) is None


def test_words_are_also_signs():
    assert words("9*3=27, Wait 等等") == ["9", "*", "3", "=", "27", ",", "wait", "等", "等"]


def test_groups_have_distinct_answers_and_completions(chain):
    group = [chain("x", vote=vote, text=text) for vote, text in (("1", "A  b"), ("1", "a b"), ("2", "c"), (None, "d"))]
    alone = [chain("x", problem="alone")]
    (step,) = SECTION.analyse(Material(steps={7: group + alone}))["steps"]
    assert step["answers"]["value"] == 2 / 4
    assert step["completions"]["value"] == 3 / 4
    assert step["answers"]["problems"] == 1, "a single completion is no group"


def test_pass_at_k_before_and_after_and_what_was_lost(chain):
    def answered(*right):
        return [chain(problem=f"p{i}", right=int(mark)) for i, marks in enumerate(right) for mark in marks]

    found = SECTION.analyse(Material(sets={"s": {"before": answered("10", "00"), "after": answered("00", "11")}}))["sets"]["s"]
    assert [found["before"][k]["value"] for k in ("1", "2")] == [0.25, 0.5]
    assert [found["after"][k]["value"] for k in ("1", "2")] == [0.5, 0.5]
    assert found["changed"] == {"problems": 2, "gained": 1, "lost": 1}


def test_entropy_alone_is_shown():
    found = SECTION.analyse(Material(metrics=[{"step": step, "entropy": 1 / step} for step in (1, 2, 4)]))
    assert (found["entropy"]["first"], found["entropy"]["last"]) == (1, 0.25)
    assert SECTION.part(found).figures[0].svg
    assert "missing" in SECTION.analyse(Material())
