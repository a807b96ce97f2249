"""All names of a list, in any order."""

import pytest

from dunwu.types import Problem
from dunwu.verifiers.names import MAX_LENGTH, verify_names


def verdict(golds: list[str], answer: str) -> tuple[float | None, str]:
    found = verify_names(Problem("p", "t", "?", "names", data={"answers": golds}), answer)
    return found.score, found.reason


@pytest.mark.parametrize(
    ("golds", "answer"),
    [
        (["盗窃"], "盗窃罪"),
        (["盗窃", "抢劫"], "抢劫罪、盗窃罪"),
        (["盗窃", "抢劫"], "抢劫罪和盗窃罪。"),
        (["掩饰、隐瞒犯罪所得、犯罪所得收益"], "掩饰、隐瞒犯罪所得、犯罪所得收益罪"),
        (["掩饰、隐瞒犯罪所得", "盗窃"], "盗窃；掩饰隐瞒犯罪所得"),
        (["264", "67"], "第67条、第264条"),
        (["Ann Lee", "Bob"], "bob and Ann  Lee"),
        (["诈骗", "信用卡诈骗"], "诈骗罪、信用卡诈骗罪"),
    ],
)
def test_right(golds: list[str], answer: str) -> None:
    assert verdict(golds, answer) == (1.0, "correct")


@pytest.mark.parametrize(
    ("golds", "answer"),
    [
        (["盗窃", "抢劫"], "抢劫"),
        (["盗窃"], "盗窃、抢劫"),
        (["诈骗"], "信用卡诈骗罪"),
        (["26", "4"], "264"),
        (["264"], "1264"),
        (["art"], "start"),
        (["盗窃"], "不是盗窃"),
        (["盗窃"], "盗窃、盗窃"),
    ],
)
def test_wrong(golds: list[str], answer: str) -> None:
    assert verdict(golds, answer) == (0.0, "wrong")


@pytest.mark.parametrize("answer", ["。", " ", "罪", "盗" * (MAX_LENGTH + 1)])
def test_unparsable(answer: str) -> None:
    assert verdict(["盗窃"], answer) == (0.0, "unparsable")


@pytest.mark.parametrize("golds", [[""], ["盗窃", "。"], [3]])
def test_a_gold_without_a_name_is_refused(golds: list[str]) -> None:
    with pytest.raises(ValueError, match="gold"):
        verdict(golds, "盗窃")
