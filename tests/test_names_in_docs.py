"""What the documentation names exists: commands, options, configuration keys, modules and identifiers."""

import ast
import dataclasses
import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from dunwu.cli.main import COMMANDS
from dunwu.config.base import Config
from dunwu.config.known_keys import known_keys
from dunwu.config.mistakes import below, leaves
from dunwu.config.peer_keys import PEERS, peer_hint
from dunwu.config.zero import ZeroConfig
from dunwu.pipeline.stages import KINDS
from scripts.config_reference import models
from tests.test_public_files import PAGES, ROOT, prose

SOURCE = ROOT / "src" / "dunwu"
DOCSTRINGS = sorted(SOURCE.rglob("*.py"))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`+([^`\n]+)`+")
_SNAKE = re.compile(r"(?<![\w/])[a-z]+(?:_[a-z0-9]{2,})+(?![\w/.*])")
_KEY_PATH = re.compile(r"[a-z][a-z_0-9]*(?:\.(?:[a-z_0-9]+|\*))+")
OTHERS_OPTIONS = {"--index-url", "--slow-programs", "--user", "--privileged"}
"""Options of other programs that pages name."""
NOT_KEYS = ("py", "md", "json", "jsonl", "yaml", "html", "parquet", "gz", "c", "h", "toml", "csv", "safetensors")
"""Last parts of file names, which look like key paths."""
STAGES_TOO = {"helpfulness", "safety", "reasoning", "general"}
"""Keys that are also names of stages and of what a suite measures."""
FROM_OUTSIDE = {"trust_remote_code", "repetition_penalty_reward", "reasoning_process", "num_generations", "loss_type", "scale_rewards"}
FROM_OUTSIDE |= {"importance_sampling_level", "use_vllm", "train_batch_size", "ppo_mini_batch_size"}
FORMULAS = {"verify_x", "pi_old", "pi_behaviour", "r_chosen", "r_rejected"}
"""Identifiers of other projects, and of formulas."""


@cache
def names_of_others() -> tuple[tuple[list[str], list[str]], ...]:
    """The table of `docs/coming-from.md`, by row: names of ours, and those of TRL, verl and OpenRLHF."""
    table = (ROOT / "docs" / "coming-from.md").read_text(encoding="utf-8").partition("\n## Names\n")[2].partition("\n## ")[0]
    cells = [row.split("|") for row in table.splitlines() if row.startswith("| `")]
    return tuple((_CODE.findall(row[1]), [code for cell in row[2:] for code in _CODE.findall(cell)]) for row in cells)


@cache
def theirs() -> frozenset[str]:
    return frozenset(code for _, others in names_of_others() for code in others)


@cache
def identifiers() -> frozenset[str]:
    """All words that code uses. What only a docstring, a comment or this file holds is none."""
    found: set[str] = set()
    for path in (path for folder in ("src", "examples", "benchmarks", "tests") for path in (ROOT / folder).rglob("*.*")):
        if path.suffix == ".py" and path != Path(__file__):
            found |= {path.stem, *_words(ast.parse(path.read_text(encoding="utf-8")))}
        elif path.suffix in {".c", ".h", ".html"}:
            found |= set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return frozenset(found)


