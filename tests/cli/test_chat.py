"""`dunwu chat`: against a server of scripted models, at a terminal and without one; once with a server of its own."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from dunwu.cli.conversation import Conversation, Screen, Turn
from dunwu.cli.main import main
from dunwu.errors import DunwuError, UserError
from dunwu.serving.client import Piece
from tests.serving.page.fake_server import MODELS, Fake, served

EVIL = "\x1b[31mred\x1b]0;title\x07 \u202e \ud800 tab\there"


@pytest.fixture
def fake() -> Fake:
    return Fake(replies={"evil": (EVIL, EVIL), "none": ("thinking and no end", "")})


@pytest.fixture
def address(fake: Fake) -> Iterator[str]:
    with served(fake) as url:
        yield url


def chat(monkeypatch: pytest.MonkeyPatch, text: str, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return main(["chat", *arguments])


def test_each_line_is_a_question(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, fake: Fake) -> None:
    options = ("--system", "Be brief.", "--temperature", "0.5", "--seed", "7", "--max-tokens", "9", "--no-thinking")
    assert chat(monkeypatch, "one\n\n  two \n//three\n", f"{address}/v1", *options) == 0
    said = capsys.readouterr()
    assert said.out == "Answer of base to *one*.\nAnswer of base to *two*.\nAnswer of base to */three*.\n"
    assert said.err.count("I am base. Let me see.") == 3
    assert [(each["role"], each["content"]) for each in fake.asked[1]["messages"]] == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "Answer of base to *one*."),
        ("user", "two"),
    ]
    asked = {"model": "base", "temperature": 0.5, "seed": 7, "max_tokens": 9, "thinking": {"type": "disabled"}}
    assert {name: fake.asked[0][name] for name in asked} == asked


def test_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, fake: Fake, tmp_path: Path) -> None:
    lines = [
        "one",
        f"/save {tmp_path}/a.md",
        f"/save {tmp_path}/a.json",
        "/system Be kind.",
        "two",
        "/clear",
        "/system none",
        "three",
        "/quit",
        "no",
    ]
    assert chat(monkeypatch, "\n".join(lines), address, "--name", MODELS[1]) == 0
    assert [len(each["messages"]) for each in fake.asked] == [1, 4, 1]
    assert fake.asked[1]["messages"][0] == {"role": "system", "content": "Be kind."}
    assert {each["model"] for each in fake.asked} == {MODELS[1]}
    (turn,) = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["turns"]
    assert (turn["question"], turn["content"], turn["finish"]) == ("one", f"Answer of {MODELS[1]} to *one*.", "stop")
    assert f"Answer of {MODELS[1]} to *one*." in (tmp_path / "a.md").read_text(encoding="utf-8")
    assert "no" not in [each["messages"][-1]["content"] for each in fake.asked]


@pytest.mark.parametrize("line", ["/nope", "/save", "/save {taken}", "/save {taken}/x"])
def test_a_wrong_command_is_refused(line: str, monkeypatch: pytest.MonkeyPatch, address: str, fake: Fake, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine", encoding="utf-8")
    assert chat(monkeypatch, line.format(taken=taken), address) == 2
    assert (fake.asked, taken.read_text(encoding="utf-8")) == ([], "mine")


def test_what_a_model_writes_cannot_control_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    assert chat(monkeypatch, "evil\n", address) == 0
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert "tab\there" in text
        assert not {"\x1b", "\x07", "\u202e", "\ud800"} & set(text)


def test_a_turn_without_an_answer_is_left_out(monkeypatch: pytest.MonkeyPatch, address: str, fake: Fake) -> None:
    assert chat(monkeypatch, "none\nagain\n", address) == 0
    assert [each["content"] for each in fake.asked[1]["messages"]] == ["again"]


def test_failures_are_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, fake: Fake) -> None:
    for text, arguments, code in (
        ("fail\n", (address,), 1),
        ("x\n", ("http://127.0.0.1:9",), 2),
        ("x\n", ("http://[",), 2),
        ("x\n", (address, "--name", "other"), 2),
        ("x\n", (address, "--template", "tiny"), 2),
        ("x\n", (f"{address}/page/chat.js",), 2),
    ):
        assert chat(monkeypatch, text, *arguments) == code, arguments
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    fake.key = "0123456789abcdef"
    assert chat(monkeypatch, "x\n", address) == 2
    monkeypatch.setenv("DUNWU_API_KEY", fake.key)
    assert chat(monkeypatch, "x\n", address) == 0


def test_thoughts_are_dimmed_and_what_came_is_kept() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, color_system="standard", highlight=False, soft_wrap=True)
    conversation, screen = Conversation("m"), Screen(console, console)

    def stopping(messages: object) -> Iterator[Piece]:
        yield Piece("a thought\n[bold]")
        yield Piece(content="half an")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        screen.answer(stopping, conversation, "q")
    assert [(turn.content, turn.how) for turn in conversation.turns] == [("half an", "stopped")]
    assert "\x1b[2ma thought" in written.getvalue()
    assert "[bold]" in written.getvalue(), "no markup"
    assert written.getvalue().endswith("half an\n")
    assert conversation.messages("r")[1] == {"role": "assistant", "content": "half an"}


def test_a_failing_answer_keeps_its_turn() -> None:
    def failing(messages: object) -> Iterator[Piece]:
        yield Piece("x")
        raise DunwuError("the engine died")

    conversation = Conversation("m", turns=[Turn("a", content="b")])
    console = Console(file=io.StringIO())
    with pytest.raises(DunwuError):
        Screen(console, console).answer(failing, conversation, "q")
    assert len(conversation.turns) == 2
    assert len(conversation.messages("r")) == 3


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(UserError):
        Conversation("m").save(tmp_path / "a")


def test_at_a_terminal_ctrl_c_stops_the_answer_only(address: str, fake: Fake) -> None:
    fake.replies["slow"], fake.slow = ("hm " * 400, "never"), {"slow"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "dunwu.cli.main", "chat", address],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: _controlling(theirs),
        env={**os.environ, "TERM": "xterm", "DUNWU_LANG": "en"},
    )
    os.close(theirs)
    try:
        _until(ours, b"> ")
        os.write(ours, b"slow\n")
        _until(ours, b"\x1b[2mhm")
        os.write(ours, b"\x03")
        _until(ours, b"stopped", b"> ")
        os.write(ours, b"/nope\n")
        _until(ours, b"no command", b"> ")
        os.write(ours, b"hello\n")
        _until(ours, b"Answer of base", b"> ")
        os.write(ours, b"\x04")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert fake.left == ["slow"]


def _controlling(terminal: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def _until(terminal: int, wanted: bytes, then: bytes = b"") -> None:
    """Reads until one text is there, and another after it: what is typed before the prompt is not read by it."""
    seen, end = b"", time.monotonic() + 60
    while then not in seen.partition(wanted)[2] or wanted not in seen:
        assert select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0], seen
        seen += os.read(terminal, 4096)


@pytest.mark.slow
def test_a_model_of_this_machine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert chat(monkeypatch, "Use 9,3,10 to make 16.\n", "tiny", "--seed", "1", "--threads", "1") == 0
    first = capsys.readouterr().out
    assert first.strip()
    assert chat(monkeypatch, "Use 9,3,10 to make 16.\n", "tiny", "--seed", "1", "--threads", "1") == 0
    assert capsys.readouterr().out == first
    assert chat(monkeypatch, "x\n", "no-such-model-here/at-all") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2
