"""A finished page in the user's language. What is marked ``translate="no"`` (texts, names and values of others) stays as it is."""

from __future__ import annotations

from html import escape, unescape
from html.parser import HTMLParser

from dunwu.text.translate import language, translate

_VOID = {"meta", "br", "path", "rect", "link", "use", "img", "input"}
_KEPT = {"style", "pre", "defs", "script"}
_LABELS = {"th", "h2", "h3", "summary", "strong", "span", "em", "li", "mark", "text"}
"""Elements whose single words are ours, unless marked."""


def in_language(page: str) -> str:
    """``page`` with our sentences translated; the same text in English."""
    if language() == "en":
        return page
    parser = _Page()
    parser.feed(page)
    parser.close()
    return "".join(parser.written).replace('<html lang="en"', f'<html lang="{language()}"', 1)


class _Page(HTMLParser):
    """Writes what it reads, with the texts translated."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.written: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self._text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._flush()
        kept = tag in _KEPT or ("translate", "no") in attributes or self._kept
        if tag not in _VOID:
            self._open.append((tag, kept))
        self.written.append(self.get_starttag_text() or "" if kept else self._tag(attributes))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._flush()
        self.written.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        self._flush()
        while self._open and self._open.pop()[0] != tag:
            pass
        self.written.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_entityref(self, name: str) -> None:
        self._text += f"&{name};"

    def handle_charref(self, name: str) -> None:
        self._text += f"&#{name};"

    def handle_decl(self, declaration: str) -> None:
        self._flush()
        self.written.append(f"<!{declaration}>")

    def handle_comment(self, data: str) -> None:
        self._flush()
        self.written.append(f"<!--{data}-->")

    def close(self) -> None:
        super().close()
        self._flush()

    @property
    def _kept(self) -> bool:
        return bool(self._open) and self._open[-1][1]

    def _tag(self, attributes: list[tuple[str, str | None]]) -> str:
        """The start tag with its label for screen readers translated."""
        text = self.get_starttag_text() or ""
        label = dict(attributes).get("aria-label") or ""
        return text.replace(f'aria-label="{escape(label)}"', f'aria-label="{escape(translate(label, label=True))}"')

    def _flush(self) -> None:
        text, self._text = self._text, ""
        if text.strip() and not self._kept:
            start, end = len(text) - len(text.lstrip()), len(text.rstrip())
            label = bool(self._open) and self._open[-1][0] in _LABELS
            ours = escape(_sentence(unescape(text[start:end]), label), quote=False)
            text = text[:start] + ours + text[end:]
        self.written.append(text)


def _sentence(text: str, label: bool) -> str:
    """A text of the page, whole or as name and sentence. Its percentages have a no-break space, which the catalogue has not."""
    plain = " ".join(text.replace("\N{NO-BREAK SPACE}%", " %").split())
    ours = translate(plain, label=label)
    name, colon, rest = plain.partition(": ")
    if ours == plain and colon and translate(name, label=label) != name:
        ours = f"{translate(name, label=label)}：{translate(rest)}"
    return text if ours == plain else ours.replace(" %", "\N{NO-BREAK SPACE}%")
