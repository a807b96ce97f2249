"""`dunwu chat`: talk to a model at the terminal, its thinking shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro
from pydantic import Field

from dunwu.cli.conversation import Ask, Conversation, Screen, Turn, lines_of, typed
from dunwu.cli.local_server import local_server
from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.show import printable, show
from dunwu.config.base import Positive
from dunwu.errors import DunwuError, UserError
from dunwu.models.bundled import BUNDLED_NAME
from dunwu.serving.client import Client, Piece

KEY = "DUNWU_API_KEY"
HELP = """/help          show these commands
/clear         begin a new conversation
/system TEXT   set the system prompt; without TEXT, show it; /system none removes it
/save FILE     write the conversation as Markdown (.md) or JSON
/quit          end, as Ctrl-D does
Ctrl-C         stop the answer that is being written
A question that begins with / is asked with // in its place."""
ENDS = {"length": "cut off: the limit of tokens was reached", "insufficient_system_resource": "cut off: the server ran out of time"}


@dataclass(frozen=True)
class ChatOptions:
    """Talk to a model: its chain of thought dimmed, then its answer. Without a terminal each line of stdin is a question; the answers go to
    stdout, the thoughts to stderr."""

    model: tyro.conf.Positional[str] = BUNDLED_NAME
    """tiny (bundled), a run directory, a checkpoint or other local Hugging Face folder, a hub id, or the address of a server with OpenAI's
    API, whose key is read from DUNWU_API_KEY."""
    name: str | None = None
    """Which of the server's models; by default its first."""
    system: str = ""
    """System prompt; by default none."""
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    """Sampling temperature; by default the server's."""
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    """Share of the probability to sample from; by default the server's."""
    max_tokens: Positive | None = None
    """Most tokens of a completion, chain of thought included; by default as far as the context has room."""
    seed: int | None = None
    """The same seed gives the same answers; by default random."""
    no_thinking: bool = False
    """Close the chain of thought before it begins."""
    template: str | None = None
    """Prompt template, as in dunwu eval; for local models only."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps; for local models only."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0: all cores; for local models only."""


def run(arguments: Sequence[str]) -> int:
    """Talks until the user or the input ends it."""
    options, rest = parse_options(ChatOptions, "chat", arguments)
    refuse_rest("chat", rest)
    by_hand = sys.stdin.isatty()
    if not by_hand and hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")
    with _server(options) as client:
        names = client.models()
        name = options.name or (names or [""])[0]
        if name not in names:
            known = ", ".join(map(printable, names)) or "none"
            raise UserError(f"--name {printable(name)}: the server has no such model; it has {known}")
        chat = _Chat(Conversation(name, options.system), Screen.of_process(), partial(_ask, client, name, options))
        if by_hand:
            show(f"model: {printable(name)}; /help shows the commands")
        chat.talk(typed() if by_hand else lines_of(sys.stdin), by_hand)
    return 0


@contextmanager
def _server(options: ChatOptions) -> Iterator[Client]:
    if options.model.startswith(("http://", "https://")):
        for option, given in (("template", options.template), ("device", options.device != "auto"), ("threads", options.threads)):
            if given:
                raise UserError(f"chat: --{option} is for local models: leave it out with {printable(options.model)}")
        with closing(Client(options.model, os.environ.get(KEY, ""))) as client:
            yield client
        return
    further = [f"--template={options.template}"] if options.template else []
    show(f"loading {printable(options.model)}", sys.stderr)
    with local_server(options.model, [*further, f"--device={options.device}", f"--threads={options.threads}"]) as client:
        yield client


def _ask(client: Client, name: str, options: ChatOptions, messages: list[dict[str, str]]) -> Iterable[Piece]:
    chosen = {key: getattr(options, key) for key in ("temperature", "top_p", "max_tokens", "seed")}
    fields: dict[str, Any] = {key: value for key, value in chosen.items() if value is not None}
    if options.no_thinking:
        fields["thinking"] = {"type": "disabled"}
    return client.answer(messages, model=name, **fields)


class _Chat:
    """Answers questions, and obeys commands."""

    def __init__(self, conversation: Conversation, screen: Screen, ask: Ask) -> None:
        self._conversation, self._screen, self._ask = conversation, screen, ask
        self._commands: dict[str, Callable[[str], None]] = {
            "/help": lambda _: show(HELP),
            "/clear": self._clear,
            "/system": self._system,
            "/save": self._save,
        }

    def talk(self, questions: Iterable[str], by_hand: bool) -> None:
        """By hand, a mistake or a failure is shown and the conversation goes on; else it ends it."""
        for line in questions:
            if line.split()[0] in ("/quit", "/exit"):
                return
            try:
                self._take(line)
            except DunwuError as error:
                if not by_hand:
                    raise
                show(printable(" ".join(str(error).split())), sys.stderr)
            except KeyboardInterrupt:
                if not by_hand:
                    raise
                show("stopped", sys.stderr)

    def _take(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word in self._commands:
            self._commands[word](rest.strip())
        elif line.startswith("/") and not line.startswith("//"):
            raise UserError(f"{printable(word)} is no command: /help shows them; write //... to ask a question that begins with /")
        else:
            self._note(self._screen.answer(self._ask, self._conversation, line.removeprefix("/") if line.startswith("//") else line))

    def _note(self, turn: Turn) -> None:
        if turn.how in ENDS:
            show(ENDS[turn.how], sys.stderr)
        elif not turn.content:
            show("the model ended without an answer", sys.stderr)

    def _clear(self, _: str) -> None:
        self._conversation.turns.clear()
        show("a new conversation")

    def _system(self, text: str) -> None:
        if text:
            self._conversation.system = "" if text == "none" else text
        show(f"system prompt: {printable(self._conversation.system) or 'none'}")

    def _save(self, name: str) -> None:
        if not name:
            raise UserError("/save needs the name of a file, such as /save talk.md")
        self._conversation.save(Path(name).expanduser())
        show(f"saved {printable(name)}")
