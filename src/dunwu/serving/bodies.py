"""The bodies of requests. Clients send many fields: unknown ones are ignored, and known ones that cannot be kept are refused later."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """Strict: the text "5" is no number."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class Part(Body):
    """A piece of a message."""

    type: str
    text: str | None = None


class ChatMessage(Body):
    """One turn of the conversation. `reasoning_content` (or `reasoning`) is the chain of thought of an earlier answer."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Any] | None = None
    prefix: bool | None = None


class StreamOptions(Body):
    """`include_usage`: a last chunk has the usage."""

    include_usage: bool | None = None


class Thinking(Body):
    """`disabled`: the chain of thought is closed before it begins."""

    type: Literal["enabled", "disabled", "adaptive", "auto"]


class ResponseFormat(Body):
    """The form of the answer."""

    type: str


class SamplingBody(Body):
    """What chat completions and completions share."""

    model: str
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    min_p: Annotated[float, Field(ge=0, lt=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, float] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None


class ChatBody(SamplingBody):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    thinking: Thinking | None = None
    response_format: ResponseFormat | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: list[Any] | None = None


class CompletionBody(SamplingBody):
    """`POST /v1/completions`: the text is continued as it is, without a template."""

    prompt: str | list[str] | list[int] | list[list[int]]
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    echo: bool | None = None
    best_of: int | None = None
    suffix: str | None = None
    return_token_ids: bool | None = None
