"""API keys with limits. A file of keys holds hashes, so that who reads it cannot use it.

Keys that we make have 256 random bits: a plain SHA-256 of one cannot be reversed by guessing, as that of a password could.
This does not stop whoever can read the server's memory or its traffic: put TLS in front of it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dunwu.errors import UserError

VARIABLE = "DUNWU_API_KEYS"
SHORTEST = 16
"""Characters of a key that somebody chose."""
_LIMITS = ("requests", "tokens")


class Bucket:
    """A limit per minute that refills steadily; what is used may exceed it once, and is then paid back."""

    def __init__(self, per_minute: float, now: float) -> None:
        self._most, self._left, self._seen = per_minute, per_minute, now

    def wait(self, now: float, need: float) -> float:
        """Seconds until ``need`` can be taken; 0 if now."""
        self._left, self._seen = min(self._most, self._left + (now - self._seen) * self._most / 60), now
        return max(0.0, (need - self._left) * 60 / self._most)

    def take(self, count: float) -> None:
        """Use this much."""
        self._left -= count


@dataclass
class Key:
    """A key's name, hash and limits per minute (``None``: no limit)."""

    name: str
    digest: bytes
    requests: Bucket | None = None
    tokens: Bucket | None = None

    def refused(self, now: float) -> tuple[str, float] | None:
        """Which limit is used up, and for how many seconds; else counts a request."""
        for name, bucket, need in (("requests", self.requests, 1.0), ("tokens", self.tokens, 1.0)):
            if bucket is not None and (wait := bucket.wait(now, need)) > 0:
                return name, wait
        if self.requests is not None:
            self.requests.take(1)
        return None

    def used(self, tokens: int) -> None:
        """Charge tokens."""
        if self.tokens is not None:
            self.tokens.take(tokens)


@dataclass
class Keys:
    """All keys; empty: anybody may ask."""

    known: list[Key] = field(default_factory=list)

    def find(self, given: str) -> Key | None:
        """The key that was given. Every known key is compared, in constant time."""
        digest, found = digest_of(given), None
        for key in self.known:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


def digest_of(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def read_keys(path: Path | None, environment: Mapping[str, str] | None = None) -> Keys:
    """The keys of a file (`add_key`), and of DUNWU_API_KEYS, separated by commas. Raises ``UserError``."""
    given = (os.environ if environment is None else environment).get(VARIABLE, "")
    keys = [_chosen(place, key.strip()) for place, key in enumerate(given.split(","), 1) if key.strip()]
    if path is not None:
        keys += [_key(line, f"{path}, line {number}") for number, line in enumerate(_lines(path), 1) if line and line[0] != "#"]
        if not keys:
            raise UserError(f"{path} holds no key: make one with dunwu serve --new-key NAME --keys {path}")
    return Keys(keys)


def add_key(path: Path, name: str, limits: Mapping[str, float]) -> str:
    """Make a key, append its hash and limits to the file, which only its owner can read, and return it. Raises ``UserError``."""
    if not name.isidentifier() and not name.replace("-", "_").isidentifier():
        raise UserError(f"--new-key {name!r}: use letters, digits, - and _")
    if path.exists() and any(line.split()[:1] == [name] for line in _lines(path)):
        raise UserError(f"{path} already has a key named {name}: choose another name, or remove its line")
    key = f"dw-{secrets.token_urlsafe(32)}"
    words = [name, f"sha256:{digest_of(key).hex()}", *(f"{limit}={value:g}" for limit, value in limits.items() if value)]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with open(descriptor, "a", encoding="utf-8") as file:
        file.write(" ".join(words) + "\n")
    return key


def _chosen(place: int, key: str) -> Key:
    if len(key) < SHORTEST:
        raise UserError(f"{VARIABLE}: key {place} has {len(key)} characters, which can be guessed: use at least {SHORTEST}")
    return Key(f"{VARIABLE}-{place}", digest_of(key))


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--keys {path} cannot be read ({error}): make it with dunwu serve --new-key NAME --keys {path}") from error


def _key(line: str, where: str) -> Key:
    name, *words = line.split()
    kind, _, text = (words[0] if words else "").partition(":")
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if kind != "sha256" or len(digest) != 32:
        raise UserError(f"{where}: expected NAME sha256:HASH, with requests=N and tokens=N per minute if they are limited")
    return Key(name, digest, **_limits(words[1:], where))


def _limits(words: Sequence[str], where: str) -> dict[str, Bucket]:
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in _LIMITS or not value.isdecimal() or not int(value):
            raise UserError(f"{where}: {word!r} is no limit: write requests=N or tokens=N, per minute")
        found[name] = Bucket(float(value), time.monotonic())
    return found
