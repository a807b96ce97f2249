"""What every engine offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from torch import Tensor

from dunwu.types import Completion, Prompt, SamplingParams

OnCompletion = Callable[[int, Completion], None]
"""Called with the rollout index and its completion as soon as that rollout has finished."""


class Engine(Protocol):
    """Turns prompts into completions. It knows nothing of rewards."""

    policy_version: int
    """Number of weight updates behind the weights in use; stamped on every completion."""

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """The tokens that end a completion of its model (`dunwu.models.loading.stop_token_ids`)."""
        ...

    def generate(
        self,
        prompts: Sequence[Prompt],
        params: SamplingParams,
        group_size: int,
        seeds: Sequence[int],
        on_completion: OnCompletion | None = None,
    ) -> list[Completion]:
        """Draw ``group_size`` completions of each prompt.

        The result has P*G entries; rollout ``p * group_size + g`` is the g-th of prompt p and draws with ``seeds[p * group_size + g]``.
        ``on_completion`` is called once for each rollout, in the order in which they finish.
        Raises ``UserError`` when a prompt and its completion cannot fit the model.
        """
        ...

    def load_weights(self, version: int, state: Mapping[str, Tensor] | None = None) -> None:
        """Use the weights of policy ``version``; ``state`` maps parameter names to values, ``None`` where the engine sees them anyway."""
        ...

    def weights(self) -> Mapping[str, Tensor]:
        """Parameter names and values in use, as ``load_weights`` takes them."""
        ...
