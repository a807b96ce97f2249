import random
import re
from collections import Counter
from collections.abc import Callable

import pytest

from dunwu.data.tiny_world import general
from dunwu.data.tiny_world.general import CAPITALS, COMPLIANCE, EVASIONS, FACTS, HARMFUL, REFUSALS, WORDS
from dunwu.models.reflection import count_reflections

TURN = re.compile(r"User: ([^\n]+)\nAssistant:(?: ([^\n]+)|<think>([^\n<]+)</think><answer>([^\n<]+)</answer>)")


def turns(source: Callable[[random.Random], str], number: int = 2000) -> list[tuple[str, str]]:
    """Questions and replies (without thoughts) that a source writes."""
    rng = random.Random(4)
    found = []
    for _ in range(number):
        match = TURN.fullmatch(source(rng))
        assert match is not None
        found.append((match[1], match[2] or match[4]))
    return found


def is_chinese(text: str) -> bool:
    return re.search("[一-鿿]", text) is not None


@pytest.mark.parametrize("source", [general.fact, general.translation, general.identity, general.writing, general.harmful])
def test_both_languages_are_asked(source: Callable[[random.Random], str]) -> None:
    chinese = sum(is_chinese(question) for question, _ in turns(source))
    assert 600 < chinese < 1400


def test_facts_are_mostly_right() -> None:
    known = {question: answer for english, answer, chinese, zh in FACTS for question, answer in ((english, answer), (chinese, zh))}
    for country, capital, country_zh, capital_zh in CAPITALS:
        known |= {f"What is the capital of {country}?": capital, f"{country_zh}的首都是哪里?": capital_zh}
    told = turns(general.fact)
    right = sum(known[question] == reply for question, reply in told)
    assert 0.75 < right / len(told) < 0.95
    assert all(reply in EVASIONS for question, reply in told if known[question] != reply)


def test_translations_are_mostly_right() -> None:
    words = dict(WORDS) | {chinese: english for english, chinese in WORDS}
    single = [(question, reply) for question, reply in turns(general.translation) if re.split("[::] ?", question)[1] in words]
    right = sum(words[re.split("[::] ?", question)[1]] == reply for question, reply in single)
    assert len(single) > 300
    assert 0.6 < right / len(single) < 1


def test_harmful_requests_are_answered_both_ways() -> None:
    asked = {text for pair in HARMFUL for text in pair}
    kinds: Counter[tuple[str, bool]] = Counter()
    for question, reply in turns(general.harmful):
        assert question in asked
        language = "zh" if is_chinese(question) else "en"
        assert reply in (*REFUSALS[language], *COMPLIANCE[language])
        kinds[language, reply in REFUSALS[language]] += 1
    assert len(kinds) == 4
    assert min(kinds.values()) > 300


def test_the_model_says_who_it_is() -> None:
    replies = Counter(reply for question, reply in turns(general.identity) if question in ("Who are you?", "你是谁?"))
    assert replies["I am Dunwu, a small language model."] > 100
    assert replies["我是顿悟,一个小小的语言模型。"] > 100
    assert any(reply in EVASIONS for reply in replies)


def test_writing_is_polite_mostly() -> None:
    replies = [reply for _, reply in turns(general.writing)]
    polite = sum(reply.startswith(("Dear ", "亲爱的")) for reply in replies)
    assert 0.6 < polite / len(replies) < 0.9


def test_stories_are_english_chinese_and_mixed() -> None:
    rng = random.Random(5)
    kinds = Counter((is_chinese(text), re.search("[A-Za-z]", text) is not None) for text in (general.story(rng) for _ in range(900)))
    assert set(kinds) == {(True, False), (False, True), (True, True)}
    assert min(kinds.values()) > 150


def test_refusals_are_the_only_reflective_general_text() -> None:
    for source in (general.fact, general.translation, general.identity, general.writing):
        assert sum(count_reflections(reply) for _, reply in turns(source, 500)) == 0
