"""Free-text answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.types import Problem
from dunwu.verifiers.text import verify_text
from dunwu.verifiers.text.words import normalise
from tests.verifiers.forged_sentences import FORGED, GIVEN


def score(golds: list[str] | str, answer: str, **data: Any) -> float | None:
    golds = [golds] if isinstance(golds, str) else golds
    return verify_text(Problem(id="t", task="t", text="", verifier="text", data={"answers": golds, **data}), answer).score


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The  Eiffel Tower!", ("eiffel", "tower")),
        ("Ｐａｒｉｓ", ("paris",)),
        ("Beyoncé", ("beyonce",)),
        ("Newton's law", ("newton", "law")),
        ("Newton’s law", ("newton", "law")),
        ("twelve apples", ("12", "apples")),
        ("1,000 km", ("1000", "km")),
        ("-5 °C", ("−", "5", "°", "c")),
        ("C++", ("c", "+", "+")),
        ("5 €", ("€", "5")),
        ("《红楼梦》", ("红", "楼", "梦")),
        ("A", ("a",)),
        ("?!", ()),
    ],
)
def test_normal_forms(text: str, words: tuple[str, ...]) -> None:
    assert normalise(text) == words


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("Eiffel Tower", "the eiffel tower.", 1.0),
        ("12", "twelve", 1.0),
        ("红楼梦", "《红楼梦》。", 1.0),
        ("Eiffel Tower", "Tower Eiffel", 0.0),
        ("Paris", "It is Paris", 0.0),
        ("Paris", "Paris or Rome", 0.0),
        ("11", "1 1", 0.0),
        ("3.5", "35", 0.0),
        ("Paris", "", 0.0),
    ],
)
def test_exact(gold: str, answer: str, expected: float) -> None:
    assert score(gold, answer) == expected


def test_other_golds_are_not_alternatives() -> None:
    assert score(["wheat", "rice", "corn"], "The crops are wheat, rice and corn.", match="contains") == 1.0
    assert score(["wheat", "rice", "corn"], "The crops are wheat, rice, tea and tin.", match="contains") == 0.0
    assert score(["solidus", "slash"], "It is a solidus or slash.", match="contains") == 1.0
    assert score(["solidus"], "It is a solidus or slash.", match="contains") == 0.0


def test_one_of_several_golds_is_enough() -> None:
    assert score(["UK", "United Kingdom"], "the United Kingdom") == 1.0
    assert verify_text(Problem(id="t", task="t", text="", verifier="text", answer="Paris"), "paris").score == 1.0


def test_number_words_can_be_turned_off() -> None:
    assert score("7", "seven") == 1.0
    assert score("7", "seven", number_words=False) == 0.0


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("Pyotr Ilyich Tchaikovsky", "Pyotr Ilich Tchaikovsky", 1.0),
        ("Mississippi river", "Missisippi River", 1.0),
        ("the treaty of 1984", "the treaty of 1985", 0.0),
        ("it is allowed to enter the building", "it is not allowed to enter the building", 0.0),
        ("Paris", "Rome", 0.0),
    ],
)
def test_fuzzy(gold: str, answer: str, expected: float) -> None:
    assert score(gold, answer, match="fuzzy") == expected


def test_the_threshold_is_an_option() -> None:
    assert score("Jon Smith", "John Smith", match="fuzzy", threshold=94) == 1.0
    assert score("Jon Smith", "John Smith", match="fuzzy", threshold=96) == 0.0


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("Paris", "Paris"),
        ("Paris", "It is Paris."),
        ("Paris", "Paris, France"),
        ("Paris", "The capital of France is Paris, which lies on the Seine."),
        ("Ada Lovelace", "The first program, published in 1843, was written by Ada Lovelace."),
        ("1843", "It was published on 7 August, 1843."),
        ("4", "There are 4 of them."),
        ("杜甫", "这首诗的作者是杜甫。"),
        ("red or blue", "It is red or blue."),
    ],
)
def test_contained(gold: str, answer: str) -> None:
    assert score(gold, answer, match="contains") == 1.0


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("Paris", "Comparison"),
        ("Paris", "Paris, Rome or Oslo"),
        ("Paris", "It is Paris, Rome, Oslo"),
        ("Oslo", "It is Paris, Rome and Oslo"),
        ("Rome", "Paris, Rome, Oslo"),
        ("Paris", "Paris\nRome\nOslo"),
        ("Paris", "The capital is either Paris or Rome"),
        ("Paris", "Paris/Rome"),
        ("Paris", "It is not Paris"),
        ("Paris", "It isn't in Paris"),
        ("Paris", "It is Paris. It is Rome. It is Oslo."),
        ("Paris", "Paris Rome Oslo Bern"),
        ("4", "1, 2, 3 or 4"),
        ("4", "3 4"),
        ("4", "4, 5"),
        ("4", "It is 4, 5"),
        ("4", "3 and 4"),
        ("4", "It is 14"),
        ("杜甫", "李白或者杜甫"),
        ("杜甫", "李白、杜甫、王维"),
        ("杜甫", "不是杜甫"),
        ("Paris", "It is Paris. " + "And it is also a very fine place to be in. " * 20),
    ],
)
def test_not_contained(gold: str, answer: str) -> None:
    assert score(gold, answer, match="contains") == 0.0


@pytest.mark.parametrize(("gold", "answer"), FORGED)
def test_a_denied_or_changed_gold_is_not_contained(gold: str, answer: str) -> None:
    assert score(gold, answer, match="contains") == 0.0


@pytest.mark.parametrize(("gold", "answer"), GIVEN)
def test_a_gold_in_a_sentence_is_contained(gold: str, answer: str) -> None:
    assert score(gold, answer, match="contains") == 1.0


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("it lies to the north side of town", "it lies to the south side of town"),
        ("an increase in the price of bread", "a decrease in the price of bread"),
        ("sodium chloride", "sodium chlorate"),
        ("potassium permanganate nitrate", "potassium permanganate nitrite"),
        ("the chemical symmetric compound", "the chemical asymmetric compound"),
        ("indirect rule", "direct rule"),
        ("an endothermic reaction in water", "an exothermic reaction in water"),
        ("hypertension of the elderly patients", "hypotension of the elderly patients"),
        ("the mortality of the people of Rome", "the morality of the people of Rome"),
        ("the former president of the country", "the president of the country"),
        ("Treaty of North Sudan with Egypt", "Treaty of South Sudan with Egypt"),
        ("legal entry into the country of origin", "illegal entry into the country of origin"),
        ("the men of the first division of Iran", "the men of the first division of Iraq"),
        ("中华人民共和国的首都在北京市东部", "中华人民共和国的首都在北京市西部"),
    ],
)
@pytest.mark.parametrize("threshold", [60, 90])
def test_fuzzy_rejects_other_words(left: str, right: str, threshold: float) -> None:
    assert score(left, right, match="fuzzy", threshold=threshold) == score(right, left, match="fuzzy", threshold=threshold) == 0.0


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("the colour of money", "the color of money"),
        ("International Whaling Organisation", "International Whaling Organization"),
        ("Matthew Perry", "Mathew Perry"),
        ("Sukhvinder Singh", "Sukhwinder Singh"),
        ("backflow prevention", "back flow prevention"),
        ("on posterior aspect", "posterior aspect"),
        ("callable bonds", "callable bond"),
        ("the recieved pronunciation", "the received pronunciation"),
    ],
)
def test_fuzzy_accepts_spellings(left: str, right: str) -> None:
    assert score(left, right, match="fuzzy", threshold=80) == score(right, left, match="fuzzy", threshold=80) == 1.0


@pytest.mark.parametrize(
    "data", [{"answers": []}, {"answers": ["?"]}, {"answers": ["Paris", 3]}, {"answers": ["Paris"], "match": "vague"}, {}]
)
def test_a_problem_that_cannot_be_verified_raises(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"gold answers|match"):
        verify_text(Problem(id="t", task="t", text="", verifier="text", data=data), "Paris")


def test_overlong_answers_are_rejected() -> None:
    verdict = verify_text(Problem(id="t", task="t", text="", verifier="text", answer="Paris"), "Paris " * 1000)
    assert (verdict.score, verdict.reason) == (0.0, "unparsable")


@given(st.text(), st.sampled_from(["exact", "fuzzy", "contains"]))
def test_no_text_raises(text: str, match: str) -> None:
    assert score("Paris", text, match=match) in (0.0, 1.0)


# Different answers, under every rule and whichever is the gold.
DIFFERENT = [
    ("3.10", "3.1"),
    ("3.50", "3.5"),
    ("Python 3.0", "Python 3"),
    ("3.0", "30"),
    ("U.S.", "U.K."),
    ("x.y", "xy"),
    ("-5", "5"),
    ("5", "-5"),
    ("C++", "C"),
    ("C#", "C"),
    ("1,5", "15"),
    ("1/2", "1 2"),
    ("3.5kg", "35kg"),
    ("3.5米", "35米"),
    ("3.5米", "5米"),
    ("+5", "5"),
    ("#1", "1"),
    ("90°", "90"),
    ("5%", "5"),
    ("$5", "5"),
    ("5 €", "5"),
    ("2+3", "2 3"),
    ("2×3", "2 3"),
    ("x²", "x2"),
    ("5²", "52"),
    ("2^3", "23"),
    ("2^3", "2 3"),
    ("👍", "👎"),
    ("½", "12"),
    ("1½", "11/2"),
    ("≠", "="),
    ("a≠b", "a=b"),
    ("x<5", "x 5"),
    ("<5", "5"),
    ("~5", "5"),
    ("±5", "5"),
    ("5‰", "5%"),
    (".5", "5"),
    ("0,123", "0123"),
    ("1,00", "100"),
    ("1,2", "12"),
    ("12,34", "1234"),
    ("A-", "A"),
    ("O-", "O+"),
    ("A+", "A"),
    ("H+", "H"),
    ("Ca2+", "Ca2"),
    ("3:05", "305"),
    ("3:2", "3 2"),
    ("x-y", "x y"),
    ("x - 5", "x 5"),
    ("10⁻³", "10³"),
    ("101₂", "1012"),
    ("minus 5", "5"),
    ("负5", "5"),
    ("R&D", "R D"),
    ("が", "か"),
    ("Disney+", "Disney"),
    (".NET", "NET"),
    ("−5", "5"),
    ("–5", "5"),
    ("5-3", "5 3"),
    ("5–3", "53"),
    ("A*", "A"),
    ("|x|", "x"),
    ("√2", "2"),
    ("π/2", "π 2"),
    ("§5", "5"),
    ("f'", "f"),
    ("50%", "50"),
    ("1.5", "1,5"),
    ("1.5", "15"),
    ("@home", "home"),
    ("a_b", "ab"),
    ("user@x.com", "user x com"),
    ("1e-5", "1e5"),
    ("1e-5", "1e 5"),
    ("10-5", "10 5"),
    ("→", "←"),
    ("♠", "♥"),
    ("H2O", "HO2"),
    ("$-5", "$5"),
    ("5 < 6", "6 < 5"),
    ("É", "E+"),
    ("1,000", "1.000"),
    ("1,0000", "10000"),
    ("-0.5", "0.5"),
    ("-.5", ".5"),
    ("20th", "20"),
    ("1st", "1"),
    ("50 %", "50"),
    ("5°C", "5°F"),
    ("№5", "5"),
]
SAME = [
    ("U.S.A.", "USA"),
    ("U.S.A.", "U.S.A"),
    ("U. S. A.", "USA"),
    ("S-O-S", "SOS"),
    ("J.R.R. Tolkien", "JRR Tolkien"),
    ("J. K. Rowling", "JK Rowling"),
    ("7 a.m.", "7 am"),
    ("Washington D.C.", "Washington DC"),
    ("3.0", "3"),
    ("-3.00", "-3"),
    ("S-O-S", "S.O.S."),
    ("-5", "−5"),
    ("-5", "– 5"),
    ("minus five", "-5"),
    ("5 percent", "5%"),
    ("5 %", "5%"),
    ("1,000", "1000"),
    ("$1,000", "$1000"),
    ("-1,000", "−1000"),
    ("1,000,000.5", "1000000.5"),
    ("5 €", "€5"),
    ("-$5", "$-5"),
    ("C ++", "C++"),
    ("x²", "x^2"),
    ("x = 5", "x=5"),
    ("3 / 4", "3/4"),
    ("½", "1/2"),
    ("1½", "1 1/2"),
    ("**-5**", "-5"),
    ("*Paris*", "Paris"),
    ("“Paris.”", "Paris"),
    ("Paris!", "Paris"),
    ("$-5$", "-5"),
    ("$x^2$", "x^2"),
    ("\\text{Paris}", "Paris"),
    ("5\\%", "5%"),
    ("Jean-Paul", "Jean Paul"),
    ("COVID-19", "COVID 19"),
    ("Simon & Garfunkel", "Simon and Garfunkel"),
    (".5", "0.5"),
    ("It's", "it"),
    ("the vitamin A", "vitamin A"),
    ("5‑year plan", "5 year plan"),
    ("3:05", "3:05."),
    ("1, 2, 3", "1,2,3"),
    ("# Paris", "Paris"),
    ("C++", "c++."),
    ("C#", "(C#)"),
    ("-5", "(-5)"),
    ("-5", "-5."),
    ("百分之5", "5%"),
    ("Ｃ＋＋", "C++"),
    ("٣", "٣"),
    ("5!", "5!"),
    ("+5", "+5"),
    ("👍🏽", "👍🏽"),
    ("x-5", "x − 5"),
    ("Once upon a time", "Once Upon A Time"),
    ("5 - 3", "5-3"),
    ("5 – 3", "5−3"),
    ("A.", "A"),
    ("50 pct", "50%"),
    ("The answer", "answer"),
    ("«Paris»", "Paris"),
    ("Paris™", "Paris"),
    ("《红楼梦》", "红楼梦"),
    ("3.5 kg", "3.5 kg."),
    ("90 °", "90°"),
    ("Beyoncé", "beyonce"),
]
BESIDE_A_SYMBOL = [
    ("5", "It is -5"),
    ("5", "It is 5%"),
    ("5", "It is $5"),
    ("C", "It is C++"),
    ("C", "It is C#."),
    ("5", "It is 5/6"),
    ("5", "It is 1.5"),
    ("5", "It is 2×5"),
    ("5", "It is 2^5"),
    ("5", "It is 5^2"),
    ("5", "It is minus 5"),
    ("5", "答案是负5"),
    ("-5", "It is 3-5"),
    ("5", "It is 5°"),
    ("x", "It is x²"),
    ("2", "It is √2"),
    ("5", "It is <5"),
    ("Paris", "It is Paris/Rome"),
    ("A", "It is A+"),
    ("A", "The grade is A-"),
    ("5", "It is 1,5"),
    ("5", "It is 5 + 1"),
    ("5", "It is 5:30"),
    ("30", "It is 5:30"),
    ("5", "it is ±5"),
    ("+", "it is C++"),
    ("C+", "it is C++"),
    ("👍", "It is 👍👎"),
    ("20", "it is the 20th"),
    ("5", "It is .5"),
]
IN_A_SENTENCE = [
    ("B. J. Thomas", "It was sung by B.J. Thomas."),
    ("7 a.m.", "It is 7 a. m. on Sundays"),
    ("Spider-Man", "'Spider-Man'"),
    ("Rocky", 'The film was "Rocky"⁷.'),
    ("Third Crusade", "The Third Crusade (1189-1192)."),
    ("5", "It is 5."),
    ("5", "It is x = 5"),
    ("-5", "It is -5."),
    ("-5", "x = -5"),
    ("C++", "It was C++, I think"),
    ("C++", "It is C++."),
    ("5%", "It is 5 percent of it"),
    ("$5", "It costs $5."),
    ("Paris", "It is Paris 😊"),
    ("5", "The answer is **5**."),
    ("1,000", "It is 1,000."),
    ("3:05", "It is 3:05 now"),
    ("1/2", "It is 1/2."),
    ("1914", "It began in 1914 - the year of"),
    ("vitamin A", "Vitamin A is the one"),
    ("#1", "It is #1 in the list"),
]


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
@pytest.mark.parametrize("match", ["exact", "fuzzy", "contains"])
def test_signs_and_symbols_are_part_of_an_answer(gold: str, answer: str, match: str) -> None:
    assert score(gold, answer, match=match) == 0.0
    assert score(answer, gold, match=match) == 0.0


@pytest.mark.parametrize(("gold", "answer"), SAME)
def test_spellings_of_one_answer(gold: str, answer: str) -> None:
    assert score(gold, answer) == 1.0
    assert score(answer, gold) == 1.0


@pytest.mark.parametrize(("gold", "answer"), BESIDE_A_SYMBOL)
def test_a_gold_next_to_a_sign_is_not_contained(gold: str, answer: str) -> None:
    assert score(gold, answer, match="contains") == 0.0


@pytest.mark.parametrize(("gold", "answer"), IN_A_SENTENCE)
def test_a_gold_with_symbols_is_contained(gold: str, answer: str) -> None:
    assert score(gold, answer, match="contains") == 1.0


def test_an_exclamation_mark_is_a_factorial_if_the_gold_has_one() -> None:
    assert score("5!", "5") == score("n!", "n") == 0.0
    assert score("5!", "5!") == score("5", "5!") == 1.0


def test_articles_are_dropped_only_before_a_word() -> None:
    assert score("vitamin A", "vitamin") == 0.0
    assert score("a dog", "dog") == score("dog", "The dog") == 1.0


@pytest.mark.parametrize("piece", ["*", "* ", "$a ", "-", "1-", "1,", "\\text{", "(-", "a - ", "½", "**a", "minus 5 ", "1:", "·", "$"])
def test_hostile_text_terminates(piece: str) -> None:
    assert score("Paris", (piece * 4096)[:4096], match="contains") == 0.0


SIGNED = [
    ("x", "-x"),
    ("x", "–x"),
    ("x", "(-x)"),
    ("x", "= - x"),
    ("x", "-$x$"),
    ("x", r"-\(x\)"),
    ("x", "the answer is -$x$"),
    ("A", r"-\text{A}"),
    ("∞", "-∞"),
    ("-∞", "∞"),
    ("log n", "-log n"),
    ("five", "-five"),
    ("five", "- five"),
    ("5", "(-)five"),
    ("5", "-(5)"),
    ("5", "-**5**"),
    ("(a, b)", "-(a, b)"),
    ("x(y)", "x-(y)"),
    ("!A", "A"),
    ("A", "!A"),
    ("(B)", "!(B)"),
    ("x = 5", "x != 5"),
    ("x = 5", "x!=5"),
]


@pytest.mark.parametrize("match", ["exact", "contains", "fuzzy"])
@pytest.mark.parametrize(("gold", "answer"), SIGNED)
def test_a_sign_before_a_letter_symbol_or_bracket_counts(gold: str, answer: str, match: str) -> None:
    assert score(gold, answer, match=match) == 0.0
    assert score(gold, gold, match=match) == score(answer, answer, match=match) == 1.0


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("Paris", "- Paris"),
        ("Paris", "Paris!"),
        ("-x", "−x"),
        ("-x", "-$x$"),
        ("-5", "-five"),
        ("!A", "¬A"),
        ("x != 5", "x ≠ 5"),
        ("Franco-Prussian War", "Franco Prussian War"),
        ("pre- and post-war", "pre and post war"),
        ("A->B", "A -> B"),
    ],
)
def test_other_hyphens_and_exclamation_marks_do_not_count(gold: str, answer: str) -> None:
    assert score(gold, answer) == 1.0
