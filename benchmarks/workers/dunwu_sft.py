"""SFT rows read to a token file, opened again and trained on, driven by `benchmarks.sft_memory`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from talk import claim_stdout, orders, settings

from dunwu.config.pretrain import ModelShape
from dunwu.config.sft import SftConfig
from dunwu.data.io.chat_examples import Counts, ExampleReader
from dunwu.data.io.token_file import TokenFile, token_file
from dunwu.models.bundled import bundled_path
from dunwu.models.chat import training_template
from dunwu.models.loading import load_tokenizer
from dunwu.models.new import new_model
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.run.directory import content_hash
from dunwu.trainers.sft import SftTrainer

UPDATES, CONVERSATIONS = 2, 2


def anonymous() -> int:
    """Bytes of this process's memory that no file holds."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def watched(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What ``work`` returns, its seconds, and the highest anonymous memory while it ran."""
    peak, done = [anonymous()], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak.append(max(peak.pop(), anonymous()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    try:
        found = work()
    finally:
        done.set()
        watcher.join()
    return found, {"seconds": time.perf_counter() - began, "anonymous": max(peak[0], anonymous())}


class Bench:
    """A small random model with the bundled tokenizer."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.tokenizer = load_tokenizer(str(bundled_path()))
        shape = ModelShape(hidden=32, layers=1, heads=1, kv_heads=1, intermediate=64, max_positions=given["positions"])
        self.model = new_model(shape, self.tokenizer, 0)
        self.template = training_template("tiny", self.tokenizer)
        self.template.adopt(self.tokenizer, self.model)

    def reader(self, data: str) -> ExampleReader:
        return ExampleReader(Path(data), self.template, self.tokenizer, self.model.config.max_position_embeddings, "refuse")

    def words(self, tokens: int, sample: str) -> dict[str, Any]:
        """How many words make ``tokens`` tokens, by a row of 1,000 words."""
        thought = json.loads(sample)["messages"][1]["reasoning_content"]
        return {"words": round(tokens / len(self.tokenizer(thought)["input_ids"]) * 1_000)}

    def list(self, data: str) -> dict[str, Any]:
        """All rows in a list."""
        return watched(lambda: list(self.reader(data).read(Counts())))[1]

    def all(self, data: str, out: str) -> dict[str, Any]:
        """Write, open as a resume does, train."""
        path, data_hash = Path(out) / "data.arrow", content_hash(Path(data))

        def make() -> TokenFile:
            return token_file(path, self.reader(data), data_hash, self.model.config.vocab_size)

        _, write = watched(make)
        inode = path.stat().st_ino
        found, opened = watched(make)
        assert path.stat().st_ino == inode, "it was written again"
        _, train = watched(lambda: self.train(found, data))
        return {"tokens": found.counts.tokens, "file": path.stat().st_size, "write": write, "open": opened, "train": train}

    def train(self, found: TokenFile, data: str) -> None:
        """A few updates."""
        config = SftConfig(data=data, batch_size=CONVERSATIONS, sample_every=10**9, matmul_precision="float32", device="cpu")
        trainer = SftTrainer(config, self.model, self.tokenizer, TorchEngine(self.model, self.tokenizer, native=False), found)
        for step in range(1, UPDATES + 1):
            trainer.step(step)


def main() -> None:
    answer, given = claim_stdout(), settings()
    torch.set_num_threads(given["threads"])
    bench = Bench(given)
    answer({"versions": {"torch": torch.__version__}})
    for order in orders():
        answer(getattr(bench, order.pop("do"))(**order))


if __name__ == "__main__":
    main()
