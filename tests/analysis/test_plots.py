"""Plots are inline SVG that stands alone."""

import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest

from dunwu.analysis.curves import Curve
from dunwu.analysis.plots import Series, Spent, _apart, compute_plot, level_plot, line_plot, scatter_plot, stacked_plot


def lines(name="a"):
    return line_plot(name, "A & B", [Series("x", Curve(tuple(range(30)), tuple(float(i % 7) for i in range(30))))], "unit")


def every_plot():
    return [
        lines(),
        line_plot("one", "t", [Series("x", Curve((1,), (0.5,))), Series("y", Curve())], "u", share=True),
        stacked_plot("s", "t", [1, 2, 3], {"a": [1.0, 2, 3], "b": [0.0, 0, 0]}, "u"),
        level_plot("l", "t", ["1", "2"], {"before": [1.0, float("nan")], "after": [2.0, 3.0]}, "x", "y"),
        compute_plot("p", "t", [Spent("x", 1e9, 3e12, 0.5, 0.4, 0.6), Spent("y", 1e9, 1e9, 0.2, 0.1, 0.3)], {"base": 0.05}),
        scatter_plot("c", "t", {"before": [(1.0, 2.0)], "after": [(3.0, 4.0)]}, "x", "y"),
    ]


def test_the_same_data_gives_the_same_bytes():
    assert every_plot() == every_plot()


def test_a_plot_is_one_well_formed_svg_without_addresses_text_nodes_or_comments():
    for svg in every_plot():
        root = ET.fromstring(svg)
        assert root.tag == "svg"
        assert "http" not in svg
        assert "<!--" not in svg
        assert not root.findall(".//text")
        assert root.get("viewBox")
        assert root.get("width") is None


def test_ids_carry_the_plots_name_and_references_meet_them():
    for svg in every_plot():
        ids = re.findall(r'\bid="([^"]+)"', svg)
        assert len(ids) == len(set(ids))
        references = set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg))
        assert references
        assert references <= set(ids)
    assert set(re.findall(r'\bid="([^"]+)"', lines("a"))).isdisjoint(re.findall(r'\bid="([^"]+)"', lines("b")))


def test_every_colour_is_a_variable_of_the_page():
    for svg in every_plot():
        assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) == set()
        assert "var(--ink-soft)" in svg
        assert "var(--series-1)" in svg


def test_the_readers_matplotlib_settings_are_neither_used_nor_changed():
    plain = lines()
    with mpl.rc_context({"font.size": 31, "axes.grid": False}):
        assert lines() == plain
        assert mpl.rcParams["font.size"] == 31


def test_labels_that_would_overlap_are_stacked_around_their_mean():
    assert _apart([0.5, 0.1, 0.5], 0.1) == pytest.approx([0.45, 0.1, 0.55])
    assert _apart([0.50, 0.56, 0.64], 0.1) == pytest.approx([17 / 30 - 0.1, 17 / 30, 17 / 30 + 0.1])
