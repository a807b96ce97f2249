"""Which names count as misspelt, and which are another thing."""

import pytest

from dunwu.tasks.near_names import near_name, slips

KNOWN = ("penalty", "rank", "minute", "rating_before", "sample", "checker", "checker_program", "tolerance", "users", "cpu_s", "memory_mib")


@pytest.mark.parametrize(
    ("given", "near"),
    [
        *(("penality", "penalty"), ("Penalties", "penalty"), ("minut", "minute"), ("ratingBefore", "rating_before"), ("RANK", "rank")),
        *(("ranks", "rank"), ("sampel", "sample"), ("Sample", "sample"), ("cheker", "checker"), ("check_program", "checker_program")),
        *(("tolerence", "tolerance"), ("user", "users"), ("cpu", "cpu_s"), ("memory_mb", "memory_mib"), ("rating_befor", "rating_before")),
        *(("sample_id", "sample"), ("sampleIndex", "sample"), ("penalty_minutes", "penalty"), ("penalty_time", "penalty")),
    ],
)
def test_a_misspelt_name_is_known(given: str, near: str) -> None:
    assert near_name(frozenset({given, "delta"}), KNOWN) == (given, near)
    assert near_name(frozenset({given, near}), KNOWN) is None  # the right one is there too


@pytest.mark.parametrize(
    "given",
    [
        *("rating_after", "delta", "performance", "party", "handle", "contest_id", "time", "", "id", "_id"),
        *("ranked", "ranking", "example", "samples_from", "checked", "checks", "check", "checkers_used", "used", "bank", "points"),
    ],
)
def test_another_name_is_not(given: str) -> None:
    assert near_name(frozenset({given}), KNOWN) is None


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [("", "", 0), ("ab", "", 2), ("", "ab", 2), ("ab", "ba", 1), ("abc", "axc", 1), ("ranked", "rank", 2), ("kitten", "sitting", 3)],
)
def test_slips_counted_by_hand(one: str, other: str, count: int) -> None:
    assert slips(one, other) == slips(other, one) == count
