"""The README and docs/your-model.md from top to bottom: every command runs as it stands, in its order, in a fresh clone.

Three things differ from a user's machine. The environment is made here, since the packages are installed already. The clone's recipes are
made small (`SMALL_RECIPES`), so that a command is that of the page and yet takes seconds; commands without a recipe get `OVERRIDES`
appended. And what `SKIPPED` lists is not run, with the reason.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from dunwu.cli.main import COMMANDS, main
from dunwu.config.overrides import apply_overrides, parse_overrides
from tests.few_steps import r1_few_steps, stages_few_steps, zero_few_steps

ROOT = Path(__file__).resolve().parents[1]
GUIDES = ("README.md", "docs/your-model.md")
_FENCE = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SKIPPED = {
    "git clone": "the test begins in a clone",
    "make test": "this test is one of them",
    "dunwu pretrain": "its corpus takes many minutes; tests/jobs/test_pretrain.py trains on a small one",
    "dunwu distill --teacher runs/r1": "needs a teacher that answers correctly; tests/cli/test_distill.py has one",
    "dunwu compare": "takes an hour; tests/cli/test_compare.py runs a small one",
    "pip install": "the packages are here already, and nothing is downloaded",
    "dunwu zero --recipe recipes/qwen2.5-0.5b": "needs a GPU and the hub",
    "dunwu eval --model runs/qwen": "evaluates the run before",
    "VLLM/bin": "another program; tests/peers/test_vllm.py loads checkpoints with it",
    "dunwu eval --completions": "needs stored completions; tests/cli/test_eval_completions.py has some",
    "dunwu eval my-model --endpoint": "needs a server; tests/jobs/test_evaluate_endpoint.py has one",
    "dunwu eval runs/zero --suite": "needs data; tests/cli/test_eval_suites.py has some",
    "curl": "asks that server",
}
"""Commands that are not run, by their beginning."""

SMALL_RECIPES = {
    "tiny/zero": zero_few_steps(),
    "tiny/zero-24": zero_few_steps(),
    "tiny/sft": ["epochs=1"],
}
OVERRIDES = {
    "dunwu r1": r1_few_steps(),
    "dunwu run recipes/tiny/stages.yaml": stages_few_steps(),
    "dunwu zero --out runs/zero --resume grpo.steps": ["grpo.steps=3"],
    "dunwu eval": ["--problems", "4", "--samples", "2", "--max-tokens", "40"],
    "dunwu zero --model": [
        *zero_few_steps()[:-2],
        "evaluations.0.problems=2",
        "evaluations.0.samples=1",
        "evaluations.0.sampling.max_tokens=8",
    ],
    "dunwu sft --model": ["epochs=1", "batch_size=16", "sampling.max_tokens=8"],
}
"""Appended to commands that begin so."""
DRY = ("zero", "r1", "sft", "reward-model", "run", "pretrain")
"""Commands with `--dry-run`."""


@dataclass(frozen=True)
class Step:
    """A command, or a block of Python."""

    text: str
    language: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text) if self.language == "bash" else []

    @property
    def why_skipped(self) -> str | None:
        return next((why for start, why in SKIPPED.items() if self.text.startswith(start)), None)

    @property
    def overrides(self) -> list[str]:
        return max(((start, more) for start, more in OVERRIDES.items() if self.text.startswith(start)), default=("", []))[1]


@functools.cache
def steps(page: str) -> tuple[Step, ...]:
    """What a page says to run, in its order, comments left out."""
    found: list[Step] = []
    for language, block in _FENCE.findall((ROOT / page).read_text(encoding="utf-8")):
        if language == "python":
            found.append(Step(block, language))
        else:
            lines = (re.sub(r"(^|\s+)#.*", "", line) for line in block.replace("\\\n", " ").splitlines())
            found += [Step(line, language) for line in lines if line]
    return tuple(found)


def small(recipe: Path, overrides: list[str]) -> None:
    """Writes overrides into a recipe."""
    data = apply_overrides(yaml.safe_load(recipe.read_text(encoding="utf-8")), parse_overrides(overrides), {})
    recipe.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the repository, with small recipes, and `.venv` as `make` leaves it: it sees our packages and the clone's sources."""
    folder = tmp_path_factory.mktemp("clone") / "dunwu"
    shutil.copytree(
        ROOT, folder, ignore=shutil.ignore_patterns(".git", ".venv", "runs", "site", "shared", "__pycache__", ".*_cache", "*.egg-info")
    )
    for name, overrides in SMALL_RECIPES.items():
        small(folder / "recipes" / f"{name}.yaml", overrides)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    (site,) = folder.glob(".venv/lib/python*/site-packages")
    (site / "packages.pth").write_text("\n".join([str(folder / "src"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]))
    command = folder / ".venv" / "bin" / "dunwu"
    command.write_text(f"#!{folder}/.venv/bin/python\nimport sys\nfrom dunwu.cli.main import main\nsys.exit(main())\n", encoding="utf-8")
    command.chmod(0o755)
    return folder


@dataclass
class Shell:
    """Runs steps in a folder, as one shell would: what is exported or activated stays."""

    folder: Path
    before: str = ""

    def run(self, step: Step) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "MAKE"))}
        if step.language == "python":
            program = [str(self.folder / ".venv" / "bin" / "python"), "-c", step.text]
        else:
            line = f"{step.text} {shlex.join(step.overrides)}"
            program = ["bash", "-ec", f"{self.before}\n{line}"]
            self.before += f"{line}\n" if step.words[0] in ("export", "source") else ""
        done = subprocess.run(
            program, cwd=self.folder, env=kept, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, f"{step.text}\n{done.stdout[-3000:]}"
        return done.stdout


def demo(clone: Path) -> Step:
    """The command that `make demo` runs, once its environment is there."""
    done = subprocess.run(["make", "-n", "demo"], cwd=clone, capture_output=True, text=True, check=True, timeout=60)
    return Step(next(line for line in done.stdout.splitlines() if " zero " in line), "bash")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_the_readme_runs_from_top_to_bottom(clone: Path) -> None:
    shell = Shell(clone)
    for step in steps("README.md"):
        if step.why_skipped is None:
            shell.run(demo(clone) if step.text == "make demo" else step)
    reports = {path.relative_to(clone / "runs").as_posix() for path in (clone / "runs").rglob("*.html")}
    assert {"demo/report.html", "zero/report.html", "r1/stages.html", "stages/stages.html"} <= reports
    assert (clone / "comparison.html").is_file()


@pytest.mark.slow
def test_the_guide_to_a_model_of_ones_own_runs_from_top_to_bottom(clone: Path, small_chat_model: Path) -> None:
    shell = Shell(clone, "source .venv/bin/activate\n")
    for step in steps("docs/your-model.md"):
        if step.why_skipped is None:
            shell.run(Step(f"export MODEL={small_chat_model}", "bash") if step.text.startswith("export MODEL=") else step)
    assert (clone / "runs" / "own-rl" / "report.html").is_file()


@pytest.mark.parametrize("page", GUIDES)
def test_what_a_command_reads_is_there_by_then(page: str) -> None:
    """In the clone, or made by a command above; and `dunwu` is called only after the environment is active."""
    made, active = {"runs/demo"} if page == "README.md" else set(), page != "README.md"
    for step in steps(page):
        active = active or step.text.startswith("source .venv/bin/activate")
        assert active or step.words[0] != "dunwu", step.text
        missing = [path for path in paths(step.words) if not ((ROOT / path).exists() or any(path.startswith(each) for each in made))]
        assert missing == [], step.text
        made |= set(outputs(step.words))


def paths(words: list[str]) -> Iterator[str]:
    """The files and folders that a command reads, and so have a `/` or a suffix of data."""
    for before, word in zip(["", *words], words, strict=False):
        value = word.rpartition("=")[2] if re.match(r"[a-z_.0-9]+=", word) else word
        is_path = re.fullmatch(r"[\w.-]+/[\w./-]+|[\w-]+\.(?:jsonl|yaml|py)", value) and not value.startswith("HuggingFaceTB/")
        if words[0] == "dunwu" and is_path and before not in ("--out", ">"):
            yield value


def outputs(words: list[str]) -> Iterator[str]:
    """The files and folders that a command makes."""
    yield from (word for before, word in itertools.pairwise(words) if before in ("--out", "--samples", ">"))
    if words[:2] == ["dunwu", "r1"] and "--out" not in words:
        yield "runs/r1"


@pytest.mark.parametrize(
    "step", [step for page in GUIDES for step in steps(page) if step.words[:1] == ["dunwu"]], ids=lambda step: step.text
)
def test_every_command_is_understood(
    step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing has to be trained first, it says what it would do; names in the others are checked in `test_names_in_docs`."""
    command = step.words[1]
    assert command in COMMANDS
    if command in DRY and step.why_skipped is None and "--resume" not in step.words and not {"runs/own-sft", "$MODEL"} & set(step.words):
        for name in ("recipes", "examples"):
            (tmp_path / name).symlink_to(ROOT / name)
        (tmp_path / "samples").symlink_to(ROOT / "src" / "dunwu" / "data" / "samples")
        monkeypatch.chdir(tmp_path)
        assert main([*step.words[1:], *(["--dry-run"] if "--dry-run" not in step.words else [])]) == 0
        assert capsys.readouterr().out
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def small_chat_model(tmp_path_factory: pytest.TempPathFactory, world_tokenizer: Any) -> Path:
    """A random model with a chat template: what a page does with one of the hub."""
    from dunwu.config.pretrain import ModelShape
    from dunwu.models.loading import save_model
    from dunwu.models.new import new_model

    folder = tmp_path_factory.mktemp("model")
    world_tokenizer.chat_template = (
        "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    )
    shape = ModelShape(hidden=32, layers=2, heads=2, kv_heads=1, intermediate=64, max_positions=2048)
    save_model(new_model(shape, world_tokenizer, 0), world_tokenizer, folder)
    return folder
