"""Nearly the same texts: by hand on small sets, and against the exact index on many."""

from __future__ import annotations

from random import Random

from dunwu.data.builders.near_duplicates import first_of_their_kind, jaccard, most_different, shingles


def test_shingles_are_runs_of_words_characters_and_symbols() -> None:
    assert shingles("The cat sat. THE CAT") == {"the cat sat", "cat sat .", "sat . the", ". the cat"}
    assert shingles("小猫坐") == {"小 猫 坐"}
    assert shingles("3*4=12") == {"3 * 4", "* 4 =", "4 = 12"}
    assert shingles("") == {""}
    assert jaccard(frozenset("abc"), frozenset("bcd")) == 0.5


def test_the_first_of_nearly_equal_texts_stays() -> None:
    base = " ".join(f"w{n}" for n in range(60))
    texts = [base, base + " more", "something else", base.upper(), base.replace("w30", "x").replace("w10", "y"), "something else!"]
    assert first_of_their_kind(texts, 0.9) == [True, False, True, False, True, True]
    assert first_of_their_kind(texts, 0.3) == [True, False, True, False, False, True]


def test_it_finds_what_the_exact_index_finds() -> None:
    rng = Random(0)
    texts = [" ".join(rng.choice("abcdefghijklmnopqrst") * 3 for _ in range(40)) for _ in range(60)]
    texts += [f"{text[: 4 * 36]}tail {n}" for n, text in enumerate(texts)]
    sets = [shingles(text) for text in texts]
    kept: list[int] = []
    for place, each in enumerate(sets):
        if all(jaccard(each, sets[other]) < 0.7 for other in kept):
            kept.append(place)
    assert 60 <= len(kept) < 120
    assert [place for place, new in enumerate(first_of_their_kind(texts, 0.7)) if new] == kept


def test_the_least_alike_are_chosen() -> None:
    first = "one two three four five six seven eight"
    texts = [first, first + " nine", "eins zwei drei vier fuenf", first + " ten", "uno dos tres cuatro cinco"]
    assert most_different(texts, 3) == [0, 2, 4]
    assert most_different(texts, 9) == [0, 1, 2, 3, 4]
    assert most_different(texts, 1) == [0]
