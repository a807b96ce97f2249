import json
import os
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.models.thinking import parse_completion
from dunwu.types import Problem
from dunwu.verifiers.number import NotOneNumber, parse_number, verify_plain_number


def judge(gold, answer):
    return verify_plain_number(Problem(id="p", task="t", text="", verifier="plain_number", answer=gold), answer)


RIGHT = [
    *[("8", answer) for answer in ["8", " 8 ", "8.", "8.0", "+8", "08", "$8$", r"\(8\)", r"\[ 8 \]", "{8}", "**8**", r"\boxed{8}"]],
    *[
        ("8", answer)
        for answer in ["x = 8", "x=8", "= 8", "Answer: 8", "The answer is 8.", "答案是8。", "答案是 $8$。", "共有8个", "８", "等于８。"]
    ],
    *[
        ("8", answer)
        for answer in ["8 apples", "8kg", "8 km/h", r"8\text{ cm}", r"8\text{ cm}^2", r"8\mathrm{m}^{3}", "8元", "8千克", "8 千米"]
    ],
    *[
        ("8", answer)
        for answer in [r"$\boxed{8}$", r"\boxed{7}, I mean \boxed{8}", r"\boxed{x = 8}", r"After 3 hours he has \boxed{8}", "16/2", "80/10"]
    ],
    *[
        ("1500", answer)
        for answer in [r"\$1,500", "$1,500", "1,500.00", r"1{,}500", r"1\,500", r"1,\!500", "£1500", "１，５００", "1500 dollars"]
    ],
    *[("-5", answer) for answer in ["-5", "−5", "-$5", "$-5", "x = -5", "－５", "-5.0", r"-\frac{10}{2}", r"\frac{-10}{2}", "为-5"]],
    *[
        ("3/4", answer)
        for answer in ["0.75", ".75", "3/4", "3 / 4", "6/8", r"\frac{3}{4}", r"\dfrac{3}{4}", r"\tfrac34", r"\frac 34", "75%", r"75\%"]
    ],
    *[("0.5", answer) for answer in ["1/2", r"\frac12", "50%", "50 percent", "百分之50", "0.50"]],
    *[("10", answer) for answer in ["10%", "10 percent", "$10"]],
    *[("15", answer) for answer in [r"15^\circ", "15°", r"15^{\circ}"]],
    *[("60%", answer) for answer in ["60%", "0.6", "60"]],
    ("70000", "70,000"),
    ("0", "-0"),
    ("0.1", "0.1000000000000000000000"),
]


@pytest.mark.parametrize(("gold", "answer"), RIGHT)
def test_right(gold, answer):
    verdict = judge(gold, answer)
    assert (verdict.score, verdict.reason) == (1.0, "correct"), verdict


SPAM = [
    "8 or 9",
    "8, 9",
    "9 8",
    "8 9",
    "8、9",
    "8;9",
    "8/9/8",
    "8\n9",
    "8 and 9",
    "1 8",
    "8-9",
    "8，9",
    "1 1/2",
    "8 (9)",
    r"\boxed{8} or \boxed{9}",
]
SPAM += [
    r"\boxed{8}\boxed{9}",
    r"\boxed{8, 9}",
    "It could be 6, 7, 8 or 9.",
    r"\frac{8}{1}9",
    r"1\frac{8}{1}",
    "2 * 4 = 8",
    "5=8",
    "$8$9$",
    "8:30",
]


@pytest.mark.parametrize("answer", SPAM)
def test_several_numbers_are_wrong(answer):
    for gold in ("8", "9"):
        verdict = judge(gold, answer)
        assert (verdict.score, verdict.reason) == (0.0, "wrong"), verdict


