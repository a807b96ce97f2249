"""The claims on the page: verdicts, figures and runs, and nothing where nothing was measured."""

from __future__ import annotations

from dunwu.analysis.claims import shown_claims
from dunwu.analysis.stage_table import render
from dunwu.evaluation.reproduction import Reproduction, Row
from dunwu.evaluation.suite import Estimate

FOUND = Row("lift", "more", "a - b > 0", "1 -> 2", "N", "holds", "%", 0.1, 0.5, Estimate(0.4, 0.3, 0.5, 9), (0.3, 0.5), ("a-0", "b<0>"))
ABSENT = Row("process", "none", "", "no figure", "v1", "not built")


def test_what_is_known_is_shown() -> None:
    shown = shown_claims(Reproduction((FOUND, ABSENT), (0, 1)))
    found, absent = shown.claims
    assert (found.look, absent.look) == ("right", "")
    assert dict(found.facts) == {
        "here": "10.0 -> 50.0 %",
        "difference": "+40.0 (+30.0 to +50.0) points",
        "each seed": "+30.0, +50.0",
        "rule": "a - b > 0",
        "the paper": "1 -> 2 (N)",
        "runs": "a-0, b<0>",
    }
    assert dict(absent.facts) == {"the paper": "no figure (v1)"}


def test_the_page_has_them_escaped() -> None:
    page = render(None, "x", reproduction=Reproduction((FOUND, ABSENT), (0, 1)))
    assert page.count('class="tag right"') == 1
    assert "b&lt;0&gt;" in page
    assert "<b>none</b>" in page
