"""The fixed options of a command, parsed by tyro into a dataclass; the remaining arguments are configuration overrides."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import io
import re
from collections.abc import Collection, Sequence
from typing import Any, TypeVar, get_type_hints

import tyro
from pydantic import ConfigDict, TypeAdapter, ValidationError

from dunwu.cli.help_text import described, framed
from dunwu.config.mistakes import expected
from dunwu.config.peer_keys import is_peer_key
from dunwu.errors import UserError
from dunwu.text.translate import translate, width

Options = TypeVar("Options")
EXAMPLES = {
    "zero": "dunwu zero --task countdown --out runs/zero grpo.steps=20",
    "r1": "dunwu r1 --out runs/r1 zero.grpo.steps=20",
    "sft": "dunwu sft --model tiny --data rows.jsonl --out runs/sft epochs=3",
    "distill": "dunwu distill --teacher runs/r1 --model tiny --task countdown --out runs/distill",
    "compare": "dunwu compare distill-vs-rl --teacher runs/r1 --out runs/compare",
    "reproduce": "dunwu reproduce --quick --out runs/reproduce",
    "reward-model": "dunwu reward-model --data pairs.jsonl --out runs/rm",
    "data": "dunwu data rows.jsonl",
    "run": "dunwu run recipes/tiny/stages.yaml --out runs/stages",
    "status": "dunwu status runs/r1",
    "review": "dunwu review rows.jsonl",
    "import": "dunwu import model.gguf --out models/mine",
    "export": "dunwu export runs/zero --out models/mine --license apache-2.0",
    "pretrain": "dunwu pretrain --out runs/pretrain",
    "eval": "dunwu eval runs/zero --samples 16 sampling.top_p=0.95",
    "compare evaluations": "dunwu compare evaluations evaluations/before evaluations/after",
    "elo": "dunwu elo --standings contest.jsonl",
    "verify math": "dunwu verify math answers.jsonl",
    "verify code": "dunwu verify code program.py --problems problems.json",
    "verify rollout": "dunwu verify rollout runs/zero --row 3",
    "serve": "dunwu serve tiny --port 8000",
    "chat": "dunwu chat tiny --seed 7",
    "sandbox": "dunwu sandbox --port 8080",
    "report": "dunwu report runs/zero",
    "lab": "dunwu lab runs/zero --out lab",
    "explain": "dunwu explain runs/zero",
    "doctor": "dunwu doctor --json",
    "keys": "dunwu keys zero entropy",
    "completion": "dunwu completion bash",
}
"""By command, for its help."""
WITH_KEYS = ("zero", "sft", "distill", "compare", "reward-model", "eval", "pretrain")
USAGES = {"compare": "compare distill-vs-rl", "eval": "eval [MODEL]", "eval --completions": "eval --completions FILE"}
"""What the usage line says after `dunwu`, where it is more than the command."""
_RULE = "────"


def parse_options(kind: type[Options], command: str, arguments: Sequence[str], example: str = "") -> tuple[Options, list[str]]:
    """The options and the remaining arguments. `--help` prints and ends the process; a mistake raises a one-line `UserError`.

    ``example``: that of a form of a command with options of its own.
    """
    message, shown = io.StringIO(), io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    parse: Any = tyro.cli  # its overloads do not know a class that is only known as a type variable
    helped, description = described(kind) if {"-h", "--help"} & {*arguments} else (kind, "")
    chinese = any(width(character) == 2 for character in description)
    example = translate(f"Example: {example or EXAMPLES[command]}")
    keys = translate(f"All keys: dunwu keys {command} [WORD]") if command in WITH_KEYS else ""
    try:
        with contextlib.redirect_stderr(message), contextlib.redirect_stdout(shown) if chinese else contextlib.nullcontext():
            options, rest = parse(
                helped,
                description="\n\n".join(filter(None, (description, example, keys))),
                prog=f"dunwu {USAGES.get(command, command)}",
                args=list(arguments),
                return_unknown_args=True,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
        _check_numbers(options, command)
        return options, rest
    except SystemExit as leaving:
        if not leaving.code:
            shown.seek(0)
            print(framed(shown.read()), end="")
            raise
    raise UserError(f"{command}: {_first_sentence(message.getvalue())}; see dunwu {command} --help")


def refuse_rest(command: str, rest: Sequence[str]) -> None:
    """For commands without configuration: raises `UserError` for remaining arguments."""
    if rest:
        raise UserError(f"{command}: {rest[0]!r} is not understood; see dunwu {command} --help")


def refuse_misspelt_options(kind: type[Any], keys: Collection[str], rest: Sequence[str]) -> None:
    """Raises `UserError` for a remaining `--name` that resembles a fixed option and is not a configuration key."""
    names = [field.name.replace("_", "-") for field in dataclasses.fields(kind)]
    for token in rest:
        name = token.removeprefix("--").partition("=")[0]
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
        if token.startswith("--") and name not in keys and close and not is_peer_key(name):
            raise UserError(f"unknown option --{name}: did you mean --{close[0]}?")


def _check_numbers(options: Any, command: str) -> None:
    """Raises `UserError` for NaN, infinity, and a number outside the bounds that are annotated."""
    hints = get_type_hints(type(options), include_extras=True)
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if isinstance(value, (int, float)):
            try:
                TypeAdapter(hints[field.name], config=ConfigDict(allow_inf_nan=False)).validate_python(value)
            except ValidationError as error:
                name = field.name.replace("_", "-")
                raise UserError(f"{command}: --{name} {value}: expected {expected(error.errors()[0]['msg'])}") from None


def _first_sentence(box: str) -> str:
    """tyro's framed message as one line: without the frame, up to its first rule."""
    _, _, body = box.partition("\n")
    text = body.partition(_RULE)[0].partition(" Got errors")[0]
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split()) or "invalid options"
