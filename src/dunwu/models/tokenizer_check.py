"""Check that a loaded tokenizer gives the ids of its ``tokenizer.json``: transformers builds some from the vocabulary alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import tokenizers

from dunwu.models.protocols import Tokenizer

PROBES = (
    "Natalia sold clips to 48 of her friends in April, and then half as many in May. How many? It's 72.",
    "请用 3、7、8 得到 29。答案是多少？“你好”",
    "0 12 345 6789 1234567890 3.14159 1,000,000 -5 2^10 50%",
    "  two spaces,   three,\ttab\n\n\nlines\r\n    end  ",
    " leading space",
    "def f(x: int) -> list[str]:\n    return [f'{x!r}' for _ in range(x)]  # done\n\n",
    r"\frac{1}{2} \le \sqrt{x^2 + 1} $\boxed{7}$ <think>so</think><answer>4</answer>",
    "naïve Ünïcödé ﬁ ① 😀 e\u0301 \u00a0 ​",
)
"""English, Chinese, digits, white space, code, formulas, and characters that normalisers change."""
MOST_ADDED = 256
"""Maximum number of added tokens to try."""


def difference(tokenizer: Tokenizer, file: Path) -> str:
    """The first probe that ``tokenizer`` and the tokenizer.json at ``file`` encode or decode differently; empty if they agree."""
    written = tokenizers.Tokenizer.from_file(str(file))
    written.no_truncation()
    written.no_padding()
    return next((text for text in _texts(written) if not _agree(tokenizer, written, text)), "")


def _texts(written: tokenizers.Tokenizer) -> Iterator[str]:
    yield from PROBES
    for added in list(written.get_added_tokens_decoder().values())[:MOST_ADDED]:
        yield f"one {added.content}two {added.content}\n{added.content}"


def _agree(tokenizer: Tokenizer, written: tokenizers.Tokenizer, text: str) -> bool:
    for around in (False, True):
        if list(tokenizer(text, add_special_tokens=around)["input_ids"]) != written.encode(text, add_special_tokens=around).ids:
            return False
    ids = written.encode(text, add_special_tokens=False).ids
    decoded = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return bool(decoded == written.decode(ids, skip_special_tokens=False))
