"""What the roads share: a fresh clone, a shell in an empty folder, and a chat model of one's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SETTINGS = {"COLUMNS": "80", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
PATIENCE = 300.0
"""Seconds after which a step counts as hung."""


@dataclass(frozen=True)
class Step:
    """A finished command."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def last(self) -> str:
        """The last line that it printed, on either stream."""
        return (self.out + self.err).rstrip("\n").rpartition("\n")[2]


@dataclass(frozen=True)
class Shell:
    """Runs `dunwu` of a clone in a folder, as a user would."""

    clone: Path
    folder: Path

    def dunwu(self, *arguments: str, stop_at: str = "", stop_with: signal.Signals = signal.SIGINT) -> Step:
        """One command; with `stop_at` it gets a signal once it has printed that text."""
        began = time.monotonic()
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.clone / "src"),
            "COLUMNS": "80",
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        command = [sys.executable, "-m", "dunwu.cli.main", *arguments]
        with (
            (self.folder / "err.txt").open("w+", encoding="utf-8") as err,
            subprocess.Popen(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=err, text=True) as process,
        ):
            out = _read(process, stop_at, stop_with)
            code = process.wait(PATIENCE)
            err.seek(0)
            return Step(code, out, err.read(), time.monotonic() - began)


def _read(process: subprocess.Popen[str], stop_at: str, stop_with: signal.Signals) -> str:
    """What the process prints; it gets the signal after the line that holds `stop_at`."""
    assert process.stdout is not None
    lines, sent = [], False
    for line in process.stdout:
        lines.append(line)
        if stop_at and stop_at in line and not sent:
            process.send_signal(stop_with)
            sent = True
    return "".join(lines)


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of the last commit."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a clone")
    folder = tmp_path_factory.mktemp("clone") / "dunwu"
    subprocess.run(["git", "clone", "--quiet", "--no-local", str(ROOT), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def shell(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell in an empty folder."""
    return Shell(clone, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def make_chat_model() -> Callable[[Path], str]:
    """Saves a random Llama with a ChatML template, and returns its folder."""

    def make(folder: Path) -> str:
        from transformers import LlamaConfig, LlamaForCausalLM

        from dunwu.models.loading import save_model
        from tests.models.tokenizers_of_kinds import byte_level

        tokenizer = byte_level("<|im_end|>")
        tokenizer.add_special_tokens({"extra_special_tokens": ["<|im_start|>"]})
        tokenizer.chat_template = CHAT_TEMPLATE
        shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
        model = LlamaForCausalLM(
            LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=2048, eos_token_id=tokenizer.eos_token_id, **shape)
        )
        save_model(model, tokenizer, folder)
        return str(folder)

    return make
