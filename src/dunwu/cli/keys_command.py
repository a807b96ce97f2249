"""`dunwu keys COMMAND [WORD]`: every configuration key of a command, with its type, default and meaning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import tyro

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.show import show
from dunwu.config.base import Config
from dunwu.config.key_docs import Key, keys_of
from dunwu.config.pretrain import PretrainConfig
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.errors import UserError
from dunwu.run.console import wrapped

CONFIGURED: dict[str, type[Config]] = {
    "zero": ZeroConfig,
    "sft": SftConfig,
    "reward-model": RewardModelConfig,
    "eval": EvalConfig,
    "pretrain": PretrainConfig,
}
WIDTH = 100


@dataclass(frozen=True)
class KeysOptions:
    """List the configuration keys of a command, with type, default and meaning. Each is set as key=value on its command line."""

    command: tyro.conf.Positional[str]
    """zero, sft, reward-model, eval or pretrain; a stage of `dunwu r1` has those of its command, as stage.key=value."""
    words: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Only keys that have all of these words in their name or meaning."""
    json: bool = False
    """Print a JSON list of objects with name, type, default and meaning."""


def run(arguments: Sequence[str]) -> int:
    """Prints the keys."""
    options, rest = parse_options(KeysOptions, "keys", arguments)
    refuse_rest("keys", rest)
    model = CONFIGURED.get(options.command)
    if model is None:
        raise UserError(f"keys: {options.command!r} has no keys of its own: choose from {', '.join(CONFIGURED)}")
    found = [key for key in keys_of(model) if all(word.lower() in f"{key.name} {key.meaning}".lower() for word in options.words)]
    if not found:
        raise UserError(f"keys: no key of dunwu {options.command} has {' '.join(options.words)!r} in its name or meaning")
    if options.json:
        print(json.dumps([asdict(key) for key in found], ensure_ascii=False))
    else:
        show("\n".join(line for key in found for line in described(key)))
    return 0


def described(key: Key) -> list[str]:
    """The key with type and default, and its meaning below."""
    return [f"{key.name}  ({key.type}; default {key.default})", *(f"    {line}" for line in wrapped(key.meaning, WIDTH - 4))]
