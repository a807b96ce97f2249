"""What a model's answers will cost, said before anything is requested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dunwu.config.data import EndpointGenerator, GeneratorConfig

MILLION = 1_000_000


def estimate(prompts: Mapping[str, int], most: int, config: GeneratorConfig, count: Callable[[Sequence[str]], Sequence[int]]) -> str:
    """Tokens and, with prices, cost. ``prompts``: how often each is sent; ``most``: tokens of all completions if none ends early;
    ``count``: the tokens of texts by any tokenizer, since that of an endpoint is unknown."""
    lengths = zip(count([*prompts]), prompts.values(), strict=True)
    prompted = sum(length * number for length, number in lengths)
    said = f"about {prompted:,} tokens of prompts, at most {most:,} generated"
    if not isinstance(config, EndpointGenerator) or (config.prompt_price is None and config.completion_price is None):
        return said
    cost = (prompted * (config.prompt_price or 0.0) + most * (config.completion_price or 0.0)) / MILLION
    return f"{said}; at the given prices at most {cost:,.2f}"
