"""Dialogues: what the teacher says, which tokens are learned, and the rewards of earlier answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dunwu.config.zero import ZeroConfig
from dunwu.data.generators.base import TextCompletion
from dunwu.errors import ConfigError
from dunwu.rewards.make import make_reward
from dunwu.run.tables import EARLIER, read_rollouts
from dunwu.trainers.dialogue import Dialogue, with_earlier_rewards, without_answer
from dunwu.trainers.teachers import Teachers
from dunwu.types import Completion, Exchange, Group, Problem, Prompt, Reward, Rollout, TokenSequence, Verdict
from tests.trainers.test_two_turns import Watching

FIVE = Problem("five", "sums", "2 + 3?", "number", answer="5")
SAYS = "<think>2 and 3 and so it is 5 I think</think><answer>5</answer>"


@pytest.fixture
def teacher(tmp_path: Path, world_tokenizer: Any) -> str:
    """A teacher that thinks aloud, and repeats what it was asked if it is asked to check an answer."""
    path = tmp_path / "teacher.py"
    code = f"def teach(messages, seed):\n    last = messages[-1]['content']\n    return {SAYS!r} if 'Check' not in last"
    path.write_text(
        f"{code} else '<think>x</think>' + str(len(messages)) + ' turns: {world_tokenizer.eos_token} ' + last\n", encoding="utf-8"
    )
    return f"{path}:teach"


def dialogue(config: ZeroConfig, tokenizer: Any, folder: Path) -> Dialogue:
    teachers, asked = Teachers(config, tokenizer), config.dialogue_teacher
    teachers.keep_in(folder)
    assert asked is not None
    assert config.dialogue is not None
    return Dialogue(config, config.dialogue, teachers[asked], tokenizer)


def answered(text: str, *earlier: Exchange) -> tuple[Prompt, Completion]:
    return Prompt(FIVE, FIVE.text, (1,)), Completion(TokenSequence.drawn((1,), (-1.0,), 0), text, "stop", earlier)


@pytest.mark.parametrize(
    ("keys", "first", "second"),
    [
        ("share: 0.3", "2 and", "2 and 3 and so"),
        ("share: 1", "2 and 3 and so it is", "2 and 3 and so it is"),  # never the answer
        ("reply: solution", "2 and 3 and so it is 5 I think\n5", "2 and 3 and so it is 5 I think\n5"),
    ],
)
def test_a_hint_is_the_start_of_the_reasoning(
    keys: str, first: str, second: str, zero_config: Callable[..., ZeroConfig], teacher: str, tmp_path: Path, world_tokenizer: Any
) -> None:
    found = dialogue(zero_config(f"dialogue={{teacher: '{teacher}', {keys}}}"), world_tokenizer, tmp_path)
    one = answered("<answer>4</answer>")
    two = answered("<answer>4</answer>", Exchange(one[1], first))
    assert found.replies([one, two], 1) == [first, second]


def test_a_conversation_shows_the_answers_and_the_replies(
    zero_config: Callable[..., ZeroConfig], teacher: str, tmp_path: Path, world_tokenizer: Any
) -> None:
    found = dialogue(zero_config(f"dialogue={{teacher: '{teacher}', reply: conversation}}"), world_tokenizer, tmp_path)
    one = answered("<answer>4</answer>")
    two = answered("<answer>3</answer>", Exchange(one[1], "No."))
    first, second = found.replies([one, two], 1)
    assert first.startswith("1 turns:")
    assert "2 + 3?" in first
    assert "```\n4\n```" in first  # without tags
    assert second.startswith("3 turns:")
    assert "```\n3\n```" in second
    assert world_tokenizer.eos_token not in first


@pytest.mark.parametrize(("reply", "cut_off"), [("hint", ""), ("solution", ""), ("conversation", "so")])
def test_only_a_conversation_shows_what_was_cut_off(
    reply: str, cut_off: str, zero_config: Callable[..., ZeroConfig], teacher: str, tmp_path: Path, world_tokenizer: Any
) -> None:
    found = dialogue(zero_config(f"dialogue={{teacher: '{teacher}', reply: {reply}, share: 1}}"), world_tokenizer, tmp_path)
    assert found.reply_of(FIVE, TextCompletion("so", finished=False), 1) == cut_off
    assert found.reply_of(FIVE, TextCompletion("so", finished=False, refused="filtered"), 1) == ""
    assert found.reply_of(FIVE, TextCompletion("so"), 1) == "so"


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [("17 and 7, so", "7", "17 and "), ("a b", "c", "a b"), ("it is B", "B", "it is "), ("x", None, "x"), ("(1+2)*3", "1+2", "(")],
)
def test_an_answer_is_found_as_a_whole(text: str, answer: str | None, expected: str) -> None:
    assert without_answer(text, answer) == expected


def test_a_reply_is_cut_to_its_tokens(zero_config: Callable[..., ZeroConfig], teacher: str, tmp_path: Path, world_tokenizer: Any) -> None:
    config = zero_config(f"dialogue={{teacher: '{teacher}', max_tokens: 20}}")
    found = dialogue(config, world_tokenizer, tmp_path)
    ids = found.between(FIVE, "so " * 100)
    text = world_tokenizer.decode(ids)
    assert len(ids) <= 20
    assert text.startswith(f"{world_tokenizer.eos_token}\nUser: so so")
    assert text.endswith("\nAssistant:")
    assert world_tokenizer.decode(found.between(FIVE, "so")) == f"{world_tokenizer.eos_token}\nUser: so\nAssistant:"
    with pytest.raises(ConfigError, match=r"dialogue\.max_tokens = 3"):
        dialogue(zero_config(f"dialogue={{teacher: '{teacher}', max_tokens: 3}}"), world_tokenizer, tmp_path).between(FIVE, "so")


@pytest.mark.parametrize(
    ("template", "after"),
    [
        ("tiny", "\nUser: so\nAssistant:"),
        ("r1-zero", " User: so. Assistant:"),
        ("r1-zero-prefilled", " User: so. Assistant: <think>\n"),
        ("{base: tiny, suffix: Go!}", "\nUser: so\nGo!\nAssistant:"),
    ],
)
def test_a_reply_is_a_turn_in_the_students_template(
    template: str, after: str, zero_config: Callable[..., ZeroConfig], teacher: str, tmp_path: Path, world_tokenizer: Any
) -> None:
    found = dialogue(zero_config(f"dialogue={{teacher: '{teacher}'}}", f"template={template}"), world_tokenizer, tmp_path)
    assert world_tokenizer.decode(found.between(FIVE, "so")) == world_tokenizer.eos_token + after


def test_given_tokens_have_no_gradient(open_trainer: Any, zero_config: Any, teacher: str, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text("def f(prompts, completions, **columns):\n    return [float(len(c) % 3) for c in completions]\n", encoding="utf-8")
    config = zero_config("dump_rollouts_every=1", f"reward=['{own}:f']", f"dialogue={{teacher: '{teacher}', turns: 3, max_tokens: 30}}")
    with open_trainer(tmp_path / "run", config, reward=make_reward(config.reward)) as trainer:
        trainer.dialogue = dialogue(config, trainer.tokenizer, tmp_path)
        trainer.policy.scorer = watching = Watching(trainer.policy.scorer)
        metrics = trainer.step(1)
        assert watching.seen
        for rollouts, logprobs_BT in watching.seen:
            for row, rollout in enumerate(rollouts):
                drawn = torch.tensor(rollout.completion.tokens.sampled)
                gradient = logprobs_BT.grad[row, : len(drawn)]
                assert (gradient[~drawn] == 0).all()
                assert (gradient[drawn] != 0).all()
                check_tokens(rollout, trainer.tokenizer)
        assert metrics["dialogue/answers"] == 3.0
        assert metrics["dialogue/given_tokens"] > 0
        (rows,) = [read_rollouts(path) for path in (tmp_path / "run" / "rollouts").glob("*.parquet")]
        assert all(row[EARLIER].count("[teacher] 2 and 3") == 2 for row in rows)
        assert all("[teacher]" not in row["completion"] for row in rows)


def check_tokens(rollout: Rollout, tokenizer: Any) -> None:
    """The sequence is the answers with the replies in the template's form between them."""
    completion, end = rollout.completion, tokenizer.eos_token
    text = "".join(f"{e.answer.text}{end}\nUser: {e.reply}\nAssistant:" for e in completion.earlier) + completion.text
    assert tokenizer.decode(completion.tokens.ids).removesuffix(end) == text
    assert [len(each.answer.tokens) for each in completion.earlier] == sorted({len(each.answer.tokens) for each in completion.earlier})
    assert completion.tokens.last_turn == completion.tokens.ids[-len(completion.tokens.last_turn) :]


