"""Curves from metrics, whole or torn."""

import pytest

from dunwu.analysis.curves import Curve, curve, number, read_metrics, smoothed


def test_a_missing_file_is_an_empty_run(tmp_path):
    assert read_metrics(tmp_path / "metrics.jsonl").rows == ()


def test_torn_lines_are_counted_and_the_later_row_of_a_step_wins(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 2, "reward": 5}\n\n{"step": 1, "reward": 1}\n[1]\n{"step": 2, "reward": 3}\nnull\n{"step": 3, "rew')
    metrics = read_metrics(path)
    assert [(row["step"], row["reward"]) for row in metrics.rows] == [(1, 1), (2, 3)]
    assert metrics.unreadable == 3


def test_nested_rubbish_does_not_crash(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"[" * 200_000 + b'\n{"step": 1}\n\xff\xfe\n{"step": NaN}\n')
    assert [row["step"] for row in read_metrics(path).rows] == [1]


@pytest.mark.parametrize("value", [None, "0.5", True, float("nan"), float("inf"), [1], 10**400])
def test_what_is_no_number(value):
    assert number(value) is None


def test_a_curve_leaves_out_what_is_missing():
    rows = [{"step": 1, "a": 1.0}, {"step": 2, "a": None}, {"step": 3}, {"step": 4, "a": float("nan")}, {"step": 5, "a": 2}]
    assert curve(rows, "a") == Curve((1, 5), (1.0, 2.0))
    assert not curve(rows, "b")


def test_first_and_last_are_means_over_a_tenth():
    found = Curve(tuple(range(30)), (1.0, 2.0, 3.0, *[0.0] * 24, 7.0, 8.0, 9.0))
    assert (found.window, found.first, found.last) == (3, 2.0, 8.0)
    assert (Curve((1,), (4.0,)).first, Curve(tuple(range(5)), (1.0, 0, 0, 0, 3.0)).last) == (4.0, 3.0)
    assert Curve(tuple(range(1000)), (0.0,) * 1000).window == 10


def test_smoothing_is_a_centred_mean():
    assert smoothed([0, 3, 6, 3], 3) == [1.5, 3, 4, 4.5]
    assert smoothed([2.0] * 5, 9) == [2.0] * 5
