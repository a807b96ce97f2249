"""Multiple choice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.types import Problem
from dunwu.verifiers.choice import verify_choice

CITIES = ["London", "Paris", "Rome", "A dog"]


def question(gold: str, options: object = None) -> Problem:
    return Problem(id="c", task="t", text="", verifier="choice", answer=gold, data={} if options is None else {"options": options})


RIGHT = [
    ("B", "B"),
    ("B", "b"),
    ("B", "(b)"),
    ("B", "B."),
    ("B", "B)"),
    ("B", "B?"),
    ("B", "Ｂ"),
    ("B", "（Ｂ）。"),
    ("B", "**B**"),
    ("B", "$B$"),
    ("B", r"\text{(B)}"),
    ("B", r"\textbf{(B)}\ 5"),
    ("B", r"The answer is \textbf{(B)}\ 5"),
    ("B", "The answer is B. The options are A, B, C, D."),
    ("B", "Option B"),
    ("B", "Answer: B"),
    ("B", "B. The others are wrong."),
    ("B", "B - Paris"),
    ("B", "B is correct"),
    ("B", "The correct answer is B because it is the largest."),
    ("B", "The answer is B, not C."),
    ("B", "I choose option B."),
    ("C", "the answer is (C)"),
    ("D", r"\boxed{\text{D}}"),
    ("D", r"So it is \boxed{D}."),
    ("B", "选B"),
    ("B", "本题选 B。"),
    ("B", "故选：B。"),
    ("B", "答案是 B"),
    ("B", "正确答案为：B"),
    ("B", "B是正确的"),
    ("B", "The answer is A. Wait, no: the answer is B."),
    ("AC", "A, C"),
    ("AC", "CA"),
    ("A, C", "A and C"),
    ("AC", "A、C"),
    ("AC", "选项A和C"),
    ("BC", "The answers are both B and C."),
    ("A", "A"),
    ("I", "I"),
]

WRONG = [
    ("B", "C", "wrong"),
    ("B", "B or C", "wrong"),
    ("BC", "B or C", "wrong"),
    ("B", "B/C", "wrong"),
    ("B", "B, C", "wrong"),
    ("B", "B;C", "wrong"),
    ("B", "Either B or C", "unparsable"),
    ("B", "B, maybe C", "wrong"),
    ("B", "B) 5 or C) 6", "unparsable"),
    ("B", "A, B, C and D", "wrong"),
    ("B", "A B C D", "wrong"),
    ("ABCD", "A or B or C or D", "wrong"),
    ("B", "The answer is B. Or maybe C.", "wrong"),
    ("B", "the answer is B or C", "wrong"),
    ("B", "答案：B 或 C", "wrong"),
    ("B", "选B还是选C", "wrong"),
    ("B", r"\boxed{B} or \boxed{C}", "wrong"),
    ("AC", "A", "wrong"),
    ("A", "A dog is the answer", "unparsable"),
    ("A", "The answer is a prime number", "unparsable"),
    ("I", "I think so", "unparsable"),
    ("B", "not B", "unparsable"),
    ("B", "The answer is not B", "unparsable"),
    ("B", "不选B", "unparsable"),
    ("B", "neither A nor B", "unparsable"),
    ("B", "bad", "unparsable"),
    ("B", "", "unparsable"),
    ("B", "B" * 3000, "unparsable"),
]


@pytest.mark.parametrize(("gold", "answer"), RIGHT)
def test_right(gold: str, answer: str) -> None:
    verdict = verify_choice(question(gold), answer)
    assert (verdict.score, verdict.reason) == (1.0, "correct"), verdict


@pytest.mark.parametrize(("gold", "answer", "reason"), WRONG)
def test_wrong(gold: str, answer: str, reason: str) -> None:
    verdict = verify_choice(question(gold), answer)
    assert verdict.score == 0.0
    if reason == "wrong":
        assert verdict.reason == reason, verdict


@pytest.mark.parametrize(
    ("gold", "answer", "score"),
    [
        ("B", "Paris", 1.0),
        ("B", "The answer is Paris.", 1.0),
        ("B", "B. Paris", 1.0),
        ("B", "B: Paris", 1.0),
        ("B", "B (Paris)", 1.0),
        ("B", "B Paris", 1.0),
        ("D", "A dog", 1.0),
        ("B", "B. London", 0.0),
        ("B", "London B", 0.0),
        ("B", "Paris, Rome", 0.0),
        ("B", "Paris or Rome", 0.0),
        ("B", "E", 0.0),
    ],
)
def test_options_texts(gold: str, answer: str, score: float) -> None:
    assert verify_choice(question(gold, CITIES), answer).score == score
    assert verify_choice(question(gold, dict(zip("abcd", CITIES, strict=True))), answer).score == score


@pytest.mark.parametrize(
    "problem", [question("E", CITIES), question(""), question("maybe"), question("B", "Paris"), question("B", {"XY": "z"})]
)
def test_a_problem_that_cannot_be_verified_raises(problem: Problem) -> None:
    with pytest.raises(ValueError, match=r"gold answer|options"):
        verify_choice(problem, "B")


@given(st.text())
def test_no_text_raises(text: str) -> None:
    assert verify_choice(question("B", CITIES), text).score in (0.0, 1.0)


@pytest.mark.parametrize(
    "piece",
    ["A, ", "(A", "A or ", "answer is ", "\\text{", "**", "选", "A B ", "B\n", "it is ", "so, ", "\\boxed{", "B because ", "\n"],
)
def test_hostile_text_comes_to_an_end(piece: str) -> None:
    assert verify_choice(question("D"), (piece * 2048)[:2048]).score == 0.0


# A letter beside its explanation, and what only looks like one.
EXPLAINED = [
    ("B", "**Final Answer: (B)**"),
    ("B", "Answer - B"),
    ("B", "Answer — B"),
    ("B", "The answer would be B"),
    ("B", "Answer is: B"),
    ("B", "My final answer is B"),
    ("B", "Correct answer: B"),
    ("B", "The correct answer: **B**"),
    ("B", "Answer (B)"),
    ("B", "The answer: B) Paris"),
    ("B", "So the answer is: **(B)** Paris."),
    ("B", "I am confident that it is B."),
    ("B", "I'm going with B."),
    ("B", "I'd go for B"),
    ("B", "It has to be B."),
    ("B", "It must be B"),
    ("B", "My pick is B."),
    ("B", "My guess is B."),
    ("B", "Definitely B."),
    ("B", "Probably B."),
    ("B", "I think B."),
    ("B", "I believe B is right."),
    ("B", "B, since A fails"),
    ("B", "B (because A is too small)"),
    ("B", "B\n\nA is too small, C is too big."),
    ("B", "The right option here is B."),
    ("B", "Choice B is correct."),
    ("B", "Option B is the right one."),
    ("B", "Clearly, B."),
    ("B", "B is my answer."),
    ("B", "B!"),
    ("B", "→ B"),
    ("B", "B\n---\nExplanation: text"),
    ("B", "### Answer\nB"),
    ("B", "## B"),
    ("B", "- B"),
    ("B", "Answer:\n\n(B) Paris"),
    ("B", "The data show wear, so C fails; therefore B is the answer."),
    ("B", "This matches option B."),
    ("B", "This corresponds to option (B)."),
    ("B", "So option B."),
    ("B", "Hence, the correct choice is option B."),
    ("B", "Answer: B\n\nExplanation: C is wrong because the answer is not C."),
    ("B", "\\[\\boxed{B}\\]"),
    ("B", "$\\boxed{\\textbf{(B)}}$"),
    ("B", "The answer is $\\boxed{\\text{B}}$."),
    ("B", "We get \\boxed{12}, which is option B."),
    ("B", "x=5, \\boxed{5}. So the answer is (B)."),
    ("B", "选项B正确"),
    ("B", "答案：B"),
    ("B", "所以选B。"),
    ("B", "我选择B。"),
    ("B", "应选B"),
    ("B", "答案为（B）"),
    ("B", "正确选项是B"),
    ("B", "B项正确"),
    ("B", "因此答案选B"),
    ("B", "The best answer is B, as shown."),
    ("B", "The letter is B."),
    ("B", "B: because A fails"),
    ("B", "B — because A fails"),
    ("B", "b\nbecause"),
    ("B", "(b) since"),
    ("B", "B. B"),
    ("B", "Since A does not fit, the answer is B."),
    ("B", "A is not it.\nB"),
    ("B", "B) 5"),
    ("B", "B. -5"),
    ("C", "A is wrong. B is wrong.\n\nC"),
    ("C", "答案不是A。\n\nC"),
    ("B", "B\nExplanation: A is too small."),
    ("C", "The data point to wear.\n\nC"),
    ("B", "B, because A is too small."),
    ("C", "I think it is C"),
    ("B", "I would go with B."),
    ("D", "We find \\boxed{\\langle H\\rangle \\ll \\Delta E}.\n\n**Answer: D**"),
    ("B", "**B**\n\nA is wrong since it is small."),
    ("B", "(B)\n\nThe reason is that A fails."),
    ("B", "B)\nbecause"),
    ("B", "B.\n\nExplanation follows."),
    ("B", "Explanation first. A fails.\n\n**B**"),
    ("B", "Explanation.\n\n(B)"),
    ("B", "Reasoning...\nAnswer:\nB"),
    ("B", "Reasoning...\nFinal answer: **B**"),
    ("B", "It's B."),
    ("B", "It is B, since A fails"),
    ("B", "Therefore, B."),
    ("B", "Thus it must be B."),
    ("B", "I believe the answer is B"),
    ("B", "I believe that it's B."),
    ("B", "I'd say B."),
    ("B", "I'll go with option B."),
    ("B", "My choice: B"),
    ("B", "Going with B because C fails."),
    ("B", "B since A is smaller."),
    ("B", "B; because A is wrong"),
    ("B", "B is the best answer"),
    ("B", "B would be correct."),
    ("B", "(B) because A is out"),
    ("B", "I'd pick (B)."),
    ("B", "Hence (B)."),
    ("B", "我认为是B"),
    ("B", "我觉得应该是B。"),
    ("B", "B，因为A太小"),
    ("B", "B\n解析：A太小。"),
    ("B", "解析：A太小。\n\n故选B"),
    ("B", "解析：A太小。\nB"),
    ("C", "Let me compute: \\boxed{42}. Answer: C"),
    ("C", "\\boxed{42}\n\nC"),
    ("B", "The value is \\boxed{x}, \\boxed{y}.\nAnswer: B"),
    ("B", "\\boxed{B}\nExplanation: A fails."),
    ("B", "\\boxed{\\text{(B)}}"),
    ("B", "The correct option is (B) Paris."),
    ("B", "The answer is clearly B."),
    ("B", "Ans: B"),
    ("AC", "A and C\nExplanation: both fit."),
    ("B", "Option B\nIt is larger."),
    ("B", "I think it is B, not C."),
    ("B", "The answer is A. Wait, no: the answer is B."),
    ("B", "A\nis tempting, but the answer is B."),
    ("B", "I guess it's B"),
    ("B", "  B  \n  Explanation"),
]
NOT_TAKEN = [
    ("B", "nor B is the answer"),
    ("B", "If B is the answer, then"),
    ("B", "I don't think B is the answer"),
    ("B", "A or B is the answer"),
    ("B", "I doubt B is the answer"),
    ("B", "Is B the answer?"),
    ("B", "B is most unlikely"),
    ("B", "Definitely not B."),
    ("B", "I think not B."),
    ("B", "This is not option B."),
    ("B", "Probably not B"),
    ("B", "It is clear that it is not B"),
    ("B", "I'm not sure it is B"),
    ("B", "not sure that it is B"),
    ("B", "My guess is not B"),
    ("B", "The answer - not B"),
    ("B", "I think B or C"),
    ("B", "I think B is wrong"),
    ("B", "I believe B is right, or C"),
    ("B", "which is option B or option C"),
    ("B", "Only B is wrong"),
    ("B", "B.\nC."),
    ("B", "B. C"),
    ("B", "B: C"),
    ("B", "B - C"),
    ("B", "(B) (C)"),
    ("C", "B. C"),
    ("B", "B\nis wrong"),
    ("B", "The incorrect options are:\nB"),
    ("B", "I don't think the answer is B."),
    ("B", "I doubt that the answer is B"),
    ("B", "我不认为答案是B"),
    ("B", "B; maybe it's C"),
    ("B", "B. Perhaps C."),
    ("B", "B. or C."),
    ("B", "The answer is B. C is also possible? Or C"),
    ("B", "B\n\nOr C"),
    ("B", "B\nC\n"),
    ("B", "B; C"),
    ("B", "B... C"),
    ("B", "B!\nC!"),
    ("B", "B → C"),
    ("B", "Answer: B\nAnswer: C"),
    ("B", "B because C\nC"),
    ("C", "B\nExplanation: C"),
    ("B", "A\nB\nC\nD"),
    ("B", "A\n\nThe answer is between. \n\nB"),
    ("B", "I think it is B or C"),
    ("B", "I think it is C, or B"),
    ("B", "B or C, because A is too small"),
    ("B", "B, or maybe C, because"),
    ("B", "I don't think it is B."),
    ("B", "I would not go with B."),
    ("B", "I wouldn't pick B."),
    ("B", "It is not B."),
    ("B", "I think it is not B"),
    ("A", "I think it is a good one."),
    ("A", "It is a"),
    ("I", "It is I who think"),
    ("A", "Therefore a cat"),
    ("B", "Either way, B or C\nB or C"),
    ("B", "B\nor\nC"),
    ("B", "\\boxed{B}\nAnswer: C"),
    ("C", "\\boxed{B}\nAnswer: C"),
    ("B", "\\boxed{A}, \\boxed{B}"),
    ("B", "B is not correct"),
    ("B", "B is wrong"),
    ("B", "\\boxed{B} and \\boxed{42}\nAnswer: C"),
    ("B", "B?\nC?\nD?"),
    ("B", "Not B."),
    ("B", "I would say it is hard.\nB is out.\nC"),
    ("B", "It's B. Or C."),
    ("B", "It's B. Maybe it's C."),
    ("B", "neither\nB nor C"),
    ("A", "A because of this\nB"),
    ("A", "A dog\nis here"),
    ("B", "不选B\n选C"),
    ("B", "我不认为是B"),
    ("B", "B and C\nExplanation"),
    ("B", "The answer is not\nB"),
    ("B", "The answer is anything but\nB"),
    ("B", "Everything except\n\nB"),
    ("B", "The wrong option is B"),
    ("B", "The incorrect answer is B."),
    ("B", "The answer cannot be B, since"),
    ("B", "I think the answer is not B but\nC"),
    ("B", "A: too small\nB: right size\nC: too large"),
    ("B", "I'd eliminate B."),
    ("B", "Wrong answer: B"),
    ("B", "The worst choice is B."),
    ("B", "the answer is B is false"),
    ("B", "It is false that the answer is B."),
]


@pytest.mark.parametrize(("gold", "answer"), EXPLAINED)
def test_a_letter_beside_its_explanation(gold: str, answer: str) -> None:
    assert verify_choice(question(gold), answer).score == 1.0


@pytest.mark.parametrize(("gold", "answer"), NOT_TAKEN)
def test_what_does_not_take_an_option(gold: str, answer: str) -> None:
    assert verify_choice(question(gold), answer).score == 0.0


@pytest.mark.parametrize(("options", "answer", "score"), [(["5", "-5"], "-5", 1.0), (["5", "-5"], "5", 0.0), (["C", "C++"], "C++", 1.0)])
def test_options_that_differ_by_a_sign(options: list[str], answer: str, score: float) -> None:
    assert verify_choice(question("B", options), answer).score == score


@pytest.mark.parametrize("gold", ["B", "(B)", "b", "B.", "B. Paris", "(B) Paris", r"\textbf{(B)}\ 5", "**B**"])
def test_golds_as_data_sets_have_them(gold: str) -> None:
    assert verify_choice(question(gold), "B").score == 1.0
    assert verify_choice(question(gold), "C").score == 0.0
