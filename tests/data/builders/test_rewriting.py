"""Rewriting: connectives into the prompt's language by rules, and a writer that must give exactly the two parts."""

from __future__ import annotations

import pytest

from dunwu.config.data import OwnGenerator
from dunwu.config.data_replies import ModelRewriter, RulesRewriter
from dunwu.data.builders.drafts import Draft
from dunwu.data.builders.rewriting import CONNECTIVES, read_rewriting, rewrite, translate_connectives
from dunwu.data.generators.base import Scripted
from dunwu.data.tiny_world.search import BACKTRACK, CHECK
from dunwu.models.thinking import parse_completion
from dunwu.text.language import language_share


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("3*4=12,2; wait, 3+4=7: check 3+4=7.", "zh", "3*4=12,2;等等,3+4=7:检查:3+4=7."),
        ("3*4=12,2;等等,3+4=7:检查:3+4=7.", "en", "3*4=12,2; wait, 3+4=7: check 3+4=7."),
        ("also nowait, so 3+4=7.", "zh", "also nowait,所以3+4=7."),
        ("3 wait, 4", "en", "3 wait, 4"),
        ("3 wait, 4", "fr", "3 wait, 4"),
    ],
)
def test_connectives(text: str, language: str, expected: str) -> None:
    assert translate_connectives(text, language) == expected


def test_the_table_knows_all_words_of_a_search() -> None:
    for column, language in enumerate(("en", "zh")):
        used = {word.strip() for table in (BACKTRACK, CHECK) for word in table[language]}
        assert used <= {pair[column].strip() for pair in CONNECTIVES}
    mixed = " ".join(english for english, _ in CONNECTIVES)
    assert language_share(translate_connectives(mixed, "zh"), "zh") == 1.0


def test_rules_write_a_summary_with_the_same_answer() -> None:
    draft = Draft("用2,3算出6。", " wait, 2*3=6.", "<answer>2*3</answer>", "zero", "zh")
    (made,), counts = rewrite([draft], RulesRewriter(), None, 0)
    assert made is not None
    assert (made.reasoning, made.reply) == ("等等,2*3=6.", "答案是<answer>2*3</answer>。")
    assert parse_completion(made.completion).answer == "2*3"
    assert counts == {}
    (bare,), _ = rewrite([draft], RulesRewriter(summary="answer"), None, 0)
    assert bare is not None
    assert parse_completion(bare.completion).well_formed
    assert rewrite([Draft("q", "r", "no answer here", "s", "en")], RulesRewriter(), None, 0)[0] == [None]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[REASONING]\nI try.\n[SUMMARY]\nIt is \\boxed{4}.\n[END]", ("I try.", "It is \\boxed{4}.")),
        ("<think>hm</think>[REASONING] I try. [SUMMARY] 4 [END]", ("I try.", "4")),
        ("Sure! [REASONING] I try. [SUMMARY] 4 [END]", None),
        ("[REASONING] I try. [SUMMARY] 4", None),
        ("[REASONING] a [SUMMARY] b [SUMMARY] 4 [END]", None),
        ("[REASONING] <think>a</think> [SUMMARY] 4 [END]", None),
        ("[REASONING] <answer>5</answer> [SUMMARY] 4 [END]", None),
        ("[REASONING]  [SUMMARY] 4 [END]", None),
    ],
)
def test_reading_a_writer(text: str, parts: tuple[str, str] | None) -> None:
    assert read_rewriting(text) == parts


def test_a_writer_that_fails_is_asked_again_then_given_up() -> None:
    def writer(messages: list[dict[str, str]], seed: int) -> str:
        if "hopeless" in messages[0]["content"] or seed == 3:
            return "[SUMMARY]"
        assert "in Chinese" in messages[0]["content"]
        return "[REASONING] 我算。 [SUMMARY] 是4。 [END]"

    drafts = [Draft("二加二?", "hm", "4", "s", "zh"), Draft("hopeless", "hm", "4", "s", "en")]
    how = ModelRewriter(generator=OwnGenerator(function="w.py:w"), retries=1)
    made, counts = rewrite(drafts, how, Scripted(writer), 3)
    assert [each and (each.reasoning, each.reply, each.question) for each in made] == [("我算。", "是4。", "二加二?"), None]
    assert counts == {"requests": 4, "unreadable": 3}
