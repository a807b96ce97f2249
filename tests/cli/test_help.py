"""Help with an example for every command, the list of keys, and shell completion."""

from __future__ import annotations

import importlib
import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from dunwu.cli.completion_command import words_of
from dunwu.cli.keys_command import CONFIGURED
from dunwu.cli.main import COMMANDS, main
from dunwu.cli.options import EXAMPLES
from dunwu.config.key_docs import keys_of
from dunwu.config.known_keys import known_keys


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", EXAMPLES)
def test_help_has_an_example_that_is_understood(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    assert EXAMPLES[command] in " ".join(capsys.readouterr().out.split())
    program, *arguments = shlex.split(EXAMPLES[command])
    assert (program, arguments[: len(command.split())]) == ("dunwu", command.split())
    name = command.replace(" ", "_") if " " in command else f"{command.replace('-', '_')}_command"
    module = importlib.import_module(f"dunwu.cli.{name}")
    parsed: list[list[str]] = []

    class Parsed(Exception):
        pass

    def parse(kind: type, command: str, given: list[str]) -> None:
        from dunwu.cli import options

        parsed.append(options.parse_options(kind, command, given)[1])
        raise Parsed

    monkeypatch.setattr(module, "parse_options", parse, raising=False)
    monkeypatch.setattr("dunwu.cli.training.parse_options", parse)
    with pytest.raises(Parsed):
        module.run(arguments[len(command.split()) :])
    assert all("=" in token for token in parsed[0])


@pytest.mark.parametrize("command", EXAMPLES)
def test_help_shows_types_and_no_default_that_says_nothing(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    shown = capsys.readouterr().out
    assert "None" not in shown
    assert "default: False" not in shown
    if command == "zero":
        assert "--memory FLOAT" in shown
        assert "(default: runs/zero)" in shown


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("eval", ("usage: dunwu eval [MODEL] [-h]", "in the evaluation of the run, else 0.")),
        ("compare", ("usage: dunwu compare distill-vs-rl [-h]", "dunwu compare evaluations --help")),
    ],
)
def test_usage_names_what_stands_without_an_option(command: str, said: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert [text for text in said if text not in shown] == []


def test_every_command_has_an_example() -> None:
    assert {command.split()[0] for command in EXAMPLES} == set(COMMANDS)


@pytest.mark.parametrize("command", CONFIGURED)
def test_every_key_is_listed_with_type_default_and_meaning(command: str) -> None:
    found = {key.name: key for key in keys_of(CONFIGURED[command])}
    sections = {key.rpartition(".")[0] for key in found}
    assert set(known_keys(CONFIGURED[command], {})) - sections <= set(found)
    assert all(key.type and key.default and key.meaning for key in found.values())
    assert not any("`" in key.meaning + key.type + key.default for key in found.values())


def test_keys_are_found_by_words(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(output(capsys, "keys", "zero", "entropy", "target", "--json"))
    assert [(key["name"], key["type"], key["default"]) for key in found if key["name"] == "grpo.entropy_target"] == [
        ("grpo.entropy_target", "number > 0 or null", "null")
    ]
    assert "grpo.steps  (integer ≥ 1; default 150)" in output(capsys, "keys", "zero")


@pytest.mark.parametrize(
    ("command", "key", "value"),
    [
        ("sft", "learning_rate", "1e-05"),
        ("sft", "epochs", None),
        ("zero", "template", '"auto"'),
        ("zero", "evaluations.0.sampling.temperature", "0.6"),
        ("zero", "tasks.0.task.wording", '"full"'),
        ("eval", "task.wording", '"full"'),
        ("reward-model", "learning_rate", "1e-05"),
    ],
)
def test_values_that_follow_the_model_are_listed_as_such(
    command: str, key: str, value: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The value for other models beside tiny's."""
    listed = {each["name"]: each for each in json.loads(output(capsys, "keys", command, "--json"))}
    assert listed[key]["other_models"] == value
    lines = [line for line in output(capsys, "keys", command).split("\n") if line.startswith(f"{key}  ")]
    assert len(lines) == 1
    assert listed[key]["default"] in lines[0]
    assert (value is None) != (f" else {value})" in lines[0])


@pytest.mark.parametrize("arguments", [["keys"], ["keys", "fly"], ["keys", "zero", "xyzzy"], ["completion", "tcsh"], ["completion"]])
def test_mistakes_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_completion_knows_options_and_keys() -> None:
    assert {"--out", "--resume", "--help", "grpo.steps=", "sampling.max_tokens="} <= set(words_of("zero"))
    assert {"--from", "--until", "--accept-code"} <= set(words_of("r1"))
    assert {"bash", "zsh", "fish"} <= set(words_of("completion"))
    assert words_of("verify") == ["math", "code", "rollout"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("dunwu ze", ["zero"]),
        ("dunwu zero --res", ["--resume"]),
        ("dunwu zero grpo.entropy_b", ["grpo.entropy_bonus="]),
        ("dunwu verify ro", ["rollout"]),
    ],
)
def test_bash_completes(line: str, words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = tmp_path / "dunwu.bash"
    script.write_text(output(capsys, "completion", "bash"), encoding="utf-8")
    typed = line.split()
    state = f"COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({line}); COMP_CWORD={len(typed) - 1}"
    program = f'source {script}; {state}; _dunwu 2>/dev/null; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == words


@pytest.mark.parametrize(("shell", "check"), [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")])
def test_the_script_is_valid_for_its_shell(shell: str, check: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(output(capsys, "completion", shell), encoding="utf-8")
    assert all(name in script.read_text(encoding="utf-8") for name in COMMANDS)
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, check, str(script)], check=True)


@pytest.mark.parametrize(("name", "said"), [("distil", "did you mean distill?"), ("merge", "docs/reference.md"), ("xyz", "zero, sft")])
def test_what_has_no_keys_names_what_has(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", name]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
