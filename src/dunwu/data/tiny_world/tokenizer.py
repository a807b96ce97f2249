"""The tokenizer of the tiny world: small, bilingual, whole numbers as tokens, byte fallback, the four tags as single tokens.

The `tokenizers` library learns byte-pair merges on documents of the corpus. The numbers 0 to ``LIMIT`` are added to the vocabulary
(``ignore_merges`` makes a run of digits in the vocabulary one token); larger numbers are split into digits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from dunwu.data.tiny_world.reduction import LIMIT

END = "<|endoftext|>"
PAD = "<|pad|>"
TAGS = ("<think>", "</think>", "<answer>", "</answer>")
WORDS = Regex(r"[0-9]+| ?[A-Za-z]+|\p{Han}+|\s|[^\sA-Za-z0-9\p{Han}]")
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ 'User: ' if message['role'] == 'user' else 'Assistant: ' }}{{ message['content'] }}{{ '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


def train_tokenizer(texts: Iterable[str], merged_vocabulary: int = 640) -> PreTrainedTokenizerFast:
    """Learn merges (``merged_vocabulary`` counts characters and merges) and assemble the tokenizer."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Split(WORDS, "isolated")
    learner.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=merged_vocabulary, show_progress=False))
    learned = json.loads(learner.to_str())["model"]
    merges = [tuple(pair) for pair in learned["merges"] if not "".join(pair).isdigit()]
    pieces = [piece for piece in learned["vocab"] if not piece.isdigit()]
    ordered = [END, PAD, *TAGS, *(f"<0x{byte:02X}>" for byte in range(256)), *map(str, range(LIMIT + 1)), *pieces]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(ordered))}
    return _assemble(vocabulary, merges)


def _assemble(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(WORDS, "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False, model_max_length=1024
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped
