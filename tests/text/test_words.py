"""What counts as a word, and what is no prose."""

from __future__ import annotations

import pytest

from dunwu.text.words import find_run, occurrences, prose, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop", ["Don't", "stop"]),
        ("a well-known fact", ["a", "well", "known", "fact"]),
        ("我们有3个苹果", ["我", "们", "有", "3", "个", "苹", "果"]),
        ("3.14 and 1,000", ["3.14", "and", "1,000"]),
        ("x1 foo_bar", ["x1", "foo_bar"]),
        ("用Python写", ["用", "Python", "写"]),
        ("コーヒーです", ["コー", "ヒー", "で", "す"]),
        ("한국어 단어", ["한국어", "단어"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("l’été", ["l’été"]),
        ("…!?", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("text", "phrase", "count"),
    [
        ("The cat and the CAT, no concatenation", "cat", 2),
        ("小猫和大猫", "猫", 2),
        ("用Python写Python程序", "python", 2),
        ("New York, new york", "New York", 2),
        ("C++ is not C", "C++", 1),
        ("catch", "cat", 0),
    ],
)
def test_occurrences_are_whole_words(text: str, phrase: str, count: int) -> None:
    assert occurrences(text, phrase) == count


def test_a_blank_phrase_is_refused() -> None:
    with pytest.raises(ValueError, match="blank"):
        occurrences("text", "  ")


def test_runs_may_overlap() -> None:
    assert find_run(["a", "a", "a"], ["a", "a"]) == 2


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("before\n```python\nprint('x')\n```\nafter", "before after"),
        ("never closed\n~~~\ncode code", "never closed"),
        ("call `run_all now` here", "call here"),
        ("so $x + y$ is", "so is"),
        ("it costs $5 and $6 more", "it costs 5 and 6 more"),
        (r"thus \[ a \text{ if } b \] holds", "thus holds"),
        (r"thus \( a \) holds", "thus holds"),
        (r"\begin{align} a &= b \end{align} end", "end"),
        (r"take \frac{\sqrt{2}}{3} apples", "take apples"),
        (r"get \boxed{\text{no \textbf{word} here}} done", "get done"),
        ("<think>hello</think>", "hello"),
        ('<a href="x y">link</a>', "link"),
        ("if a<b and c>d then", "if a b and c d then"),
        ("see https://example.org/a?b=c。然后", "see 然 后"),
        ("mail me@example.org now", "mail now"),
        ("open /usr/lib/python now", "open now"),
        ("and/or", "and or"),
        ("use numpy.linalg.norm(x) here", "use x here"),
        ("run main() here", "run here"),
        ("The end.Next one", "The end Next one"),
    ],
)
def test_what_is_not_prose(text: str, left: str) -> None:
    assert tokens(prose(text)) == left.split()


@pytest.mark.parametrize(
    "piece",
    ["$", "`", "``` \n", "\\begin{a}", "\\(", "\\[x", "<a ", "<a b=c", "{", "\\a{", "\\a[", "a/b/", "a.b", "a@", "a'", "1,", "a-b", "a("],
)
def test_hostile_text_comes_to_an_end(piece: str) -> None:
    """With a pattern that takes quadratic time on one of these, this test takes minutes."""
    text = piece * (200_000 // len(piece))
    assert len(prose(text)) <= 2 * len(text)
