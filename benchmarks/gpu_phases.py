"""The phases of `benchmarks.gpu_check`, each in a process of its own: ``python -m benchmarks.gpu_phases PHASE --out FILE``.

A part that raises is a line with its error, and the next part runs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import dunwu  # noqa: F401  (how OpenMP threads wait is set there, before torch is loaded)

import pytest  # isort: skip
import torch  # isort: skip
import transformers  # isort: skip

from benchmarks.checkpoints import PAD_ID, SHAPES, Shape, character_tokenizer, qwen2, random_prompts, write_checkpoint
from benchmarks.decode_attention import flash, flex
from benchmarks.gpu_check import append
from benchmarks.step import Load
from dunwu.config.load import load_config
from dunwu.config.pretrain import PretrainConfig
from dunwu.process.attempt import attempt
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.rollout.torch_engine.forward import masked_sdpa
from dunwu.run.directory import read_manifest, read_metrics
from dunwu.trainers.pretrain import pretrain
from dunwu.types import Request, SamplingParams

HAS_GPU = torch.cuda.is_available()
TINY = Shape(hidden=32, layers=2, heads=4, kv_heads=2, head_dim=8, intermediate=64)
ATTENTIONS = {"sdpa": masked_sdpa, "flex": flex, "flash": flash}


@dataclass(frozen=True)
class Settings:
    """The command line of a phase, and when it must be done."""

    out: Path
    folder: Path
    tiny: bool
    ends: float

    @property
    def device(self) -> torch.device:
        return torch.device("cuda" if HAS_GPU else "cpu")

    def left(self) -> float:
        """Seconds until the deadline."""
        return self.ends - time.monotonic()


@dataclass
class Log:
    """Lines of the output file for one phase; ``good`` while no part has failed."""

    settings: Settings
    phase: str
    good: bool = True

    def __call__(self, part: str, **values: Any) -> None:
        """A line."""
        append(self.settings.out, {"phase": self.phase, "part": part, **values})

    def part(self, name: str, call: Callable[[], dict[str, Any]], must: bool = True) -> dict[str, Any]:
        """What ``call`` returns, or why it failed, also as a line; a part that need not work does not fail the phase."""
        found = attempt(call, lambda error: {"error": error})
        self.good &= "error" not in found or not must
        self(name, **found)
        return found


def synchronised(device: torch.device) -> float:
    """The time when all work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds(call: Callable[[], object], device: torch.device, repeats: int = 10) -> float:
    """Median duration of a call, after three that warm up."""
    for _ in range(3):
        call()
    found = []
    for _ in range(repeats):
        began = synchronised(device)
        call()
        found.append(synchronised(device) - began)
    return median(found)


def ceilings(settings: Settings, log: Log) -> None:
    """What the device can do at best, and what it is."""
    device = settings.device
    if device.type != "cuda" and not settings.tiny:
        log("device", error="no GPU that torch can use; --tiny rehearses the check on a CPU")
        log.good = False
        return
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    versions = {module.__name__: module.__version__ for module in (torch, transformers)}
    log("device", name=name, python=sys.version.split()[0], **versions)

    def copy() -> dict[str, Any]:
        source = torch.ones(2**20 if settings.tiny else 2**30, device=device)
        target = torch.empty_like(source)
        return {"bytes_per_second": 2 * source.nbytes / seconds(lambda: target.copy_(source), device)}

    def product() -> dict[str, Any]:
        size = 128 if settings.tiny else 8192
        left, right = (torch.randn(size, size, device=device).bfloat16() for _ in range(2))
        return {"flops": 2 * size**3 / seconds(lambda: left @ right, device)}

    log.part("copy", copy)
    log.part("bfloat16 product", product)


def ceiling(settings: Settings, part: str, key: str) -> float | None:
    """A figure of the phase `ceilings`, if it was measured."""
    lines = map(json.loads, settings.out.read_text(encoding="utf-8").splitlines())
    return next((line.get(key) for line in lines if line["phase"] == "ceilings" and line.get("part") == part), None)


