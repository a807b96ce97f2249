"""What every engine offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from torch import Tensor

from dunwu.types import Completion, Prompt, Request, SamplingParams

OnCompletion = Callable[[int, Completion], None]
"""Called with the index of a request and its completion as soon as that has finished."""


class Engine(Protocol):
    """Turns requests into completions. It knows nothing of problems and rewards."""

    policy_version: int
    """Number of weight updates behind the weights in use; stamped on every token that is drawn."""

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """The tokens that end a completion of its model (`dunwu.models.loading.stop_token_ids`)."""
        ...

    def generate(self, requests: Sequence[Request], on_completion: OnCompletion | None = None) -> list[Completion]:
        """One completion for each request, in their order. Neighbours with the same tokens are read once.

        ``on_completion`` is called once for each, in the order in which they finish.
        Raises ``UserError`` when a request and its completion cannot fit the model.
        """
        ...

    def load_weights(self, version: int, state: Mapping[str, Tensor] | None = None) -> None:
        """Use the weights of policy ``version``; ``state`` maps parameter names to values, ``None`` where the engine sees them anyway."""
        ...

    def weights(self) -> Mapping[str, Tensor]:
        """Parameter names and values in use, as ``load_weights`` takes them."""
        ...

    def close(self) -> None:
        """Give back memory and processes; the engine is not used again."""
        ...


def group_requests(prompts: Sequence[Prompt], params: SamplingParams, group_size: int, seeds: Sequence[int]) -> list[Request]:
    """``group_size`` requests for each prompt: that with index ``p * group_size + g`` is the g-th of prompt p and draws with that seed."""
    assert len(seeds) == len(prompts) * group_size, f"{len(seeds)} seeds for {len(prompts)} prompts x {group_size}"
    return [Request(prompts[i // group_size].token_ids, params, seed) for i, seed in enumerate(seeds)]
