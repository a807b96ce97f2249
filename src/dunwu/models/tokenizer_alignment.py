"""Whether two tokenizers are the same and, where they are not, which of their tokens can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from dunwu.errors import ModelError
from dunwu.models.protocols import Tokenizer
from dunwu.models.tokenizer_check import PROBES

_PRINTABLE = (*range(33, 127), *range(161, 173), *range(174, 256))
_BYTES = {chr(byte): byte for byte in _PRINTABLE} | {
    chr(256 + place): byte for place, byte in enumerate(byte for byte in range(256) if byte not in _PRINTABLE)
}
"""The characters by which byte-level vocabularies write bytes."""
_ONE_BYTE = re.compile("<0x[0-9A-F]{2}>")
_END = b"\xff"
"""Stands for the end of sequence, whatever it is called: this byte does not occur in UTF-8."""


def tokenizer_difference(student: Tokenizer, teacher: Tokenizer, ends: bool = True) -> str:
    """The first thing in which two tokenizers differ, in words; empty if their ids mean the same, so that logits can be compared.

    Compared: tokens and their ids, which of them are special, with ``ends`` the end of sequence, and how texts are encoded.
    """
    ours, theirs = student.get_vocab(), teacher.get_vocab()
    if ours != theirs:
        token = min(token for token in ours.keys() | theirs.keys() if ours.get(token) != theirs.get(token))
        return f"token {token!r} has id {ours.get(token)} in one and {theirs.get(token)} in the other"
    if special := _special(student) ^ _special(teacher):
        return f"token {min(special)} is special in one of them"
    if ends and student.eos_token != teacher.eos_token:
        return f"the end of sequence is {student.eos_token!r} in one and {teacher.eos_token!r} in the other"
    return next((f"{text[:40]!r} is encoded differently" for text in PROBES if _encoded(student, text) != _encoded(teacher, text)), "")


def vocabulary(tokenizer: Tokenizer) -> int:
    """The number of ids that its tokens take, from 0. Embeddings may have more rows, for speed: Qwen2.5's have 151,936 or 152,064."""
    return max(tokenizer.get_vocab().values()) + 1


class TokenAlignment:
    """Which tokens of two tokenizers have the same text, and where in a text both have one.

    ``student_ids`` and ``teacher_ids``: tokens with equal bytes, in one order, each once; special tokens by their names, the ends of
    sequence as equals. Raises ``ModelError`` for other kinds of vocabulary, such as Llama 2's.
    """

    def __init__(self, student: Tokenizer, teacher: Tokenizer) -> None:
        self._student, self._teacher = token_bytes(student), token_bytes(teacher)
        ours, theirs = ({text: token for token, text in texts.items()} for texts in (self._student, self._teacher))
        shared = [text for text in ours if text in theirs]
        self.student_ids, self.teacher_ids = [ours[text] for text in shared], [theirs[text] for text in shared]

    def places(self, student_ids: Sequence[int], teacher_ids: Sequence[int]) -> list[tuple[int, int]]:
        """Places (i, j) of tokens of two encodings of one text that begin and end at the same bytes.

        Raises ``ModelError`` if the encodings are not of one text.
        """
        ours, theirs = ([texts[token] for token in ids] for texts, ids in ((self._student, student_ids), (self._teacher, teacher_ids)))
        if b"".join(ours) != b"".join(theirs):
            raise ModelError(f"{b''.join(ours)[:40]!r} and {b''.join(theirs)[:40]!r} are different texts; only one text can be aligned")
        places = {span: place for place, span in enumerate(_spans(theirs))}
        return [(place, places[span]) for place, span in enumerate(_spans(ours)) if span in places]


def token_bytes(tokenizer: Tokenizer) -> dict[int, bytes]:
    """The bytes of every token; of several with the same, the one that texts are encoded with comes last.

    Raises ``ModelError`` for kinds of tokenizers other than byte-level ones and tiny's. The end of sequence has a byte of its own.
    """
    decoder = json.loads(tokenizer.backend_tokenizer.to_str())["decoder"] or {"type": None}
    kinds = {each["type"] for each in decoder.get("decoders", [decoder])}
    if kinds != {"ByteLevel"} and kinds != {"ByteFallback", "Fuse"}:
        raise ModelError("only byte-level tokenizers and tiny's can be aligned; take a student with the teacher's tokenizer")
    read = _byte_level if kinds == {"ByteLevel"} else _byte_fallback
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: (not _ONE_BYTE.fullmatch(item[0]), item[1]))
    named = {token: added.content.encode() for token, added in tokenizer.added_tokens_decoder.items()}
    ends = {} if tokenizer.eos_token_id is None else {tokenizer.eos_token_id: _END}
    return {token: read(text) for text, token in vocabulary if token not in named} | named | ends


def _special(tokenizer: Tokenizer) -> set[int]:
    return {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}


def _encoded(tokenizer: Tokenizer, text: str) -> list[list[int]]:
    return [list(tokenizer(text, add_special_tokens=around)["input_ids"]) for around in (False, True)]


def _byte_level(text: str) -> bytes:
    return bytes(map(_BYTES.__getitem__, text)) if _BYTES.keys() >= set(text) else text.encode()


def _byte_fallback(text: str) -> bytes:
    return bytes([int(text[3:5], 16)]) if _ONE_BYTE.fullmatch(text) else text.encode()


def _spans(texts: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    return pairwise(accumulate(map(len, texts), initial=0))
