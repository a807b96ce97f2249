"""How much room requests that come one by one have, and how much of them a step does."""

from __future__ import annotations

from dataclasses import dataclass, replace

WHOLE_CONTEXT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Room:
    """Up to ``slots`` requests decode together, each with at most ``context`` tokens, prompt and completion, and what the model has.

    A step reads up to ``read_per_step`` tokens of prompts, and draws up to ``steps_per_call`` tokens for each request. The last
    ``prompts_kept`` prompts are kept, so that others with the same beginning read only the rest. Keys and values take at most ``memory``
    bytes: where that is too little, first fewer prompts are kept, then there are fewer slots.
    """

    slots: int = 64
    context: int = WHOLE_CONTEXT
    steps_per_call: int = 2
    read_per_step: int = 512
    prompts_kept: int = 64
    memory: int = 4 * 2**30

    def within(self, positions: int, position_bytes: int) -> Room:
        """This for a model with that many positions, whose keys and values take that many bytes for a token."""
        context = min(self.context, positions)
        wholes = self.memory // (context * position_bytes)
        # A prompt has a place beside its slot, and one more prompt may be half begun.
        slots = max(1, min(self.slots, (wholes - 1) // 2))
        kept = max(0, min(self.prompts_kept, wholes - 2 * slots - 1))
        return replace(self, context=context, slots=slots, prompts_kept=kept)
