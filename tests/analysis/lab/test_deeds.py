"""Rates of checks and backtracking, and words beside deeds."""

import pytest

from dunwu.analysis.lab.deeds import SECTION, acts
from dunwu.analysis.lab.material import Material


def test_a_candidate_at_the_end_is_no_check(chain):
    assert acts(chain("9*3=27,27-10=17.")).checks == 0
    assert acts(chain("9*3=27,27-10=17. It works.")).checks == 1
    assert acts(chain("9*3=27,27+10=37. 9*3=27,27-10=17.")).checks == 1


def test_words_and_deeds_that_stand_together_are_counted(chain):
    # wait: a backtrack; but: nothing follows before the next word; check: a recheck. The drop 9/3 has no word.
    found = acts(chain("9*3=27,27+10=37. wait, 9+3=12. 9/3=3,10-3=7. but no. check 9/3=3,10-3=7."))
    assert (found.backtracks, found.drops, found.rechecks) == (1, 1, 1)
    assert (found.words, found.kept) == (3, 2)
    assert (found.deeds, found.announced) == (3, 2)


def test_two_words_before_one_deed_announce_it_once(chain):
    found = acts(chain("9+3=12. wait, but 9-3=6"))
    assert (found.words, found.kept, found.deeds, found.announced) == (2, 1, 1, 1)


def test_a_chain_that_is_no_puzzle_has_only_its_equations(chain):
    found = acts(chain("1,200 + 300 = 1,400. wait, 1,200 + 300 = 1,500", puzzle=None))
    assert (found.equations, found.false, found.corrections, found.backtracks) == (2, 1, 1, None)


def test_rates_are_means_over_problems(chain):
    chains = [chain("9*3=27,27+10=37. wait, 9+3=12", problem="a"), chain("wait, 9+3=11", problem="b"), chain("nothing", problem="c")]
    found = SECTION.analyse(Material(sets={"s": {"before": chains}}, steps={5: chains}))
    numbers = found["moments"]["before"]
    assert numbers["backtracks"]["value"] == pytest.approx(1 / 3)
    assert numbers["equations"]["value"] == pytest.approx(4 / 3)
    assert numbers["wrong_arithmetic"]["value"] == pytest.approx(1 / 2), "the chain without equations does not count"
    assert numbers["equations_with_deeds"]["value"] == pytest.approx((1 / 3 + 0) / 2)
    plain = SECTION.analyse(Material(sets={"s": {"before": [*chains, chain("9+3=12", problem="d")]}}))["moments"]["before"]
    assert plain["equations_with_deeds"] == numbers["equations_with_deeds"], "a thought without such words does not count"
    assert found["steps"][0]["backtracks"] == numbers["backtracks"]
    assert SECTION.part(found).figures


def test_completions_without_equations_are_said(chain):
    assert "missing" in SECTION.analyse(Material(sets={"s": {"before": [chain("no numbers")]}}))
