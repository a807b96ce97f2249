"""Rollouts of two turns with a tool's text between them, through the real trainer: it learns the policy's own tokens only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dunwu.rewards.make import make_reward
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.run.tables import read_rollouts
from dunwu.types import Completion, Request, TokenSequence


class WithTool(TorchEngine):
    """Lets the model speak, says what a tool would, and lets it speak again."""

    def generate(self, requests: Sequence[Request], on_completion: Callable[[int, Completion], None] | None = None) -> list[Completion]:
        asked = [replace(request, params=replace(request.params, max_tokens=6)) for request in requests]
        first = super().generate(asked)
        tool = TokenSequence.given(self._tokenizer.encode("the tool says 12", add_special_tokens=False))
        second = super().generate(
            [replace(request, token_ids=request.token_ids + (turn.tokens + tool).ids) for request, turn in zip(asked, first, strict=True)]
        )
        whole = [
            Completion(one.tokens + tool + two.tokens, f"{one.text} the tool says 12 {two.text}", two.finish_reason)
            for one, two in zip(first, second, strict=True)
        ]
        for index, completion in enumerate(whole):
            if on_completion is not None:
                on_completion(index, completion)
        return whole


class Watching:
    """A scorer whose log-probabilities keep their gradients."""

    def __init__(self, scorer: Any) -> None:
        self.scorer, self.seen = scorer, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scorer, name)

    def __call__(self, rollouts: Any, entropy_gradient: bool = False) -> Any:
        logprobs_BT, entropies_BT = self.scorer(rollouts, entropy_gradient)
        logprobs_BT.retain_grad()
        self.seen.append((rollouts, logprobs_BT))
        return logprobs_BT, entropies_BT


def test_the_tools_tokens_have_no_gradient(open_trainer: Any, zero_config: Any, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text("def f(prompts, completions, **columns):\n    return [float(len(c) % 3) for c in completions]\n", encoding="utf-8")
    config = zero_config("dump_rollouts_every=1", f"reward=['{own}:f']", "sampling.max_tokens=40")
    with open_trainer(tmp_path / "run", config, reward=make_reward(config.reward)) as trainer:
        trainer.engine = WithTool(trainer.policy.model, trainer.tokenizer)
        trainer.policy.scorer = watching = Watching(trainer.policy.scorer)
        metrics = trainer.step(1)
        assert watching.seen
        for rollouts, logprobs_BT in watching.seen:
            for row, rollout in enumerate(rollouts):
                drawn = torch.tensor(rollout.completion.tokens.sampled)
                gradient = logprobs_BT.grad[row, : len(drawn)]
                assert (gradient[~drawn] == 0).all()
                assert (~drawn).sum() > 0
                assert (gradient[drawn] != 0).all()
        drawn = sum(rollout.completion.tokens.sampled_count for rollouts, _ in watching.seen for rollout in rollouts)
        assert metrics["num_tokens"] >= drawn > 0
        (rows,) = [read_rollouts(path) for path in (tmp_path / "run" / "rollouts").glob("*.parquet")]
        assert all("the tool says 12" in row["completion"] and row["tokens"] <= 12 < len(row["behaviour_logprobs"]) for row in rows)
