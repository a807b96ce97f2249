import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from dunwu.tasks.gold import cell_text, gold_number, gold_text


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("Twice 617 is 1,234.\n#### 1,234", "1,234"),
        ("#### 3 was wrong\n#### 4 ", "4"),
        (r"so $\boxed{3}$, no, $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (r"\boxed{\left\{1, \{2\}\right\}}", r"\left\{1, \{2\}\right\}"),
        (r"\fbox{8}", "8"),
        ("  42 ", "42"),
        (r"\boxed{never closed", r"\boxed{never closed"),
    ],
)
def test_gold_text(cell, text):
    assert gold_text(cell) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234", "1234"),
        ("1,234,567.50", "1234567.50"),
        ("-7", "-7"),
        ("−7", "-7"),
        ("+7", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        ("3/4", "3/4"),
        ("-3 / 4", "-3/4"),
        (r"\frac{3}{4}", "3/4"),
        (r"-\dfrac{3}{4}", "-3/4"),
        (r"\frac{-3}{4}", "-3/4"),
        (r"-\frac{-3}{4}", "3/4"),
        (r"\frac34", "3/4"),
        (r"\frac 34", "3/4"),
        (r"\tfrac3{14}", "3/14"),
        (r"\frac{13}4", "13/4"),
        (r"10,\!080", "10080"),
        ("10{,}080", "10080"),
        ("$18$", "18"),
        (r"\$18.90", "18.90"),
        ("-$5", "-5"),
    ],
)
def test_gold_number(text, number):
    assert gold_number(text) == number
    Fraction(number)


@pytest.mark.parametrize(
    "text",
    ["", "-", "abc", "1,23", "1 234", "3 4", "50%", r"50\%", "1e5", "1/0", r"\frac{1}{0}", "5 apples", r"2\sqrt{3}", "1;2", "1,2",
     r"\frac{1}{2}3", "٣", "４２", "1.2.3", "nan", "--5", "x=5", r"1\frac{1}{2}", "5$6", r"\text{(A)}"],
)  # fmt: skip
def test_not_a_plain_number(text):
    assert gold_number(text) is None


@pytest.mark.parametrize(
    ("cell", "text"),
    [("a", "a"), (7, "7"), (0, "0"), (0.5, "0.5"), (1e-7, "0.0000001"), (1e22, "10000000000000000000000"), (None, None),
     ("  ", None), (float("nan"), None), (float("inf"), None), ([1, 2], None), ([], None), ({"a": 1}, None), (b"a", None),
     (datetime.date(2026, 1, 2), None), ([1], "1"), (["3"], "3"), ([["3"]], "3"), (True, "True"), (False, "False"),
     (Decimal("1.50"), "1.50"), (Decimal("1E+3"), "1000"), (Decimal("NaN"), None), (np.int64(7), "7"), (np.float32(0.5), "0.5"),
     (np.bool_(True), "True"), (np.array(["3"]), "3"), (np.array([1, 2]), None)],
)  # fmt: skip
def test_cell_text(cell, text):
    assert cell_text(cell) == text
