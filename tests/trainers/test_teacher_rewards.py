"""The teacher in the reward: what counts, what fails, and likelihoods against a forward pass of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dunwu.config.rewards import TeacherPart
from dunwu.config.zero import ZeroConfig
from dunwu.models.loading import load_model
from dunwu.trainers.teacher_rewards import TOO_LONG, TeacherReward, teacher_rewards
from dunwu.trainers.teachers import Teachers
from dunwu.types import Completion, Group, Problem, Prompt, Reward, Rollout, TokenSequence, Verdict

FIVE = Problem("five", "sums", "2 + 3?", "number", answer="5")
SPEAKS = """
def teach(messages, seed):
    asked = messages[-1]["content"]
    return "I think so" if "hello" in asked else "<think>2 and 3</think><answer>6</answer>"
"""


@pytest.fixture
def speaker(tmp_path: Path) -> str:
    """A teacher that says 6, and greets."""
    path = tmp_path / "teacher.py"
    path.write_text(SPEAKS, encoding="utf-8")
    return f"{path}:teach"


def group_of(problem: Problem, *texts: str, prefill: str = "<think>", tokenizer: Any = None) -> Group:
    prompt = Prompt(problem, problem.text, (1,), prefill)
    reward = Reward(0.5, {"format": 0.5}, Verdict(0.0, "wrong"))
    ids = [tuple(tokenizer.encode(text, add_special_tokens=False)) if tokenizer else (1,) for text in texts]
    tokens = [TokenSequence.drawn(each, (-1.0,) * len(each), 0) for each in ids]
    return Group(prompt, tuple(Rollout(prompt, Completion(each, text, "stop"), reward) for each, text in zip(tokens, texts, strict=True)))


def opened(config: ZeroConfig, tokenizer: Any, folder: Path) -> tuple[list[TeacherReward], Teachers]:
    teachers = Teachers(config, tokenizer)
    teachers.keep_in(folder)
    return teacher_rewards(config, teachers, tokenizer), teachers


def test_closeness_is_a_part_of_the_sum(zero_config: Callable[..., ZeroConfig], speaker: str, tmp_path: Path, world_tokenizer: Any) -> None:
    part = f"kind: teacher, teacher: '{speaker}'"
    config = zero_config(f"reward=[{{{part}, weight: 2.0}}, {{{part}, closeness: overlap, weight: 0, tasks: [sums]}}]")
    rewards, teachers = opened(config, world_tokenizer, tmp_path)
    groups = [
        group_of(FIVE, "2 or 3</think><answer>6</answer>", "2 and 3</think><answer>5</answer>"),
        group_of(replace(FIVE, id="h", text="hello", task="other"), "a</think><answer>6</answer>", "b"),
    ]
    for reward in rewards:
        with reward:
            groups = reward(groups, 1)
    found = [[(r.reward.total, dict(r.reward.parts)) for r in group.rollouts] for group in groups]
    assert found[0][0] == (2.5, {"format": 0.5, "teacher-answer": 1.0, "teacher-overlap": pytest.approx(2 / 3)})
    assert found[0][1] == (0.5, {"format": 0.5, "teacher-answer": 0.0, "teacher-overlap": 1.0})
    assert found[1] == [(0.5, {"format": 0.5, "teacher-answer": None, "teacher-overlap": None})] * 2
    said = "<think>2 and 3</think><answer>6</answer>"
    read, generated = (
        [len(world_tokenizer.encode(t, add_special_tokens=False)) for t in texts] for texts in (("2 + 3?", "hello"), (said, "I think so"))
    )
    assert teachers.metrics(1) == {"teacher_tokens": sum(read), "teacher_generated_tokens": sum(generated)}
    assert teachers.metrics(2) == {"teacher_tokens": 0, "teacher_generated_tokens": 0}


def test_a_teacher_is_asked_once_also_after_a_restart(zero_config: Callable[..., ZeroConfig], tmp_path: Path, world_tokenizer: Any) -> None:
    path, asked = tmp_path / "teacher.py", tmp_path / "asked"
    code = f"def teach(messages, seed):\n    with open({str(asked)!r}, 'a') as file:\n        file.write('x')\n"
    path.write_text(f"{code}    return '<answer>6</answer>'\n", encoding="utf-8")
    part = f"kind: teacher, teacher: '{path}:teach'"
    config = zero_config(f"reward=[{{{part}}}, {{{part}, closeness: overlap}}]")
    metrics = []
    for _ in range(2):
        rewards, teachers = opened(config, world_tokenizer, tmp_path)
        with rewards[0] as first, rewards[1] as second:
            for step in (1, 2):
                second(first([group_of(FIVE, "6</think>"), group_of(replace(FIVE, id="again"), "7</think>")], step), step)
                metrics.append(teachers.metrics(step))
    assert asked.read_text() == "x"
    assert metrics[:2] == metrics[2:]
    assert metrics[0]["teacher_generated_tokens"] > 0 == metrics[1]["teacher_generated_tokens"]


def likelihood(config: ZeroConfig, tokenizer: Any, folder: Path, group: Group) -> list[Reward]:
    (reward,), teachers = opened(config, tokenizer, folder)
    with reward:
        (found,) = reward([group], 1)
    assert teachers.metrics(1)["teacher_generated_tokens"] == 0
    return [rollout.reward for rollout in found.rollouts]


@torch.no_grad()
def by_hand(folder: str, prompt: str, text: str) -> float:
    """The geometric mean of the probabilities of a text's tokens and of the end."""
    model, tokenizer = load_model(folder)
    before, after = (tokenizer.encode(part, add_special_tokens=False) for part in (prompt, text))
    after = [*after, tokenizer.eos_token_id]
    logprobs = model(input_ids=torch.tensor([before + after])).logits[0].log_softmax(-1)
    return math.exp(sum(logprobs[len(before) + i - 1, token].item() for i, token in enumerate(after)) / len(after))


