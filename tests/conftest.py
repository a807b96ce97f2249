"""What tests of the trainers share: a tokenizer of the tiny world, small random and taught models, a data set, configurations, trainers.

Heavy imports stand inside the fixtures, so that tests of the light layers stay light.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dunwu import isa  # before any test imports torch: it sets torch's own caps beside DUNWU_ISA
from dunwu.errors import UserError
from tests.recorder import Recorder

SAY = {"train": "Say {}.", "validation": "Say {} then.", "test": "Say {} now."}
"""Wordings by split; the answer is the number that is named."""
NUMBERS = range(5)


def pytest_configure() -> None:
    """Refuse a bad ``DUNWU_ISA`` before anything runs, and speak English whatever the locale."""
    os.environ["DUNWU_LANG"] = "en"
    try:
        isa.levels_in_force()
    except UserError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_collection_finish() -> None:
    """Exempt what collection made from garbage collection: a pipeline collects after each stage, which took seconds with it."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say under which instruction set the tests have run."""
    terminalreporter.write_line(f"instruction set: {isa.levels_in_force()[-1].name}")


@pytest.fixture(scope="session")
def world_tokenizer() -> Any:
    """Trained on 300 documents of the corpus: about a thousand tokens, numbers and tags whole."""
    from dunwu.data.tiny_world.corpus import documents
    from dunwu.data.tiny_world.tokenizer import train_tokenizer

    return train_tokenizer(text for _, text in itertools.islice(documents(0), 300))


@pytest.fixture(scope="session")
def new_policy(world_tokenizer: Any) -> Callable[..., Any]:
    """``new_policy(seed)``: a random model of 2 layers and width 32."""
    from dunwu.config.pretrain import ModelShape
    from dunwu.models.new import new_model

    def make(seed: int = 0) -> Any:
        return new_model(ModelShape(hidden=32, layers=2, heads=2, kv_heads=1, intermediate=64, max_positions=256), world_tokenizer, seed)

    return make


@pytest.fixture(scope="session")
def say_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set whose problems name the number that answers them."""
    folder = tmp_path_factory.mktemp("data") / "say"
    folder.mkdir()
    for name, wording in SAY.items():
        rows = [json.dumps({"problem": wording.format(n), "answer": str(n)}) for n in NUMBERS]
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def say_document(rng: random.Random, care: float) -> str:
    """A problem and an attempt at it: right by chance or with ``care``, a tag sometimes left out."""
    asked = rng.choice(NUMBERS)
    said = asked if rng.random() < care else rng.choice(NUMBERS)
    close = "</think>" if rng.random() < 0.8 else ""
    thought = rng.choice(("ok", "hm", "wait", ""))
    return f"User: {rng.choice(list(SAY.values())).format(asked)}\nAssistant:<think>{thought}{close}<answer>{said}</answer>"


@pytest.fixture(scope="session")
def taught_base(tmp_path_factory: pytest.TempPathFactory, new_policy: Callable[..., Any], world_tokenizer: Any) -> str:
    """A base model for `say_data`, taught for two seconds: it has seen it done well, then mostly by guessing, and guesses."""
    import torch
    from torch.nn.functional import cross_entropy

    from dunwu.models.loading import save_model
    from dunwu.trainers.scoring import pad_right

    rng, model = random.Random(0), new_policy(1)
    with torch.no_grad():
        for matrix in (p for p in model.parameters() if p.ndim == 2):
            matrix.mul_(8)  # from the usual start, a model this narrow takes minutes to learn to look at the number
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
    for care in [1.0] * 70 + [0.2] * 40:
        documents = [say_document(rng, care) for _ in range(32)]
        rows = [[*world_tokenizer(text)["input_ids"], world_tokenizer.eos_token_id] for text in documents]
        ids, mask = pad_right(rows, world_tokenizer.pad_token_id, torch.device("cpu"))
        scored = mask[:, 1:].bool()
        cross_entropy(model(input_ids=ids).logits[:, :-1][scored], ids[:, 1:][scored]).backward()
        optimizer.step()
        optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("base")
    save_model(model, world_tokenizer, folder)
    return str(folder)


@pytest.fixture(scope="session")
def say_overrides(taught_base: str, say_data: Path) -> list[str]:
    """Overrides that make a whole run of a few seconds: ``dunwu zero --out OUT`` with these."""
    task = f"{{kind: dataset, path: {say_data}}}"
    return [
        f"model={taught_base}",
        f"tasks=[{{task: {task}}}]",
        f"evaluations=[{{task: {task}, problems: 3, samples: 2, sampling: {{max_tokens: 10}}}}]",
        "grpo.steps=6",
        "grpo.prompts_per_step=4",
        "grpo.group_size=4",
        "grpo.learning_rate=3e-3",
        "grpo.max_learning_rate=0.1",
        "grpo.beta=0",
        "sampling.max_tokens=10",
        "save_every=2",
        "sample_every=1000",
        "dump_rollouts_every=3",
        "reward_workers=0",
        "device=cpu",
        "threads=1",
    ]


@pytest.fixture(scope="session")
def zero_config(say_overrides: Sequence[str]) -> Callable[..., Any]:
    """``zero_config("grpo.beta=0.1", ...)``: the configuration of a small run with overrides."""
    from dunwu.config.load import load_config
    from dunwu.config.zero import ZeroConfig

    return lambda *overrides: load_config(ZeroConfig, None, [*say_overrides, *overrides])


@pytest.fixture
def recorder() -> Recorder:
    """A reporter that keeps what it receives."""
    return Recorder()


@pytest.fixture(scope="session")
def open_trainer() -> Callable[..., Any]:
    """``with open_trainer(path, config) as trainer``: a GRPO trainer put together as `run_zero` does it.

    ``engine_of(model, tokenizer)``, ``reward`` and ``model`` replace the real ones; ``trainer.run`` is its run directory.
    """
    from dunwu.models.loading import load_model
    from dunwu.models.lora import add_lora
    from dunwu.rewards.pool import RewardPool
    from dunwu.rewards.rules import rule_reward
    from dunwu.rollout.torch_engine.engine import TorchEngine
    from dunwu.run.directory import RunDirectory
    from dunwu.run.reporter import QUIET
    from dunwu.tasks.make import make_mixture
    from dunwu.trainers.grpo import GrpoTrainer

    @contextmanager
    def opened(
        path: Path,
        config: Any,
        *,
        resume: bool = False,
        model: Any = None,
        reward: Any = None,
        engine_of: Any = None,
        reporter: Any = QUIET,
    ) -> Iterator[Any]:
        policy, tokenizer = load_model(config.model)
        policy = policy if model is None else model
        if config.lora is not None:
            add_lora(policy, config.lora, config.seed)
        with (
            RunDirectory.create(path, "zero", config.model_dump(mode="json"), config.seed, resume, reporter=reporter) as run,
            RewardPool(reward or rule_reward(), 0, 5.0) as pool,
        ):
            engine = (engine_of or TorchEngine)(policy, tokenizer)
            yield GrpoTrainer(config, policy, tokenizer, engine, pool, make_mixture(config.tasks), run)

    return opened


class DirectStream:
    """The documents of a seed, each made when it is asked for."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def take(self, index: int) -> str:
        from dunwu.data.tiny_world.corpus import document

        return document(index, self._seed)[1]


