"""The best level is found by trying; what cannot be is refused in one line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dunwu.errors import ConfigError, UserError
from dunwu.sandbox import launch
from dunwu.sandbox import open as opening
from dunwu.sandbox.local import LocalSandbox
from dunwu.sandbox.open import Level, open_sandbox, probe, shared_sandbox
from dunwu.sandbox.outcome import Limits, Program
from dunwu.sandbox.remote import RemoteSandbox
from tests.sandbox.conftest import require


@pytest.fixture
def forgetful() -> Iterator[None]:
    """The answers of this test are not for the others."""
    for cached in (probe, shared_sandbox, launch.interpreter):
        cached.cache_clear()
    yield
    for cached in (probe, shared_sandbox, launch.interpreter):
        cached.cache_clear()


def test_auto_takes_what_the_probe_found() -> None:
    require(2)
    with open_sandbox(workers=1) as sandbox:
        assert isinstance(sandbox, LocalSandbox)
        assert sandbox.level == probe().number
        assert sandbox.run(Program("print(1)"), [""], Limits())[0].stdout == "1\n"


@pytest.mark.usefixtures("forgetful")
def test_without_bubblewrap_landlock_is_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.shutil, "which", lambda name: None)
    assert opening._failure(1) == "bubblewrap is missing: install the package bubblewrap"
    assert probe().number == (3 if opening._failure(2) else 2)
    assert "bubblewrap is missing" in probe().text


@pytest.mark.usefixtures("forgetful")
def test_a_bubblewrap_that_is_not_allowed_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "namespaces", lambda *more: ["sh", "-c", "echo bwrap: No permissions to create new namespace >&2; exit 1"])
    assert "No permissions to create new namespace" in opening._failure(1)


def test_auto_is_refused_without_isolation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "probe", lambda: Level(3, "no namespaces"))
    with pytest.raises(UserError, match=r"no namespaces.*http://HOST:PORT.*DUNWU_SANDBOX=unsafe"):
        open_sandbox()
    with open_sandbox("unsafe", 1) as sandbox:
        assert isinstance(sandbox, LocalSandbox)
        assert sandbox.level == 3


def test_another_system_has_no_level(monkeypatch: pytest.MonkeyPatch, forgetful: None) -> None:
    monkeypatch.setattr(opening.sys, "platform", "darwin")
    assert probe().number == 3
    assert "darwin" in probe().text


def test_an_address_is_a_remote_sandbox_and_a_word_is_a_mistake() -> None:
    with open_sandbox("http://127.0.0.1:1") as sandbox:
        assert isinstance(sandbox, RemoteSandbox)
    with pytest.raises(ConfigError, match="'jail'"):
        open_sandbox("jail")


@pytest.mark.usefixtures("forgetful")
def test_the_shared_one_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNWU_SANDBOX", "unsafe")
    sandbox = shared_sandbox()
    assert isinstance(sandbox, LocalSandbox)
    assert sandbox.level == 3
    assert shared_sandbox() is sandbox
    sandbox.close()


@pytest.mark.usefixtures("forgetful")
def test_no_python_for_other_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "SYSTEM_PYTHON", "/nowhere/python3")
    monkeypatch.setattr(launch.sys, "executable", "/nowhere/else/python3")
    with pytest.raises(UserError, match="install python3"):
        launch.interpreter()
