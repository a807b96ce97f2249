"""Generation of the next step's groups while the trainer updates: rollouts one update old, which importance weights correct.

As in IMPALA (arXiv 1802.01561), the policy that samples lags behind the one that learns; here by one step, never more.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from dunwu.trainers.dynamic_sampling import Drawn


class Ahead:
    """Draws one step ahead, in one thread, what ``draw(step)`` would draw then. What nobody began ahead is drawn when it is taken."""

    def __init__(self, draw: Callable[[int], Drawn]) -> None:
        self._draw = draw
        self._thread = ThreadPoolExecutor(1, "dunwu-ahead")
        self._begun: tuple[int, Future[Drawn]] | None = None

    def begin(self, step: int) -> None:
        """Start on the groups of ``step``; the engine's weights must stay as they are until they have been taken."""
        assert self._begun is None, "one step ahead, not two"
        self._begun = step, self._thread.submit(self._draw, step)

    def take(self, step: int) -> Drawn:
        """The groups of ``step``."""
        if self._begun is None:
            return self._draw(step)
        begun, drawn = self._begun
        assert begun == step, f"step {begun} was begun, step {step} is asked for"
        self._begun = None
        return drawn.result()

    def close(self) -> None:
        """Wait for what was begun; nobody will take it."""
        self._thread.shutdown(wait=True)
        self._begun = None
