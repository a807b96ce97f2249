"""The configuration of reward models: the paper's values, and what is refused."""

from __future__ import annotations

import pytest

from dunwu.config.load import load_config
from dunwu.config.recipes import bundled_recipes
from dunwu.config.reward_model import R1_HELPFULNESS, RewardModelConfig
from dunwu.errors import ConfigError


def test_the_paper_s_values() -> None:
    paper = (R1_HELPFULNESS.batch_size, R1_HELPFULNESS.learning_rate, R1_HELPFULNESS.epochs, R1_HELPFULNESS.max_tokens)
    assert paper == (256, 6e-6, 1, 8192)
    assert R1_HELPFULNESS.criterion == "helpfulness"
    assert R1_HELPFULNESS.balance_lengths


def test_the_recipe_parses() -> None:
    assert load_config(RewardModelConfig, bundled_recipes()["tiny/reward-model"], []).model == "tiny"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("batch_size=7", "batch_size = 7"),
        ("criterion=politeness", "criterion"),
        ("margin=-1", "margin"),
        ("lenght_balance=true", "balance_lengths"),
    ],
)
def test_what_cannot_be_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(RewardModelConfig, None, [override])