def _words(tree: ast.AST) -> Iterator[str]:
    """Names and words of texts, docstrings (texts that stand alone) left out."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        values = [getattr(node, name, None) for name in ("id", "attr", "arg", "name")]
        values += [node.value] if isinstance(node, ast.Constant) and id(node) not in alone else []
        yield from (word for value in values if isinstance(value, str) for word in re.findall(r"\w+", value))


@cache
def options(command: str) -> frozenset[str]:
    """The fixed options of a command, all of them where it has several parts."""
    files = SOURCE.glob("cli/verify_*.py") if command == "verify" else [SOURCE / f"cli/{command.replace('-', '_')}_command.py"]
    if command == "eval":
        files = [*files, SOURCE / "cli/eval_completions.py"]
    modules = [importlib.import_module(f"dunwu.cli.{path.stem}") for path in files]
    classes = [each for module in modules for each in vars(module).values() if dataclasses.is_dataclass(each)]
    return frozenset(f"--{field.name.replace('_', '-')}" for each in classes for field in dataclasses.fields(each)) | {"--help"}


@cache
def every_option() -> frozenset[str]:
    return frozenset({"--version"}.union(*(options(command) for command in COMMANDS)))


def is_key(path: str) -> bool:
    """Is it a dotted key of a job, of one of its parts, or of a job below the name of a stage?"""
    parts = path.split(".")
    starts: list[Any] = list(models())
    return any(_leads(starts, parts[skip:]) for skip in ((0,) if _holds_keys(parts[0]) else (0, 1)) if parts[skip:])


@cache
def _holds_keys(name: str) -> bool:
    """Is it a key whose value is a mapping with keys of its own?"""
    inner = [leaf for model in models() if name in model.model_fields for leaf in leaves(below(model, name))]
    return name not in STAGES_TOO and any(isinstance(leaf, type) and issubclass(leaf, Config) for leaf in inner)


def _leads(found: list[Any], parts: list[str]) -> bool:
    for part in parts:
        found = [leaf for each in found for leaf in leaves(below(each, part)) if leaf not in (None, type(None))]
    return bool(found)


def exists(dotted: str) -> bool:
    """Is it a module of Dunwu, or a name in one?"""
    parts = dotted.split(".")[1:]
    for length in range(len(parts), -1, -1):
        path = SOURCE.joinpath(*parts[:length])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if (length and file.is_file()) or (not length and file.name == "__init__.py"):
                return all(re.search(rf"\b{re.escape(name)}\b", file.read_text(encoding="utf-8")) for name in parts[length:])
    return False


def wrong_names(text: str) -> Iterator[str]:
    """Inline code that names what does not exist."""
    for code in _CODE.findall(text):
        code = code.strip()
        if code in theirs():
            continue
        if re.fullmatch(r"--[a-z][a-z-]*", code) and code not in every_option() | OTHERS_OPTIONS:
            yield code
        elif re.fullmatch(r"dunwu(\.\w+)+", code):
            if not exists(code):
                yield code
        elif _KEY_PATH.fullmatch(code) and code.rpartition(".")[2] not in NOT_KEYS:
            first, *rest = code.split(".")
            if not is_key(code) and (_holds_keys(first) or not {first, *rest} <= identifiers()):
                yield code
        elif code.startswith("dunwu "):
            yield from wrong_commands(code)
        else:
            yield from (word for word in _SNAKE.findall(code) if word not in identifiers() | FROM_OUTSIDE | FORMULAS)


def wrong_commands(text: str) -> Iterator[str]:
    """Parts of `dunwu` command lines that do not exist."""
    for line in re.split(r"\n|;|&&", text.replace("\\\n", " ")):
        words = shlex.split(line.partition(" #")[0]) if "dunwu " in line and line.count("'") % 2 == 0 else []
        if not words or words[0] != "dunwu" or len(words) < 2 or not re.fullmatch(r"[a-z-]+", words[1]):
            continue
        command = words[1]
        if command.startswith("--") or command == "help":
            continue
        if command not in COMMANDS:
            yield line.strip()
            continue
        for word in words[2:]:
            name, equals, _ = word.removeprefix("--").partition("=")
            if word.startswith("--") and f"--{name}" in options(command):
                continue
            if (word.startswith("--") or (equals and re.fullmatch(r"[a-z_0-9.]+", name))) and name != "preset" and not is_key(name):
                yield f"{command} {word}"


def wrong_keys(text: str) -> Iterator[str]:
    """Keys of a block of YAML that no configuration has."""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        yield f"not YAML: {error}"
        return
    if isinstance(node, yaml.MappingNode):
        yield from _wrong(node, list(models()), top=True)


def _wrong(node: yaml.Node, found: list[Any], top: bool = False) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        inner = [leaf for each in found for leaf in leaves(below(each, "0")) if leaf]
        for item in node.value:
            yield from _wrong(item, inner)
    if not isinstance(node, yaml.MappingNode):
        return
    said = {key.value: value for key, value in node.value}
    if "work" in said:
        found = [KINDS[said["work"].value]]
    elif "kind" in said:
        same = [each for each in found if getattr(getattr(each, "model_fields", {}).get("kind"), "default", None) == said["kind"].value]
        found = same or found
    for key, value in node.value:
        name = key.value
        if name in ("work", "inputs", "name", "preset", "...") and ("work" in said or top or name == "..."):
            continue
        if isinstance(value, yaml.MappingNode) and any(each.value == "work" for each, _ in value.value):
            yield from _wrong(value, [])  # a stage
        elif top and name == "stages":
            yield from (wrong for _, stage in value.value for wrong in _wrong(stage, []))
        else:
            inner = [leaf for each in found for leaf in leaves(below(each, name)) if leaf is not None]
            if not inner:
                yield name
            yield from _wrong(value, inner) if inner else ()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_what_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    wrong = list(wrong_names(prose(text)))
    for language, block in _FENCE.findall(text):
        if language in ("bash", "sh", ""):
            wrong += wrong_commands(block)
        if language == "yaml":
            wrong += wrong_keys(block)
    assert wrong == []


def test_docstrings_name_options_keys_and_modules_that_exist() -> None:
    wrong = {f"{path.relative_to(SOURCE)}: {name}" for path in DOCSTRINGS for name in wrong_names(path.read_text(encoding="utf-8"))}
    assert sorted(wrong) == []


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").rglob("*.yaml")), ids=lambda path: path.name)
def test_recipes_comments_name_what_exists(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    comments = "\n".join(line.partition("#")[2].strip() for line in text.splitlines() if "#" in line)
    assert [*wrong_names(comments), *wrong_commands(comments)] == []


@pytest.mark.parametrize(("ours", "others"), names_of_others(), ids=lambda names: names[0])
def test_the_names_of_others_are_answered_as_the_page_says(ours: list[str], others: list[str]) -> None:
    keys = set(known_keys(ZeroConfig, {}))
    for code in others:
        name = code.removeprefix("--")
        assert name in PEERS, code
        assert name in keys or any(each in peer_hint(name, keys) for each in ours), (code, peer_hint(name, keys))


def test_the_checks_can_fail() -> None:
    text = "`grpo.lerning_rate` `--resumee` `dunwu.nowhere.f` `2 * no_such_name` `grpo.rank`"
    assert list(wrong_names(text)) == ["grpo.lerning_rate", "--resumee", "dunwu.nowhere.f", "no_such_name", "grpo.rank"]
    assert list(wrong_names("`grpo.steps` `--resume` `dunwu.trainers.grpo` `group_size`")) == []
    commands = "dunwu zreo --out x\ndunwu zero --outt x grpo.stepz=1 grpo.steps=2"
    assert list(wrong_commands(commands)) == ["dunwu zreo --out x", "zero --outt", "zero grpo.stepz=1"]
    cold = "cold: {work: cold_start, form: think, fomr: think, sources: {a: {kind: zero, prompt: 3}}}"
    assert list(wrong_keys(cold)) == ["fomr", "prompt"]
    assert list(wrong_keys("generator: {kind: local, url: x}")) == ["url"]