@pytest.mark.parametrize("teacher", ["same", "other"])
def test_likelihood_is_the_geometric_mean(
    teacher: str, zero_config: Callable[..., ZeroConfig], taught_base: str, tmp_path: Path, world_tokenizer: Any
) -> None:
    folder = taught_base if teacher == "same" else "tiny"
    config = zero_config(f"reward={{kind: teacher, teacher: {folder}, closeness: likelihood}}", "matmul_precision=float32")
    texts = ("<think>ok</think><answer>5</answer>", "<think>hm</think><answer>4</answer>", "<think>ok</think><answer>5</answer>")
    group = group_of(FIVE, *texts, prefill="", tokenizer=world_tokenizer)
    ended = [
        replace(
            r,
            completion=replace(r.completion, tokens=r.completion.tokens + TokenSequence.drawn((world_tokenizer.eos_token_id,), (-1.0,), 0)),
        )
        for r in group.rollouts
    ]
    found = likelihood(config, world_tokenizer, tmp_path, replace(group, rollouts=tuple(ended)))
    expected = [by_hand(folder, "User: 2 + 3?\nAssistant:", text) for text in texts]
    scores = [reward.parts["teacher-likelihood"] for reward in found]
    assert scores == pytest.approx(expected, rel=1e-4)
    assert all(score is not None and 0 < score < 1 for score in scores)
    assert scores[0] == scores[2]  # exactly, as equal rewards give no advantage
    assert [reward.total for reward in found] == pytest.approx([0.5 + score for score in expected], rel=1e-4)


def test_what_the_teacher_cannot_read_is_excluded(
    zero_config: Callable[..., ZeroConfig], taught_base: str, tmp_path: Path, world_tokenizer: Any
) -> None:
    config = zero_config(f"reward={{kind: teacher, teacher: {taught_base}, closeness: likelihood}}")
    long, short = likelihood(config, world_tokenizer, tmp_path, group_of(FIVE, "a " * 300, "a", prefill="", tokenizer=world_tokenizer))
    assert long.total is None
    assert TOO_LONG in long.failures["teacher-likelihood"]
    assert short.total is not None


def test_a_dialogue_shares_the_teacher_of_the_reward(zero_config: Callable[..., ZeroConfig], speaker: str, world_tokenizer: Any) -> None:
    part = f"reward={{kind: teacher, teacher: '{speaker}', ask_for_form: true}}"
    config, longer = zero_config(part, "dialogue={}"), zero_config(part, "dialogue={sampling: {max_tokens: 99}}")
    for each, shared in ((config, True), (longer, False)):
        teachers, asked, own = Teachers(each, world_tokenizer), each.dialogue_teacher, each.reward[0]
        assert asked is not None
        assert isinstance(own, TeacherPart)
        assert asked.ask_for_form
        assert (teachers[asked] is teachers[own]) == shared
        assert teachers[asked].generator is teachers[own].generator


def test_equal_teachers_are_one(zero_config: Callable[..., ZeroConfig], speaker: str, world_tokenizer: Any) -> None:
    part = f"kind: teacher, teacher: '{speaker}'"
    config = zero_config(f"reward=[{{{part}}}, {{{part}, closeness: overlap}}, {{{part}, ask_for_form: true}}]")
    teachers = Teachers(config, world_tokenizer)
    parts = [part for part in config.reward if isinstance(part, TeacherPart)]
    assert teachers[parts[0]] is teachers[parts[1]] is not teachers[parts[2]]
