"""Programs in answers, run in the real sandbox."""

import os
import shutil
from pathlib import Path

import pytest

from dunwu.config.tasks import CodeTask
from dunwu.sandbox.open import open_sandbox, probe
from dunwu.tasks.asserts import assert_tests
from dunwu.tasks.code import Code
from dunwu.tasks.code_tests import Case, CodeLimits, CodeTests
from dunwu.types import Problem
from dunwu.verifiers.code import verify as code
from dunwu.verifiers.code.replay import planned_calls
from dunwu.verifiers.code.verify import judge, verify_code

pytestmark = pytest.mark.skipif(probe().number == 3, reason=f"no sandbox on this machine: {probe().text}")

DATA = os.environ.get("DUNWU_DATA") or str(Path(__file__).resolve().parents[3] / "shared" / "data")
QUICK = CodeLimits(cpu_seconds=1, wall_seconds=2)


@pytest.fixture(scope="module")
def sandbox():
    with open_sandbox(workers=1) as opened:
        yield opened


@pytest.fixture
def verify(sandbox, monkeypatch):
    """``verify(tests, answer)``: the verdict."""
    monkeypatch.setattr(code, "shared_sandbox", lambda: sandbox)
    return lambda tests, answer, **options: verify_code(Problem("p", "t", "?", "code", data=tests.to_data()), answer, **options)


def adding(*cases):
    return CodeTests(mode="stdio", cases=tuple(Case(input=given, expected=wanted) for given, wanted in cases), limits=QUICK)


ADD = adding(("1 2\n", "3\n"), ("5 -7\n", "-2\n"))
DOUBLE = assert_tests("assert double(2) == 4\nassert double(x=[1]) == [1, 1]", "double", limits=QUICK)


@pytest.mark.parametrize(
    ("answer", "score", "reason", "detail"),
    [
        ("```python\na, b = map(int, input().split())\nprint(a + b)\n```", 1.0, "correct", ""),
        ("```python\nprint(3)\n```", 0.0, "wrong", "wrong_answer"),
        ("```python\nprint(1 / 0)\n```", 0.0, "wrong", "runtime_error: ZeroDivisionError: division by zero"),
        ("```python\nwhile True: pass\n```", 0.0, "wrong", "time_limit"),
        ("```python\nx = [0] * 10**10\n```", 0.0, "wrong", "memory_limit"),
        ("```python\nwhile True: print('x' * 1000)\n```", 0.0, "wrong", "output_limit"),
        ("```python\nprint(\n```", 0.0, "unparsable", "compile_error"),
        ("The sum is what is asked for.", 0.0, "unparsable", "compile_error"),
        ("```python\nprint('\ud800')\n```", 0.0, "unparsable", "compile_error"),
        ("```python\n\0\n```", 0.0, "unparsable", "compile_error"),
        ("", 0.0, "unparsable", "no program"),
    ],
)
def test_verdicts(verify, answer, score, reason, detail):
    verdict = verify(ADD, answer)
    assert (verdict.score, verdict.reason) == (score, reason)
    assert verdict.detail.startswith(detail)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("def double(x):\n    return x * 2", 1.0),
        ("class Solution:\n    def double(self, x):\n        return x + x", 1.0),
        ("double = lambda x: x + x", 1.0),
        ("def double(x):\n    return 4", 0.0),
        ("def double(x):\n    return tuple(x * 2) if x != 2 else 4", 0.0),
        ("def double(x):\n    print('noise')\n    return x * 2", 1.0),
        ("def triple(x):\n    return x", 0.0),
        ("class Any:\n    def __eq__(self, other):\n        return True\ndef double(x):\n    return Any()", 0.0),
        ("class Four(int):\n    pass\ndef double(x):\n    return Four(4)", 0.0),
        ("import sys\ndef double(x):\n    sys.exit(0)", 0.0),
        ("import os\ndef double(x):\n    os._exit(0)", 0.0),
        ("def double(x):\n    return double(x)", 0.0),
        ("def double(x):\n    r = []\n    r.append(r)\n    return r", 0.0),
        ("def double(x):\n    return float('nan')", 0.0),
    ],
)
def test_functions(verify, answer, score):
    assert verify(DOUBLE, answer).score == score


USES_THE_PRELUDE = """
class Solution:
    def double(self, x: List[int] | int) -> Optional[Union[List[int], int]]:
        heap = [math.gcd(4, 6), int(sqrt(1)), len(ascii_lowercase), bisect_left([1, 2], 2), pow(2, 3, 5)]
        heapq.heapify(heap)
        seen, queue = defaultdict(int), deque([heappop(heap)])
        assert Counter("aab")["a"] == 2 and inf > 1 and re.match("a", "a") and string.digits and deepcopy([1]) == copy.copy([1])
        assert list(accumulate([1, 2])) == [1, 3] and reduce(operator.add, [1, 2]) == 3 and [*itertools.chain([1])] == [1]
        return cache(lambda: x * 2)()
"""


