"""An answer in Markdown as HTML. Nothing that a model wrote becomes HTML in any other way.

Raw HTML is off, and so are links, images and their definitions: they stay the text they are, so that a page loads nothing and leads
nowhere. What this does not stop: an answer that looks like a part of the page, such as a table that says it is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from dunwu.serving.page.bounds import LONGEST, SECONDS, Environment, TooLong, check_time, until
from dunwu.serving.page.maths import mathml
from dunwu.serving.page.maths_rules import add_maths

OFF = ("link", "image", "autolink", "reference", "html_block", "html_inline")
_LONE = re.compile("[\ud800-\udfff]")
_PRODUCT = re.compile(r"(?<=[\d)])\*{1,2}(?=[\d(])")


def rendered(text: str, seconds: float = SECONDS) -> str:
    """The HTML. Raises `TooLong`."""
    if len(text) > LONGEST:
        raise TooLong
    html: str = _MARKDOWN.render(_LONE.sub("\N{REPLACEMENT CHARACTER}", text), until(seconds))
    return html


def _timed_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    check_time(state.env)
    return False


def _timed_inline(state: StateInline, silent: bool) -> bool:
    check_time(state.env)
    return False


def _product(state: StateInline, silent: bool) -> bool:
    """The stars of ``3*4*5`` and ``2**3`` multiply: they are no emphasis."""
    found = _PRODUCT.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.pending += found.group()
    state.pos = found.end()
    return True


def _maths(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, environment: Environment) -> str:
    check_time(environment)
    token = tokens[at]
    html = mathml(token.content, token.meta["display"]) or f"<code>{_escaped(token.markup)}</code>"
    return f'<div class="formula">{html}</div>\n' if token.block else html


def _cell(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, environment: Environment) -> str:
    """The alignment as a class: the page allows no style."""
    check_time(environment)
    token = tokens[at]
    aligned = str(token.attrs.pop("style", "")).removeprefix("text-align:")
    if aligned:
        token.attrSet("class", aligned)
    return renderer.renderToken(tokens, at, options, environment)


def _heading(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, environment: Environment) -> str:
    """Below the headings of the page."""
    token = tokens[at]
    token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
    return renderer.renderToken(tokens, at, options, environment)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _made() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"]).disable(OFF)
    add_maths(markdown)
    markdown.inline.ruler.before("emphasis", "product", _product)
    markdown.inline.ruler.before("text", "time", _timed_inline)
    markdown.block.ruler.before("table", "time", _timed_block, {"alt": ["paragraph", "blockquote", "list"]})
    rules = {"maths": _maths, "maths_block": _maths, "th_open": _cell, "td_open": _cell}
    for name, rule in {**rules, "heading_open": _heading, "heading_close": _heading}.items():
        markdown.add_render_rule(name, rule)
    return markdown


_MARKDOWN = _made()
