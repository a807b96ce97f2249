"""Dialogues: the student answers a problem, a teacher replies, and the student answers again.

A dialogue is one completion: the answers and, as given tokens that are not learned, the replies with what the template writes around them.
The reward is that of the last answer; with ``discount`` above 0 that of an answer ``k`` before it is added, times ``discount**k``. Every
token that the student sampled has the advantage of the sum: an earlier answer is learned from what follows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dunwu.config.teacher import DialogueConfig
from dunwu.config.zero import ZeroConfig
from dunwu.data.generators.base import Chat, TextCompletion, fenced
from dunwu.data.prompts import chat_prompt
from dunwu.errors import ConfigError
from dunwu.models.chat import Message
from dunwu.models.plain_text import maskable_tokens
from dunwu.models.protocols import Tokenizer
from dunwu.models.thinking import parse_completion
from dunwu.rewards.group import with_failure, with_rewards
from dunwu.rollout.base import OnCompletion, Sampler
from dunwu.text.answer_forms import form_of
from dunwu.trainers.teachers import Teacher
from dunwu.types import Completion, Exchange, Group, Problem, Prompt, Request, Reward, Rollout, TokenSequence

_ANSWER = "\uf8ff"
"""Stands for an answer in the template: a private character, which no template writes."""
_SPARE = 2
"""Tokens by which a reply may grow when it is encoded between the template's texts."""


@dataclass(frozen=True)
class Dialogue:
    """What is said between two answers. Raises ``ConfigError`` if the template leaves no room for a reply."""

    config: ZeroConfig
    how: DialogueConfig
    teacher: Teacher
    tokenizer: Tokenizer

    def sampler(self, engine: Sampler, prompts: Sequence[Prompt], step: int) -> Sampler:
        """Completes the requests for ``prompts``, as many for each, with dialogues."""
        return Conversing(self, engine, prompts, step)

    def replies(self, dialogues: Sequence[tuple[Prompt, Completion]], step: int) -> list[str]:
        """What the teacher says after each of these answers; empty where it has nothing to say."""
        if self.how.reply == "conversation":
            chats = [self._conversation(*each) for each in dialogues]
        else:
            chats = [self.teacher.chat(prompt.problem) for prompt, _ in dialogues]
        said = self.teacher.ask(chats, [prompt.problem.id for prompt, _ in dialogues], step)
        return [self.reply_of(prompt.problem, text, len(c.earlier) + 1) for (prompt, c), text in zip(dialogues, said, strict=True)]

    def between(self, problem: Problem, reply: str) -> tuple[int, ...]:
        """The tokens from the end of an answer, end token included, to the start of the next one."""
        room = self.how.max_tokens - len(self._written(problem, "A")) - _SPARE
        if room < 1:
            raise ConfigError(
                f"dialogue.max_tokens = {self.how.max_tokens}: the template alone writes {self.how.max_tokens - room} tokens between two"
                f" answers; set it to more, such as {4 * (self.how.max_tokens - room)}"
            )
        return self._written(problem, self._start(reply, room))[: self.how.max_tokens]

    def _written(self, problem: Problem, reply: str) -> tuple[int, ...]:
        chat = (Message("user", "?"), Message("assistant", _ANSWER), Message("user", reply))
        text = chat_prompt(chat, self.config.template, self.tokenizer, problem).text.partition(_ANSWER)[2]
        return tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def reply_of(self, problem: Problem, said: TextCompletion, number: int) -> str:
        """The ``number``-th reply. Special tokens that a teacher writes end no turn of the student's: they become spaces."""
        parsed = parse_completion(said.text, "", form_of(problem).name)
        if said.refused or not (said.finished or self.how.reply == "conversation"):
            text = ""
        elif self.how.reply == "conversation":
            text = parsed.visible
        elif self.how.reply == "solution":
            text = "\n".join(filter(None, (parsed.reasoning, parsed.visible)))
        else:
            thought = parsed.visible if parsed.reasoning is None else parsed.reasoning
            tokens = len(self.tokenizer.encode(thought, add_special_tokens=False))
            text = without_answer(self._start(thought, int(min(1.0, number * self.how.share) * tokens)), parsed.answer)
        for token in maskable_tokens(self.tokenizer):
            text = text.replace(token, " ")
        return text.strip()

    def _start(self, text: str, tokens: int) -> str:
        """The text of the first ``tokens``, without a character that is cut in half."""
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        return text if len(ids) <= tokens else str(self.tokenizer.decode(ids[:tokens])).rstrip("\ufffd")

    def _conversation(self, prompt: Prompt, completion: Completion) -> Chat:
        answers = [*(each.answer for each in completion.earlier), completion]
        asked = [f"{fenced(prompt.prefill + answer.text)}\n\n{self.how.request}" for answer in answers]
        replies = [Message("assistant", each.reply) for each in completion.earlier]
        turns = [Message("user", f"{prompt.problem.text}\n\n{asked[0]}")]
        for reply, question in zip(replies, asked[1:], strict=True):
            turns += [reply, Message("user", question)]
        return tuple(turns)


