"""The forecast of later checkpoints, on curves whose parameters are known."""

import numpy as np
import pytest

from dunwu.evaluation.ability import Checkpoint, ability_curve
from dunwu.evaluation.forecast import Saturating, fit, forecast

COMPUTE = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]


def problems(means, count=300, samples=4, seed=0):
    """Accuracies of problems whose chance at each checkpoint is the mean."""
    return np.random.default_rng(seed).binomial(samples, means, (count, len(means))) / samples


def test_the_curve_is_at_its_floor_half_way_and_at_its_ceiling():
    curve = Saturating(0.1, 0.7, 4.0)
    assert [curve.at(0.0), curve.at(4.0), curve.at(4e9)] == pytest.approx([0.1, 0.4, 0.7])


@pytest.mark.parametrize(("floor", "ceiling", "scale"), [(0.15, 0.8, 2.0), (0.0, 1.0, 5.0), (0.9, 0.3, 1.0)])
def test_the_parameters_of_a_curve_are_found(floor, ceiling, scale):
    found = fit(COMPUTE[:6], Saturating(floor, ceiling, scale).at(COMPUTE[:6]))
    assert (found.floor[0], found.ceiling[0]) == (pytest.approx(floor, abs=0.01), pytest.approx(ceiling, abs=0.02))
    assert found.scale[0] == pytest.approx(scale, rel=0.05)


def test_the_unit_of_compute_does_not_matter():
    values = Saturating(0.15, 0.8, 2.0).at(COMPUTE[:6])
    one, other = fit(COMPUTE[:6], values), fit([1e15 * x for x in COMPUTE[:6]], values)
    assert one.at(COMPUTE) == pytest.approx(other.at([1e15 * x for x in COMPUTE]))


def test_rows_are_fitted_as_if_alone():
    rows = [Saturating(0.1, 0.9, 3.0).at(COMPUTE), np.full(len(COMPUTE), 0.4)]
    together = fit(COMPUTE, rows)
    for place, row in enumerate(rows):
        alone = fit(COMPUTE, row)
        assert [each[place] for each in (together.floor, together.ceiling)] == pytest.approx([alone.floor[0], alone.ceiling[0]])
        assert together.scale[place] == alone.scale[0]


def test_a_fit_stays_within_what_an_accuracy_can_be():
    found = fit([0, 1, 2, 3], [0.1, 0.4, 0.7, 1.0])  # a straight line, whose best free curve would rise beyond 1
    assert 0 <= found.floor[0] <= found.ceiling[0] <= 1
    # no worse than any curve of a grid within the bounds
    loss = ((found.at([0, 1, 2, 3]) - [0.1, 0.4, 0.7, 1.0]) ** 2).sum()
    grid = [Saturating(f, c, s) for f in np.linspace(0, 1, 11) for c in np.linspace(0, 1, 11) for s in np.geomspace(0.03, 300, 25)]
    assert loss <= min(((each.at([0, 1, 2, 3]) - [0.1, 0.4, 0.7, 1.0]) ** 2).sum() for each in grid) + 1e-6


def test_a_curve_that_goes_on_as_it_began_is_forecast_better_than_by_its_last_value():
    found = forecast(COMPUTE, problems(Saturating(0.1, 0.9, 6.0).at(COMPUTE), count=2000))
    assert found.fitted == 6
    assert found.error < 0.02 < 0.08 < found.naive_error
    assert found.gain[0] > 0
    assert found.finding == "better than the last value"


def test_an_ability_that_appears_at_once_or_not_at_all_is_not_forecast_better():
    for later in (0.8, 0.05):
        found = forecast(COMPUTE, problems([0.05] * 6 + [later] * 5))
        assert found.error == pytest.approx(found.naive_error, abs=0.02)
        assert found.finding != "better than the last value"
    assert forecast(COMPUTE, np.full((5, 11), 0.5)).finding == "no better than the last value"


def test_errors_are_mean_absolute_errors_of_the_later_checkpoints():
    values = np.array([[0.2, 0.2, 0.2, 0.2, 0.3, 0.1, 0.6]])
    found = forecast(range(7), values)
    assert found.predicted == pytest.approx([0.2] * 3)
    assert (found.error, found.naive_error) == (pytest.approx(0.6 / 3), pytest.approx(0.6 / 3))


def test_a_forecast_needs_seven_checkpoints_and_is_the_same_each_time():
    values = problems(Saturating(0.1, 0.9, 6.0).at(COMPUTE), count=50)
    assert forecast(COMPUTE[:6], values[:, :6]) is None
    assert forecast(COMPUTE, values) == forecast(COMPUTE, values)


def test_points_are_in_order_of_compute_over_the_problems_that_all_checkpoints_have():
    checkpoints = [
        Checkpoint("late", 2.0, {"a": [1.0, 0.0], "b": [1.0]}),
        Checkpoint("base", 0.0, {"a": [0.0, 0.0], "b": [1.0], "c": [0.0]}),
    ]
    found = ability_curve(checkpoints)
    assert [(each["name"], each["flops"], each["value"], each["count"]) for each in found["points"]] == [
        ("base", 0.0, 0.5, 2),
        ("late", 2.0, 0.75, 2),
    ]
    assert "missing" in found["forecast"]
    assert ability_curve([Checkpoint("one", 0.0, {"a": [1.0]}), Checkpoint("other", 1.0, {"b": [1.0]})]) is None
    assert ability_curve([]) is None
