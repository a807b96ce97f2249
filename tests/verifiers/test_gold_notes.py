"""Notes in the answer column are not golds."""

from __future__ import annotations

import pytest

from dunwu.verifiers.math.verify import check_gold

NOTES = r"""
See the proof below. | We prove that it holds. | omitted | left to the reader | Left as an exercise. | Left as an
exercise to the reader | trivial | Trivial. | solution omitted | Proof omitted. | see above | See above. | see below |
None | TBD | to be determined | To be continued | N/A | n.a. | unknown | not available | No answer | no answer given |
no solution given | not provided | not given | answer not found | Answer: see solution | See attached | see figure |
See the figure. | see image | See explanation | refer to solution | As shown above | as above | as shown | shown above
| Proved | proven | Q.E.D. | QED | Proof. | Proof complete | This completes the proof. | The statement is proved. |
which was to be proved | hence proved | Hence proved. | as required | as desired | obvious | It is clear. | done |
Done. | skip | skipped | blank | missing | error | undefined answer | todo | TODO | FIXME | xxx | lorem ipsum |
placeholder | null | NULL | NaN | nil | -- | ... | ? | (None) | [None] | <None> | [no answer] | [omitted] |
(omitted) | <missing> | No answer provided. | The proof is left to the reader. | The solution is left as an exercise. |
Answers may vary | answers vary | Answers will vary. | varies | various answers | Proof by induction | Prove by
induction | See solution. | See the solution above | Solution: see above | Proof: see below | The claim is proven |
\text{See proof} | \text{Proof} | \text{omitted} | 证明 | 证毕 | 略 | 答案略 | 见上 | 见下 | 暂无答案 | 待定 | unsolved
| open problem | answer | the answer | solution | final answer | Your answer here | insert answer here | We need to
prove that $x>0$ | Show that x = 2 | Prove that a+b = c | To prove | statement holds | the inequality holds | true by
definition
"""
ANSWERS = r"""
no solution | No solutions | none of the above | none | impossible | does not exist | undefined | DNE | true | false | yes | no |
infinite | infinitely many | no real solutions | even | odd | Monday | blue | north | Alice | triangle | not enough information |
cannot be determined | unbounded | diverges | empty set | \\emptyset | always | never | convergent | parallel | clear sky | x |
\text{even} | isosceles triangle | none exist | no | It holds for all x | 5 | Proof of concept | no positive integers | no
integer solutions | no values of x | no value | nothing | no | left | \text{left} | XXX
"""


def rows(text: str) -> list[str]:
    return [row.strip() for row in text.replace("\n", " ").split("|") if row.strip()]


@pytest.mark.parametrize("gold", rows(NOTES))
def test_a_note_is_not_a_gold(gold: str) -> None:
    assert check_gold(gold)


@pytest.mark.parametrize("gold", rows(ANSWERS))
def test_an_answer_in_words_is_a_gold(gold: str) -> None:
    assert check_gold(gold) is None


def test_a_proof_with_a_box_has_an_answer() -> None:
    assert check_gold(r"We need to show that it holds for $\boxed{5}$") is None
