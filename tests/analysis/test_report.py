"""The report: whole, partial and under attack."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from dunwu.analysis.report import flat_facts, write_report
from dunwu.errors import RunError

HOSTILE = (
    "</pre></article><script>alert(1)</script><img src=x onerror=alert(2)>\"'`${{7*7}}{% raw %}&lt;script&gt;<!-- --><a href='https://evil.example/'>"
    "\x00\x07\x1b[31m\u202eright to left\u2066\ud800 שלום مرحبا wait </style><svg onload=alert(3)>"
)
_TAGS = (
    "html head meta title style body main header section article div h1 h2 h3 p ul li b em span strong table thead tbody tr th td figure "
    "figcaption pre mark details summary svg g path defs use clippath rect form label select input button ol br"
)
ALLOWED_TAGS = set(_TAGS.split())


class Page(HTMLParser):
    """Elements, attributes and text of a page; checks that elements are closed in order."""

    VOID = ("meta", "input", "br")

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.open, self.text, self.comments = set(), [], [], [], []
        self.feed(without_scripts(html).replace("<wbr>", ""))  # where a line may break, which is no text
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def handle_comment(self, data):
        self.comments.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def report(run):
    return write_report(run).read_text(encoding="utf-8")


def without_scripts(html):
    """A page as a browser without scripts has it; tests/analysis/test_interactive.py has the scripts."""
    return re.sub(r"<script.*?</script>|</?noscript>", "", html, flags=re.DOTALL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, make):
    run = tmp_path_factory.mktemp("whole")
    make.write_whole_run(run)
    return report(run), run


def test_a_complete_run_shows_its_numbers(whole):
    words = Page(whole[0]).words
    for sentence in (
        "pass@1 went from 20.0 % to 80.0 %; the 95 % intervals do not overlap.",
        "Accuracy went from 0.18 to 0.63 over 90 steps. Format reward was 0.90 at the start and at the end of 90 steps.",
        "Mean completion length went from 28.0 to 78.0 tokens over 90 steps (2.8 times the first value). Thinking went",
        "12.5 % of the last completions were cut off at the token limit (0.0 % of the first).",
        "The number of reflective words per completion went from 1.0 to 6.0 over 90 steps (6.0 times the first value).",
        "25.0 % of the first groups and 50.0 % of the last had equal rewards",
        "1 step had non-finite values",
        "Of 3.0 minutes in these phases, 60 % went to generate, 30 % went to train, 10 % went to reward.",
        "thinking length with human solving time is 1.00 before training and 1.00 after training, over 20 problems",
        "Of 40 problems, by their first samples: 32 from wrong to right, 0 right both times, 0 still wrong, 8 from right to wrong.",
        "it does not create reasoning from nothing. Its card also says how often",
        "corpus.reflections_per_document 0.41",
        "seed 7",
        "training 5.0 min",
        "R1-Zero · whole",
        "24 → 24 thinking, tokens",
    ):
        assert sentence in words


def test_every_plot_has_a_sentence_under_it(whole):
    figures = re.findall(r"<figure.*?</figure>", whole[0], re.DOTALL)
    assert len(figures) == 8 + 2 + 3
    for figure in figures:
        live = r'(</div>\s*<div class="live"><div id="live-\d+"></div></div>)?'
        assert re.search(rf"<svg.*</svg>{live}\s*<figcaption>[^<]{{20,}}\.</figcaption>", figure, re.DOTALL)


def test_the_page_is_self_contained_and_the_same_each_time(whole):
    html, run = whole
    page = Page(html)
    assert "http://" not in without_scripts(html)
    assert "https://" not in without_scripts(html)
    assert page.tags <= ALLOWED_TAGS
    assert all(value.startswith("#") for name, value in page.attributes if name in ("href", "src"))
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert "@import" not in without_scripts(html)
    assert report(run) == html


def test_only_the_report_is_written(whole):
    assert sorted(path.name for path in whole[1].iterdir()) == [
        "config.yaml", "evaluations", "manifest.json", "metrics.jsonl", "report.html", "summary.json",
    ]  # fmt: skip


def test_an_empty_run_gives_a_report_that_says_what_is_missing(tmp_path):
    page = Page(report(tmp_path))
    assert "Missing from this report" in page.words
    assert "metrics.jsonl has no steps yet" in page.words
    assert "No held-out evaluation was found" in page.words
    assert "svg" not in page.tags


def test_a_run_that_learnt_nothing_says_so_with_its_warnings(tmp_path, make):
    rows = [row | {"frac_reward_zero_std": 1.0, "rewards/accuracy": 0.0, "reward": 0.0} for row in make.metrics(9)]
    make.write_metrics(tmp_path, rows)
    wrong = [make.row(i, right=False) for i in range(8)]
    (tmp_path / "summary.json").write_text(json.dumps({"countdown": make.write_sets(tmp_path, wrong, wrong)}))
    warnings = [{"step": 5, "kinds": ["dead groups"], "text": "every <b>group</b> was dead"}, {"text": 7}, None]
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": "zero", "warnings": warnings}))
    page = Page(report(tmp_path))
    assert "Nothing was learnt: the rewards of 100.0 % of the groups were all equal; no answer was right. pass@1 stayed" in page.words
    assert "Warnings during training every <b>group</b> was dead" in page.words


def test_what_was_not_measured_is_no_number(tmp_path, make):
    make.write_sets(tmp_path, [make.row(0)], [make.row(0)])
    (tmp_path / "evaluations" / "after-countdown.parquet").unlink()
    page = Page(report(tmp_path))
    assert "100.0 % →" not in page.words
    assert "pass@1 before training was 100.0 %." in page.words


def test_hostile_text_is_inert(tmp_path, make):
    before = [make.row(i, right=False, completion=HOSTILE, text=HOSTILE, problem_id=f"{i}{HOSTILE}") for i in range(4)]
    after = [make.row(i, right=i > 0, completion=HOSTILE * 500, text=HOSTILE, problem_id=f"{i}{HOSTILE}") for i in range(4)]
    summary = make.write_sets(tmp_path, before, after)
    (tmp_path / "summary.json").write_text(
        json.dumps({HOSTILE: summary, "countdown": summary, "seed": HOSTILE, "device": HOSTILE, "seconds": {HOSTILE: 1}})
    )
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": HOSTILE, "base_card": {HOSTILE: HOSTILE}}))
    (tmp_path / "config.yaml").write_text(json.dumps({"model": HOSTILE}))
    make.write_metrics(tmp_path, [{"step": 1, "reward": HOSTILE, HOSTILE: 1}, *make.metrics(12)])
    html = report(tmp_path)
    page = Page(html)
    assert page.tags <= ALLOWED_TAGS
    assert page.comments == []
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert not any("evil" in (value or "") or "alert" in (value or "") for _, value in page.attributes)
    assert "<script>alert(1)</script>" in page.words
    assert "more characters are not shown" in page.words
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800]", html)
    assert "{{7*7}}" in page.words
    assert len(without_scripts(html)) < 2_000_000


@pytest.mark.parametrize(
    "rows",
    [
        [{"step": 1}],
        [{"step": 1, "reward": 1.0, "time/generate": 1.0}],
        [{"step": i, "kl": None, "entropy": 0.0, "time/train": -1.0 * i} for i in range(3)],
        [{"step": i, "reward": 1e300, "rewards/accuracy": -5, "completions/mean_length": 0} for i in range(40)],
    ],
)
def test_few_or_odd_columns_still_give_a_report(tmp_path, make, rows):
    make.write_metrics(tmp_path, rows)
    words = Page(report(tmp_path)).words
    assert "KL to the reference was not recorded." in words


@pytest.mark.parametrize(
    "side", [{}, {"pass_at_1": None, "interval": [None, None]}, {"by_difficulty": [7, {"from": 1}], "verdicts": [1], "k": "x"}]
)
def test_odd_summaries_still_give_a_report(tmp_path, side):
    (tmp_path / "summary.json").write_text(json.dumps({"countdown": {"before": side, "after": side}, "seconds": [1], "seed": None}))
    assert "pass@1 was not measured." in Page(report(tmp_path)).words


def test_no_run_folder_is_one_clear_line(tmp_path):
    with pytest.raises(RunError, match="no run folder"):
        write_report(tmp_path / "none")


def test_facts_are_flat_and_few():
    assert list(flat_facts({"a": {"b": 1, "c": [1, 2]}, "d": None, "e": 0.1234567})) == [("a.b", "1"), ("a.c", "[1, 2]"), ("e", "0.123457")]
    assert len(list(flat_facts({str(i): i for i in range(500)}))) == 80


def test_reports_need_no_torch():
    code = "import sys, dunwu.analysis.report; sys.exit(any(name.split('.')[0] in ('torch', 'transformers') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_long_card_shows_its_figures_and_folds_its_lists(tmp_path, make):
    make.write_whole_run(tmp_path)
    card = {"tokens": 5, "base_countdown": {"pass_at_1": 0.1}, "reflective_words_per_1000_documents": {"wait": 31.5}}
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": "zero", "base_card": card}))
    words = Page(report(tmp_path)).words
    assert "tokens 5 base_countdown.pass_at_1 0.1 The rest of the card" in words
    assert "The rest of the card reflective_words_per_1000_documents.wait 31.5" in words


def test_a_base_without_a_card(tmp_path, make):
    make.write_whole_run(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": "zero"}))
    assert "This base model came without a card" in Page(report(tmp_path)).words
