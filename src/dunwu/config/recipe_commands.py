"""Recipes given to the wrong command, and words on a command line that lack their option: answered with the right form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dunwu.config.base import Config
from dunwu.config.compare import CompareConfig
from dunwu.config.distill import DistillConfig
from dunwu.config.load import read_mapping
from dunwu.config.pretrain import PretrainConfig
from dunwu.config.recipes import bundled_recipes, find_recipe
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError

JOBS: Mapping[str, type[Config]] = {
    "zero": ZeroConfig,
    "sft": SftConfig,
    "distill": DistillConfig,
    "compare": CompareConfig,
    "reward-model": RewardModelConfig,
    "pretrain": PretrainConfig,
}
DATA = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".gz")


def recipe_of(text: str, command: str) -> Path:
    """The recipe that `text` means for a command. Raises `ConfigError` if there is none, or it is another command's."""
    file = find_recipe(text, command)
    content = read_mapping(file)
    keys = content.keys() - {"preset"}
    fits = ["run"] if "stages" in keys else [name for name, model in JOBS.items() if keys <= model.model_fields.keys()]
    if fits and command not in fits:
        given = text if fits[0] == "run" else f"--recipe {text}"
        raise ConfigError(f"{text} is a recipe of dunwu {fits[0]}, not of dunwu {command}: dunwu {fits[0]} {given}")
    if not fits and _has_stages(content):
        raise ConfigError(f"{text} has the keys of stages: it goes with dunwu r1 --keys {text}")
    return file


def _has_stages(content: Mapping[str, object]) -> bool:
    """True for keys by stage, such as zero: {grpo: ...}, in place of those of one job."""
    known = {key for model in JOBS.values() for key in model.model_fields}
    return all(isinstance(value, dict) for value in content.values()) and not content.keys() & known


def refuse_bare_words(command: str, tokens: Sequence[str]) -> None:
    """Raises `ConfigError` for a recipe, a data file or a model's folder without its option."""
    before = ""
    for token in tokens:
        value_of_option = before.startswith("--") and "=" not in before
        if "=" not in token and not token.startswith("-") and not value_of_option and (option := _option(command, token)):
            raise ConfigError(f"{token!r} stands alone: give it as {option} {token}")
        before = "" if value_of_option else token


def _option(command: str, token: str) -> str:
    """The option that a word probably belongs to; empty if it could be anything."""
    path = Path(token)
    if path.suffix in (".yaml", ".yml") or token in bundled_recipes():
        return "--recipe"
    if path.suffix in DATA:
        return "--task" if command in ("zero", "distill", "compare") else "--data"
    return "--model" if (path / "config.json").is_file() else ""
