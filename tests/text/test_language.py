"""Shares of words by language, counted by hand."""

from __future__ import annotations

import pytest

from dunwu.text.language import LANGUAGES, language_share, majority_language, script_of

# Text, target language, words of the target, words of other languages. Both 0: nothing to measure.
COUNTED = [
    # One language only.
    ("Let me think about this.", "en", 5, 0),
    ("让我想一想。", "zh", 5, 0),
    ("让我想一想。", "en", 0, 5),
    ("Let me think.", "zh", 0, 3),
    ("Привет, мир!", "ru", 2, 0),
    ("我们先算一下，然后检查。", "zh", 11, 0),
    # Mixtures.
    ("我们 need to 计算", "zh", 4, 2),
    ("所以 the answer is 八", "zh", 3, 3),
    ("The word 你好 means hello.", "en", 4, 2),
    ("First compute 和, then 差.", "en", 3, 2),
    ("Wait，我再检查一下", "zh", 6, 1),
    ("So 答案是 8。Let me check。", "zh", 3, 4),
    ("LET ME CHECK THIS 好", "zh", 1, 4),
    ("ответ is 5", "ru", 1, 1),
    ("答案は五です", "ja", 6, 0),
    ("答案は五です", "zh", 3, 3),
    ("정답은 5 입니다", "ko", 2, 0),
    ("정답은 five 입니다", "ko", 2, 1),
    # Numbers, formulas, code, tags and addresses are not words.
    ("3 + 5 = 8", "en", 0, 0),
    ("$a^2 + b^2 = c^2$", "zh", 0, 0),
    (r"由 \(x+1=3\) 得 $x=2$", "zh", 2, 0),
    (r"所以答案是 \boxed{\text{eight apples}}", "zh", 5, 0),
    (r"\[\text{some words}\] 成立", "zh", 2, 0),
    (r"面积为 \frac{1}{2}\pi r^2", "zh", 3, 0),
    ("先看代码\n```python\nfor item in items:\n    print(item)\n```\n结束", "zh", 6, 0),
    ("调用 `sort the list` 即可", "zh", 4, 0),
    ("<think>好的</think><answer>八</answer>", "zh", 3, 0),
    ("见 https://example.org/some/page 的说明", "zh", 4, 0),
    ("变量 foo_bar 和 x1 相等", "zh", 5, 0),
    ("用 numpy.linalg.norm 计算", "zh", 3, 0),
    ("", "en", 0, 0),
    ("123 456 -- !!", "zh", 0, 0),
    # Single letters are variables, unless they are words.
    ("设 x 和 y 为整数", "zh", 5, 0),
    ("I have a dog", "en", 4, 0),
    ("Let x be a number", "en", 4, 0),
    ("если x и y равны", "ru", 3, 0),
    ("角 α 与角 β 相等", "zh", 5, 0),
    ("where αβ is small", "en", 3, 0),
    # Latin tokens inside Chinese: capitals, names, units and functions count neither way.
    ("三角形ABC中，AB=5", "zh", 4, 0),
    ("Alice 有三个苹果", "zh", 5, 0),
    ("Isaac Newton 发现了它", "zh", 5, 0),
    ("半径为 5 cm，求 sin 值", "zh", 5, 0),
    ("Alice、Bob 和 DNA", "zh", 1, 3),
    ("已知 Alice、Bob 和 DNA", "zh", 3, 0),
    ("Isaac Newton", "zh", 0, 2),
    ("Alice Bob Carol Dave 来了", "zh", 2, 4),
    ("apple 有三个", "zh", 3, 1),
    ("So 我们开始", "zh", 4, 1),
    ("Answer 是三", "zh", 2, 1),
    ("Therefore Alice 有三个", "zh", 3, 2),
    # Short English words and their abbreviations are no names either.
    ("好的 👍，OK，继续。", "zh", 4, 1),
    ("Hi，我们开始吧", "zh", 5, 1),
    ("FYI，这是答案", "zh", 4, 1),
    ("Thanks！继续", "zh", 2, 1),
    ("Wow，对。BTW，继续。", "zh", 3, 2),
    ("Result 是五", "zh", 2, 1),
    ("这是 DNA，用 GPU 算", "zh", 4, 0),
    # Addresses and paths may have letters of any script in them.
    ("See https://example.com/中文路径 now.", "en", 2, 0),
    ("See https://zh.example.org/wiki/中文?x=值#第一节 here", "en", 2, 0),
    ("See https://例え.テスト/パス/ページ here", "en", 2, 0),
    ("See example.com/路径/文件 or www.example.com/中文", "en", 2, 0),
    ("[link](https://a.example/中文) here", "en", 2, 0),
    ("Mail abc@例子.中国 now", "en", 2, 0),
    ("open /home/用户/文件.txt or ~/文档/报告.pdf or ./数据/表.csv now", "en", 4, 0),
    (r"open C:\用户\文档\a.txt now", "en", 2, 0),
    ("见 https://example.org/some/page的说明，发到abc@example.com的邮箱", "zh", 9, 0),
    ("见 https://a.example/中文，然后继续", "zh", 5, 0),
    ("他/她/它都可以", "zh", 6, 0),
]


@pytest.mark.parametrize(("text", "language", "inside", "outside"), COUNTED)
def test_hand_counted_shares(text: str, language: str, inside: int, outside: int) -> None:
    expected = inside / (inside + outside) if inside + outside else None
    assert language_share(text, language) == expected


def test_the_corpus_is_large_enough() -> None:
    assert len(COUNTED) >= 40
    assert len({text for text, *_ in COUNTED}) >= 40


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is 3 + 5?", "en"),
        ("小明有3个苹果，又买了5个，一共有多少个？", "zh"),
        ("设 $f(x) = x^2$，求 $f(3)$。", "zh"),
        ("Translate 你好 into English, please.", "en"),
        ("これは何ですか", "ja"),
        ("東京の人口は何人ですか", "ja"),
        ("정답은 무엇입니까", "ko"),
        ("Сколько будет два плюс два?", "ru"),
        ("3 + 5 = ?", None),
        ("$x$", None),
        ("", None),
    ],
)
def test_the_language_of_a_prompt(text: str, language: str | None) -> None:
    assert majority_language(text) == language


def test_every_language_knows_its_own_letters() -> None:
    assert {script for scripts in LANGUAGES.values() for script in scripts} >= {script_of(char) for char in "aя你あア한अกαאةა"}
    assert script_of("1") == ""


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(KeyError):
        language_share("text", "xx")