def test_functions_have_the_usual_imports(verify):
    assert verify(DOUBLE, USES_THE_PRELUDE).score == 1.0
    assert verify(DOUBLE, f"from __future__ import annotations\n{USES_THE_PRELUDE}").score == 1.0
    apart = assert_tests("for n in range(3):\n    assert double(n) == 2 * n", "double")
    assert verify(apart, USES_THE_PRELUDE).score == 1.0


def test_a_tuple_may_stand_for_a_list_by_default(verify):
    pair = "def pair(x):\n    return ((x, x),)"
    assert verify(CodeTests(mode="function", entry="pair", cases=(Case(input="((1,), {})", expected="[[1, 1]]"),)), pair).score == 1.0
    assert verify(CodeTests(mode="function", entry="pair", cases=(Case(input="((1,), {})", expected="[(1, True)]"),)), pair).score == 0.0
    assert verify(assert_tests("assert pair(1) == [[1, 1]]", "pair"), pair).score == 0.0


def test_integers_of_any_length_are_printed(verify):
    tests = CodeTests(mode="stdio", cases=(Case(input="6000", expected=str(10**2000) + "0" * 4000),))
    assert verify(tests, "print(10 ** int(input()))").score == 1.0


def test_integers_of_any_length_are_passed_and_returned(verify):
    long = "9" * 5000
    cases = (Case(input=f"(([{long}],), {{}})", expected=f"({long[:-1]}8, '{long}')"),)
    tests = CodeTests(mode="function", entry="less", cases=cases)
    assert verify(tests, "def less(x):\n    return x[0] - 1, '9' * 5000").score == 1.0
    assert verify(tests, "def less(x):\n    return x[0] - 2, '9' * 5000").score == 0.0


def test_partial_credit(verify):
    assert verify(ADD, "```python\nprint(3)\n```", partial=True).score == 0.5


def test_truth_of_values_that_do_not_leave_the_process(verify):
    tests = assert_tests("assert has_a('xax')\nassert not has_a('b')", "has_a")
    assert verify(tests, "import re\ndef has_a(s):\n    return re.search('a', s)").score == 1.0
    assert verify(tests, "class Solution:\n    def has_a(self, s):\n        return iter('a') if 'a' in s else None").score == 1.0
    assert verify(tests, "def has_a(s):\n    return True").score == 0.0


def test_a_checker_program_accepts_any_right_answer(verify):
    checker = (
        "def check(input, expected, output):\n    a, b = map(int, output.split())\n    return a * b == int(input) and a > 1 and b > 1\n"
    )
    tests = CodeTests(mode="stdio", cases=(Case(input="12\n", expected=""),), checker_program=checker)
    assert verify(tests, "print(3, 4)").score == 1.0
    assert verify(tests, "print(6, 2)").score == 1.0
    assert verify(tests, "print(1, 12)").score == 0.0
    refused = verify(tests, "print('three four')")
    assert (refused.score, refused.detail[:38]) == (0.0, "wrong_answer: the checker: runtime_err")


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_cpp(verify):
    tests = ADD.model_copy(update={"programming_language": "cpp"})
    program = "#include <iostream>\nint main() { int a, b; std::cin >> a >> b; std::cout << a OP b << std::endl; }"
    assert verify(tests, f"```cpp\n{program.replace('OP', '+')}\n```").score == 1.0
    assert verify(tests, f"```cpp\n{program.replace('OP', '-')}\n```").score == 0.0
    assert verify(tests, f"```cpp\n{program.replace('OP', '?')}\n```").reason == "unparsable"


LOOP = """
import random
def check(candidate):
    numbers = [random.random() for _ in range(5)]
    for number in numbers:
        assert abs(candidate(number) ** 2 - number) < 1e-9
    assert candidate(candidate(16)) == 2
"""
ROOT = "def root(x):\n    return x ** 0.5\n"


def test_a_test_with_a_loop_runs_in_its_own_process(verify):
    tests = assert_tests(LOOP, "root")
    assert (tests.mode, tests.forgeable) == ("assert", False)
    for _ in range(2):  # the second time the calls are known
        assert verify(tests, ROOT).score == 1.0
        assert verify(tests, "def root(x):\n    return x / 2").reason == "wrong"
    assert len(planned_calls(tests)) == 7