@dataclass(frozen=True)
class Conversing:
    """A sampler whose completions are dialogues about ``prompts``."""

    dialogue: Dialogue
    engine: Sampler
    prompts: Sequence[Prompt]
    step: int

    def generate(self, requests: Sequence[Request], on_completion: OnCompletion | None = None) -> list[Completion]:
        """See `Sampler`. A dialogue ends early where the teacher has nothing to say."""
        prompts = [self.prompts[place * len(self.prompts) // len(requests)] for place in range(len(requests))]
        found = self.engine.generate(requests)
        going = list(range(len(requests)))
        for turn in range(1, self.dialogue.how.turns):
            replies = self.dialogue.replies([(prompts[place], found[place]) for place in going], self.step)
            said = {place: reply for place, reply in zip(going, replies, strict=True) if reply}
            keys = {place: (prompts[place].problem.id, reply) for place, reply in said.items()}
            once = {key: prompts[place].problem for place, key in keys.items()}
            ids = {key: self.dialogue.between(problem, key[1]) for key, problem in once.items()}
            given = {place: _given(ids[key], found[place], requests[place]) for place, key in keys.items()}
            going = list(said)
            again = [_continued(requests[place], found[place].tokens + given[place], turn) for place in going]
            for place, answer in zip(going, self.engine.generate(again), strict=True):
                found[place] = _joined(found[place], said[place], given[place], answer)
        for place, completion in enumerate(found):
            if on_completion is not None:
                on_completion(place, completion)
        return found


def _given(ids: tuple[int, ...], answer: Completion, request: Request) -> TokenSequence:
    """The tokens of a reply; the end token is the student's own, unless its answer was cut off."""
    ended = answer.finish_reason == "stop" and ids[:1] and ids[0] in request.params.stop_token_ids
    return TokenSequence.given(ids[1:] if ended else ids)


def without_answer(text: str, answer: str | None) -> str:
    """The text before the first place where it says the answer; an answer is found as a whole number or word."""
    if not answer:
        return text
    return re.split(rf"(?<!\w){re.escape(answer)}(?!\w)", text, maxsplit=1)[0]


def with_earlier_rewards(groups: Sequence[Group], discount: float, rewarded: Callable[[list[Group]], Sequence[Group]]) -> list[Group]:
    """The groups, whose totals have those of earlier answers added, times ``discount ** k`` of the answer ``k`` before the last.

    ``rewarded`` computes the rewards of groups of answers. An earlier answer whose reward fails excludes the dialogue.
    """
    most = max((len(r.completion.earlier) for group in groups for r in group.rollouts), default=0)
    added = list(groups)
    for distance in range(1, most + 1):
        earlier = rewarded([_before(group, distance) for group in groups])
        added = [_added(group, other, discount**distance, distance) for group, other in zip(added, earlier, strict=True)]
    return added


def _before(group: Group, distance: int) -> Group:
    """The answers ``distance`` before the last; of a dialogue without such an answer the last one."""
    return replace(group, rollouts=tuple(replace(r, completion=_answer(r, distance)) for r in group.rollouts))


def _answer(rollout: Rollout, distance: int) -> Completion:
    earlier = rollout.completion.earlier
    return earlier[-distance].answer if len(earlier) >= distance else rollout.completion


def _added(group: Group, earlier: Group, weight: float, distance: int) -> Group:
    pairs = zip(group.rollouts, earlier.rollouts, strict=True)
    return with_rewards(group, [_sum(r.reward, e.reward, weight) if len(r.completion.earlier) >= distance else r.reward for r, e in pairs])


def _sum(reward: Reward, earlier: Reward, weight: float) -> Reward:
    if reward.total is None:
        return reward
    if earlier.total is None:
        return with_failure(reward, "dialogue", f"an earlier answer has no reward: {earlier.verdict.detail or earlier.verdict.reason}")
    return replace(reward, total=reward.total + weight * earlier.total)


def dialogue_metrics(rollouts: Sequence[Rollout]) -> Mapping[str, float]:
    """The mean number of answers, and the tokens that the student was given between them."""
    tokens = [rollout.completion.tokens for rollout in rollouts]
    answers = sum(1 + len(rollout.completion.earlier) for rollout in rollouts)
    return {"dialogue/answers": answers / len(rollouts), "dialogue/given_tokens": sum(len(t) - t.sampled_count for t in tokens)}


def _continued(request: Request, before: TokenSequence, turn: int) -> Request:
    seed = int(np.random.SeedSequence([request.seed, turn]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return replace(request, token_ids=request.token_ids + before.ids, seed=seed)


def _joined(before: Completion, reply: str, given: TokenSequence, answer: Completion) -> Completion:
    earlier = (*before.earlier, Exchange(replace(before, earlier=()), reply))
    return Completion(before.tokens + given + answer.tokens, answer.text, answer.finish_reason, earlier)
