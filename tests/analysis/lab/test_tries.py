"""What a chain does with its combinations."""

import pytest

from dunwu.analysis.lab.equations import equations
from dunwu.analysis.lab.material import Puzzle
from dunwu.analysis.lab.tries import corrections, listed, walk

PUZZLE = Puzzle((9, 3, 10), 17)


def deeds(text, puzzle=PUZZLE):
    return [(deed.kind, text[deed.start :].split("=")[0].strip()) for deed in walk(text, equations(text, True), puzzle).deeds]


def test_a_candidate_is_a_combination_of_all_numbers():
    text = "9*3=27, 27-10=18"
    (candidate,) = walk(text, equations(text, True), PUZZLE).candidates
    assert candidate.value == 18
    assert not candidate.sound


def test_another_step_after_a_miss_is_a_backtrack():
    assert deeds("9*3=27,27+10=37. no, 27-10=17.") == [("backtrack", "27-10")]
    assert deeds("(9+3)+10=22 is too much. (9*3)-10=17") == [("backtrack", "(9*3)-10")]


def test_another_step_before_the_end_is_a_drop():
    assert deeds("9+3=12, wait, 9-3=6") == [("drop", "9-3")]


def test_the_same_step_again_is_neither():
    assert deeds("9+3=12, wait, 9+3=12, 12+10=22") == []
    assert deeds("9+3=12, wait, 3+9=12") == []


def test_going_on_after_a_hit_is_no_backtrack():
    assert deeds("9*3=27,27-10=17. 9+3=12") == []


@pytest.mark.parametrize("again", ["9*3=27,27-10=17", "3*9=27,27-10=17", "(9*3)-10=17", "27-10=17"])
def test_the_same_candidate_again_is_a_recheck(again):
    text = f"9*3=27,27-10=17. check {again}."
    assert [kind for kind, _ in deeds(text)] == ["recheck"]


def test_a_recheck_of_a_miss_is_one_too_and_then_a_backtrack():
    assert [kind for kind, _ in deeds("9*3=27,27+10=37. check 27+10=37. 9+3=12")] == ["recheck", "backtrack"]


def test_a_way_that_leaves_the_old_one_later_begins_where_it_began():
    assert deeds("9*3=27,27+10=37. wait, 9*3=27,10:27-10=17.") == [("backtrack", "9*3")]


def test_a_way_that_was_not_finished_says_nothing():
    assert deeds("9*3=27,27+10=37. wait, 9*3=27") == []


def test_the_numbers_that_are_listed_as_left_say_where_a_step_is_taken():
    # from 15, 9 and 1 the step 9-1 would also be possible further down; the list says that 5 is still there
    text = "9+5=14,1,9:14+1=15,9; no, 9-1=8,5,9:8+5=13,9:13+9=22."
    walked = walk(text, equations(text, True), Puzzle((1, 9, 5, 9), 22))
    assert [candidate.value for candidate in walked.candidates] == [22]
    assert listed("9-1=8,5,9:8+5", 5) == (5, 9)
    assert listed("9-1=8,5+9=14", 5) == ()


def test_steps_with_numbers_that_are_not_there_are_ignored():
    assert deeds("4+4=8, 8+9=17, 9+9=18, 27-10=17") == []


def test_a_false_equation_written_again_with_its_true_value_is_a_correction():
    text = "9*3=28, wait, 3*9=27, 9*3=27, 9-3=5"
    assert [(each.kind, text[each.start :][:4].strip()) for each in corrections(equations(text, True))] == [("correction", "3*9")]
    assert corrections(equations("9-3=5, 3-9=-6", True)) == []
