"""What builders of training data share: the models that write, the filters, what is kept out, how tokens are counted."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from dunwu.config.base import Config, Seed
from dunwu.config.references import CodeRef, ModelRef
from dunwu.config.tasks import TaskConfig
from dunwu.config.zero import EngineConfig, PromptTemplate, SamplingConfig

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class LocalGenerator(Config):
    """A model in this process."""

    kind: Literal["local"] = "local"
    model: ModelRef = "tiny"
    """`tiny` (the bundled base), a local Hugging Face folder, or a hub id."""
    template: PromptTemplate = "tiny"
    """Prompt template; chat: the tokenizer's own."""
    engine: EngineConfig = EngineConfig()
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0 takes all cores."""


class EndpointGenerator(Config):
    """A model behind an OpenAI-compatible endpoint."""

    kind: Literal["endpoint"] = "endpoint"
    url: str
    """Up to `/chat/completions`, such as http://localhost:8000/v1."""
    model: str
    """What the endpoint calls it."""
    key_env: str | None = None
    """Environment variable that holds the key; null sends none. A key never stands in a configuration."""
    concurrency: Positive = 8
    """Requests at a time."""
    timeout: Annotated[float, Field(gt=0)] = 300.0
    """Seconds for one whole answer, from the first byte sent to the last one read."""
    max_refused: Share = 0.1
    """Share of the prompts that the endpoint may refuse (status 400 or 422, a content filter), each recorded and left out; ten may be
    refused in any case. More of them end the stage."""
    retries: Annotated[int, Field(ge=0)] = 5
    """How often a request that failed is sent again, after 1, 2, 4 ... seconds (at most 30) or what the endpoint asks for."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not _is_url(url):
            raise ValueError(f"{url[:80]!r} is not the address of an endpoint; give one such as http://localhost:8000/v1")
        if "@" in urlsplit(url).netloc or re.search("[?#]", url):  # not shown: it may be a key
            raise ValueError("an address holds no user, key, ? or #; name the environment variable of the key in key_env")
        return url


def _is_url(text: str) -> bool:
    """Whether it is http or https with a host and, if any, a port that there can be."""
    try:
        parts = urlsplit(text)
        named = bool(parts.hostname) and parts.port != 0  # a port over 65535 raises
    except ValueError:
        return False
    return named and parts.scheme in ("http", "https") and re.search(r"\s", text) is None and text.isascii()


class OwnGenerator(Config):
    """A function of yours: `f(messages, seed) -> text`, with messages as `{role, content}`."""

    kind: Literal["own"] = "own"
    function: CodeRef
    """`path/to/file.py:function`; same arguments, same text."""


GeneratorConfig = Annotated[LocalGenerator | EndpointGenerator | OwnGenerator, Field(discriminator="kind")]


class FiltersConfig(Config):
    """Which answers are readable. DeepSeek-R1 drops mixed languages, long paragraphs and chaotic code; the numbers are ours."""

    min_language: Share = 0.9
    """Least share of words in the question's language; 0 lets all pass."""
    language_of: Literal["reasoning", "all"] = "all"
    """Where: `reasoning` for data with translations, whose answers are meant to be in another language."""
    max_paragraph_words: Annotated[int, Field(ge=0)] = 400
    """Words of the longest paragraph of the reasoning; 0 lets all pass."""
    code: Literal["any", "balanced", "none"] = "balanced"
    """`balanced`: each fence that is opened is closed; `none`: no fenced code at all, as for mathematics."""
    max_repetition: Share = 0.2
    """Share of runs of `repetition_words` words that occurred before; 1 lets all pass."""
    repetition_words: Positive = 20
    min_tokens: Annotated[int, Field(ge=0)] = 1
    """Of the whole answer."""
    max_tokens: Positive | None = None
    """Of question and answer together. null: any."""


class EvaluationSet(Config):
    """A held-out set that no training row may have anything of."""

    name: str
    task: TaskConfig
    split: Literal["validation", "test"] = "test"
    problems: Positive = 100_000
    """At most so many of it."""
    seed: Seed = 0
    """As in the evaluation: it decides which problems a generated set has."""


class Builder(Config):
    """The part that all builders have."""

    model: ModelRef = "tiny"
    """Whose tokenizer counts tokens: `tiny`, a local Hugging Face folder, or a hub id."""
    decontaminate: tuple[EvaluationSet, ...] = ()
    """Evaluation sets to be kept out, by 10-grams."""
    seed: Seed = 0


class ReplyBuilder(Builder):
    """The part of builders whose answers a model writes."""

    filters: FiltersConfig = FiltersConfig()
    near_duplicates: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Rows as similar as this (Jaccard index of runs of three words) to an earlier one are dropped; 1: only equal ones."""
    form: Literal["think", "special"] = "think"
    """think: the reasoning beside the answer, which the training template writes in its tags. special: the paper's
    `|special_token|<reasoning_process>|special_token|<summary>`."""
    special_token: str = "special_token"
    reward_workers: Annotated[int, Field(ge=0)] = 1
    """Processes that verify; 0 verifies in this one."""
    reward_timeout: Annotated[float, Field(gt=0)] = 5.0
    """Seconds for one verdict, besides those a program may take."""


class Sampling(Config):
    """How answers to problems are drawn."""

    prompts: Positive = 256
    """Different training problems."""
    samples: Positive = 4
    """Answers to each."""
    sampling: SamplingConfig = SamplingConfig()
