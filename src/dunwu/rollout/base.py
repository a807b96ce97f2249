"""What every engine offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from torch import Tensor

from dunwu.types import Completion, Prompt, Request, SamplingParams

OnCompletion = Callable[[int, Completion], None]
"""Called with the index of a request and its completion as soon as it has finished."""


class Sampler(Protocol):
    """Turns requests into completions."""

    def generate(self, requests: Sequence[Request], on_completion: OnCompletion | None = None) -> list[Completion]:
        """One completion per request, in the same order. Neighbouring requests with the same tokens share one prefill.

        ``on_completion`` is called once per completion, in the order in which they finish.
        Raises ``UserError`` if a request and its completion do not fit the model's positions.
        """
        ...


class Engine(Sampler, Protocol):
    """A sampler with the weights of a policy. It knows nothing of problems and rewards."""

    policy_version: int
    """Number of weight updates of the current weights; recorded with every sampled token."""
    decoder: str
    """What generates, and in which precision, in words."""

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """The tokens that end a completion (`dunwu.models.loading.stop_token_ids`)."""
        ...

    def load_weights(self, version: int, state: Mapping[str, Tensor] | None = None) -> None:
        """Use the weights of policy ``version``; ``state`` maps parameter names to values, ``None`` if the engine shares them."""
        ...

    def weights(self) -> Mapping[str, Tensor]:
        """Parameter names and values in use, as ``load_weights`` takes them."""
        ...

    def close(self) -> None:
        """Release memory and processes; the engine cannot be used afterwards."""
        ...


def group_requests(prompts: Sequence[Prompt], params: SamplingParams, group_size: int, seeds: Sequence[int]) -> list[Request]:
    """``group_size`` requests per prompt: index ``p * group_size + g`` is the g-th of prompt p and uses the seed at that index."""
    assert len(seeds) == len(prompts) * group_size, f"{len(seeds)} seeds for {len(prompts)} prompts x {group_size}"
    return [Request(prompts[i // group_size].token_ids, params, seed) for i, seed in enumerate(seeds)]
