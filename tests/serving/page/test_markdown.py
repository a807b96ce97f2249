"""Answers as HTML: only elements and attributes of a short list ever come out, whatever goes in."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dunwu.serving.page.bounds import LONGEST, TooLong
from dunwu.serving.page.markdown import rendered
from dunwu.serving.page.maths import mathml

PLAIN = {*"p br em strong s code pre ul ol li blockquote hr h3 h4 h5 h6 table thead tbody tr th td div".split()}  # noqa: SIM905
MATHS = {f"m{name}" for name in "ath row i n o text space sup sub subsup under over underover frac sqrt root".split()}  # noqa: SIM905
MATHS |= {"none", *(f"m{name}" for name in "table tr td style enclose padded phantom multiscripts prescripts".split())}  # noqa: SIM905
LOADING = {"src", "href", "style", "id", "action", "xlink:href", "srcset"}

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](https://example.org/?q=secret)",
    "![x](https://example.org/pixel.png)",
    "<https://example.org>",
    "[x]: https://example.org\n\n[x]",
    '```js" onload=alert(1)\n</code></pre><script>alert(1)</script>\n```',
    r"$\href{javascript:alert(1)}{x}$",
    r"$\text{<script>alert(1)</script>}$",
    r"$\style{background:url(https://example.org)}{x}$ $\class{large}{x}$",
    r"$\color{x\" onmouseover=\"alert(1)}{y}$",
    r"\boxed{</math><img src=x onerror=alert(1)>}",
    "$$\n\\text{&lt;script&gt;alert(1)&lt;/script&gt;}\n$$",
    "<!-- x --> <?php x ?> <![CDATA[ x ]]>",
    "| a |\n|:-:|\n| <svg onload=alert(1)> |",
    "&lt;script&gt; &#60;script&#62; &#x3c;script>",
    "\x00\ud800\u202e\u2028",
    "`<b>` **<b>** ~~<b>~~",
]


class Reader(HTMLParser):
    """What a browser would find: elements with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def harmless(html: str) -> Reader:
    found = Reader(html)
    for tag, attributes in found.elements:
        assert tag in PLAIN | MATHS, tag
        assert not LOADING & attributes.keys(), attributes
        assert not [name for name in attributes if name.startswith("on")], attributes
        if tag in PLAIN:
            assert attributes.keys() <= {"class", "start"}, attributes
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    harmless(rendered(text))


def test_what_was_written_is_what_is_read() -> None:
    for text in (HOSTILE[0], HOSTILE[1], HOSTILE[2], HOSTILE[4], HOSTILE[5]):
        assert Reader(rendered(text)).text.strip() == text
    assert "<script>alert(1)</script>" in Reader(rendered(HOSTILE[9])).text


WORDS = r"$ $$ \( \) \[ \boxed{ } <b> ]( [ ! ` > - * &lt; \text{ \href{ \style{ \frac{1}{2} ^ _ \begin{matrix} \end{matrix} x < > 1"
PIECES = st.sampled_from([*WORDS.split(), "'", '"', "```\n", "|", "-|-", "\n", "\n\n", " ", "\ud800"])


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
@example("$\\href{\"'><b>}{x}$")
def test_any_text_is_harmless(text: str) -> None:
    harmless(rendered(text)).text.encode()


def test_markdown_is_rendered() -> None:
    assert rendered("**a** *b* `c`") == "<p><strong>a</strong> <em>b</em> <code>c</code></p>\n"
    assert rendered("# a\n#### b\n") == "<h3>a</h3>\n<h6>b</h6>\n"
    assert rendered("a\nb") == "<p>a<br />\nb</p>\n"
    assert '<td class="right">2</td>' in rendered("|a|b|\n|-|-:|\n|1|2|")
    assert '<ol start="3">' in rendered("3. x")


@pytest.mark.parametrize("text", ["3*4*5=60", "(1+2)*(3)*4", "2**3 and 3**2", "25*4-(3*2)*7"])
def test_products_are_no_emphasis(text: str) -> None:
    assert rendered(text) == f"<p>{text}</p>\n"


@pytest.mark.parametrize(
    ("text", "display"), [("$x^2$", 0), (r"\(x^2\)", 0), ("$$x^2$$", 1), (r"\[x^2\]", 1), ("$$\nx^2\n$$", 1), ("\\[\nx^2\n\\]", 1)]
)
def test_each_delimiter_makes_maths(text: str, display: int) -> None:
    html = rendered(f"so\n{text}")
    assert f'<math display="{"block" if display else "inline"}">' in html
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in html
    assert "$" not in html
    assert "\\" not in html


def test_a_displayed_formula_may_look_like_a_list() -> None:
    html = rendered("so\n\n$$\nx\n- 5\n= 3\n$$\nand")
    assert "<li>" not in html
    assert html.count("<math") == 1
    assert html.endswith("<p>and</p>\n")
    assert rendered("> $$\n> x\n> $$\n").startswith('<blockquote>\n<div class="formula"><math')


def test_a_box_is_maths_without_dollars() -> None:
    assert '<menclose notation="box"><mrow><mn>42</mn></mrow></menclose>' in rendered(r"It is \boxed{42}.")
    assert "<mfrac>" in rendered(r"\boxed{\frac{1}{2}}")


@pytest.mark.parametrize(
    "text", ["$5 and $6", "from $5 to $10.", "a $ b $ c", "5$ and 6$", r"\$5 and 3\$", "only $one", r"\boxed{a{b}", "$$", "$$ $$"]
)
def test_what_is_no_maths(text: str) -> None:
    assert "<math" not in rendered(text)


@pytest.mark.parametrize("latex", [r"\def\a{\a\a}\a", r"\newcommand{\a}{x}\a", r"\frac{", "x" * 5000, "{" * 2000 + "}" * 2000, r"x^1^2"])
def test_a_formula_that_cannot_be_read_is_shown_as_it_is(latex: str) -> None:
    assert mathml(latex, False) is None
    assert "<math" not in rendered(f"${latex}$")
    assert latex[:20] in Reader(rendered(f"${latex}$")).text


def test_aligned_lines_have_their_columns() -> None:
    assert rendered("$$\\begin{aligned}a&=b\\\\c&=d\\end{aligned}$$").count("<mtr>") == 2


@pytest.mark.parametrize(
    "text",
    [
        *(text * 50_000 for text in "a字[>`$\\😀"),
        *(text * 16_000 for text in ("*a ", "\\[\n", "\\boxed{", "- ", "~~a")),
        "a|b\n-|-\n" + "|\n" * 20_000,
        "x|" * 2000 + "\n" + "-|" * 2000 + "\n" + "x\n" * 5000,
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_long_texts_are_rendered_in_time_or_refused(text: str) -> None:
    began = time.monotonic()
    try:
        html = rendered(text, seconds=0.5)
    except TooLong:
        html = ""
    assert time.monotonic() - began < 5
    harmless(html)


def test_limits() -> None:
    with pytest.raises(TooLong):
        rendered("a" * (LONGEST + 1))
    with pytest.raises(TooLong):
        rendered("a", seconds=-1)
