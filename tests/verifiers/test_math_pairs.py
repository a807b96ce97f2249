"""Pairs of gold and answer of the kinds that other projects' graders test, with our own words and values; and faults of earlier versions.

A row of ``math_pairs.jsonl`` and ``math_pairs_more_b.jsonl``: ``gold``, ``prediction``, ``right``, ``kind``, ``source`` (the suite with
such a kind). Labels follow mathematics and ordinary reading, not what the verifier does; if graders differ, ``policy`` gives the reason
for the label.
"""

import json
from pathlib import Path

import pytest

from dunwu.verifiers.math.verify import check_gold, compare_math

HERE = Path(__file__).parent


def rows(name):
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


PAIRS = [row for name in ("", "_more_b", "_more_c") for row in rows(f"math_pairs{name}.jsonl")]
FAULTS = [row for row in rows("verifier_faults.jsonl") if row["kind"] == "math"]


def pair_id(row):
    return f"{row['kind']}: {row['gold'][:24]} <- {row['prediction'][:32]}".replace("\n", " ").replace("::", ": ")


@pytest.mark.parametrize("row", PAIRS, ids=pair_id)
def test_pair(row):
    verdict = compare_math(row["gold"], row["prediction"])
    assert verdict.score is not None, verdict
    assert (verdict.reason == "correct") == row["right"], verdict


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: f"{row['gold'][:24]} <- {row['prediction'][-32:]}".replace("::", ": "))
def test_fault(row):
    verdict = compare_math(row["gold"], row["prediction"])
    assert verdict.score is not None, verdict
    assert (verdict.reason == "correct") == row["expected_label"], verdict


@pytest.mark.parametrize("gold", sorted({row["gold"] for row in PAIRS}))
def test_the_gold_of_a_pair_is_valid_and_equals_itself(gold):
    assert check_gold(gold) is None
    assert compare_math(gold, gold).reason == "correct"


def test_every_kind_of_pair_has_wrong_answers():
    assert len(PAIRS) >= 250
    assert len({(row["gold"], row["prediction"]) for row in PAIRS}) == len(PAIRS)
    kinds = {row["kind"] for row in PAIRS}
    assert all({row["right"] for row in PAIRS if row["kind"] == kind} >= {False} for kind in kinds)
    assert sum("policy" in row for row in PAIRS) < len(PAIRS) / 10
