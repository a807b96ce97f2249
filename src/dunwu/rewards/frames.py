"""Messages on a stream socket: a length of four bytes, then as many bytes."""

from __future__ import annotations

import socket

MAX_BYTES = 1 << 28


class Frames:
    """Used by both ends of the pool's protocol. After a time-out, a half-read message stays in the buffer for the next call."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._buffer = bytearray()

    def send(self, message: bytes, timeout: float | None = None) -> None:
        """Raises `TimeoutError`, or `OSError` if the other end has closed."""
        self._channel.settimeout(timeout)
        self._channel.sendall(len(message).to_bytes(4, "little") + message)

    def receive(self, timeout: float | None = None) -> bytes:
        """The next message; raises `TimeoutError`, `EOFError` at the end of the stream, `ValueError` for an absurd length."""
        self._channel.settimeout(timeout)
        while True:
            length = int.from_bytes(self._buffer[:4], "little")
            if len(self._buffer) >= 4 and length > MAX_BYTES:
                raise ValueError(f"a message of {length} bytes")
            if len(self._buffer) >= 4 + length and len(self._buffer) >= 4:
                message = bytes(self._buffer[4 : 4 + length])
                del self._buffer[: 4 + length]
                return message
            data = self._channel.recv(1 << 18)
            if not data:
                raise EOFError("the other end has closed")
            self._buffer += data

    def close(self) -> None:
        """Close the socket."""
        self._channel.close()
