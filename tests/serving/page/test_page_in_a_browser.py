"""The chat page in Chromium, with a server of scripted models. Needs playwright.

``SCREENSHOTS=FOLDER`` keeps a picture of each width and colour scheme, to look at; ``AXE=FILE`` is axe-core's script, for its check.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.serving.page.fake_server import MODELS, Fake, served

pytestmark = pytest.mark.slow
SLOW = "think slowly"
HOSTILE = "be hostile"
EVIL = (
    "<script>parent.hacked = 1</script><img src=x onerror='parent.hacked = 1'> ![x](https://example.org/p.png) [x](javascript:hacked=1) "
    "$\\href{javascript:hacked=1}{x}$ <svg onload=hacked=1> **<b>bold</b>** 😀 \u202e | # <style>*{display:none}</style>"
)
LONG = "x" * 50_000
TOO_WIDE = """() => [...document.querySelectorAll('.page *')].filter(element =>
  !element.closest('pre, table, .formula, math, .hidden-text') &&
  element.getBoundingClientRect().right > innerWidth + 1).map(element => element.outerHTML.slice(0, 80))"""


@dataclass
class Visit:
    """A page, and everything that went wrong on it."""

    page: Any
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def ask(self, question: str, *, wait: bool = True) -> None:
        self.page.fill("#question", question)
        self.page.keyboard.press("Enter")
        if wait:
            self.done()

    def done(self) -> None:
        self.page.wait_for_function("() => document.querySelector('.answer') && !document.querySelector('.answer[aria-busy=true]')")

    def texts(self, selector: str) -> list[str]:
        return [text.strip() for text in self.page.locator(selector).all_inner_texts()]


@pytest.fixture
def fake() -> Fake:
    maths = ("10-3=7. " * 3, "So **17**:\n\n$$\\frac{a}{b}$$\n\n| a | b |\n|--|--:|\n| 1 | 2 |\n\n```python\nprint(17)\n```\n\\boxed{17}")
    return Fake(replies={"maths": maths, HOSTILE: (EVIL + LONG, EVIL + "\n\n" + LONG), SLOW: ("hm " * 200, "done")}, slow={SLOW})


@pytest.fixture
def address(fake: Fake) -> Iterator[str]:
    with served(fake) as url:
        yield url


def visit(browser: Any, address: str, width: int = 1280, scheme: str = "light", locale: str = "en-GB") -> Visit:
    context = browser.new_context(viewport={"width": width, "height": 850}, color_scheme=scheme, locale=locale)
    found = Visit(context.new_page())
    found.page.on("console", lambda message: found.errors.append(message.text) if message.type in ("error", "warning") else None)
    found.page.on("pageerror", lambda error: found.errors.append(str(error)))
    found.page.on("dialog", lambda dialog: (found.errors.append(dialog.message), dialog.dismiss()))
    found.page.on("request", lambda request: None if request.url.startswith((address, "blob:")) else found.foreign.append(request.url))
    found.page.goto(address)
    found.page.wait_for_selector("#model option", state="attached")
    return found


@pytest.fixture
def chat(browser: Any, address: str) -> Iterator[Visit]:
    found = visit(browser, address)
    yield found
    found.page.context.close()
    assert found.errors == []
    assert found.foreign == []


def test_thinking_streams_then_folds_and_the_answer_is_rendered(chat: Visit, fake: Fake) -> None:
    chat.ask(SLOW, wait=False)
    chat.page.wait_for_function("() => document.querySelector('.thoughts')?.textContent.length > 6")
    first = chat.page.inner_text(".thoughts")
    assert chat.page.get_attribute("details.thought", "open") is not None
    assert chat.page.inner_text("summary").startswith("Thinking")
    chat.page.wait_for_function("length => document.querySelector('.thoughts').textContent.length > length", arg=len(first))
    chat.page.keyboard.press("Escape")
    chat.done()
    assert chat.texts(".note")[0].startswith("Stopped.")
    chat.ask("maths")
    assert chat.page.locator(".turn").last.locator("details").get_attribute("open") is None
    assert chat.texts("summary")[1].startswith("Thought for ")
    last = chat.page.locator(".turn").last.locator(".content")
    last.locator("pre code").wait_for()
    assert [last.locator(tag).count() for tag in ("strong", "mfrac", "td.right", "menclose")] == [1, 1, 1, 1]
    assert [each["content"] for each in fake.asked[1]["messages"]] == ["maths"], "a turn without an answer is left out"
    assert fake.left == [SLOW], "stopping ends the request"


def test_turns_edit_again_and_settings(chat: Visit, fake: Fake) -> None:
    chat.page.click("#open-settings")
    for name, value in (("system", "Be brief."), ("temperature", "0.3"), ("top_p", "0.9"), ("max_tokens", "64"), ("seed", "7")):
        chat.page.fill(f"#{name}", value)
    chat.page.uncheck("#thinking")
    chat.page.fill("#temperature", "9")
    assert chat.page.get_attribute("#temperature", "aria-invalid") == "true"
    chat.page.click("#close-settings")
    chat.ask("one")
    chat.ask("two")
    first, second = fake.asked
    assert "temperature" not in first, "9 is out of range"
    assert {name: first[name] for name in ("top_p", "max_tokens", "seed")} == {"top_p": 0.9, "max_tokens": 64, "seed": 7}
    assert (first["thinking"], first["stream"], first["model"]) == ({"type": "disabled"}, True, "base")
    assert [(each["role"], each["content"]) for each in second["messages"]] == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "Answer of base to *one*."),
        ("user", "two"),
    ]
    assert "reasoning_content" not in json.dumps(second["messages"])
    chat.page.click(".again button")
    chat.done()
    assert fake.asked[2]["messages"] == second["messages"]
    chat.page.locator(".asked").first.locator("button").click()
    chat.page.fill(".editing textarea", "uno")
    chat.page.keyboard.press("Enter")
    chat.page.wait_for_function("() => document.querySelectorAll('.turn').length === 1")
    chat.done()
    assert chat.texts(".asked-text") == ["uno"]
    assert [each["content"] for each in fake.asked[3]["messages"]] == ["Be brief.", "uno"]


def test_two_models_side_by_side_keep_their_own_history(chat: Visit, fake: Fake) -> None:
    chat.page.click("#compare")
    chat.ask("one")
    chat.ask("two")
    assert chat.texts(".name") == [*MODELS] * 2
    said = {each["model"]: [message["content"] for message in each["messages"]] for each in fake.asked[2:]}
    assert said == {name: ["one", f"Answer of {name} to *one*.", "two"] for name in MODELS}
    chat.page.select_option("#other", "base")
    chat.ask("three")
    assert len(fake.asked) == 4
    assert chat.page.is_visible("#notice")


def test_hostile_output_stays_text(chat: Visit) -> None:
    chat.ask(HOSTILE)
    chat.page.locator(".content").get_by_text("javascript:hacked=1", exact=False).first.wait_for()
    shown = chat.page.inner_text(".content")
    for part in (
        "<script>parent.hacked = 1</script>",
        "<img src=x onerror=",
        "![x](https://example.org/p.png)",
        "[x](javascript:hacked=1)",
        "😀",
    ):
        assert part in shown
    assert chat.page.inner_text(".thoughts") == "" or EVIL[:30] in chat.page.text_content(".thoughts")
    assert chat.page.evaluate("document.querySelectorAll('img, #turns a, #turns script, #turns style, #turns [href]:not(use)').length") == 0
    assert chat.page.evaluate("window.hacked") is None
    assert chat.page.evaluate(TOO_WIDE) == []
    chat.page.reload()
    chat.page.wait_for_selector(".content p")
    assert chat.page.evaluate("window.hacked") is None


def test_history_is_kept_renamed_saved_and_deleted(chat: Visit) -> None:
    chat.ask("first question")
    chat.page.click("#new")
    chat.ask("second question")
    assert chat.texts("#list .title") == ["second question", "first question"]
    chat.page.reload()
    chat.page.wait_for_selector(".content p")
    assert chat.texts(".asked-text") == ["second question"], "the page opens where it was"
    chat.page.get_by_text("first question").click()
    assert chat.texts(".asked-text") == ["first question"]
    row = chat.page.locator("#list li.current")
    row.get_by_label("Rename").click()
    chat.page.fill("#list input", "<b>mine</b>")
    chat.page.keyboard.press("Enter")
    assert "<b>mine</b>" in chat.texts("#list .title")
    with chat.page.expect_download() as found:
        chat.page.click("#as-json")
    saved = json.loads(Path(found.value.path()).read_text(encoding="utf-8"))
    assert (saved["title"], saved["turns"][0]["answers"][0]["content"]) == ("<b>mine</b>", "Answer of base to *first question*.")
    with chat.page.expect_download() as found:
        chat.page.click("#as-markdown")
    assert "Answer of base to *first question*." in Path(found.value.path()).read_text(encoding="utf-8")
    chat.page.locator("#list li.current").get_by_label("Delete").click()
    chat.page.click("#confirm-yes")
    chat.page.wait_for_selector("#welcome", state="visible")
    assert chat.texts("#list .title") == ["second question"]
    chat.page.evaluate("for (const name of Object.keys(localStorage)) if (name.startsWith('dunwu.chat.')) localStorage[name] = '{broken'")
    chat.page.reload()
    chat.page.wait_for_selector("#welcome")
    assert chat.texts("#list .title") == []


def test_an_answer_goes_on_while_another_conversation_is_open(chat: Visit, fake: Fake) -> None:
    fake.replies[SLOW] = ("hm " * 8, "done at last")
    chat.ask(SLOW, wait=False)
    chat.page.wait_for_selector(".thoughts")
    chat.page.click("#new")
    chat.ask("meanwhile")
    chat.page.get_by_text(SLOW).click()
    chat.done()
    chat.page.get_by_text("done at last", exact=True).wait_for()
    assert fake.left == []


def test_language_theme_and_keyboard(chat: Visit) -> None:
    assert chat.page.evaluate("document.activeElement.id") == "question"
    chat.page.fill("#question", "a")
    chat.page.keyboard.press("Shift+Enter")
    assert chat.page.input_value("#question") == "a\n"
    chat.ask("hello")
    chat.page.click("#language")
    assert chat.page.get_attribute("html", "lang") == "zh-CN"
    assert chat.texts("summary")[0].startswith("思考了")
    left = chat.page.evaluate(
        "[...document.querySelectorAll('[data-say], [data-label]')].filter(e => /undefined|\\{/.test(e.textContent + e.ariaLabel))"
    )
    assert left == []
    paper = "() => getComputedStyle(document.body).backgroundColor"
    light = chat.page.evaluate(paper)
    chat.page.click("#theme")
    assert chat.page.evaluate(paper) == light
    chat.page.click("#theme")
    assert chat.page.evaluate(paper) != light
    chat.page.reload()
    assert chat.page.get_attribute("html", "lang") == "zh-CN"
    assert chat.page.evaluate(paper) != light
    chat.page.click("#language")


def test_errors_are_shown_and_a_key_is_asked_for(browser: Any, address: str, fake: Fake) -> None:
    fake.key = "secret-key-of-the-server"
    found = Visit(browser.new_page())
    found.page.goto(address)
    found.page.wait_for_selector("#settings[open]")
    found.page.fill("#key", fake.key)
    found.page.click("#close-settings")
    found.page.wait_for_selector("#model option", state="attached")
    found.ask("hello")
    found.page.wait_for_selector(".content:has-text('Answer of base')")
    assert found.page.evaluate("JSON.stringify(localStorage)").count(fake.key) == 0
    found.ask("fail")
    assert found.texts(".note.bad") == ["<b>the queue is full</b>"]
    found.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_its_window(width: int, scheme: str, browser: Any, address: str) -> None:
    found = visit(browser, address, width, scheme, "en-GB" if scheme == "light" else "zh-CN")
    page, folder = found.page, os.environ.get("SCREENSHOTS")
    for name in ("empty", "answer", "compared", "settings"):
        if name == "answer":
            found.ask("maths")
            page.wait_for_selector(".content math")
        elif name == "compared":
            page.click("#compare")
            found.ask("maths")
            page.wait_for_selector(".two .content math")
        elif name == "settings":
            page.click("#open-settings")
        assert page.evaluate(TOO_WIDE) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if folder:
            page.screenshot(path=Path(folder) / f"chat-{name}-{width}-{scheme}.png")
        if script := os.environ.get("AXE"):
            page.evaluate(Path(script).read_text(encoding="utf-8"))
            faults = page.evaluate("axe.run().then(found => found.violations.map(each => [each.impact, each.id, each.nodes[0].html]))")
            assert [fault for fault in faults if fault[0] in ("serious", "critical")] == [], name
    page.context.close()
    assert found.errors == []
