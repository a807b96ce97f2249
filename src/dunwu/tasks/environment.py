"""Environments of the `verifiers` library: their rows as problems. Their rubric is the part `environment` of the reward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any

from dunwu.config.tasks import EnvironmentTask
from dunwu.errors import ConfigError, DataError
from dunwu.process.attempt import attempt
from dunwu.process.own_code import call_function
from dunwu.tasks.base import Finite, HeldOut, drawn, permuted, read_rows
from dunwu.tasks.splits import split_of_text
from dunwu.types import Problem, Split


class Environment(Finite):
    """Rows of ``dataset``, and of ``eval_dataset``, which is the test split if it exists.

    A row has ``question``, or ``prompt`` as messages (the last user message is used), and optionally ``answer`` and ``info``. The answer
    is verified as text (verifier `text`) for the metrics; the policy is trained on the run's reward.
    """

    def __init__(self, config: EnvironmentTask) -> None:
        self.name = config.name
        environment = call_function(config.function)
        read, drop = partial(_problem, config=config), config.unusable == "drop"
        rows, unreadable = read_rows(_rows(environment, "dataset", config.function), read, drop, config.function)
        held_out, more = read_rows(_rows(environment, "eval_dataset", config.function), read, drop, config.function)
        self.unreadable = unreadable + more
        kept = {problem.text for problem in held_out}
        if kept.issuperset(problem.text for problem in rows):
            held_out, kept = [], set()  # the library returns the training rows if there is no eval_dataset
        self._problems: dict[Split, list[Problem]] = {"train": [], "validation": [], "test": held_out}
        for problem in rows:
            split = split_of_text(problem.text)
            if problem.text not in kept:
                self._problems["train" if kept and split == "test" else split].append(problem)
        if not self._problems["train"]:
            raise DataError(f"environment {config.function} has no rows to train on: its `dataset` must have some")

    def train(self, index: int, seed: int) -> Problem:
        """An epoch is one pass over the training rows in a random order."""
        problems = self._problems["train"]
        return problems[permuted(index, len(problems), seed)[1]]

    def held_out(self, split: HeldOut, limit: int, seed: int = 0) -> list[Problem]:
        """Rows of ``split`` in order, or a random sample of ``limit`` if there are more."""
        problems = self._problems[split]
        return drawn(problems, limit, f"{seed}-{split}-environment")


def _rows(environment: Any, name: str, function: str) -> list[Any]:
    """``environment.NAME``, or ``get_NAME()`` if the library makes it on demand. Raises ``ConfigError`` if the environment's code fails."""

    def read() -> Any:
        found = getattr(environment, name, None)
        make = getattr(environment, f"get_{name}", None)
        return make() if found is None and callable(make) else found

    def refuse(message: str) -> list[Any]:
        raise ConfigError(f"environment {function}: its {name} fails ({message}): fix it")

    found = attempt(read, refuse)
    if not isinstance(found, Iterable | None):
        raise DataError(f"the environment's {name} is a {type(found).__name__}: rows are needed")
    rows: list[Any] = attempt(partial(list, () if found is None else found), refuse)
    return rows


def _problem(row: Any, config: EnvironmentTask) -> Problem:
    if not isinstance(row, Mapping):
        raise DataError(f"environment {config.function}: a row is a {type(row).__name__}: make it a mapping with a question or prompt")
    text = _question(row)
    if not text:
        raise DataError(f"environment {config.function}: a row without question or prompt ({', '.join(map(str, row))}): give it one")
    answer = row.get("answer")
    return Problem(
        id=f"{config.name}-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}",
        task=config.name,
        text=text,
        verifier="text",
        answer=None if answer is None else str(answer),
        language=config.language,
        data={"info": row.get("info") or {}, "prompt": row.get("prompt") or [{"role": "user", "content": text}]},
    )


def _question(row: Mapping[str, Any]) -> str:
    messages = row.get("prompt")
    if isinstance(row.get("question"), str):
        return str(row["question"]).strip()
    if isinstance(messages, str):
        return messages.strip()
    turns = [each for each in messages if isinstance(each, Mapping)] if isinstance(messages, Iterable) else []
    questions = [turn.get("content") for turn in turns if turn.get("role") == "user"]
    return questions[-1].strip() if questions and isinstance(questions[-1], str) else ""