@pytest.fixture(scope="session")
def pretrain_config() -> Callable[..., Any]:
    """``pretrain_config("seed=1", ...)``: 6 steps of a very small model in float32, saved every second one."""
    from dunwu.config.load import load_config
    from dunwu.config.pretrain import PretrainConfig

    shape = "{hidden: 32, layers: 2, heads: 2, kv_heads: 1, intermediate: 64, max_positions: 256}"
    sizes = ["tokens=3600", "batch_tokens=600", "micro_batch_tokens=400", "sequence_length=160", "warmup_steps=2", "save_every=2"]
    fixed = [f"shape={shape}", *sizes, "sample_every=1000", "matmul_precision=float32", "device=cpu", "threads=1"]
    return lambda *overrides: load_config(PretrainConfig, None, [*fixed, *overrides])


@pytest.fixture(scope="session")
def new_pretrainer() -> Callable[..., Any]:
    """``new_pretrainer(config, **more)``: the trainer of `pretrain` with a tokenizer of 300 documents, its stream in this process."""
    from dunwu.trainers.pretrain import Pretrainer

    return lambda config, **more: Pretrainer(config, DirectStream(config.seed), tokenizer_documents=300, **more)


class SignalAfter:
    """A trainer that, after one of its steps, has its own process asked to stop."""

    def __init__(self, inner: Any, step: int) -> None:
        self._inner, self._step = inner, step
        self.save, self.load = inner.save, inner.load

    @property
    def halted(self) -> str:
        return str(self._inner.halted)

    def step(self, step: int) -> Any:
        metrics = self._inner.step(step)
        if step == self._step:
            signal.raise_signal(signal.SIGTERM)
        return metrics


@pytest.fixture(scope="session")
def train_until() -> Callable[..., Path]:
    """``train_until(run, trainer, config, stop=5)``: all steps, or those until a signal after step ``stop``; the final checkpoint."""
    from dunwu.trainers.train_loop import Schedule, run_steps

    def train(run: Any, trainer: Any, config: Any, steps: int, stop: int = 0) -> Path:
        return run_steps(run, SignalAfter(trainer, stop), Schedule(steps, config.save_every, config.keep_checkpoints, "test"))

    return train


@pytest.fixture(scope="session")
def same_files() -> Callable[[Path, Path], None]:
    """Assert that two files or folders hold the same bytes."""

    def check(left: Path, right: Path) -> None:
        names = [sorted(p.relative_to(side).as_posix() for p in side.rglob("*") if p.is_file()) for side in (left, right)]
        assert names[0] == names[1]
        for name in names[0]:
            assert (left / name).read_bytes() == (right / name).read_bytes(), name

    return check


@pytest.fixture(scope="session")
def timeless() -> Callable[[Path], list[dict[str, Any]]]:
    """The metrics of a run without what a clock decides."""

    def read(run: Path) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        clocked = ("time", "step_time", "tokens_per_second")
        return [{k: v for k, v in row.items() if k not in clocked and not k.startswith("time/")} for row in rows]

    return read


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    driver = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium")
    with driver.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found)
        yield opened
        opened.close()
