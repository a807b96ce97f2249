"""How many characters of a completion each of its tokens wrote, so that a page can show tokens without a tokenizer."""

from __future__ import annotations

import codecs

from dunwu.errors import ModelError
from dunwu.models.protocols import Tokenizer
from dunwu.models.tokenizer_alignment import token_bytes
from dunwu.types import Completion


class TokenTexts:
    """The texts of a tokenizer's tokens; of kinds other than byte-level ones and tiny's, nothing is known."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        try:
            self._bytes = token_bytes(tokenizer)
        except ModelError:
            self._bytes = {}
        self._bytes |= {token: b"" for token in (tokenizer.eos_token_id, tokenizer.pad_token_id) if token is not None and self._bytes}

    def characters(self, completion: Completion) -> list[int] | None:
        """One number per token; their sum is the text's length. ``None`` if the tokens do not spell the text, as in a dialogue.

        A character of several tokens counts for the last of them; an end token writes nothing.
        """
        ids = completion.tokens.ids
        pieces = [self._bytes.get(token, b"") for token in ids]
        if completion.finish_reason == "stop" and pieces:
            pieces[-1] = b""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        texts = [decoder.decode(piece, final=place == len(pieces)) for place, piece in enumerate(pieces, 1)]
        return [*map(len, texts)] if self._bytes and "".join(texts) == completion.text else None
