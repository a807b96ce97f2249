"""Ten thousand mixed rewards through the pool, clean and with 5 % hostile completions: ``python benchmarks/rewards.py [--count 10000]``.

Completions of every verifier, right and wrong, with a chain of thought of 3,000 characters, in a fixed shuffle. In the hostile batch every
twentieth one is an attack of its kind: power towers, endless nesting, floods, programs that fork, exhaust memory or forge. Told are rewards
per second of both batches and their ratio, verdicts by reason, what was excluded, forged passes, silent zeros (a clean right completion
that got a score of 0), and the processes and descriptors that were left when the pool had closed. ``--no-code`` leaves out programs;
``--slow-programs`` adds those that spin or sleep, which take their time limit (2 s of a core, 4 s by the clock) and no less.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.types import Problem, Reward

HOSTILE_SHARE = 0.05
CASES = [{"input": f"{a} {b}\n", "expected": f"{a + b}\n"} for a, b in ((1, 2), (30, 4), (5, 600))]
DATA: dict[str, dict[str, Any]] = {
    "expression": {"numbers": [3, 8, 2], "target": 22},
    "choice": {"options": ["red", "green", "blue"]},
    "text": {"answers": ["Isaac Newton"]},
    "json_schema": {"schema": {"type": "object", "required": ["a"]}},
    "instructions": {"instructions": [{"kind": "no_commas"}]},
    "code": {"mode": "stdio", "cases": CASES},
}
GOLD = {"number": "24", "math": r"\frac{\sqrt{3}}{2}", "choice": "B", "text": "Isaac Newton"}
RIGHT = {
    "expression": "3 * 8 - 2",
    "number": "24",
    "math": r"\dfrac{\sqrt{3}}{2}",
    "choice": "B",
    "text": "Isaac Newton",
    "json_schema": '{"a": 1}',
    "instructions": "Nothing to separate here.",
    "code": "```python\na, b = map(int, input().split())\nprint(a + b)\n```",
}
WRONG = {
    "expression": "3 + 8 + 2",
    "number": "25",
    "math": r"\frac{\sqrt{2}}{2} + x",
    "choice": "C",
    "text": "Leibniz",
    "json_schema": '{"b": 1}',
    "instructions": "One, two.",
    "code": "```python\na, b = map(int, input().split())\nprint(a - b)\n```",
}
TOWER = "9" + "^{9" * 12 + "}" * 12
ATTACKS = {
    "expression": ["(" * 2000 + "3" + ")" * 2000, "9" * 100_000, "3 * 8 - 2, 3 + 8"],
    "number": ["9" * 50_000, "1" + "," * 5000, "24 or 25"],
    "math": [
        TOWER,
        r"\sqrt{" * 300 + "2" + "}" * 300,
        "100000!!!",
        r"\int_0^1 x^{x^{x^{x}}} dx",
        r"2^{10^{9}}",
        r"\sum_{i=1}^{10^9} \frac{1}{i}",
    ],
    "choice": ["A B C D" * 1000, "B or C"],
    "text": ["Isaac Newton, Leibniz, Euler, Gauss or Euclid", "x" * 200_000],
    "json_schema": ["[" * 100_000, '{"a": 1e999}'],
    "instructions": ["," * 200_000, "\u202e" * 5000 + ","],
    "code": [
        "```python\nimport os\nwhile True: os.fork()\n```",
        "```python\nx = ['a' * 10**6]\nwhile True: x += x\n```",
        "```python\nwhile True: print('flood' * 1000)\n```",
        "```python\nimport os; os._exit(0)\n```",
        "```python\nimport os; os.kill(os.getppid(), 9)\n```",
    ],
}

SLOW = ["```python\nwhile True: pass\n```", "```python\nimport time; time.sleep(60)\n```"]
REASONING = "Let me look at the numbers again: 3 + 8 = 11, no, that is too small; wait, try 8 * 3. " * 35


@dataclass(frozen=True)
class Item:
    """A problem, the text to reward, and what it is."""

    problem: Problem
    text: str
    sort: str


def batch(count: int, hostile: bool, kinds: Sequence[str]) -> list[Item]:
    """The same clean items in both batches, but for every twentieth of the hostile one."""
    draw = random.Random(0)
    items = []
    for index in range(count):
        kind = draw.choice(kinds)
        sort = draw.choice(("right", "wrong"))
        answer = (RIGHT if sort == "right" else WRONG)[kind]
        attack = draw.choice(ATTACKS[kind])
        if hostile and index % round(1 / HOSTILE_SHARE) == 0:
            sort, answer = "attack", attack
        problem = Problem(f"{kind}-{index}", kind, "", kind, answer=GOLD.get(kind), data=DATA.get(kind, {}))  # type: ignore[arg-type]
        items.append(Item(problem, f"<think>{index} {REASONING}</think><answer>{answer}</answer>", sort))
    return items


def measure(items: Sequence[Item], workers: int) -> tuple[float, list[Reward]]:
    """Rewards per second, after a first hundred that warm the workers up, and the rewards."""
    with RewardPool(rule_reward(), workers, 15.0) as pool:
        for key, item in enumerate(items[:100]):
            pool.submit(key, item.problem, item.text)
        pool.collect()
        began = time.monotonic()
        for key, item in enumerate(items):
            pool.submit(key, item.problem, item.text)
        found = pool.collect()
        seconds = time.monotonic() - began
    return len(items) / seconds, [found[key] for key in range(len(items))]


def told(items: Sequence[Item], rewards: Sequence[Reward]) -> dict[str, Any]:
    """What must be nothing: clean ones that are excluded or wrongly scored, and attacks that pass."""
    pairs = list(zip(items, rewards, strict=True))
    expected = {"right": 1.0, "wrong": 0.0}
    missed = Counter(
        f"{i.problem.verifier}:{i.sort}:{r.verdict.reason}" for i, r in pairs if i.sort in expected and r.verdict.score != expected[i.sort]
    )
    return {
        "reasons": dict(Counter(r.verdict.reason for r in rewards)),
        "excluded": sum(r.total is None for r in rewards),
        "clean items with another verdict": dict(missed),
        "silent zeros": sum(i.sort == "right" and r.verdict.score == 0.0 for i, r in pairs),
        "forged": dict(Counter(i.problem.verifier for i, r in pairs if i.sort == "attack" and r.verdict.score == 1.0)),
    }


def main() -> None:
    """Both batches, and what is left behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-code", action="store_true")
    parser.add_argument("--slow-programs", action="store_true")
    options = parser.parse_args()
    ATTACKS["code"] += SLOW if options.slow_programs else []
    kinds = [kind for kind in RIGHT if kind != "code" or not options.no_code]
    me = psutil.Process()
    speed = {}
    for name, hostile in (("clean", False), ("hostile", True)):
        before = me.num_fds()
        items = batch(options.count, hostile, kinds)
        speed[name], rewards = measure(items, options.workers)
        time.sleep(1.0)
        left = {"processes left": len(me.children(recursive=True)), "descriptors left": me.num_fds() - before}
        print(json.dumps({"batch": name, "rewards a second": round(speed[name], 1), **told(items, rewards), **left}), flush=True)
    print(json.dumps({"hostile / clean": round(speed["hostile"] / speed["clean"], 3)}))


if __name__ == "__main__":
    main()
