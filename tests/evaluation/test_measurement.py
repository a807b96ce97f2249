"""What is said of the rows of an evaluation."""

from types import SimpleNamespace

import pytest

from dunwu.config.zero import EvalConfig
from dunwu.evaluation.measurement import tell_rows


@pytest.mark.parametrize(
    ("splits", "advised"),
    [
        ("8 training, 1 validation, 1 test rows (split by a hash of the problem)", True),
        ("8 training, 1 validation, 1 test rows (split by file name, test by a hash of the problem)", True),
        ("0 training, 0 validation, 10 test rows (split by file name, validation by a hash of the problem)", False),
    ],
)
def test_only_a_test_split_that_is_drawn_by_hash_can_be_named(splits: str, advised: bool) -> None:
    told: list[str] = []
    reporter = SimpleNamespace(facts=lambda facts: told.extend(text for _, text in facts), warn=told.append)
    held_out = SimpleNamespace(splits=splits, note="", warnings=(), problems=[None] * 10)
    tell_rows(held_out, EvalConfig(), reporter)
    assert ["name the file test" in text for text in told] == [advised]
