"""The languages of thoughts."""

from dunwu.analysis.lab.language_mixing import SECTION
from dunwu.analysis.lab.material import Material


def test_shares_are_by_the_language_of_the_prompts(chain):
    chains = [
        chain("we try this", problem="a", question="Use these numbers."),
        chain("we 试", problem="b", question="Use these numbers."),
        chain("试一试", problem="c", question="用这些数字。", language="zh"),
        chain("1+2=3", problem="d", question="用这些数字。", language="zh"),
    ]
    found = SECTION.analyse(Material(sets={"s": {"after": chains}}, steps={1: chains}))
    after = found["moments"]["after"]
    assert (after["en"]["share"]["value"], after["en"]["mixed"]["value"]) == (0.75, 0.5)
    assert (after["zh"]["share"]["value"], after["zh"]["share"]["problems"]) == (1, 1), "a thought without words does not count"
    assert found["steps"][0]["en"] == after["en"]
    assert len(SECTION.part(found).tables[0].rows) == 4


def test_thoughts_without_words_and_unknown_languages_are_missing(chain):
    assert "missing" in SECTION.analyse(Material(steps={1: [chain("1+2=3")]}))
    assert "missing" in SECTION.analyse(Material(steps={1: [chain("abc", question="17", language="xx")]}))