class Recorder:
    """A pytest plugin: a line for each test as it ends."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            reason = {} if report.outcome == "passed" else {"reason": str(report.longrepr)[-300:]}
            name = report.nodeid.rpartition("::")[2]
            self._log(name, outcome=report.outcome, seconds=round(report.duration, 1), **dict(report.user_properties), **reason)


def correctness(settings: Settings, log: Log) -> None:
    """The tests that need a GPU; on a CPU, the same tests there."""
    chosen = ["-m", "gpu"] if settings.device.type == "cuda" else ["-m", "not gpu"]
    quiet = ["-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", "-o", "filterwarnings=default"]
    code = pytest.main(["tests/gpu", *chosen, *quiet], plugins=[Recorder(log)])
    log.good = code == pytest.ExitCode.OK


@dataclass(frozen=True)
class Decoding:
    """A load: ``rows`` sequences with a prompt of ``prompt`` tokens, eight to a prompt, that get ``tokens`` more, or ``mixed`` fewer."""

    shape: str
    rows: int
    mixed: bool = False
    prompt: int = 896
    tokens: int = 256

    @property
    def name(self) -> str:
        return f"{self.shape}, {self.rows} rows, {'mixed' if self.mixed else 'equal'} lengths"

    def requests(self, vocabulary: int) -> list[Request]:
        # Random weights give each token about the same probability: with so many stops a mixed row has half the tokens on average.
        stops = tuple(range(max(1, 2 * vocabulary // self.tokens))) if self.mixed else ()
        prompts = random_prompts(-(-self.rows // 8), self.prompt, vocabulary)
        return [Request(tuple(prompts[i // 8]), SamplingParams(self.tokens, stop_token_ids=stops), i) for i in range(self.rows)]


LOADS = (
    Decoding("0.5B", 256), Decoding("0.5B", 256, mixed=True), Decoding("0.5B", 64), Decoding("0.5B", 1024, mixed=True),
    Decoding("1.5B", 256), Decoding("1.5B", 256, mixed=True), Decoding("0.5B", 1024), Decoding("0.5B", 64, mixed=True),
    Decoding("1.5B", 64), Decoding("1.5B", 1024, mixed=True), Decoding("1.5B", 1024),
)  # fmt: skip
"""In the order in which they are worth knowing: the deadline may cut the last ones."""


def floor_seconds(shape: Shape, load: Decoding, lengths: Sequence[int], bandwidth: float) -> float:
    """Seconds to read the weights in each step and each row's keys and values as long as it lives, in bfloat16."""
    entry = 2 * 2 * shape.layers * shape.kv_heads * shape.head_dim
    return (2 * shape.weights * max(lengths) + entry * sum(load.prompt * n + n * (n + 1) // 2 for n in lengths)) / bandwidth


def decode(settings: Settings, log: Log) -> None:
    """Tokens per second of the engine, launched and in graphs, with each way to attend, and of transformers.

    FlexAttention and a static cache come last: they are compiled, which may take the rest of the time.
    """
    bandwidth, shapes = ceiling(settings, "copy", "bytes_per_second"), {"tiny": TINY} if settings.tiny else SHAPES
    loads = tuple(Decoding("tiny", 8, mixed, 6, 8) for mixed in (False, True)) if settings.tiny else LOADS
    cuda = settings.device.type == "cuda"

    def measure(load: Decoding, ways: Sequence[tuple[str, str]], beside: Sequence[str | None] = ()) -> None:
        model, shape = qwen2(shapes[load.shape], settings.device, torch.bfloat16), shapes[load.shape]
        engine = TorchEngine(model, character_tokenizer(), load.rows, "bfloat16", native=False)
        for how, attention in ways:
            engine.graphs, engine.attention = how == "graphs", ATTENTIONS[attention]
            must = attention == "sdpa"
            log.part(f"{load.name}: {how}, {attention}", lambda: decoded(settings, load, shape, engine, bandwidth), must)
        engine.close()
        for cache in beside:
            log.part(f"{load.name}: transformers, {cache or 'plain'} cache", lambda: peer(settings, load, model, cache), must=False)  # noqa: B023

    for load in loads[:2]:
        measure(load, [("graphs", "sdpa"), ("launched", "sdpa"), *[("graphs", "flash")] * cuda], [] if load.mixed else [None])
    log.part("kernels of a step", lambda: kernels(settings, shapes[loads[0].shape]), must=False)
    for load in loads[2:]:
        measure(load, [("graphs", "sdpa")], [] if load.mixed else [None])
    for load in loads[:2]:
        measure(load, [("graphs", "flex")])
    measure(loads[0], [], ["static"] * cuda)


def decoded(settings: Settings, load: Decoding, shape: Shape, engine: TorchEngine, bandwidth: float | None) -> dict[str, Any]:
    """One call of the engine after one that warms up."""
    requests, device = load.requests(shape.vocabulary), settings.device
    engine.generate(requests)
    began = synchronised(device)
    lengths = [len(completion.tokens) for completion in engine.generate(requests)]
    spent = synchronised(device) - began
    floor = {} if bandwidth is None else {"times_floor": round(spent / floor_seconds(shape, load, lengths, bandwidth), 2)}
    return {"tokens_per_second": round(sum(lengths) / spent), "ms_per_step": round(1e3 * spent / max(lengths), 3), **floor}


@torch.inference_mode()
def peer(settings: Settings, load: Decoding, model: Any, cache: str | None = None) -> dict[str, Any]:
    """One call of transformers' generate, after a short one; with a static cache after one of the same size, which compiles."""
    ids = torch.tensor([request.token_ids for request in load.requests(model.config.vocab_size)], device=settings.device)

    def generate(tokens: int) -> None:
        model.generation_config = transformers.GenerationConfig(
            do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=tokens, pad_token_id=PAD_ID, cache_implementation=cache
        )
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids))

    generate(load.tokens if cache else 4)
    began = synchronised(settings.device)
    generate(load.tokens)
    spent = synchronised(settings.device) - began
    return {"tokens_per_second": round(load.rows * load.tokens / spent), "ms_per_step": round(1e3 * spent / load.tokens, 3)}


