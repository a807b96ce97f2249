"""The language-consistency reward of DeepSeek-R1: a chain of thought should stay in the language of the prompt."""

from __future__ import annotations

from dataclasses import dataclass

from dunwu.errors import ConfigError
from dunwu.rewards.scope import Reasoning
from dunwu.text.language import LANGUAGES, language_share, majority_language
from dunwu.types import Problem


@dataclass(frozen=True, slots=True)
class LanguageConsistency:
    """Share of the words of the chain of thought that are in the target language, from 0 to 1.

    DeepSeek-R1 (Nature 645:633-638, Methods, Eq. 7)::

        Reward_language = Num(Words_target) / Num(Words)

    The paper does not define a word: `dunwu.text.words` and `dunwu.text.language` do. ``None`` if the chain of thought has no words
    (it is empty, or pure maths).
    """

    target: str = "prompt"
    """``prompt``: the language of most of the problem's words (its `language` if it has no words); else a code of `LANGUAGES`."""

    def __post_init__(self) -> None:
        if self.target != "prompt" and self.target not in LANGUAGES:
            raise ConfigError(f"language {self.target!r} is not known: give prompt or one of {', '.join(LANGUAGES)}")

    def __call__(self, problem: Problem, reasoning: Reasoning) -> float | None:
        """The share, or ``None``."""
        target = self.target if self.target != "prompt" else majority_language(problem.text) or problem.language
        return language_share(reasoning.text, target)