def rewarded(total: float | None) -> Reward:
    return Reward(total, {"accuracy": total}, Verdict(total, "correct" if total else "error" if total is None else "wrong"))


def test_rewards_of_earlier_answers_are_discounted() -> None:
    prompt = Prompt(FIVE, FIVE.text, (1,))

    def rollout(*totals: float | None) -> Rollout:
        earlier = tuple(Exchange(Completion(TokenSequence.drawn((1,), (-1.0,), 0), str(total), "stop"), "") for total in totals[:-1])
        return Rollout(prompt, Completion(TokenSequence.drawn((1,), (-1.0,), 0), "last", "stop", earlier), rewarded(totals[-1]))

    def read(groups: Sequence[Group]) -> list[Group]:
        def of(r: Rollout) -> Rollout:
            text = r.completion.text
            return replace(r, reward=r.reward if text == "last" else rewarded(None if text == "None" else float(text)))

        return [replace(group, rollouts=tuple(map(of, group.rollouts))) for group in groups]

    group = Group(prompt, (rollout(1.0, 0.0, 1.0), rollout(0.0, 1.0, 0.0), rollout(1.0), rollout(None, 1.0, 1.0), rollout(1.0, None)))
    (found,) = with_earlier_rewards([group], 0.5, read)
    assert [r.reward.total for r in found.rollouts] == [1.25, 0.5, 1.0, None, None]
    assert "dialogue" in found.rollouts[3].reward.failures
