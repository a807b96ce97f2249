"""Commands and pages with DUNWU_LANG=zh: no English sentence is left but texts of users and models; English is unchanged."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dunwu.analysis.page_language import in_language
from dunwu.cli.main import COMMANDS, main
from tests.few_steps import zero_few_steps

SENTENCE = re.compile(r"(?<![\w/.=-])[A-Za-z]?[a-z]+(?: [a-z]+){2,}(?![\w/=-])")
"""Three words in a row: a sentence, or a part of one."""
COMMAND = re.compile(r"dunwu(?: [\w./-]+)+")
MISTAKES = [
    (["zreo"], "没有名为"),
    (["zero", "grpo.stepz=3"], "是否想写"),
    (["zero", "grpo.steps=few"], "应为整数"),
    (["zero", "grpo.steps=0"], "应为不小于 1 的数"),
    (["zero", "--model", "no/such/folder/x"], "没有"),
    (["zero", "num_generations=4"], "是否想写"),
    (["zero", "max_steps"], "没有值"),
    (["zero", "--out", "/dev/null/x"], "--out"),
    (["zero", "tasks=[]"], "任务"),
    (["zero", "sampling.temperature=0"], "温度|temperature"),
    (["sft", "--data", "no-such.jsonl"], "不存在"),
    (["eval", "--task", "gsm9k"], "gsm8k"),
    (["eval", "--problems", "0"], "不小于 1"),
    (["report", "no-such-run"], "找不到"),
    (["status", "."], "流水线"),
    (["explain", "no-such-folder"], "找不到"),
    (["run", "no-such-recipe"], "没有配方"),
    (["verify", "nothing"], "可选"),
    (["verify", "code", "no-such.py", "--problems", "no-such.json"], "no-such"),
    (["data", "no-such.csv"], "不存在"),
    (["sandbox", "--host", "0.0.0.0"], "token-file"),
]


@pytest.fixture(autouse=True)
def chinese(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUNWU_LANG", "zh")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


def left(text: str) -> list[str]:
    """English sentences in a text."""
    return [line for line in text.split("\n") if SENTENCE.search(COMMAND.sub("", line))]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    try:
        code = main(arguments)
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    out, err = capsys.readouterr()
    assert code == 0, err
    return out + err


@pytest.mark.parametrize(
    "arguments", [["--help"], *([name, "--help"] for name in COMMANDS), ["verify", "math", "--help"], ["verify", "code", "--help"]]
)
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, *arguments)
    assert left(text) == []
    assert "用法：" in text


def test_the_list_of_keys_has_chinese_types_and_says_that_meanings_are_english(capsys: pytest.CaptureFixture[str]) -> None:
    first, *lines = printed(capsys, "keys", "sft").split("\n")
    assert "英文" in first
    assert "lora.rank  （不小于 1 的整数；默认 16）" in lines
    assert any(re.match("learning_rate  （大于 0 的数；随模型而定：.*0.001.*1e-05）", line) for line in lines)


def test_help_has_straight_frames(capsys: pytest.CaptureFixture[str]) -> None:
    from dunwu.text.translate import width

    boxed = [line for line in printed(capsys, "zero", "--help").split("\n") if line[:1] in tuple("╭│╰")]
    assert len({width(line) for line in boxed}) == 1


@pytest.mark.parametrize(("arguments", "word"), MISTAKES)
def test_mistakes(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dunwu: ")
    assert err.count("\n") == 1
    assert re.search(word, err)
    assert left(err) == []


class Shown(HTMLParser):
    """The texts of a page that are ours, and those that are not."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.kept: list[tuple[str, bool]] = []
        self.ours: list[str] = []
        self.theirs = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "wbr", "path", "rect", "use"):
            self.kept.append((tag, tag in ("style", "pre") or ("translate", "no") in attrs or bool(self.kept and self.kept[-1][1])))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        while self.kept and self.kept.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.kept and self.kept[-1][1]:
            self.theirs += data
        else:
            self.ours.append(data)


