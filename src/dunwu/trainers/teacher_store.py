"""A teacher's distributions on disk: the k most probable tokens at each learned token, so that the teacher runs once.

A folder has a safetensors file for every `SHARD` conversations. Each is written atomically: a stopped run continues after the last one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dunwu.algorithms.distillation import TopK, top_k
from dunwu.data.io.chat_examples import Example, Examples
from dunwu.errors import RunError
from dunwu.models.precision import Precision, attention, matmul_precision
from dunwu.models.protocols import CausalLM
from dunwu.run.atomic import atomic_file
from dunwu.run.reporter import QUIET, Reporter

SHARD = 64
PARTS = ("ids", "logprobs", "tail")
TOKENS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored: of the first ``vocabulary`` tokens the ``k`` most probable at a temperature."""

    k: int
    temperature: float
    vocabulary: int


@dataclass(frozen=True, slots=True)
class StoredExample(Example):
    """A conversation and the place of its teacher's distributions."""

    file: Path = Path()
    place: int = 0
    temperature: float = 1.0

    def top_k(self) -> tuple[Tensor, ...]:
        """Its `PARTS`. Raises ``RunError`` for a file that cannot be read."""
        try:
            with safe_open(self.file, "pt") as content:
                return tuple(content.get_tensor(f"{self.place}.{part}") for part in PARTS)
        except (OSError, SafetensorError) as error:
            raise RunError(f"{self.file} cannot be read ({error}): delete it and resume") from error


class StoredExamples:
    """Conversations with what is stored of their teacher."""

    def __init__(self, examples: Examples, folder: Path, stored: Stored) -> None:
        self._examples, self._folder, self._stored = examples, folder, stored

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, place: int, /) -> StoredExample:
        one, file = self._examples[place], shard(self._folder, place)
        return StoredExample(one.ids, one.learned, one.where, one.position, file, place, self._stored.temperature)

    def __iter__(self) -> Iterator[StoredExample]:
        return map(self.__getitem__, range(len(self)))


def joined(examples: Sequence[StoredExample], device: torch.device) -> TopK:
    """The distributions of several conversations, one after the other."""
    ids_NK, logprobs_NK, tail_N = (torch.cat(parts).to(device) for parts in zip(*(each.top_k() for each in examples), strict=True))
    return TopK(ids_NK.long(), logprobs_NK, tail_N, examples[0].temperature)


def store_folder(root: Path, rows: str, teacher: str, precision: Precision, stored: Stored) -> Path:
    """The folder below ``root`` for these rows and this teacher, each given by its hash."""
    key = json.dumps([rows, teacher, precision, stored.k, stored.temperature, stored.vocabulary])
    return root / hashlib.sha256(key.encode()).hexdigest()[:16]


def shard(folder: Path, place: int) -> Path:
    """The file of a conversation."""
    return folder / f"{place // SHARD:06d}.safetensors"


def missing(examples: Examples, folder: Path) -> list[int]:
    """The first conversation of each file that is missing or cut short."""
    return [start for start in range(0, len(examples), SHARD) if not _complete(shard(folder, start))]


def store(examples: Examples, folder: Path, teacher: CausalLM, stored: Stored, precision: Precision, reporter: Reporter = QUIET) -> None:
    """Write the files that are missing. Raises ``RunError`` if the folder cannot be made or the disk is full."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be made ({error.strerror}): set method.stored to a folder that can be written") from error
    starts, files = missing(examples, folder), -(-len(examples) // SHARD)
    with reporter.progress(files, "the teacher's distributions", files - len(starts)) as advance:
        for done, start in enumerate(starts, files - len(starts) + 1):
            tensors = dict[str, Tensor]()
            for place in range(start, min(start + SHARD, len(examples))):
                found = _distributions(teacher, examples[place], stored, precision)
                tensors |= {f"{place}.{part}": tensor for part, tensor in zip(PARTS, found, strict=True)}
            with atomic_file(shard(folder, start)) as file:
                file.write(save(tensors))
            advance(done, {})


@torch.no_grad()
def _distributions(teacher: CausalLM, example: Example, stored: Stored, precision: Precision) -> tuple[Tensor, ...]:
    ids_1T = torch.from_numpy(example.ids).long()[None].to(teacher.device)
    learned_T = torch.from_numpy(example.learned).to(teacher.device)
    with matmul_precision(precision, teacher.device), attention(teacher):
        hidden_ND = teacher.model(input_ids=ids_1T, use_cache=False).last_hidden_state[0, :-1][learned_T[1:]]
        tops = [
            top_k(teacher.lm_head(part).float()[:, : stored.vocabulary], stored.k, stored.temperature)
            for part in hidden_ND.split(TOKENS_AT_ONCE)
        ]
    parts = ([top.ids_NK.int() for top in tops], [top.logprobs_NK for top in tops], [top.tail_N for top in tops])
    return tuple(torch.cat(part).cpu() for part in parts)


def _complete(file: Path) -> bool:
    with suppress(OSError, SafetensorError), safe_open(file, "pt"):
        return True
    return False
