"""The teachers of a run: what they answer is kept in the run directory, so that none is asked twice, and its tokens are counted."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dunwu.config.blocks import SamplingConfig
from dunwu.config.defaults import template_of
from dunwu.config.rewards import TeacherPart
from dunwu.config.teacher import AskedTeacher, DialogueConfig
from dunwu.config.zero import ZeroConfig
from dunwu.data.generators.base import Chat, Generator, Request, TextCompletion, plain
from dunwu.data.generators.local import Local
from dunwu.data.generators.make import make_generator
from dunwu.data.io.journal import Journalled
from dunwu.data.prompts import request_for_form
from dunwu.models.chat import Message
from dunwu.models.facts import model_facts
from dunwu.models.own_template import with_suffix
from dunwu.models.protocols import Tokenizer
from dunwu.types import Problem

Answered = TypeVar("Answered", TeacherPart, DialogueConfig)
READ, GENERATED = "teacher_tokens", "teacher_generated_tokens"
"""Metrics of a step: the tokens that teachers read besides those that they generated, and these."""


class Teacher:
    """One teacher. A completion depends on the seed and the chat alone, and is requested in the first step that needs it.

    The completions of a step that a local model has not answered yet are one call, which the journal has as a whole or not at all: a
    resumed run makes the same calls.
    """

    def __init__(self, config: AskedTeacher, generator: Generator, sampling: SamplingConfig, seed: int, tokenizer: Tokenizer) -> None:
        """``tokenizer`` counts the tokens of a teacher that is not in this process. Raises ``UserError`` if a model cannot be loaded."""
        self.generator = generator
        self._config, self._sampling, self._seed = config, config.sampling or sampling, seed
        self.local = self.generator if isinstance(self.generator, Local) else None
        self.tokenizer: Any = self.local.loaded[1] if self.local else tokenizer
        self._journal: Journalled | None = None
        self._asked = defaultdict[int, dict[Chat, tuple[int, int]]](dict)
        self._scored = defaultdict[int, int](int)

    def keep_in(self, journal: Path) -> None:
        """Take completions from this file, and add new ones to it."""
        self._journal = Journalled(self.generator, journal)

    def chat(self, problem: Problem) -> Chat:
        """The turns that ask the teacher for an answer."""
        asked = [Message("user", problem.text)]
        if problem.turns:
            asked = [Message(turn["role"], turn["content"]) for turn in problem.turns]  # type: ignore[arg-type]
        suffix = request_for_form(problem) if self._config.ask_for_form else ""
        return (*asked[:-1], Message("user", with_suffix(asked[-1].content, suffix)))

    def ask(self, chats: Sequence[Chat], ids: Sequence[str], step: int) -> list[TextCompletion]:
        """A completion of each chat, for step ``step``; ``ids`` name their problems in messages.

        Raises ``UserError`` if the teacher cannot be reached; what it has answered by then is kept.
        """
        assert self._journal is not None, "keep_in says where completions are kept"
        requests = {chat: Request(chat, self._sampling, self._seed_of(chat), name) for chat, name in zip(chats, ids, strict=True)}
        self._journal.mark = str(step)
        self._journal.complete([each for each in requests.values() if self._journal.mark_of(each) is None], _ignore)
        completions = dict(zip(requests, self._journal.complete(list(requests.values()), _ignore), strict=True))
        new = [chat for chat, request in requests.items() if self._journal.mark_of(request) == str(step)]
        self._asked[step] |= {chat: (self._tokens(*(turn.content for turn in chat)), self._tokens(completions[chat].text)) for chat in new}
        return [completions[chat] for chat in chats]

    def count_scored(self, step: int, tokens: int) -> None:
        """Count tokens that the teacher read in a step to score them."""
        self._scored[step] += tokens

    def spent(self, step: int) -> tuple[int, int]:
        """Tokens read and generated in a step that is finished; the same after a resume."""
        counts = self._asked.pop(step, {}).values()
        return self._scored.pop(step, 0) + sum(read for read, _ in counts), sum(generated for _, generated in counts)

    def _tokens(self, *texts: str) -> int:
        return sum(len(self.tokenizer.encode(text, add_special_tokens=False)) for text in texts)

    def _seed_of(self, chat: Chat) -> int:
        return int.from_bytes(hashlib.sha256(json.dumps([self._seed, plain(chat)]).encode()).digest()[:8]) >> 1


class Teachers:
    """The teachers of a run; those that are asked alike are one, and each model is loaded once."""

    def __init__(self, config: ZeroConfig, tokenizer: Tokenizer) -> None:
        """Raises ``UserError`` if a model cannot be loaded."""
        sampling = SamplingConfig(max_tokens=config.sampling.max_tokens, temperature=0.6, top_p=0.95)
        asked = {each.asks: each for each in asked_teachers(config)}
        generators = {each.teacher: make_generator(each.teacher) for each in asked.values()}
        self._all = {key: Teacher(each, generators[each.teacher], sampling, config.seed, tokenizer) for key, each in asked.items()}

    def __getitem__(self, asked: AskedTeacher) -> Teacher:
        """The teacher of this configuration."""
        return self._all[asked.asks]

    def keep_in(self, folder: Path) -> None:
        """Keep the completions in this run directory."""
        for place, teacher in enumerate(self._all.values()):
            teacher.keep_in(folder / f"teacher-{place}.jsonl")

    def metrics(self, step: int) -> dict[str, int]:
        """The tokens that all teachers read and generated in a step."""
        spent = [teacher.spent(step) for teacher in self._all.values()]
        return {READ: sum(read for read, _ in spent), GENERATED: sum(generated for _, generated in spent)}


def asked_teachers(config: ZeroConfig) -> Iterator[AskedTeacher]:
    """The teachers that a run names."""
    yield from (part for part in config.reward if isinstance(part, TeacherPart))
    if (asked := config.dialogue_teacher) is not None:
        yield asked


def with_templates(config: ZeroConfig) -> ZeroConfig:
    """The configuration in which each local teacher without a template has that of its model. Raises ``ModelError`` for no model."""
    parts = tuple(_with_template(part) if isinstance(part, TeacherPart) else part for part in config.reward)
    return config.model_copy(update={"reward": parts, "dialogue": config.dialogue and _with_template(config.dialogue)})


def _with_template(asking: Answered) -> Answered:
    teacher = asking.teacher
    if teacher is None or teacher.kind != "local" or "template" in teacher.model_fields_set:
        return asking
    template = template_of(model_facts(teacher.model, fetch=True))
    return asking.model_copy(update={"teacher": teacher.model_copy(update={"template": template})})


def _ignore(place: int, completion: TextCompletion) -> None:
    """Completions are read when all are there."""
