"""An engine process without a model: it says the tokens of a prompt one by one, as often as it is asked to. Some tokens are commands."""

from __future__ import annotations

import json
import os
import socket
import sys
import time

from dunwu.errors import UserError
from dunwu.process.child import die_with
from dunwu.rollout.requests import Progress
from dunwu.serving.engine_process import serve
from dunwu.types import Request

DIE, HANG, REFUSE, FAIL = 9001, 9002, 9003, 9004


class Parrot:
    """A `RequestEngine`; a step takes 2 ms."""

    def __init__(self) -> None:
        self._left: dict[int, list[int]] = {}
        self._cancelled: list[int] = []
        self._next = 0

    @property
    def running(self) -> int:
        return len(self._left) + len(self._cancelled)

    @property
    def waiting(self) -> int:
        return 0

    def submit(self, request: Request) -> int:
        if request.token_ids[0] == REFUSE:
            raise UserError("this one is refused")
        self._next += 1
        self._left[self._next] = list((request.token_ids * request.params.max_tokens)[: request.params.max_tokens])
        return self._next

    def cancel(self, id: int) -> None:
        if self._left.pop(id, None) is not None:
            self._cancelled.append(id)

    def step(self) -> list[Progress]:
        time.sleep(0.002)
        found, self._cancelled = [Progress(each, (), (), "cancelled") for each in self._cancelled], []
        for id, left in list(self._left.items()):
            token = left.pop(0)
            if token == DIE:
                os._exit(1)
            if token == HANG:
                time.sleep(100)
            if not left:
                del self._left[id]
            finish = "error" if token == FAIL else None if left else "length"
            found.append(Progress(id, (token,), (-1.0,), finish, 1))
        return found


def main() -> None:
    die_with(int(sys.argv[2]))
    with socket.socket(fileno=int(sys.argv[1])) as connection, connection.makefile("rwb") as stream:
        model = json.loads(stream.readline())["model"]
        if model in ("missing", "broken"):
            stream.write(json.dumps({"error": f"{model} model", "user": model == "missing"}).encode() + b"\n")
            return
        if model == "silent":
            time.sleep(100)
        facts = {"decoder": f"parrot {os.getpid()}", "positions": 100_000, "vocabulary": 10_000, "stop_token_ids": [0]}
        stream.write(json.dumps({"ready": facts}).encode() + b"\n")
        stream.flush()
        serve(Parrot(), stream)


if __name__ == "__main__":
    main()
