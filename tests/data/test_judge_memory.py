"""What a judge said is on disk before the next chunk is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dunwu.data.judge_memory import RememberedJudge
from dunwu.data.judging import JudgeRequest
from dunwu.errors import UserError

REQUESTS = [JudgeRequest(f"which? {number % 4}", number // 4) for number in range(8)]


class Endpoint:
    """Answers with the request itself, and is down after ``alive`` requests."""

    def __init__(self, alive: int = 100) -> None:
        self.alive, self.asked = alive, 0

    def __call__(self, requests: Sequence[JudgeRequest]) -> list[str]:
        if self.asked + len(requests) > self.alive:
            raise UserError("the endpoint is down")
        self.asked += len(requests)
        return [f"{request.text} {request.seed}\n是" for request in requests]


def test_nothing_is_lost_when_the_endpoint_goes_down(tmp_path: Path) -> None:
    file, expected = tmp_path / "votes.jsonl", Endpoint()(REQUESTS)
    with pytest.raises(UserError, match="down"):
        RememberedJudge(Endpoint(alive=5), file, chunk=2)(REQUESTS)
    again = Endpoint()
    assert RememberedJudge(again, file, chunk=2)(REQUESTS) == expected
    assert again.asked == 4
    assert RememberedJudge(Endpoint(alive=0), file)(REQUESTS) == expected


def test_a_line_that_was_cut_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    RememberedJudge(Endpoint(), file)(REQUESTS[:3])
    file.write_bytes(file.read_bytes()[:-20])
    again = Endpoint()
    judge = RememberedJudge(again, file)
    assert judge(REQUESTS[:3]) == Endpoint()(REQUESTS[:3])
    assert again.asked == 1
    assert RememberedJudge(Endpoint(alive=0), file)(REQUESTS[:3]) == Endpoint()(REQUESTS[:3])


def test_a_repeated_request_is_asked_once(tmp_path: Path) -> None:
    endpoint = Endpoint()
    assert len(RememberedJudge(endpoint, tmp_path / "votes.jsonl")([REQUESTS[0]] * 3)) == 3
    assert endpoint.asked == 1
