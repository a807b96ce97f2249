"""Configuration that data builders share: generators, filters, decontamination, and the tokenizer that counts."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from dunwu.config.base import Config, Count, Positive, Share
from dunwu.config.blocks import Answering, HeldOut, Machine, SamplingConfig, Seeded, Verifying
from dunwu.config.references import CodeRef, ModelRef
from dunwu.config.tasks import CountdownTask, TaskConfig, Tasks, WeightedTask
from dunwu.text.answer_forms import DEFAULT
from dunwu.types import AnswerForm


class LocalGenerator(Machine, Answering):
    """A model in this process."""

    kind: Literal["local"] = "local"


class EndpointGenerator(Config):
    """A model behind an OpenAI-compatible endpoint."""

    operation: ClassVar[tuple[str, ...]] = (
        *("key_env", "concurrency", "requests_per_minute", "prompt_price", "completion_price"),
        *("timeout", "max_refused", "retries"),
    )
    """Keys that do not change what it is asked: a stage may be resumed with other values."""
    kind: Literal["endpoint"] = "endpoint"
    url: str
    """Base address, without `/chat/completions`, such as http://localhost:8000/v1."""
    model: str
    """The model's name at the endpoint."""
    key_env: str | None = None
    """Environment variable that holds the key; null sends none. Never write a key into a configuration."""
    concurrency: Positive = 8
    """Requests in flight at a time."""
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Requests sent in a minute at most, evenly spaced, for an endpoint with such a limit. null: any number."""
    prompt_price: Annotated[float, Field(ge=0)] | None = None
    """Price of a million tokens of prompts, in any currency, for an estimate of the cost before anything is sent. null: unknown."""
    completion_price: Annotated[float, Field(ge=0)] | None = None
    """Price of a million generated tokens, as `prompt_price`."""
    timeout: Annotated[float, Field(gt=0)] = 300.0
    """Seconds for one answer, from the first byte sent to the last one received."""
    max_refused: Share = 0.1
    """Share of the prompts that the endpoint may refuse (status 400 or 422, a content filter), each recorded and dropped; ten may be
    refused in any case. More of them stop the stage."""
    retries: Count = 5
    """Times a failed request is sent again, after 1, 2, 4 ... seconds (at most 30) or as long as the endpoint asks for."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not _is_url(url):
            raise ValueError(f"{url[:80]!r} is not the address of an endpoint; give one such as http://localhost:8000/v1")
        if "@" in urlsplit(url).netloc or re.search("[?#]", url):  # not shown, as it may contain a key
            raise ValueError("an address must not hold a user, a key, ? or #; name the environment variable of the key in key_env")
        return url


def _is_url(text: str) -> bool:
    """True for http or https with a host and, if given, a valid port."""
    try:
        parts = urlsplit(text)
        named = bool(parts.hostname) and parts.port != 0  # a port over 65535 raises
    except ValueError:
        return False
    return named and parts.scheme in ("http", "https") and re.search(r"\s", text) is None and text.isascii()


class OwnGenerator(Config):
    """A custom function: `f(messages, seed) -> text`, with messages as `{role, content}`."""

    kind: Literal["own"] = "own"
    function: CodeRef
    """`path/to/file.py:function`; equal arguments must give equal text."""


GeneratorConfig = Annotated[LocalGenerator | EndpointGenerator | OwnGenerator, Field(discriminator="kind")]


class FiltersConfig(Config):
    """Which answers are readable. DeepSeek-R1 drops mixed languages, long paragraphs and chaotic code; the numbers are ours."""

    min_language: Share = 0.9
    """Least share of words in the question's language; 0 switches the filter off."""
    language_of: Literal["reasoning", "all"] = "all"
    """The text that is measured: `reasoning` for data with translations, whose answers are in another language on purpose."""
    max_paragraph_words: Count = 400
    """Words of the longest paragraph of the reasoning; 0 switches the filter off."""
    code: Literal["any", "balanced", "none"] = "balanced"
    """`balanced`: every opened code fence is closed; `none`: no fenced code at all, as for mathematics; `any`: no filter."""
    max_repetition: Share = 0.2
    """Largest share of runs of `repetition_words` words that occurred before; 1 switches the filter off."""
    repetition_words: Positive = 20
    """Length of these runs, in words."""
    min_tokens: Count = 1
    """Tokens of the shortest answer, reasoning included."""
    max_tokens: Positive | None = None
    """Tokens of the longest question and answer together. null: any."""


class NearDuplicates(Config):
    """A builder that drops near-duplicates."""

    near_duplicates: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Drop rows that are at least this similar to an earlier one (Jaccard index of runs of three words); 1: only equal rows."""


class EvaluationSet(HeldOut):
    """An eval set to keep out of training data. Set `seed` as in the evaluation, since it determines the problems of a generated set."""

    name: str
    """Name of the set in the data card."""
    task: TaskConfig
    """Where its problems come from."""
    problems: Positive = 100_000


class Builder(Seeded):
    """A builder of training data."""

    model: ModelRef = "tiny"
    """The model whose tokenizer counts tokens: `tiny`, a local Hugging Face folder, or a hub id."""
    decontaminate: tuple[EvaluationSet, ...] = ()
    """Eval sets to keep out of the data: rows that share ten words in a row with one are dropped."""


class ReplyBuilder(Builder, NearDuplicates, Verifying):
    """A builder whose answers a model writes."""

    filters: FiltersConfig = FiltersConfig()
    """Which answers are readable."""
    form: Literal["think", "special"] = "think"
    """think: the reasoning beside the answer, which the training template writes in its tags. special: the paper's
    `|special_token|<reasoning_process>|special_token|<summary>`."""
    special_token: str = "special_token"
    """Name of the token in the form `special`."""


class Sampling(Config):
    """How answers to problems are sampled."""

    prompts: Positive = 256
    """Number of training problems."""
    samples: Positive = 4
    """Answers to each."""
    sampling: SamplingConfig = SamplingConfig()
    """How they are sampled."""


class OfTasks(Config):
    """A job on the training problems of tasks."""

    tasks: Tasks = (WeightedTask(task=CountdownTask()),)
    """Where the problems come from, such as `gsm8k` or `[gsm8k, {task: game24, weight: 2.0}]`."""
    answer_form: AnswerForm = DEFAULT
    """Where the answer of a completion stands, as in `ZeroConfig`."""


class SolvedProblems(OfTasks, Sampling):
    """Problems that a model answers."""

    generator: GeneratorConfig = LocalGenerator()
    """The model that answers."""


class Asking(Config):
    """A model that must reply in a given form."""

    generator: GeneratorConfig
    """The model."""
    sampling: SamplingConfig = SamplingConfig(max_tokens=1024, temperature=0.6, top_p=0.95)
    """How its answers are sampled."""


class AskingAgain(Asking):
    """A model that is asked again if its reply cannot be parsed."""

    retries: Count = 2
    """Number of retries, after which the row is dropped and counted."""
