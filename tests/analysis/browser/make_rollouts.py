"""Files of rollouts with the values of their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dunwu.run.tables import write_rollouts
from dunwu.types import Completion, Group, Problem, Prompt, Reward, Rollout, TokenSequence, Verdict


def rollout(prompt: Prompt, text: str, right: bool, tokens: int = 3) -> Rollout:
    """A completion of so many tokens, each less likely than the one before it."""
    ids, logprobs = tuple(range(tokens)), tuple(-0.5 * place for place in range(tokens))
    reward = Reward(float(right), {"accuracy": float(right)}, Verdict(float(right), "correct" if right else "wrong", ""))
    return Rollout(prompt, Completion(TokenSequence.drawn(ids, logprobs, 0), text, "stop"), reward)


def write_step(run: Path, step: int, texts: Sequence[Sequence[str]], characters: bool = False, problem: str = "Make {}.") -> None:
    """A step of a run: ``texts`` by group, the first of each right; with ``characters``, tokens wrote 1, 1 and the rest."""
    groups, every = [], [(text, not sample) for group in texts for sample, text in enumerate(group)]
    for place, group in enumerate(texts):
        asked = Problem(f"p{step}-{place}", "t", problem.format(place), "expression", None, "en", 1.0, {})
        prompt = Prompt(asked, f"Q{place}", (1,), "<think>")
        groups.append(Group(prompt, tuple(rollout(prompt, text, not sample) for sample, text in enumerate(group))))
    of_tokens = [{"token_characters": [1, 1, len(text) - 2], "entropies": [0.1, 0.25, 2.5]} for text, _ in every] if characters else []
    path = run / "rollouts" / f"step-{step:05d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rollouts(path, groups, [0.75 if right else -0.75 for _, right in every], step, [1] * len(every), of_tokens)
