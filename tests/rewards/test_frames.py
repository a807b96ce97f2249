import socket

import pytest

from dunwu.rewards.frames import Frames


@pytest.fixture
def ends():
    left, right = socket.socketpair()
    yield left, Frames(right)
    left.close()
    right.close()


def test_messages_arrive_whole_and_in_order(ends):
    raw, frames = ends
    Frames(raw).send(b"one")
    Frames(raw).send(b"")
    Frames(raw).send(b"x" * 50_000)
    assert [frames.receive(), frames.receive(), frames.receive()] == [b"one", b"", b"x" * 50_000]


def test_a_time_limit_keeps_the_first_half(ends):
    raw, frames = ends
    raw.sendall((6).to_bytes(4, "little") + b"abc")
    with pytest.raises(TimeoutError):
        frames.receive(0.01)
    raw.sendall(b"def")
    assert frames.receive(1.0) == b"abcdef"


def test_a_closed_end_and_an_absurd_length_are_errors(ends):
    raw, frames = ends
    raw.sendall(b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="bytes"):
        frames.receive(1.0)
    raw.close()
    with pytest.raises(ValueError, match="bytes"):
        frames.receive(1.0)


def test_the_end_of_the_stream(ends):
    raw, frames = ends
    raw.close()
    with pytest.raises(EOFError):
        frames.receive(1.0)
