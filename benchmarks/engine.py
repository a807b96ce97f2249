"""Tokens per second of the built-in engine beside `transformers` generate.

Both draw the same number of tokens after the same prompts with the same weights, in one process, by turns; the figure is the median
of the repeats and the ratio of the medians. Neither stops early: lengths are equal, so what the engine gains where lengths differ
(a finished sequence leaves the batch at once) is left out. `transformers` runs as it comes, with its default cache.

    python benchmarks/engine.py [--model tiny] [--prompts 64] [--group 8] [--tokens 160] [--out engine.json]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import dunwu.cli.main  # noqa: F401  (how OpenMP threads wait is set there, before torch is loaded)

import torch  # isort: skip
import transformers  # isort: skip

from dunwu.config.tasks import CountdownTask, WeightedTask
from dunwu.data.prompts import make_prompts
from dunwu.models.loading import load_model, pick_device
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.tasks.make import make_mixture
from dunwu.types import Prompt, SamplingParams

OURS, THEIRS = "dunwu", "transformers"


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    model: str = "tiny"
    prompts: int = 64
    group: int = 8
    """Completions of each prompt; all of them decode in one batch, in both engines."""
    tokens: int = 160
    """Length of every completion."""
    repeats: int = 3
    threads: int = 0
    """0: torch's default."""
    device: str = "auto"


def measure(settings: Settings) -> dict[str, Any]:
    """Medians, all single figures, the ratio, and where this was."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = pick_device(settings.device)
    model, tokenizer = load_model(settings.model, device)
    model.eval()
    task = make_mixture((WeightedTask(task=CountdownTask()),))
    prompts = make_prompts([task.train(i, 0) for i in range(settings.prompts)], "tiny", tokenizer, 1024)
    runs = {OURS: ours(model, tokenizer, prompts, settings), THEIRS: theirs(model, prompts, settings, device)}
    rates = by_turns(runs, settings.prompts * settings.group * settings.tokens, settings.repeats, device)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    where = {"machine": platform.machine(), "device": str(device), "threads": torch.get_num_threads()}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    return {
        "settings": asdict(settings),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tokens_per_second": medians,
        "single": rates,
        "ratio": medians[OURS] / medians[THEIRS],
        **where,
        **versions,
    }


def by_turns(runs: dict[str, Callable[[int], None]], tokens: int, repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Tokens per second of each repeat; the engines take turns, so that a disturbance meets both. The first turn only warms up."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run(turn)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if turn:
                rates[name].append(tokens / (time.perf_counter() - began))
    return rates


def ours(model: Any, tokenizer: Any, prompts: Sequence[Prompt], settings: Settings) -> Callable[[int], None]:
    """The built-in engine, without a stop token."""
    count = settings.prompts * settings.group
    engine = TorchEngine(model, tokenizer, max_batch=count)

    def run(turn: int) -> None:
        seeds = range(turn * count, (turn + 1) * count)
        found = engine.generate(prompts, SamplingParams(max_tokens=settings.tokens), settings.group, seeds)
        drawn = sum(len(completion.token_ids) for completion in found)
        assert drawn == count * settings.tokens, f"{drawn} tokens were drawn, not {count * settings.tokens}"

    return run


def theirs(model: Any, prompts: Sequence[Prompt], settings: Settings, device: torch.device) -> Callable[[int], None]:
    """`generate` with sampling at temperature 1 without filters, prompts padded on the left."""
    widest = max(len(prompt.token_ids) for prompt in prompts)
    ids_PT = torch.zeros(len(prompts), widest, dtype=torch.long, device=device)
    mask_PT = torch.zeros_like(ids_PT)
    for row, prompt in enumerate(prompts):
        ids_PT[row, widest - len(prompt.token_ids) :] = torch.tensor(prompt.token_ids, device=device)
        mask_PT[row, widest - len(prompt.token_ids) :] = 1
    # The checkpoint's own generation_config would fill in a stop token where an argument leaves it out: it is replaced.
    model.generation_config = transformers.GenerationConfig(
        do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=settings.tokens, eos_token_id=None, pad_token_id=0,
        num_return_sequences=settings.group,
    )  # fmt: skip

    def run(turn: int) -> None:
        torch.manual_seed(turn)
        found_BT = model.generate(input_ids=ids_PT, attention_mask=mask_PT)
        expected = (settings.prompts * settings.group, widest + settings.tokens)
        assert tuple(found_BT.shape) == expected, f"transformers drew {tuple(found_BT.shape)}, not {expected}"

    return run


def table(result: dict[str, Any]) -> str:
    """The result as Markdown, for `docs/performance.md`."""
    settings = result["settings"]
    lines = [
        f"{result['parameters']:,} parameters, {settings['prompts']} prompts x {settings['group']} x {settings['tokens']} tokens, "
        f"{result['device']}, {result['threads']} thread(s), torch {result['torch']}, transformers {result['transformers']}",
        "",
        "| engine | tokens/s (median) | single |",
        "|---|---|---|",
        *(
            f"| {name} | {result['tokens_per_second'][name]:,.0f} | {', '.join(f'{rate:,.0f}' for rate in result['single'][name])} |"
            for name in (OURS, THEIRS)
        ),
        f"| ratio | {result['ratio']:.2f} | |",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON where asked."""
    parser = argparse.ArgumentParser(description="Tokens per second of the built-in engine beside transformers generate.")
    for name, default in asdict(Settings()).items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    values = vars(parser.parse_args(argv))
    out = values.pop("out")
    result = measure(Settings(**values))
    print(table(result))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
