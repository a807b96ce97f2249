"""The mechanism of translation: languages, placeholders, columns, what must stay, and odd texts."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dunwu.errors import ConfigError
from dunwu.text import catalogue as module
from dunwu.text.catalogue import catalogue, read_catalogue, read_entry
from dunwu.text.translate import LONGEST, _in_chinese, check_language, language, translate, width

ENTRIES = {
    "eval set": "评测集",
    "training": "训练",
    "Nothing was learnt.": "什么也没学到。",
    "{name}: {hint!t}": "{name}：{hint}",
    "of {name}: {word!w}": "of {name}：{word}",
    "{a!t}, {b!t}": "{a}，{b}",
    "{count!n} steps": "{count} 步",
    "no {what} in {path}": "{path} 里没有 {what}",
    "no checkpoint in {path}": "{path} 里没有检查点",
    "model  {path}": "模型   {path}",
    "a {{brace}} {x}": "{{括号}} {x}",
}


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue above, in Chinese."""
    monkeypatch.setenv("DUNWU_LANG", "zh")
    monkeypatch.setattr(module, "read_catalogue", lambda: ENTRIES)
    forget()
    yield
    forget()


def forget() -> None:
    catalogue.cache_clear()
    _in_chinese.cache_clear()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nothing was learnt.", "什么也没学到。"),
        ("Nothing was learnt. Nothing was learnt.", "什么也没学到。什么也没学到。"),
        ("Nothing was learnt. Odd.", "什么也没学到。Odd."),
        ("  20 steps", "  20 步"),
        ("x\n20 steps\ny", "x\n20 步\ny"),
        ("some steps", "some steps"),
        ("20 steps, 30 steps, 1,000 steps", "20 步，30 步，1,000 步"),
        ("20 steps, a word", "20 steps, a word"),  # an entry without words translates all of it or nothing
        ("mine: 20 steps", "mine：20 步"),
        ("mine: training", "mine: training"),
        ("of mine: training", "of mine：训练"),
        ("of training: training", "of training：训练"),
        ("no checkpoint in runs/x", "runs/x 里没有检查点"),  # the most literal characters win
        ("no model in runs/x", "runs/x 里没有 model"),
        ("model  runs/20 steps", "模型   runs/20 steps"),
        ("ok  20 steps  end", "ok  20 步     end"),
        ("a {brace} 5", "{括号} 5"),
        ("training", "training"),
        ("", ""),
        ("   ", "   "),
    ],
)
def test_translates(chinese: None, text: str, expected: str) -> None:
    assert translate(text) == expected


def test_a_single_word_is_translated_as_a_label_only(chinese: None) -> None:
    assert translate("training", label=True) == "训练"
    assert translate("training  20 steps") == "training  20 步"


def test_a_title_quotes_texts_of_others(chinese: None) -> None:
    assert translate("training", title=True) == "训练"
    assert translate("of 20 steps: training", title=True) == "of 20 steps：训练"
    assert translate("mine: 20 steps", title=True) == "mine: 20 steps"
    assert translate("Say: x. Nothing was learnt.", title=True) == "Say: x. Nothing was learnt."


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "no such encoding"])
def test_an_encoding_without_chinese_keeps_english(chinese: None, encoding: str) -> None:
    assert translate("20 steps", encoding=encoding) == "20 steps"
    assert translate("20 steps", encoding="gbk") == translate("20 steps", encoding=None) == "20 步"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"DUNWU_LANG": "zh"}, "zh"),
        ({"DUNWU_LANG": "zh_CN"}, "zh"),
        ({"DUNWU_LANG": "zh-Hans"}, "zh"),
        ({"DUNWU_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"DUNWU_LANG": "", "LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.UTF-8"}, "en"),
        ({"LANG": "zha_CN"}, "en"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "zh_SG.UTF-8"}, "zh"),
        ({"LC_ALL": "C", "LC_MESSAGES": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh"),
    ],
)
def test_the_language(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name in ("DUNWU_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    check_language()
    assert language() == expected


@pytest.mark.parametrize("named", ["fr", "chinese", "zhh", " "])
def test_an_unknown_language_is_a_mistake_and_english(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("DUNWU_LANG", named)
    with pytest.raises(ConfigError, match="DUNWU_LANG"):
        check_language()
    assert language() == "en"


def matched(key: str, line: str) -> dict[str, str] | None:
    return next((dict(found) for found in read_entry(key, key).matches(line)), None)


def test_placeholders_take_the_shortest_text_and_numbers_only_numbers() -> None:
    assert matched("{a} of {b!n} of {c}", "x of 3 of y of z") == {"a": "x", "b": "3", "c": "y of z"}
    assert matched("{a} of {b!n} of {c}", "x of y of 3 of z") == {"a": "x of y", "b": "3", "c": "z"}
    assert matched("{a} of {b!n} of {c}", "x of y of z") is None
    assert matched("{a} {b!n}", "some words 12") == {"a": "some words", "b": "12"}
    assert matched("{a}{b} end", "x end") == {"a": "", "b": "x"}
    assert all(matched("{b!n} x", f"{number} x") for number in ("1,000", "-0.5", "1e-05", "2.50", "0"))
    assert not any(matched("{b!n} x", f"{number} x") for number in ("", "1a", "one", "1 2", "1.", "1,00"))


@settings(deadline=None)
@given(st.text(alphabet=st.characters(), max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUNWU_LANG", "zh")
        translate(text)
        translate(f"dunwu: {text}, {text}; {text}", label=True)


@pytest.mark.parametrize(
    "text", [", " * 900, "; ".join(["step 3"] * 600), "a: " * 1300, "(" * 3900, "a. " * 1300, "  x" * 1300, "\n" * 100_000]
)
def test_long_and_repetitive_texts_take_little_time(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DUNWU_LANG", "zh")
    translate("dunwu: warm")
    began = time.perf_counter()
    translate(text)
    assert time.perf_counter() - began < 10


def test_a_line_that_cannot_be_ours_is_not_matched(chinese: None) -> None:
    assert translate("20 steps".rjust(LONGEST)) != translate("20 steps")  # its spaces are stripped first
    long = f"no checkpoint in {'x' * LONGEST}"
    assert translate(long) == long


def test_width_counts_columns() -> None:
    assert width("检查点 ok：") == 11


def test_english_does_not_load_the_catalogue() -> None:
    code = "from dunwu.text.translate import catalogue, translate; translate('20 steps'); print(catalogue.cache_info().currsize)"
    found = subprocess.run(
        [sys.executable, "-c", code], env={"DUNWU_LANG": "en", "PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=True
    )
    assert found.stdout == "0\n"


def test_the_catalogue_is_a_flat_mapping_of_texts() -> None:
    assert all(isinstance(key, str) and isinstance(target, str) and key.strip() == key for key, target in read_catalogue().items())
