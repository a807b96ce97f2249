"""The order in which a reward model is shown its examples: a function of the seed and the step, so no state is needed to resume."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from random import Random

from dunwu.config.reward_model import RewardModelConfig
from dunwu.data.builders.length_balance import draw_couples, make_strata, never_drawn
from dunwu.errors import DataError
from dunwu.trainers.reward_model_examples import Example


class Batches:
    """``batches(step)``: places of the examples of a step, counted from 1; ``steps`` of them are ``epochs`` passes.

    Balanced, a batch is couples, so it holds as many of either side. An epoch that ends within a batch is followed by the next one's order.
    ``unused`` counts the examples that balancing never draws.
    """

    def __init__(self, examples: Sequence[Example], config: RewardModelConfig) -> None:
        self._seed, self._count = config.seed, len(examples)
        self._strata = None
        self._in_epoch, self._in_batch, self.unused = self._count, config.batch_size, 0
        if config.balance_lengths:
            self._strata = make_strata([each.side for each in examples], [each.size for each in examples], config.most_repeats)
            self._in_epoch, self._in_batch = sum(stratum.couples for stratum in self._strata), config.batch_size // 2
            self.unused = never_drawn(self._strata)
        if not self._in_epoch:
            raise DataError(
                f"lengths cannot be balanced: one side is always the longer (or there is one label only) in {self._count} training rows; "
                "add others, or set balance_lengths=false"
            )
        self.steps = max(1, config.epochs * self._in_epoch // self._in_batch)
        self._epoch = lru_cache(maxsize=2)(self._draw)

    def __call__(self, step: int) -> list[int]:
        places: list[int] = []
        for index in range((step - 1) * self._in_batch, step * self._in_batch):
            epoch, offset = divmod(index, self._in_epoch)
            places += self._epoch(epoch)[offset]
        return places

    def _draw(self, epoch: int) -> list[tuple[int, ...]]:
        rng = Random(f"{self._seed}-{epoch}-preferences")
        if self._strata is not None:
            return [*draw_couples(self._strata, rng)]
        return [(place,) for place in rng.sample(range(self._count), self._count)]
