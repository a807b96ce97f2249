"""An update of a distillation beside its teacher, natively and by torch: ``python -m benchmarks.distillation_step``.

The student has the shape of a new one (0.26 million weights, Qwen2), the teacher is the bundled model. A turn is ``UPDATES`` updates, AdamW
included, on one batch of 16 conversations of 70 to 150 random tokens; turns of both take place by turns, and the ratio is that of medians.
``text`` has no teacher.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from benchmarks.results import Options, Result, Row, chosen, finish, median, parse, rate, result, table
from dunwu.config.distill_methods import DistillationConfig
from dunwu.config.load import load_config
from dunwu.config.sft import SftConfig
from dunwu.data.io.chat_examples import Example
from dunwu.models.loading import load_model
from dunwu.models.protocols import CausalLM
from dunwu.trainers.distill import make_scorer
from dunwu.trainers.optimiser import Optimiser
from dunwu.trainers.sft_scoring import ExampleScorer, make_example_scorer

UPDATES, CONVERSATIONS, PROMPT, SHORTEST, LONGEST = 20, 16, 25, 70, 150
METHODS: dict[str, str | None] = {
    "text": None,
    "logits": "logits",
    "on-policy": "on-policy",
    "hidden": "hidden",
    "attention": "attention",
}
PRECISIONS = ("auto", "float32")
"""``auto`` is native where the processor can; ``float32`` is always torch."""


def make_student(vocabulary: int) -> CausalLM:
    """A new student with random weights."""
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 192}
    student: CausalLM = Qwen2ForCausalLM(
        Qwen2Config(vocab_size=vocabulary, tie_word_embeddings=True, max_position_embeddings=1024, **shape)
    )
    return student


def make_batch(vocabulary: int) -> list[Example]:
    """Conversations of random tokens; what follows the prompt is learned."""
    random, found = np.random.default_rng(0), list[Example]()
    for place in range(CONVERSATIONS):
        length = int(random.integers(SHORTEST, LONGEST))
        ids = random.integers(3, vocabulary, length).astype(np.int32)
        found.append(Example(ids, np.arange(length) >= PROMPT, f"row {place + 1}", place))
    return found


def make_update(method: str | None, precision: str, teacher: CausalLM, batch: Sequence[Example]) -> tuple[str, Callable[[], None]]:
    """How the arithmetic is called, and one update of a new student."""
    student = make_student(teacher.config.vocab_size)
    scorer, beside = _scorer(method, precision, student, teacher)
    weights = {} if beside is None else dict(beside.named_parameters())
    optimiser, targets = Optimiser(student, learning_rate=1e-4, beside=weights), sum(example.targets for example in batch)

    def update() -> None:
        (scorer(batch).loss / targets).backward()  # type: ignore[no-untyped-call]
        optimiser.update()

    return scorer.name, update


def _scorer(method: str | None, precision: str, student: CausalLM, teacher: CausalLM) -> tuple[ExampleScorer, torch.nn.Module | None]:
    common = ["model=tiny", "data=rows", f"matmul_precision={precision}"]
    if method is None:
        return make_example_scorer(student, load_config(SftConfig, None, common).matmul_precision), None
    return make_scorer(
        load_config(DistillationConfig, None, [*common, "teacher=tiny", f"method={method}"]), student, teacher, teacher.config.vocab_size
    )


def measure(methods: Sequence[str], options: Options, updates: int = UPDATES) -> Result:
    """One row for each method."""
    torch.set_num_threads(options.cores)
    teacher, _ = load_model("tiny")
    batch, rows = make_batch(teacher.config.vocab_size), list[Row]()
    tokens = updates * sum(len(example.ids) for example in batch)
    for name in methods:
        made = {precision: make_update(METHODS[name], precision, teacher, batch) for precision in PRECISIONS}
        turns: dict[str, list[dict[str, float]]] = {precision: [] for precision in PRECISIONS}
        for turn in range(options.turns + 1):
            for precision, (_, update) in made.items():
                began = time.perf_counter()
                for _ in range(updates):
                    update()
                if turn:  # the first one warms up
                    turns[precision].append({"tokens": tokens, "seconds": time.perf_counter() - began})
        ours, theirs = (median(turns[precision], rate) for precision in PRECISIONS)
        rows.append({"method": name, "arithmetic": made["auto"][0], "dunwu": ours, "torch": theirs})
    return result("distillation_step", options, {"torch": torch.__version__}, {}, rows)


def text(found: Result) -> str:
    """The table."""
    lines = [(row["method"], row["arithmetic"], row["dunwu"], row["torch"], row["dunwu"] / row["torch"]) for row in found["rows"]]
    return table(("method", "arithmetic", "tokens/s", "torch, float32", "ratio"), lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = parse(__doc__, argv)
    found = measure(chosen(tuple(METHODS), options, tuple(METHODS)), options)
    finish(found, text(found), options)


if __name__ == "__main__":
    main()
