"""What is read from a run directory, and what is said of what cannot be read."""

import pytest

from dunwu.analysis.lab.material import Puzzle, evenly, puzzle_in, read_material
from dunwu.errors import RunError
from dunwu.tasks.wording import compute, reach_target


def test_a_run_gives_its_sets_and_saved_steps(run_folder):
    found = read_material(run_folder)
    assert {name: list(phases) for name, phases in found.sets.items()} == {
        "countdown": ["before", "after"],
        "game24": ["before", "after"],
    }
    assert list(found.steps) == [10, 20]
    first, second = found.steps[20][:2]
    assert first.thought == "9*3=27,27-10=17. wait, 27-10=17."
    assert first.vote == "9*3-10"
    assert second.vote is None
    assert first.puzzle == Puzzle((9, 3, 10), 17)
    assert found.missing == ()


def test_what_is_corrupt_is_named_and_the_rest_is_read(run_folder):
    (run_folder / "rollouts" / "step-00010.parquet").write_bytes(b"PAR1 not parquet")
    (run_folder / "evaluations" / "after-countdown.parquet").write_bytes(b"")
    found = read_material(run_folder)
    assert list(found.steps) == [20]
    assert list(found.sets["countdown"]) == ["before"]
    assert [line.split()[0] for line in found.missing] == ["evaluations/after-countdown.parquet", "rollouts/step-00010.parquet"]


def test_rollouts_without_the_columns_are_corrupt_too(run_folder, rollouts):
    rollouts(run_folder, 10, ["x"], data="[1]")
    rollouts(run_folder, 30, ["x"], data="{")
    found = read_material(run_folder)
    assert list(found.steps) == [20]
    assert len(found.missing) == 2


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_that_is_no_run_is_refused(tmp_path, name):
    with pytest.raises(RunError):
        read_material(tmp_path / name)


def test_steps_are_chosen_evenly_with_both_ends():
    assert evenly(range(10), 4) == [0, 3, 6, 9]
    assert evenly([1, 2], 4) == [1, 2]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("wording", ["short", "full"])
def test_the_puzzle_of_a_question_is_read_in_every_wording(language, wording):
    assert puzzle_in(reach_target((9, 3, 10), 17, language, wording)) == Puzzle((9, 3, 10), 17)
    assert puzzle_in(compute("3+4", language, wording)) is None