UNPARSABLE = [
    *[
        "",
        " ",
        "eight",
        "八",
        "none",
        "8²",
        "²",
        "①",
        "½",
        "٣",
        "8٣",
        "𝟖",
        "Ⅷ",
        "8x",
        "8 x",
        "x8",
        "x -8",
        "x-8",
        "a8",
        "8i",
        "8π",
        r"8\pi",
    ],
    *["8!", "8^", "-8-", "--8", "8+", "(8)", "[8]", "{8}^", "_8", "~8", "±8", "<8", "8 >", "8 = x", r"\sqrt{8}", r"x_8", "8 pi", "8 sqrt"],
    *[
        "8 million",
        "8 thousand",
        "8万",
        "8千",
        "8个半",
        "8 and a half",
        "8 hundred",
        "minus 8",
        "负8",
        "not 8",
        "不是8",
        "about 8",
        "8 or nine",
    ],
    *["至少8", "8多万", "8/0", r"\frac{8}{0}", "#8", "8\u200b", "/8", "8/", r"\text{__import__('os').system('8')}", "\ud8008"],
    *["8" * 1001, "8" + " " * 10_000, "(" * 10_000 + "8", "8" * 10_000, r"\boxed{" * 300 + "8" + "}" * 299],
]


@pytest.mark.parametrize("answer", UNPARSABLE)
def test_text_that_is_not_one_number_is_unparsable(answer):
    verdict = judge("8", answer)
    assert (verdict.score, verdict.reason) == (0.0, "unparsable"), verdict


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("40", "0.4"),
        ("0.4", "40"),
        ("6000", "60%"),
        ("60%", "6000%"),
        ("1/3", "0.333333333333"),
        ("8", "-8"),
        ("15", "1,5"),
        ("1234", "12,34"),
    ],
)
def test_another_number_is_wrong(gold, answer):
    assert judge(gold, answer).score == 0.0


@pytest.mark.parametrize("answer", ["1e1", "1.0e1", "1 × 10^1", r"10^{1}", "2**3", "2^3", r"8^{8^{8^{8}}}"])
def test_powers_and_scientific_notation_are_never_right(answer):
    assert judge("10", answer).score == judge("8", answer).score == judge("1", answer).score == 0.0


@pytest.mark.parametrize("gold", [None, "", "unknown", "(3,4)", r"\sqrt{2}", "1/0", "8 or 9"])
def test_a_gold_that_is_not_a_number_is_an_error_and_never_a_reward(gold):
    verdict = judge(gold, gold or "")
    assert (verdict.score, verdict.reason) == (None, "error")


@given(st.text() | st.text(alphabet="0123456789.,/-+%$\\{}boxedfrac 8²８x=", max_size=40))
def test_no_text_raises_anything_else(text):
    try:
        number = parse_number(text)
    except NotOneNumber:
        return
    assert isinstance(number.value, Fraction)


@given(st.fractions(max_denominator=10**6), st.sampled_from(["{}", "x = {}", "${}$", r"\boxed{{{}}}", "答案是{}。", "{} apples"]))
def test_fractions_survive_their_dress(value, dress):
    assert judge(str(value), dress.format(value)).score == 1.0
    assert judge(str(value + 1), dress.format(value)).score == 0.0


@given(st.integers(-(10**12), 10**12))
def test_integers_with_separators(value):
    assert parse_number(f"{value:,}").value == value


DATA = os.environ.get("DUNWU_DATA")


@pytest.mark.skipif(not DATA, reason="DUNWU_DATA names no data folder")
def test_gsm8k_golds_equal_themselves():
    rows = [json.loads(line) for line in Path(DATA, "gsm8k", "test.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 1319
    assert [row["id"] for row in rows if judge(row["final_answer"], row["answer"].rpartition("####")[2]).score != 1.0] == []


@pytest.mark.skipif(not DATA, reason="DUNWU_DATA names no data folder")
def test_hostile_maths_cases_with_numeric_golds():
    rows = [json.loads(line) for line in Path(DATA, "math_verifier", "cases.jsonl").read_text(encoding="utf-8").splitlines()]
    judged = 0
    for row in rows:
        for answer in (row["prediction"], parse_completion(row["prediction"]).answer):
            verdict = judge(row["gold"], answer or "")
            if verdict.reason != "error":
                judged += 1
                assert (verdict.score == 1.0) == row["expected_label"] or answer is None, row
    assert judged >= 28