def kernels(settings: Settings, shape: Shape) -> dict[str, Any]:
    """Kernels that a step launches, from the difference of two calls of eight steps more."""
    engine = TorchEngine(qwen2(shape, settings.device, torch.bfloat16), character_tokenizer(), 8, "bfloat16", native=False)
    engine.graphs = False
    counts = []
    for tokens in (1, 9):
        requests = Decoding("", 8, prompt=8, tokens=tokens).requests(shape.vocabulary)
        engine.generate(requests)
        with torch.profiler.profile() as profile:
            engine.generate(requests)
        counts.append(sum(str(event.device_type).endswith("CUDA") for event in profile.events()))
    return {"kernels_per_step": (counts[1] - counts[0]) / 8}


def step(settings: Settings, log: Log) -> None:
    """GRPO steps of 64 prompts x 8 completions x 512 tokens at 0.5B, in parts; then the same rollouts by transformers."""
    sys.path.insert(0, str(Path(__file__).parent / "workers"))
    from dunwu_step import opened

    shape = TINY if settings.tiny else SHAPES["0.5B"]
    folder = settings.folder / "step-model"
    load = Load(str(folder), 2, 2, 8, stop=False) if settings.tiny else Load(str(folder), 64, 8, 512, stop=False)
    write_checkpoint(shape, folder, dtype=torch.bfloat16, device=settings.device)
    given = {"model": str(folder), "precision": "bfloat16", **load.settings(settings.device.type)}
    os.chdir(settings.folder)  # where the run directory is made
    peak = ceiling(settings, "bfloat16 product", "flops")
    with opened(given) as trainer:
        for index in range(1, 4):
            log.part(f"step {index}", lambda: stepped(settings, shape, trainer, index, peak))  # noqa: B023
    if settings.left() > 60 or settings.tiny:
        rows = Decoding("0.5B", load.prompts * load.group, prompt=16, tokens=load.tokens)
        model = qwen2(shape, settings.device, torch.bfloat16)
        log.part("the rollouts of a step by transformers", lambda: peer(settings, rows, model), must=False)


def stepped(settings: Settings, shape: Shape, trainer: Any, index: int, peak: float | None) -> dict[str, Any]:
    """One step: its parts, the update's share of the peak, and memory."""
    cuda = settings.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    began = synchronised(settings.device)
    metrics = trainer.step(index)
    spent = synchronised(settings.device) - began
    parts = {name: round(metrics[f"time/{name}"], 2) for name in ("generate", "reward", "train")}
    mfu = {} if peak is None else {"share_of_peak": round(6 * shape.weights * metrics["num_tokens"] / metrics["time/train"] / peak, 3)}
    memory = {"peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1)} if cuda else {}
    return {"seconds": round(spent, 2), **parts, "tokens": metrics["num_tokens"], "mismatch": metrics["mismatch"], **mfu, **memory}


MODEL = "{hidden: 512, layers: 14, heads: 8, kv_heads: 4, intermediate: 2048, max_positions: 1024}"
"""51 million weights."""
PRETRAINING = [
    f"shape={MODEL}", "tokens=12000000", "batch_tokens=16384", "micro_batch_tokens=16384", "learning_rate=1e-3", "warmup_steps=50",
    "save_every=100000", "sample_every=100000",
]  # fmt: skip
RUN = [
    "grpo.steps=60", "grpo.prompts_per_step=32", "grpo.learning_rate=3e-5", "grpo.micro_batch_tokens=32768", "grpo.beta=0",
    "sampling.max_tokens=160", "evaluations.0.problems=100", "evaluations.0.sampling.max_tokens=160", "save_every=10",
]  # fmt: skip
TINY_PRETRAINING = [
    "shape={hidden: 32, layers: 2, heads: 2, kv_heads: 1, intermediate: 64, max_positions: 256}", "tokens=3000", "batch_tokens=600",
    "micro_batch_tokens=600", "sequence_length=160", "warmup_steps=2", "matmul_precision=float32",
]  # fmt: skip
TINY_RUN = [
    "grpo.steps=6", "grpo.prompts_per_step=2", "grpo.group_size=2", "grpo.beta=0", "sampling.max_tokens=8", "evaluations.0.problems=2",
    "evaluations.0.samples=1", "evaluations.0.sampling.max_tokens=8", "save_every=2", "reward_workers=0", "threads=1",
]  # fmt: skip
AHEAD = ["grpo.staleness=1", "grpo.tis_clip=2"]
ENOUGH = 0.03
"""Pass@1 below which a base has too little to reinforce: rollouts are then drawn ahead from the bundled base."""


def learn(settings: Settings, log: Log) -> None:
    """A model trained on the spot, then R1-Zero from it: killed and resumed, and with rollouts drawn ahead."""
    base, found = settings.folder / "base", dict[str, Path]()

    def trained() -> dict[str, Any]:
        config = load_config(PretrainConfig, None, TINY_PRETRAINING if settings.tiny else PRETRAINING)
        began = time.monotonic()
        found["model"] = pretrain(config, base)
        rows = read_metrics(base)
        return {"seconds": round(time.monotonic() - began, 1), "loss": [rows[0]["loss"], rows[-1]["loss"]], "steps": len(rows)}

    log.part("pre-training", trained)
    if "model" not in found:
        return
    steps = (TINY_RUN if settings.tiny else RUN) + [f"device={settings.device.type}", "sample_every=100000", "dump_rollouts_every=100000"]
    argv = ["--model", str(found["model"]), *steps]
    log.part("killed", lambda: killed(settings, argv, settings.folder / "run"))
    resumed = log.part("resumed", lambda: finished(settings, ["--resume"], settings.folder / "run"))
    if max((each["before"] for each in resumed.get("pass_at_1", {}).values()), default=0.0) < ENOUGH:
        argv = [*steps, "grpo.learning_rate=1e-4"]
    log.part("with rollouts drawn ahead", lambda: finished(settings, [*argv, *AHEAD], settings.folder / "ahead"))


def start(argv: Sequence[str], out: Path) -> subprocess.Popen[bytes]:
    """A `dunwu zero` in this phase's group of processes."""
    with out.with_suffix(".log").open("ab") as file:
        command = [sys.executable, "-m", "dunwu.cli.main", "zero", "--out", str(out), *argv]
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)


