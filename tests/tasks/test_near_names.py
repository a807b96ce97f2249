"""Which names count as misspelt, and which are another thing."""

import pytest

from dunwu.tasks.near_names import near_name

KNOWN = ("penalty", "rank", "minute", "rating_before")


@pytest.mark.parametrize(
    ("given", "near"),
    [("penality", "penalty"), ("Penalties", "penalty"), ("minut", "minute"), ("ratingBefore", "rating_before"), ("RANK", "rank")],
)
def test_a_misspelt_name_is_known(given: str, near: str) -> None:
    assert near_name(frozenset({given, "delta"}), KNOWN) == (given, near)
    assert near_name(frozenset({given, near}), KNOWN) is None  # the right one is there too


@pytest.mark.parametrize("given", ["rating_after", "delta", "performance", "party", "handle", "contest_id", "time", ""])
def test_another_name_is_not(given: str) -> None:
    assert near_name(frozenset({given}), KNOWN) is None
