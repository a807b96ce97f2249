"""How long the stages of `dunwu reproduce` take, about, on two CPU cores. Imports no torch.

The rates are those of runs in docs/log.md on two cores of an Intel Xeon with AMX: R1-Zero (150 steps of 512 answers in 4 minutes), R1
(18 minutes), and the comparison of text with RL (17 minutes). Without AMX a step took five times as long.
"""

from __future__ import annotations

from collections.abc import Iterable

from dunwu.config.base import Config
from dunwu.config.data_replies import ColdStartConfig, RejectionConfig, ZeroOutputs
from dunwu.config.pipeline import EvaluateConfig, FileConfig
from dunwu.config.pretrain import PretrainConfig
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.suite import SuiteConfig
from dunwu.config.zero import ZeroConfig
from dunwu.pipeline.graph import Stage

ANSWER, TRAINED_ANSWER = 0.0026, 0.0031
"""Seconds to sample an answer, and to sample it and train on it."""
PRETRAINED_TOKEN = 216 / 12_000_000
TUNED = 90.0
"""Of fine-tuning, of a reward model, and of training that ends with the budget of fine-tuning."""
START = 3.0
WITHOUT_AMX = 5


def seconds(work: Config) -> float:
    """About how long a stage takes with AMX."""
    match work:
        case ZeroConfig() if work.budget is None:
            return START + TRAINED_ANSWER * work.grpo.steps * work.grpo.prompts_per_step * work.grpo.group_size
        case ZeroConfig() | SftConfig() | RewardModelConfig():
            return TUNED
        case PretrainConfig():
            return PRETRAINED_TOKEN * work.tokens
        case RejectionConfig():
            return START + ANSWER * work.prompts * work.samples
        case ColdStartConfig():
            return START + ANSWER * sum(each.prompts * each.samples for each in work.sources.values() if isinstance(each, ZeroOutputs))
        case EvaluateConfig():
            return START + ANSWER * sum(each.problems * each.samples for each in work.evaluations)
        case SuiteConfig():
            return START + ANSWER * sum(each.problems * each.samples for each in (*work.reasoning.values(), *work.general.values()))
    return 0.0 if isinstance(work, FileConfig) else START


def estimate(stages: Iterable[Stage]) -> str:
    """In words, for people."""
    minutes = sum(seconds(stage.work) for stage in stages) / 60
    return f"about {minutes:.0f} minutes on two CPU cores with AMX, about {WITHOUT_AMX * minutes:.0f} without (estimated from earlier runs)"
