"""`dunwu completion SHELL`: a script that completes commands, options and configuration keys."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

import tyro

from dunwu.cli.keys_command import CONFIGURED
from dunwu.cli.main import COMMANDS
from dunwu.cli.options import parse_options, refuse_rest
from dunwu.config.key_docs import keys_of

Shell = Literal["bash", "zsh", "fish"]
BASH = """# bash completion of dunwu
_dunwu() {
    local word="${COMP_LINE:0:COMP_POINT}" words
    word="${word##* }"
    case "$([ "$COMP_CWORD" -gt 1 ] && echo "${COMP_WORDS[1]}")" in
CASES
        *) words="COMMANDS" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    return 0
}
complete -o default -o bashdefault -F _dunwu dunwu
"""
ZSH = """#compdef dunwu
_dunwu() {
    local -a words_
    case "$([[ $CURRENT -gt 2 ]] && echo "${words[2]}")" in
CASES
        *) words_=(COMMANDS) ;;
    esac
    compadd -- ${words_:#*=}
    compadd -S '' -- ${(M)words_:#*=}
    [[ $CURRENT -gt 2 ]] && _files
}
compdef _dunwu dunwu
"""


@dataclass(frozen=True)
class CompletionOptions:
    """Print a script that completes commands, options and configuration keys in a shell.

    bash: eval "$(dunwu completion bash)" in ~/.bashrc. zsh: eval "$(dunwu completion zsh)" in ~/.zshrc, after compinit.
    fish: dunwu completion fish > ~/.config/fish/completions/dunwu.fish"""

    shell: tyro.conf.Positional[Shell]
    """The shell."""


def run(arguments: Sequence[str]) -> int:
    """Prints the script."""
    options, rest = parse_options(CompletionOptions, "completion", arguments)
    refuse_rest("completion", rest)
    print({"bash": bash, "zsh": zsh, "fish": fish}[options.shell](), end="")
    return 0


def words_of(command: str) -> list[str]:
    """What may stand behind a command: its kinds, its options, and `key=` for each key."""
    module = importlib.import_module(f"dunwu.cli.{command.replace('-', '_')}_command")
    options = [word for kind in vars(module).values() if _is_options(kind, module.__name__) for word in _options(kind)]
    keys = [f"{key.name}=" for key in keys_of(CONFIGURED[command])] if command in CONFIGURED else []
    kinds = list(vars(module).get("KINDS", ()))
    return kinds if kinds and not options else [*kinds, *options, "--help", *keys]


def _is_options(kind: Any, module: str) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module and kind.__name__.endswith("Options")


def _options(kind: Any) -> Iterator[str]:
    """`--name` of each option, and the choices of a positional one."""
    hints = get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        marks = getattr(hints[field.name], "__metadata__", ())
        if any("Positional" in str(mark) for mark in marks):
            yield from (str(choice) for choice in get_args(get_args(hints[field.name])[0]) if isinstance(choice, str))
        else:
            named = [mark.name for mark in marks if getattr(mark, "name", None)]
            yield f"--{(named or [field.name])[0].replace('_', '-')}"


def bash() -> str:
    """The script for bash."""
    cases = [f'        {name}) words="{" ".join(words_of(name))}" ;;' for name in COMMANDS]
    return BASH.replace("CASES", "\n".join(cases)).replace("COMMANDS", " ".join([*COMMANDS, "--help", "--version"]))


def zsh() -> str:
    """The script for zsh."""
    cases = [f"        {name}) words_=({' '.join(words_of(name))}) ;;" for name in COMMANDS]
    return ZSH.replace("CASES", "\n".join(cases)).replace("COMMANDS", " ".join([*COMMANDS, "--help", "--version"]))


def fish() -> str:
    """The script for fish."""
    purposes = {name: purpose.replace("'", "") for name, purpose in COMMANDS.items()}
    lines = [f"complete -c dunwu -n __fish_use_subcommand -a {name} -d '{purpose}'" for name, purpose in purposes.items()]
    for name in COMMANDS:
        words = words_of(name)
        seen = f"complete -c dunwu -n '__fish_seen_subcommand_from {name}'"
        lines += [f"{seen} -l {word.removeprefix('--')}" for word in words if word.startswith("--")]
        lines.append(f"{seen} -a '{' '.join(word for word in words if not word.startswith('--'))}'")
    return "\n".join(["# fish completion of dunwu", *lines]) + "\n"
