from dunwu.tasks.decontamination import benchmark_ngrams, ngram_overlap, ngrams, shares_multiset, text_shares_multiset, words
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


def test_overlap_needs_ten_words_in_a_row():
    benchmark = benchmark_ngrams(["a b c d e f g h i j k l", "Is it so?"])
    assert ngram_overlap("x, x; B c d E f g h i j k x", benchmark)
    assert not ngram_overlap("x b c d e f g h i j x k l", benchmark)
    assert ngram_overlap("is it so", benchmark)
    assert not ngram_overlap("well, is it so or not, who could ever tell us that now?", benchmark)
    assert not ngram_overlap("", benchmark)
