from dunwu.tasks.decontamination import ngrams, shares_multiset, text_shares_multiset, words
from dunwu.tasks.splits import GAME24_HELD_OUT

RESERVED = sorted(GAME24_HELD_OUT)[50]


def test_shares_multiset():
    assert shares_multiset(reversed(RESERVED))
    assert not shares_multiset(RESERVED[:3])
    assert shares_multiset([2, 1], {(1, 2)})


def test_text_shares_multiset():
    a, b, c, d = RESERVED
    assert text_shares_multiset(f"Use {d},{a},{c},{b} to make 99.")
    assert text_shares_multiset(f"一行\n用{d}，{a}、{c}, {b}算出24。")
    assert not text_shares_multiset(f"Use {a},{b},{c} to make {d}.")
    assert not text_shares_multiset(f"Use {a},{b},{c},{d},1 to make 9.")
    assert not text_shares_multiset("9" * 5000 + ",1,2,3")


def test_words():
    assert words("Tom's 3 apples, 12.5 kg!") == ["tom", "s", "3", "apples", "12", "5", "kg"]
    assert words("小明有3个") == ["小", "明", "有", "3", "个"]


def test_ngram_counts():
    assert len(ngrams(" ".join(map(str, range(12))))) == 3
    assert ngrams("one two three") == {("one", "two", "three")}
    assert ngrams("!!") == set()
