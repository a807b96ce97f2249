"""The models that are measured: random Qwen2-type checkpoints that dunwu, transformers, TRL and vLLM all load, and the bundled one.

Speed does not depend on what the weights are, and a random model stops where chance has it: its lengths are close to geometric.
"""

from __future__ import annotations

import json
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

CHARACTERS = string.ascii_letters + string.digits + " \n:,.+-*/()=<>?!'\""
END, PAD = "<|endoftext|>", "<|pad|>"
VOCABULARY = len(CHARACTERS) + 2
END_ID, PAD_ID = 0, 1
TASKS = [{"task": {"kind": "countdown", "languages": ["en"]}}]


@dataclass(frozen=True)
class Shape:
    """What decides the cost of a decoder; heads have ``head_dim`` entries."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int = VOCABULARY

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The shape that a checkpoint's ``config.json`` tells."""
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        heads, hidden = config["num_attention_heads"], config["hidden_size"]
        return cls(
            hidden, config["num_hidden_layers"], heads, config["num_key_value_heads"], config.get("head_dim") or hidden // heads,
            config["intermediate_size"], config["vocab_size"],
        )  # fmt: skip

    @property
    def linears(self) -> list[tuple[int, int]]:
        """``(out, in)`` of every matrix that a token meets, layer by layer, the head last."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        attention = [(queries, self.hidden), (keys, self.hidden), (keys, self.hidden), (self.hidden, queries)]
        mlp = [(self.intermediate, self.hidden), (self.intermediate, self.hidden), (self.hidden, self.intermediate)]
        return self.layers * (attention + mlp) + [(self.vocabulary, self.hidden)]

    @property
    def weights(self) -> int:
        """Entries of those matrices. Norms and biases, less than one in a thousand, are not counted; the embedding is the tied head."""
        return sum(rows * columns for rows, columns in self.linears)


SHAPES = {
    "5.9M": Shape(hidden=256, layers=6, heads=4, kv_heads=2, head_dim=64, intermediate=1024),
    "35M": Shape(hidden=512, layers=9, heads=8, kv_heads=4, head_dim=64, intermediate=2048),
    "0.5B": Shape(hidden=896, layers=24, heads=14, kv_heads=2, head_dim=64, intermediate=4864, vocabulary=151_936),
    "1.5B": Shape(hidden=1536, layers=28, heads=12, kv_heads=2, head_dim=128, intermediate=8960, vocabulary=151_936),
}
"""Random models by name; ``0.5B`` and ``1.5B`` have the shapes of Qwen2.5's."""


def checkpoint(name: str, folder: Path) -> Path:
    """The folder of a model: ``tiny`` is the bundled one, those of ``SHAPES`` are made under ``folder``, others are folders already."""
    from dunwu.models.bundled import BUNDLED_NAME, bundled_path

    if name == BUNDLED_NAME:
        return bundled_path()
    if name not in SHAPES:
        return Path(name)
    target = folder / name
    if not target.exists():
        write_checkpoint(SHAPES[name], target)
    return target


def write_checkpoint(shape: Shape, folder: Path, seed: int = 0, device: Any = "cpu", dtype: Any = None) -> None:
    """A random model of this shape and a tokenizer of single characters, as a Hugging Face folder; ``dtype`` as `qwen2`."""
    from dunwu.models.loading import save_model

    save_model(qwen2(shape, device, dtype, seed), character_tokenizer(), folder)


def qwen2(shape: Shape, device: Any = "cpu", dtype: Any = None, seed: int = 0) -> Any:
    """A random model of this shape, in float32 unless a ``dtype`` is given."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=shape.vocabulary, hidden_size=shape.hidden, intermediate_size=shape.intermediate, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads, max_position_embeddings=2048, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=END_ID, pad_token_id=PAD_ID,
    )  # fmt: skip
    assert config.hidden_size == config.num_attention_heads * shape.head_dim, "a Qwen2 derives head_dim from the width"
    with torch.device(device):
        return Qwen2ForCausalLM(config).to(device, dtype).eval()


def character_tokenizer() -> Any:
    """Each character is a token; what it does not know is skipped."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({token: i for i, token in enumerate((END, PAD, *CHARACTERS))}, unk_token=PAD))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=END, pad_token=PAD)


def texts(count: int) -> list[str]:
    """Countdown prompts, in the order in which our trainer takes them."""
    from dunwu.config.zero import ZeroConfig
    from dunwu.tasks.make import make_mixture
    from dunwu.tasks.templates import render

    config = ZeroConfig(tasks=TASKS)
    task = make_mixture(config.tasks)
    return [render(task.train(i, config.seed), config.template)[0] for i in range(count)]


def text_prompts(folder: Path, count: int, length: int) -> list[list[int]]:
    """Pieces of ``length`` tokens of those texts, in a model's own tokens."""
    from dunwu.models.loading import load_tokenizer

    ids = load_tokenizer(str(folder)).encode("\n".join(texts(count * length // 8 + 1)), add_special_tokens=False)
    return [ids[piece * length : (piece + 1) * length] for piece in range(count)]


def stop_ids(folder: Path) -> list[int]:
    """The stop tokens that a checkpoint's ``config.json`` names."""
    found = json.loads((folder / "config.json").read_text(encoding="utf-8"))["eos_token_id"]
    return found if isinstance(found, list) else [found]


def random_prompts(count: int, length: int, vocabulary: int, seed: int = 0) -> list[list[int]]:
    """Token ids of prompts that share no prefix worth caching; stop and padding tokens do not occur."""
    import random

    draw = random.Random(seed)
    return [[draw.randrange(2, min(vocabulary, VOCABULARY)) for _ in range(length)] for _ in range(count)]