def killed(settings: Settings, argv: Sequence[str], out: Path) -> dict[str, Any]:
    """Start a run and kill it once it has saved a checkpoint and gone on."""
    process, metrics = start(argv, out), out / "metrics.jsonl"
    while (
        process.poll() is None
        and settings.left() > 0
        and (metrics.read_bytes().count(b"\n") if metrics.exists() else 0) < (3 if settings.tiny else 25)
    ):
        time.sleep(0.02)
    assert process.poll() is None, f"it ended by itself: {tail(out)}"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return {"steps": len(curve(out)), "curve": curve(out)}


def finished(settings: Settings, argv: Sequence[str], out: Path) -> dict[str, Any]:
    """Run to the end or the deadline: the curve, and pass@1 before and after."""
    process = start(argv, out)
    try:
        code = process.wait(max(1.0, settings.left() - 5))
    except subprocess.TimeoutExpired:
        process.kill()
        return {"error": "deadline", "curve": curve(out)}
    assert code == 0, f"exit code {code}: {tail(out)}"
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    sets = {
        name: {phase: each["pass_at_1"] for phase, each in phases.items()}
        for name, phases in summary.items()
        if name not in ("seconds", "seed", "device")
    }
    rows, rewards = read_metrics(out), [point[1] for point in curve(out)]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1)), "a step is missing or was made twice"
    fifth = max(1, len(rewards) // 5)
    return {
        "model": read_manifest(out)["config"]["model"],
        "pass_at_1": sets,
        "reward_first_and_last_fifth": [sum(part) / fifth for part in (rewards[:fifth], rewards[-fifth:])],
        "seconds": summary["seconds"],
        "curve": curve(out),
    }


def curve(out: Path) -> list[tuple[int, float, float]]:
    """Step, mean accuracy of its rollouts, and its seconds."""
    rows = read_metrics(out) if (out / "metrics.jsonl").exists() else []
    return [(row["step"], round(row.get("rewards/accuracy") or 0.0, 4), round(row["step_time"], 2)) for row in rows]


def tail(out: Path) -> str:
    """The end of a run's output."""
    return " ".join(out.with_suffix(".log").read_text(encoding="utf-8", errors="replace").split())[-500:]


PHASES = {"ceilings": ceilings, "correctness": correctness, "decode": decode, "step": step, "learn": learn}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; exit code 1 if a part failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("phase", choices=tuple(PHASES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args(argv)
    settings = Settings(options.out, options.folder, options.tiny, time.monotonic() + options.seconds)
    log = Log(settings, options.phase)
    failure = attempt(lambda: PHASES[options.phase](settings, log), lambda error: error)
    if failure is not None:
        log("phase", error=failure)
    return 0 if log.good and failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
