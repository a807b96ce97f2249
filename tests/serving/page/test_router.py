"""The paths of the page: headers, files, and the bounds of rendering."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

import dunwu.serving.page.router as router
from dunwu.serving.page.bounds import LONGEST

STATIC = Path(router.__file__).with_name("static")
WORDS = STATIC / "words.js"


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.include_router(router.page_router())
    return TestClient(app)


def test_the_page_allows_only_its_own_scripts(client: TestClient) -> None:
    pages = [client.get("/") for _ in range(2)]
    nonces = [re.findall(r"'nonce-([\w-]{20,})'", page.headers["content-security-policy"]) for page in pages]
    assert len(set(nonces[0])) == 1, "one nonce for scripts and styles"
    assert nonces[0] != nonces[1], "and another for each request"
    for page, (nonce, _) in zip(pages, nonces, strict=True):
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-store"
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "http" not in policy
        for part in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"):
            assert part in policy
        assert page.text.count(f'nonce="{nonce}"') == 2
        assert router._NONCE not in page.text


def test_nothing_is_inline_and_nothing_is_from_elsewhere() -> None:
    page = (STATIC / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]* src=)", page)
    for path in STATIC.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.[a-z]", text), path.name
        assert not re.search(r"\beval\(|new Function|document\.write|insertAdjacentHTML|outerHTML", text), path.name
    assert sum(path.read_text(encoding="utf-8").count("innerHTML") for path in STATIC.glob("*.js")) == 1, "in render.js"


def test_the_files_of_the_page_and_no_others(client: TestClient) -> None:
    types = {"chat.js": "text/javascript", "chat.css": "text/css", "icon.svg": "image/svg+xml"}
    for name, kind in types.items():
        found = client.get(f"/page/{name}")
        assert (found.status_code, found.headers["content-type"].partition(";")[0]) == (200, kind)
        assert found.headers["x-content-type-options"] == "nosniff"
    for name in ("page.html", "router.py", "..%2frouter.py", "%2e%2e/router.py", "none.js"):
        assert client.get(f"/page/{name}").status_code == 404
    imported = {name for path in STATIC.glob("*.js") for name in re.findall(r'from "\./([\w.]+)"', path.read_text(encoding="utf-8"))}
    assert imported <= {path.name for path in STATIC.iterdir()}


def test_render(client: TestClient) -> None:
    assert client.post("/page/render", json={"text": "**a** <b>"}).json() == {"html": "<p><strong>a</strong> &lt;b&gt;</p>\n"}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"text": 5}', "application/json", 422),
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"text": "\\ud800"}', "application/json", 422),
        (b"\xff", "application/json", 422),
        (b'{"text": "a"}', "text/plain", 415),
        (b'{"text": "' + b"a" * (LONGEST + 1) + b'"}', "application/json", 413),
        (b" " * (router.LARGEST + 1), "application/json", 413),
    ],
)
def test_what_is_not_rendered(body: bytes, kind: str, status: int, client: TestClient) -> None:
    found = client.post("/page/render", content=body, headers={"content-type": kind})
    assert found.status_code == status
    assert len(found.content) < 200


def test_both_languages_say_everything() -> None:
    english, chinese = WORDS.read_text(encoding="utf-8").split("\n  zh: {")
    english, chinese = (text.partition("\n  },")[0] for text in (english, chinese))
    entry = re.compile(r'\b(\w+): "((?:[^"\\]|\\.)*)"')
    first, second = dict(entry.findall(english)), dict(entry.findall(chinese))
    assert first.keys() == second.keys()
    assert len(first) > 50
    for key, text in first.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", second[key])), key
    used = "".join(path.read_text(encoding="utf-8") for path in (*STATIC.glob("*.js"), STATIC / "page.html") if path != WORDS)
    unused = [key for key in first if not re.search(rf"\b{key}\b", used) and not key.startswith("theme_")]
    assert unused == []
