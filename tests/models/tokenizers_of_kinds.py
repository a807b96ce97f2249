"""Small tokenizers of the kinds that real models have: Llama's, with a token before every text, and byte-level ones without."""

from __future__ import annotations

import os
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = ["User: What is 2+3? Assistant: 5. The quick brown fox jumps over 123 456 dogs.", "def f(x): return x", "A conversation between"]
SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def llama_like(kind: str = "prepend", start: str = "<s>", end: str = "", bos: bool = True) -> Any:
    """With byte fallback; ``prepend``: every piece of text begins with a space, ``first``: the first one alone. ``start`` and ``end`` are
    what the post-processor puts around a text; ``bos``: whether the tokenizer names its ``bos_token``."""
    inner = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if kind == "prepend":
        inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    inner.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    inner.train_from_iterator(TEXTS * 3, trainers.BpeTrainer(vocab_size=420, special_tokens=[*SPECIAL, *bytes_], show_progress=False))
    around = [(token, SPECIAL.index(token)) for token in (start, end) if token]
    inner.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}".strip(), special_tokens=around)
    names = {"bos_token": "<s>"} if bos else {}
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", unk_token="<unk>", **names)


def byte_level(start: str = "") -> Any:
    """Byte-level, up to three digits a token, with ``start`` before every text or nothing."""
    inner = Tokenizer(models.BPE())
    inner.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(_WORDS), "isolated")
    inner.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        TEXTS * 3, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, special_tokens=SPECIAL, show_progress=False)
    )
    inner.add_special_tokens([AddedToken("<|eot_id|>")])
    if start:
        inner.post_processor = processors.TemplateProcessing(single=f"{start} $A", special_tokens=[(start, SPECIAL.index(start))])
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="</s>")


def kinds() -> dict[str, Any]:
    """Tokenizers that put one token before every text."""
    return {
        "prepend": llama_like(),
        "first": llama_like("first"),
        "unnamed": llama_like(bos=False),
        "with an end": llama_like(end="</s>"),
        "byte level": byte_level("<s>"),
    }


SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI"
    " assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n'"
    " + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""SmolLM2-Instruct's chat template."""
SMOLLM2_MARKED = SMOLLM2.replace(
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}",
    "{{'<|im_start|>' + message['role'] + '\n'}}{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}<|im_end|>"
    "{% endgeneration %}{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}",
)
"""The same with the marks by which transformers and TRL know what an assistant says."""


def smollm2_like() -> Any:
    """As SmolLM2's: byte-level, each digit a token, the end of a turn is the end of sequence and the padding. ``DUNWU_SMOLLM2``, a folder
    of `dunwu import`, replaces it by the real one."""
    if folder := os.environ.get("DUNWU_SMOLLM2"):
        return PreTrainedTokenizerFast.from_pretrained(folder)
    inner = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    inner.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    inner.decoder = decoders.ByteLevel()
    alphabet, special = pre_tokenizers.ByteLevel.alphabet(), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    inner.train_from_iterator(
        TEXTS * 3, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, special_tokens=special, show_progress=False)
    )
    names = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>", "unk_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, chat_template=SMOLLM2, **names)