@pytest.mark.slow
def test_a_run_its_report_and_an_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = "{kind: countdown, languages: [zh], wording: short}"
    small = [*zero_few_steps(), f"tasks=[{{task: {task}}}]", f"evaluations.0.task={task}"]
    plan = printed(capsys, "zero", "--dry-run", *small)
    assert [line for line in left(plan) if line.startswith("#")] == []
    told = printed(capsys, "zero", "--out", "training", *small)
    assert left(told) == []
    page = Path("training/report.html").read_text(encoding="utf-8")
    assert '<html lang="zh">' in page
    shown = Shown(page)
    assert left("\n".join(" ".join(each.split()) for each in shown.ours)) == []
    assert "training" in shown.theirs, "the folder's name is not translated"
    assert "grpo" in json.loads(Path("training/manifest.json").read_text(encoding="utf-8"))["algorithm"]
    evaluated = printed(capsys, "eval", "--problems", "4", "--samples", "2", "--max-tokens", "30", "task.languages=[zh]")
    assert left(evaluated) == []


def test_texts_of_others_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from dunwu.run.console import ConsoleReporter

    Path("training").write_text("nothing", encoding="utf-8")
    assert main(["data", "training"]) == 2
    assert "training" in capsys.readouterr().err
    reporter = ConsoleReporter()
    reporter.sample(
        "step 3: Pre-training or fine-tuning? -> wrong", "nothing was learnt: the reward did not change (0 at the start, 1 at the end)"
    )
    out = capsys.readouterr().out
    assert "Pre-training or fine-tuning? -> 错误" in out
    assert "nothing was learnt: the reward did not change (0 at the start, 1 at the end)" in out
    reporter.facts([("model", "training"), ("run", "still wrong/x")])
    out = capsys.readouterr().out
    assert "training" in out
    assert "still wrong/x" in out


def test_a_page_keeps_what_is_marked_and_escapes() -> None:
    page = (
        '<html lang="en"><p>20 tokens</p><b translate="no">20 tokens<i>step</i></b><pre>20 tokens</pre>'
        "<th>step</th><td>step</td><p>a &lt;b&gt; c</p>"
    )
    expected = (
        '<html lang="zh"><p>20 个词元</p><b translate="no">20 tokens<i>step</i></b><pre>20 tokens</pre>'
        "<th>步</th><td>step</td><p>a &lt;b&gt; c</p>"
    )
    assert in_language(page) == expected


def test_english_is_not_changed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DUNWU_LANG", "en")
    page = '<html lang="en"><p>20&nbsp;tokens &amp; more</p>'
    assert in_language(page) is page
    assert printed(capsys, "--help").startswith("usage: dunwu COMMAND")


def test_output_without_chinese_letters_is_english(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    program = "from dunwu.cli.main import main; main(['--help']); main(['zreo'])"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("usage: dunwu COMMAND")
    assert done.stderr.startswith("dunwu: unknown command")


def test_an_unknown_language_is_a_mistake(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DUNWU_LANG", "fr")
    assert main(["--help"]) == 2
    assert "DUNWU_LANG" in capsys.readouterr().err


def test_doctors_names_and_the_remedy_for_a_missing_file_are_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUNWU_LANG", "zh")
    assert main(["doctor"]) in (0, 1)
    found = {line[5:].split(" ")[0] for line in capsys.readouterr().out.splitlines()}
    assert {"处理器", "指令集", "沙箱", "内存", "磁盘", "软件包", "微型模型"} <= found
    (tmp_path / "rows.jsonl").write_text("{}")
    for name in ("row.jsonl", "folder/other.csv"):
        assert main(["data", str(tmp_path / name)]) == 2
        said = capsys.readouterr().err
        assert "不存在" in said
        assert "did you" not in said
        assert "give a" not in said
