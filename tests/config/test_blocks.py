"""Groups of keys that several jobs share exist once, and keys that are gone say what to do."""

from inspect import get_annotations
from itertools import combinations

import pytest

from dunwu.config.base import Config
from dunwu.config.blocks import Optimising, rate_in_words
from dunwu.config.load import load_config
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError
from scripts.config_reference import models

Declared = set[tuple[str, str, str]]


def declared(model: type[Config]) -> Declared:
    """Name, type and default of the keys that a class itself writes down."""
    hints = {name: hint for name, hint in get_annotations(model).items() if name in model.model_fields and name != "kind"}
    return {(name, str(hint), repr(model.model_fields[name].default)) for name, hint in hints.items()}


def copies(found: dict[str, Declared]) -> list[tuple[str, str]]:
    """Pairs of classes that write down three equal keys or more."""
    return [(a, b) for (a, keys), (b, others) in combinations(found.items(), 2) if len(keys & others) >= 3]


def test_no_two_classes_write_down_the_same_group_of_keys() -> None:
    classes = {each for model in models() for each in model.__mro__ if issubclass(each, Config)}
    assert copies({each.__name__: declared(each) for each in classes}) == []
    keys = {(name, "int", "0") for name in "abc"}
    assert copies({"A": keys, "B": keys | {("d", "int", "1")}}) == [("A", "B")]


@pytest.mark.parametrize("model", [ZeroConfig, RewardModelConfig])
def test_a_key_that_is_gone_says_so(model: type[Config]) -> None:
    with pytest.raises(ConfigError, match=r"lora\.dropout .*delete"):
        load_config(model, None, ["lora.rank=4", "lora.dropout=0.0"])


def test_one_step_is_one_step() -> None:
    assert [rate_in_words(Optimising(warmup_steps=count)) for count in (0, 1, 2)] == [
        "learning rate 0.001",
        "learning rate 0.001, after a warm-up over 1 step",
        "learning rate 0.001, after a warm-up over 2 steps",
    ]