def test_a_program_that_sleeps_is_stopped_early(sandbox):
    tests = assert_tests(LOOP, "root", limits=CodeLimits(wall_seconds=2, total_seconds=1))
    planned_calls(tests).extend([[[n], {}] for n in range(100)])
    judgement = judge("import time\ndef root(x):\n    time.sleep(0.3)\n    return x ** 0.5", tests, sandbox)
    assert judgement.status == "time_limit"
    assert len(judgement.outcomes) == 1


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("def root(x):\n    return 'text'", "wrong_answer"),
        ("def root(x):\n    return float('nan')", "wrong_answer"),
        ("def root(x):\n    return [{1: (float('nan'),)}]", "wrong_answer"),
        ("def root(x):\n    return 1 / 0", "runtime_error"),
        ("raise SystemExit", "runtime_error"),
        ("def root(x):\n    while True: pass", "time_limit"),
        (
            "import builtins\nbuiltins.abs = lambda x: 0\nimport random\nrandom.random = lambda: 0\n" + ROOT.replace("0.5", "0.4"),
            "wrong_answer",
        ),
        ("def root(x):\n    import inspect\n    return [f.frame.f_locals for f in inspect.stack()]", "runtime_error"),
    ],
)
def test_a_test_in_its_own_process_cannot_be_forged(sandbox, program, status):
    assert judge(program, assert_tests(LOOP, "root", limits=QUICK), sandbox).status == status


def test_a_broken_test_gives_no_score(sandbox):
    broken = assert_tests("import no_such_module\nfor n in [1]:\n    assert root(n) == 1", "root")
    assert judge(ROOT, broken, sandbox).status == "sandbox_error"
    helper = assert_tests("def g(x):\n    return x\nassert root(g) == 1", "root")
    judgement = judge(ROOT, helper, sandbox)
    assert judgement.status == "sandbox_error"
    assert "not plain data" in judgement.detail
    endless = assert_tests("n = 0\nwhile True:\n    n += 1\n    assert root(n) > 0", "root", limits=CodeLimits(total_seconds=1))
    assert judge(ROOT, endless, sandbox).status in ("sandbox_error", "time_limit")


def test_a_class_of_the_program_needs_its_process(sandbox):
    tests = assert_tests("assert area(Box(2, 3)) == 6", "area")
    program = "class Box:\n    def __init__(self, a, b):\n        self.a, self.b = a, b\ndef area(box):\n    return box.a * box.b\n"
    assert tests.forgeable
    assert judge(program, tests, sandbox).status == "ok"
    assert judge(program.replace("*", "+"), tests, sandbox).status == "runtime_error"
    assert judge(f"{program}raise SystemExit(0)", tests, sandbox).status == "wrong_answer"


def test_preambles_reach_program_and_test(verify):
    preamble = 'def encode(s):\n    return s[::-1] + "!"\n\ndef decode(s: str):\n    """Undo encode."""\n'
    tests = assert_tests("def check(candidate):\n    for s in ['ab', 'xyz']:\n        assert candidate(encode(s)) == s", "decode", preamble)
    assert verify(tests, "    return s[:-1][::-1]").score == 1.0
    assert verify(tests, "    return s[::-1]").score == 0.0
    assert verify(tests, "```python\ndef decode(s):\n    return encode(s)[1:-1]\n```").score == 1.0


@pytest.fixture
def references(monkeypatch):
    """``references(dataset)``: problems with the data set's own solutions."""
    monkeypatch.setenv("DUNWU_DATA", DATA)

    def load(dataset):
        if not Path(DATA, dataset.partition("_")[0]).is_dir():
            pytest.skip(f"no data set {dataset} below {DATA}")
        task = Code(CodeTask(dataset=dataset))
        return [(problem, task.solutions[problem.id]) for members in task.problems.values() for problem in members]

    return load


@pytest.mark.parametrize("dataset", ["humaneval", "mbpp", "mbpp_sanitized"])
def test_some_references_pass(sandbox, references, dataset):
    for problem, solution in references(dataset)[::40]:
        assert judge(solution, CodeTests.from_data(problem.data), sandbox).status == "ok", problem.id


@pytest.mark.slow
def test_all_references_of_humaneval_pass(sandbox, references):
    failed = [p.id for p, solution in references("humaneval") if judge(solution, CodeTests.from_data(p.data), sandbox).status != "ok"]
    assert failed == []


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "most"), [("mbpp", 6), ("mbpp_sanitized", 2)])
def test_all_but_few_references_of_mbpp_pass(sandbox, references, dataset, most):
    failed = [p.id for p, solution in references(dataset) if judge(solution, CodeTests.from_data(p.data), sandbox).status != "ok"]
    assert len(failed) <= most, failed
