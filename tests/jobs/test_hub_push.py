"""`dunwu export --push` against a small hub on this machine: what is uploaded, and that nothing is without the option, a token, a hub."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from dunwu.cli.main import main
from dunwu.process import hub
from tests.models.smol_like import save_smol

TOKEN = "hf_secretsecret"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the hub's client, when it sends a large file


class Hub(BaseHTTPRequestHandler):
    """The part of the hub's interface that an upload takes. Weights go the way of large files."""

    server: Any

    def do_HEAD(self) -> None:
        self._reply({})

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.append(self.path)
        here = f"http://127.0.0.1:{self.server.server_port}"
        if self.path.startswith("/api/repos/create"):
            self.server.created = json.loads(sent)
            status = 401 if self.headers["Authorization"] != f"Bearer {TOKEN}" else 200
            self._reply({"url": f"{here}/me/mine"} if status == 200 else {"error": "Invalid username or password."}, status)
        elif self.path.startswith("/api/validate-yaml"):
            self._reply({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            modes = [(each["path"], "lfs" if each["path"].endswith(".safetensors") else "regular") for each in json.loads(sent)["files"]]
            self._reply({"files": [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes]})
        elif self.path.endswith("/info/lfs/objects/batch"):
            href = {"upload": {"href": f"{here}/large"}}
            self._reply({"transfer": "basic", "objects": [{**each, "actions": href} for each in json.loads(sent)["objects"]]})
        elif "/commit/" in self.path:
            lines = [json.loads(line) for line in sent.splitlines()]
            self.server.files |= {each["value"]["path"]: each["value"].get("content") for each in lines if each["key"] != "header"}
            self._reply({"commitUrl": f"{here}/me/mine/commit/abc", "commitOid": "abcdef0123456789abcdef0123456789abcdef01"})

    def do_PUT(self) -> None:
        self.server.large.append(self.rfile.read(int(self.headers["Content-Length"])))
        self._reply({})

    def _reply(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as found:
        found.paths, found.files, found.large, found.created = [], {}, [], {}  # type: ignore[attr-defined]
        threading.Thread(target=found.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{found.server_port}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        hub.hub_answers.cache_clear()
        yield found
        found.shutdown()
    hub.hub_answers.cache_clear()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_smol(tmp_path_factory.mktemp("smol") / "plain")


def test_the_folder_is_pushed_to_a_private_repository(server: Any, model: str, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    assert main(["export", model, "--out", str(out), "--push", "me/mine"]) == 0
    assert (server.created["name"], server.created["organization"]) == ("mine", "me")
    assert server.created.get("visibility", server.created.get("private")) in ("private", True)
    assert server.files.keys() == {path.name for path in out.iterdir()}
    assert base64.b64decode(server.files["README.md"]) == (out / "README.md").read_bytes()
    assert server.large == [(out / "model.safetensors").read_bytes()]
    assert "me/mine" in (out / "README.md").read_text(encoding="utf-8")


def test_nothing_is_sent_without_the_option(server: Any, model: str, tmp_path: Path) -> None:
    assert main(["export", model, "--out", str(tmp_path / "mine")]) == 0
    assert server.paths == []


def test_a_refusal_of_the_hub_is_one_line_and_the_folder_stays(
    server: Any, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert main(["export", model, "--out", str(tmp_path / "mine"), "--push", "me/mine"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "hf upload me/mine" in error
    assert "hf_wrong" not in error
    assert (tmp_path / "mine" / "model.safetensors").is_file()
    assert server.files == {}


def test_without_a_token_or_a_hub_nothing_is_written(
    server: Any, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", model, "--out", str(tmp_path / "mine"), "--push", "me/mine"]
    server.shutdown()
    server.server_close()
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    hub.hub_answers.cache_clear()
    assert main(command) == 2
    assert "does not answer" in capsys.readouterr().err
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "HF_TOKEN" in error
    assert not (tmp_path / "mine").exists()
