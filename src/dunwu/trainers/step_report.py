"""The report of a finished GRPO step: metrics, rollouts on disk, samples on the screen, and a reason to stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from statistics import pstdev
from typing import Any, get_args

from dunwu.algorithms.loss import Algorithm
from dunwu.config.zero import ZeroConfig
from dunwu.models.protocols import Tokenizer
from dunwu.models.reflection import count_reflections
from dunwu.models.thinking import thinking_tokens
from dunwu.models.token_texts import TokenTexts
from dunwu.rewards.tripwire import make_tripwire
from dunwu.run.directory import RunDirectory
from dunwu.run.tables import OfTokens, said_before, write_rollouts
from dunwu.trainers.experience import Experience
from dunwu.trainers.policy_update import UpdateTotals
from dunwu.trainers.reward_watch import RewardWatch
from dunwu.trainers.step_groups import StepGroups
from dunwu.types import Reason, Rollout
from dunwu.verifiers.unread import count_unread, describe_verdicts, why_unread

Values = dict[str, float | int | str | None]


class StepReport:
    """Called after each step with its results; watches the rewards over the steps."""

    def __init__(self, config: ZeroConfig, tokenizer: Tokenizer, run: RunDirectory) -> None:
        self.config, self.tokenizer, self.run = config, tokenizer, run
        self.watch = RewardWatch(config.grpo.steps, run.reporter)
        self.tripwire = None if config.tripwire is None else make_tripwire(config.tripwire)

    def __call__(self, step: int, groups: StepGroups, experience: Experience, totals: UpdateTotals, algorithm: Algorithm) -> Values:
        """The metrics of the step; writes and shows what is due."""
        rollouts = experience.rollouts
        self.watch.add(step, [rollout.reward for rollout in rollouts])
        metrics: Values = {
            **rollout_metrics(experience, self.tokenizer),
            **(self.tripwire.add(r.reward for r in rollouts) if self.tripwire else {}),
            **(groups.metrics() if algorithm.sampling_rounds > 1 else {}),
            "prompts_too_long": groups.sampled.too_long,
            **totals.metrics(algorithm),
            "time/generate": groups.sampled.generate_seconds,
            "time/reward": groups.sampled.reward_seconds,
        }
        if step % self.config.dump_rollouts_every == 0 or self.watch.halted:
            self._dump(self.run.rollouts_path(step), groups, experience, totals, step)
        if totals.skipped:
            self._dump(self._nonfinite_path(step), groups, experience, totals, step)
        self._show(step, rollouts)
        return metrics

    @property
    def halted(self) -> str:
        """Why the run must stop, and what to do; empty while it may continue."""
        reason = self.watch.halted or (self.tripwire.tripped if self.tripwire else "")
        return f"{reason}; look at {self.run.path / 'rollouts'}, fix the reward and start a new run from a checkpoint" if reason else ""

    def nonfinite(self, step: int) -> tuple[str, str]:
        """Where the rollouts of a skipped update are written, and the remedy for many in a row."""
        rate = f"grpo.learning_rate below {self.config.grpo.learning_rate:g}"
        remedy = f"begin a new run with a {rate}, from one of {self.run.checkpoints} as its model"
        return str(self._nonfinite_path(step)), remedy

    def state(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"tripwire": None if self.tripwire is None else self.tripwire.state(), "watch": self.watch.state()}

    def load(self, values: Mapping[str, Any]) -> None:
        """Load what `state` returned, among other values."""
        self.watch.load(values.get("watch") or RewardWatch(1).state())
        if self.tripwire is not None:
            self.tripwire.load(values["tripwire"])

    def _nonfinite_path(self, step: int) -> Path:
        return self.run.path / "nonfinite" / f"step-{step:05d}.parquet"

    def _dump(self, path: Path, groups: StepGroups, experience: Experience, totals: UpdateTotals, step: int) -> None:
        path.parent.mkdir(exist_ok=True)
        advantages, of_tokens = experience.reported_advantages(), values_of_tokens(experience, totals, self._texts)
        write_rollouts(path, groups.sampled.groups, advantages, step, lambda rollout: thinking_tokens(rollout, self.tokenizer), of_tokens)

    @cached_property
    def _texts(self) -> TokenTexts:
        return TokenTexts(self.tokenizer)

    def _show(self, step: int, rollouts: Sequence[Rollout]) -> None:
        """How many answers are right, wrong and unparsable, and why; and one of them."""
        due = step % self.config.sample_every == 0
        if due or step == 1:
            verdicts = Counter(rollout.reward.verdict.reason for rollout in rollouts)
            unread = count_unread(why_unread(rollout, str(self.tokenizer.eos_token or "")) for rollout in rollouts)
            self.run.reporter.say(f"step {step}: {describe_verdicts(verdicts, unread)}")
        if due:
            shown = rollouts[0]
            title = f"step {step}: {shown.prompt.problem.text} -> {shown.reward.verdict.reason}"
            self.run.reporter.sample(title, said_before(shown) + shown.prompt.prefill + shown.completion.text)


def values_of_tokens(experience: Experience, totals: UpdateTotals, texts: TokenTexts) -> list[OfTokens]:
    """The values of each rollout's tokens for its row, where they are known (`dunwu.run.tables.OF_TOKENS`)."""
    entropies = {index: row_T.mul(1000).round().div(1000).tolist() for index, row_T in (totals.entropies or {}).items()}
    return [
        {
            "token_characters": texts.characters(rollout.completion),
            "entropies": entropies.get(index),
            "token_advantages": row_T[: len(rollout.completion.tokens)].tolist() if rollout.reward.steps else None,
        }
        for index, (rollout, row_T) in enumerate(zip(experience.rollouts, experience.advantages_BT, strict=True))
    ]


def rollout_metrics(experience: Experience, tokenizer: Tokenizer) -> Values:
    """Metrics of the rollouts themselves. Means are over rollouts whose reward did not fail."""
    rollouts = experience.rollouts
    lengths = [rollout.completion.tokens.sampled_count for rollout in rollouts]
    valid = experience.rewards_PG[experience.valid_PG]
    dead = experience.dead_P
    parts = sorted({part for rollout in rollouts for part in rollout.reward.parts})
    return {
        "reward": float(valid.mean()) if len(valid) else None,
        "reward_std": float(valid.std(correction=0)) if len(valid) else None,
        **{name: value for part in parts for name, value in _part_metrics(part, [r.reward.parts.get(part) for r in rollouts]).items()},
        **{f"verdicts/{reason}": _mean([float(r.reward.verdict.reason == reason) for r in rollouts]) for reason in get_args(Reason)},
        "frac_reward_zero_std": float(dead.float().mean()),
        "dead_groups": int(dead.sum()),
        "excluded": int((~experience.valid_PG).sum()),
        "completions/mean_length": sum(lengths) / len(lengths),
        "completions/clipped_ratio": _mean([float(r.completion.finish_reason == "length") for r in rollouts]),
        "thinking_length": _mean([float(thinking_tokens(r, tokenizer)) for r in rollouts]),
        "reflections_per_completion": _mean([float(count_reflections(r.completion.text)) for r in rollouts]),
        "num_tokens": sum(lengths),
    }


def _part_metrics(part: str, scores: Sequence[float | None]) -> dict[str, float | None]:
    """Mean and population standard deviation over the rollouts the part applies to, and their share."""
    known = [score for score in scores if score is not None]
    return {
        f"rewards/{part}": _mean(known),
        f"rewards/{part}/std": pstdev(known) if known else None,
        f"rewards/{part}/applied": len(known) / len(scores),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
