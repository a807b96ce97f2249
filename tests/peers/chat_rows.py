"""Conversations of every shape that chat data have, by name."""

from __future__ import annotations

from typing import Any


def _chat(*turns: tuple[str, str]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


CHATS = {
    "one turn": _chat(("user", "What is 12+30?"), ("assistant", "It is 42.")),
    "system": _chat(("system", "Answer with one number."), ("user", "What is 12+30?"), ("assistant", "42")),
    "multi-turn": _chat(
        ("user", "Name a colour."),
        ("assistant", "Blue."),
        ("user", "And a number."),
        ("assistant", "7"),
        ("user", "用中文。"),
        ("assistant", "七。"),
    ),
    "last turn is the user's": _chat(("user", "Hello"), ("assistant", "Hi!\n\nHow can I help?"), ("user", "Never mind, thanks.")),
    "reasoning": _chat(("user", "Is 7 prime?"), ("assistant", "<think>\n7 has no divisor but 1 and 7.\n</think>\n\n\\boxed{yes}")),
    "white space": _chat(("user", "  Write code. \n"), ("assistant", "def f(x):\n    return x\n")),
    "long": _chat(("user", "Count to 40."), ("assistant", " ".join(str(n) for n in range(1, 41)))),
}
