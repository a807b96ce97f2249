"""What a reader sees: links that resolve, a Chinese twin that is whole, no path of anybody's machine."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PUBLIC = [
    *PAGES,
    ROOT / "Makefile",
    ROOT / "pyproject.toml",
    ROOT / "setup.py",
    ROOT / "constraints.txt",
    ROOT / ".ci" / "run",
    *sorted(path for folder in ("src", "tests", "recipes", "scripts", "examples") for path in (ROOT / folder).rglob("*.*")),
]
TEXT = {".md", ".py", ".toml", ".yaml", ".txt", ".html", ".json", ".csv", ""}

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```[^\n]*\n.*?^```$", re.MULTILINE | re.DOTALL)
_MACHINE_PATH = re.compile("/" + r"(?:home|Users|work|root|tmp|mnt|private)/[A-Za-z0-9_.]+/")


def prose(text: str) -> str:
    """The page without its code blocks."""
    return _FENCE.sub("", text)


def broken_links(page: Path, text: str) -> list[str]:
    targets = [target.partition("#")[0] for target in _LINK.findall(prose(text)) if "://" not in target]
    return [target for target in targets if target and not (page.parent / target).exists()]


def code_blocks(text: str) -> list[str]:
    """Fenced blocks without their comments, which are translated."""
    return ["\n".join(line.partition("#")[0].rstrip() for line in block.splitlines()) for block in _FENCE.findall(text)]


def headings(text: str) -> list[int]:
    """The levels of the headings, in order."""
    return [len(line) - len(line.lstrip("#")) for line in prose(text).splitlines() if re.match(r"#+ ", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_resolve(page: Path) -> None:
    assert broken_links(page, page.read_text(encoding="utf-8")) == []


def test_the_chinese_readme_is_a_whole_twin() -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))
    assert headings(english) == headings(chinese)
    assert code_blocks(english) == code_blocks(chinese)
    assert english.count("\n|") == chinese.count("\n|")
    assert len(re.findall(r"[一-鿿]", chinese)) > 1000


def test_the_first_screen_has_the_two_commands() -> None:
    for name in ("README.md", "README.zh.md"):
        screen = "\n".join((ROOT / name).read_text(encoding="utf-8").splitlines()[:40])
        for part in ("make demo", "make test", "GPU=1", "macOS"):
            assert part in screen, f"{name}: {part}"


def test_no_path_of_a_machine() -> None:
    for path in PUBLIC:
        if path.suffix in TEXT and path.is_file() and "__pycache__" not in path.parts:
            found = _MACHINE_PATH.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path.relative_to(ROOT)}: {found}"


def test_the_checks_can_fail(tmp_path: Path) -> None:
    assert broken_links(tmp_path / "a.md", "[x](nowhere.md#part) [y](https://example.org) [z](#here)") == ["nowhere.md"]
    assert code_blocks("```bash\nmake demo  # words\n```\n") == ["```bash\nmake demo\n```"]
    assert headings("# a\n```\n# no\n```\n### b\n") == [1, 3]
    assert _MACHINE_PATH.search("see /" + "home/somebody/file") is not None


def test_the_glossary_has_forty_words_each_once() -> None:
    words = re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", (ROOT / "docs" / "style.md").read_text(encoding="utf-8"), re.MULTILINE)[1:]
    assert len(set(words)) == len(words) >= 40


def test_the_licence_is_mit_of_the_authors() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License")
    assert "The Dunwu authors" in text
