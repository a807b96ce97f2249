"""The Python interface, `import dunwu`, fully typed: mypy checks this file in strict mode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dunwu


def accuracy(model: str | Path, samples: int = 4) -> tuple[float, float]:
    """The 95 % interval of pass@1 on Countdown."""
    low, high = dunwu.evaluate(model, "countdown", samples=samples).summary()["interval"]
    return float(low), float(high)


def best(problem: dunwu.Problem, texts: Sequence[str]) -> str:
    """The text with the highest reward; texts whose reward failed count as the lowest."""
    rewards = dunwu.reward(problem, texts, parts=["accuracy", "format", "language"])
    totals = [float("-inf") if reward.total is None else reward.total for reward in rewards]
    return texts[totals.index(max(totals))]


def train(out: Path) -> Path:
    """Train for 20 steps and return the checkpoint."""
    run = dunwu.train_grpo("tiny/zero", out=out, grpo={"steps": 20})
    rows: Sequence[object] = run.metrics.rows
    assert len(rows) == 20
    return run.model


def main() -> None:
    """Sample four completions of a problem and show the best."""
    problem: dunwu.Problem = dunwu.problems("countdown", limit=1)[0]
    completions = dunwu.Engine("tiny").generate(problem, samples=4, max_tokens=100)
    print(best(problem, [completion.text for completion in completions]))
    print(dunwu.verify("1/2", "0.5").score)


if __name__ == "__main__":
    main()
