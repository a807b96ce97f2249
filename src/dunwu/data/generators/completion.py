"""One request to an OpenAI-compatible endpoint: its body, and reading the answer within limits.

The answer is not trusted: its size is bounded, its shape is checked, nothing in it is run, and the character set it names is ignored.
"""

from __future__ import annotations

import zlib
from typing import Any

import httpx

from dunwu.data.generators.base import Request, TextCompletion, plain

SHOWN = 160
MOST_BYTES = 1 << 24
FILTERED = "content_filter"
FINISHED = ("stop", None, "eos", "eos_token", "end_turn", "stop_sequence")
"""Finish reasons of a complete answer; some endpoints give none."""
_PLAIN, _PACKED = ("", "identity"), ("gzip", "x-gzip", "deflate")
_ANY_HEADER = zlib.MAX_WBITS | 32


class TooLarge(Exception):
    """The answer has more than `MOST_BYTES` bytes."""


async def post(client: httpx.AsyncClient, url: str, content: str) -> httpx.Response:
    """The whole response. Raises `TooLarge` if it has more than `MOST_BYTES`, packed or unpacked."""
    async with client.stream("POST", url, content=content, headers={"Accept-Encoding": "identity"}) as response:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MOST_BYTES:
                raise TooLarge
    packing = response.headers.get("content-encoding", "").strip().lower()
    headers = {"retry-after": response.headers.get("retry-after", "")}
    return httpx.Response(response.status_code, headers=headers, content=_unpack(bytes(body), packing))


def _unpack(body: bytes, packing: str) -> bytes:
    """Unpack one layer to a bounded size; two layers could expand a megabyte to a terabyte."""
    if packing in _PLAIN:
        return body
    if packing not in _PACKED:
        raise httpx.DecodingError(f"packed as {packing!r} though not asked for")
    try:
        content = zlib.decompressobj(_ANY_HEADER).decompress(body, MOST_BYTES + 1)
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from error
    if len(content) > MOST_BYTES:
        raise TooLarge
    return content


def request_body(model: str, request: Request) -> dict[str, Any]:
    """The JSON body of a request to ``model`` for one answer."""
    sampling = request.sampling
    more = {"top_k": sampling.top_k or None, "min_p": sampling.min_p or None}
    return {
        "model": model,
        "messages": plain(request.chat),
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": request.seed % 2**31,
        **{name: value for name, value in more.items() if value is not None},
    }


def read_answer(response: httpx.Response) -> TextCompletion | None:
    """The first choice of a chat completion, its reasoning in think tags; ``None`` for anything else.

    An empty text is an answer. A missing text is one only if the model reached the token limit before it wrote any.
    """
    try:
        choice = response.json()["choices"][0]
        message, ended = choice["message"] or {}, choice.get("finish_reason")
        content, reasoning = message.get("content"), message.get("reasoning_content") or message.get("reasoning") or ""
        refusal = message.get("refusal")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    said = content is not None or reasoning or ended == "length"
    content = "" if content is None else content
    if not isinstance(content, str) or not isinstance(reasoning, str):
        return None
    text = (f"<think>{reasoning}</think>{content}" if reasoning else content).encode("utf-8", "replace").decode()
    if ended == FILTERED or (isinstance(refusal, str) and refusal):
        return TextCompletion(text, False, f"{FILTERED}: {short(refusal if isinstance(refusal, str) else text)}")
    return TextCompletion(text, ended in FINISHED) if said else None


def retry_after(response: httpx.Response) -> float:
    """Seconds to wait as requested by the endpoint; 0 if it gives none, or a date."""
    asked = response.headers.get("retry-after", "")
    return float(asked) if asked.isascii() and asked.isdigit() else 0.0


def short(text: str) -> str:
    """The start of a text on one line, without control characters."""
    shown = "".join(character if character.isprintable() else " " for character in text[: 4 * SHOWN])
    return " ".join(shown.split())[:SHOWN] or "nothing"
