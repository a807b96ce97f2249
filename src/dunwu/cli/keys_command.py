"""`dunwu keys COMMAND [WORD]`: every configuration key of a command, with its type, default and meaning."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import tyro

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.show import show
from dunwu.config.base import Config
from dunwu.config.compare import CompareConfig
from dunwu.config.defaults import followed
from dunwu.config.distill import DistillConfig
from dunwu.config.key_docs import Key, keys_of
from dunwu.config.pretrain import PretrainConfig
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import PromptedEvalConfig, ZeroConfig
from dunwu.errors import UserError
from dunwu.pipeline.stages import KINDS
from dunwu.run.console import wrapped
from dunwu.text.surrogates import as_json
from dunwu.text.translate import translate

CONFIGURED: dict[str, type[Config]] = {
    "zero": ZeroConfig,
    "sft": SftConfig,
    "distill": DistillConfig,
    "compare": CompareConfig,
    "reward-model": RewardModelConfig,
    "eval": PromptedEvalConfig,
    "pretrain": PretrainConfig,
}
WIDTH = 100


@dataclass(frozen=True)
class KeysOptions:
    """List the configuration keys of a command, with type, default and meaning. Each is set as key=value on its command line."""

    command: tyro.conf.Positional[str]
    """zero, sft, distill, compare, reward-model, eval or pretrain; a stage of `dunwu r1` has those of its command, as stage.key=value."""
    words: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Only keys that have all of these words in their name or meaning."""
    json: bool = False
    """Print a JSON list of objects with name, type, default, the default for models other than tiny if it differs, and meaning."""


def run(arguments: Sequence[str]) -> int:
    """Prints the keys."""
    options, rest = parse_options(KeysOptions, "keys", arguments)
    refuse_rest("keys", rest)
    model = CONFIGURED.get(options.command)
    if model is None:
        near = difflib.get_close_matches(options.command, CONFIGURED, n=1)
        meant = f"did you mean {near[0]}? " if near else "keys of stages are in docs/reference.md. " if options.command in KINDS else ""
        raise UserError(f"keys: {options.command!r} has no keys of its own: {meant}Choose from {', '.join(CONFIGURED)}")
    keys = keys_of(model)
    found = [key for key in keys if all(word.lower() in f"{key.name} {key.meaning}".lower() for word in options.words)]
    if not found:
        raise UserError(f"keys: no key of dunwu {options.command} has {' '.join(options.words)!r} in its name or meaning")
    other = {key: json.dumps(value) for key, value in followed(options.command, [key.name for key in found]).items()}
    if options.json:
        print(as_json([{**asdict(key), "other_models": other.get(key.name)} for key in found]))
        return 0
    show(f"dunwu {options.command}: {len(found)} of {len(keys)} keys, each set as key=value")
    print("\n".join(line for key in found for line in described(key, other.get(key.name))))
    return 0


def described(key: Key, other: str | None = None) -> list[str]:
    """The key with type and default, which for models other than tiny may be ``other``, and its meaning below, in English."""
    default = key.default if key.default == "required" else f"default {key.default}"
    default = default if other is None else f"follows the model: {key.default} for tiny, else {other}"
    heading = translate(f"({key.type}; {default})", encoding=sys.stdout.encoding)
    return [f"{key.name}  {heading}", *(f"    {line}" for line in wrapped(key.meaning, WIDTH - 4))]
