"""Which text of an answer is the program."""

import ast

import pytest

from dunwu.tasks.code_tests import Case, CodeTests
from dunwu.verifiers.code.extract import MAX_PROGRAM, extract_program, indented_body

CASES = (Case(input="", expected="1"),)
STDIO = CodeTests(mode="stdio", cases=CASES)
CPP = CodeTests(mode="stdio", cases=CASES, programming_language="cpp")
FUNCTION = CodeTests(mode="function", entry="f", cases=(Case(input="((), {})", expected="1"),))
PREAMBLE = "import math\n\ndef helper(x):\n    return x\n\ndef f(x):\n    '''Say what.'''\n"
COMPLETION = FUNCTION.model_copy(update={"preamble": PREAMBLE})


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        ("print(1)", "print(1)"),
        ("So:\n```python\nprint(1)\n```\nDone.", "print(1)\n"),
        ("```python\nprint(1)\n```\nBetter:\n```python\nprint(2)\n```", "print(2)\n"),
        ("```python\nprint(1)\n```\nIt prints\n```\n1\n```", "print(1)\n"),
        ("```python\nprint(1)\n```\nIt prints\n```text\nx = 1\n```", "print(1)\n"),
        ("```\nprint(1)\n```\nIt prints\n```\n1\n```", "print(1)\n"),
        ("```py\nprint(1)", "print(1)"),
        ("~~~Python3\nprint('```')\n~~~", "print('```')\n"),
        ("````python\n'''\n```\n'''\nprint(1)\n````", "'''\n```\n'''\nprint(1)\n"),
        ("Run ```python\nprint(1)\n```", None),
        ("```json\n{}\n```", None),
        ("```cpp\nint main() {}\n```", None),
        ("```python\n\n```", None),
        ("", None),
        ("```python\n" + "#" * MAX_PROGRAM + "\n```", None),
        (" " * 300_000 + "print(1)", None),
    ],
)
def test_stdio(answer, program):
    assert extract_program(answer, STDIO) == program


def test_an_inline_fence_is_not_a_block():
    assert extract_program("Use ```x``` here", STDIO) == "Use ```x``` here"


def test_cpp():
    assert extract_program("```python\nprint(1)\n```\n```c++\nint main() {}\n```", CPP) == "int main() {}\n"
    assert extract_program("```\n#include <cstdio>\nint main() {}\n```\n```\nx = 1\n```", CPP) == "#include <cstdio>\nint main() {}\n"


def test_the_block_with_the_function_wins_over_an_example_of_its_use():
    answer = "```python\ndef f():\n    return 1\n```\nfor example\n```python\nprint(f())\n```"
    assert extract_program(answer, FUNCTION) == "def f():\n    return 1\n"
    assert extract_program(answer.replace("```python\ndef", "```\ndef"), FUNCTION) == "def f():\n    return 1\n"


@pytest.mark.parametrize(
    "program", ["class Solution:\n    def f(self):\n        return 1\n", "f = lambda: 1\n", "async def f():\n    return 1\n"]
)
def test_ways_to_define_the_function(program):
    assert extract_program(f"```python\n{program}```\n```python\nf()\n```", FUNCTION) == program


def run_f(source, *args):
    """Run an extracted program. The programs in this file are our own."""
    namespace = {}
    exec(compile(ast.parse(source), "program", "exec"), namespace)
    return namespace["f"](*args)


@pytest.mark.parametrize(
    "answer",
    [
        "    y = x + 1\n    return helper(y)",
        "y = x + 1\n    return helper(y)",
        "y = x + 1\nreturn helper(y)",
        "return helper(x + 1)",
        "if x:\n        return helper(x + 1)\n    return 0",
        "if x:  # some\n    return helper(x + 1)\nreturn 0",
        "if x:\n    return helper(x + 1)",
        "\ty = x + 1\n\treturn helper(y)",
        "y = x + 1\n\n    # a comment\n    return helper(y)",
        "```python\ndef f(x):\n    return helper(math.floor(x)) + 1\n```",
        "```python\n    return helper(x) + 1\n```",
        "from __future__ import annotations\ndef f(x: Unknown) -> Unknown:\n    return helper(x + 1)",
    ],
)
def test_completions_continue_the_preamble(answer):
    program = extract_program(answer, COMPLETION)
    assert run_f(program, 2) == 3


def test_a_preamble_without_the_signature_precedes_the_program():
    tests = FUNCTION.model_copy(update={"preamble": "import math"})
    assert extract_program("def f():\n    return math.pi", tests) == "import math\n\ndef f():\n    return math.pi"


def test_bodies_keep_their_own_indentation():
    assert indented_body("  return 1") == "  return 1"


@pytest.mark.parametrize("answer", ["`" * 100_000, "```python\n" * 20_000, "\n" * 200_000, "```" + "a" * 200_000 + "`", "f" * 100_000])
def test_hostile_answers_take_linear_time(answer):
    extract_program(answer, FUNCTION)


PROGRAM = "n = 1\nif n:\n    print(n)"
FENCED = {
    "in a list": "1. So:\n   ```python\n   n = 1\n   if n:\n       print(n)\n   ```\n2. x",
    "in a list, further in": "1. So:\n\n    ```python\n    n = 1\n    if n:\n        print(n)\n    ```\n",
    "eight spaces in": "        ```python\n        n = 1\n        if n:\n            print(n)\n        ```",
    "behind a tab": "- So:\n\t```python\n\tn = 1\n\tif n:\n\t    print(n)\n\t```\n",
    "behind a bullet": "- ```python\n  n = 1\n  if n:\n      print(n)\n  ```\n",
    "behind a number": "1. ```python\n   n = 1\n   if n:\n       print(n)\n   ```\n",
    "in a quotation": "> ```python\n> n = 1\n> if n:\n>     print(n)\n> ```\n",
    "tildes": "~~~python\nn = 1\nif n:\n    print(n)\n~~~",
    "tildes, further in": "  ~~~~ python\n  n = 1\n  if n:\n      print(n)\n  ~~~~",
    "an info string": '```python title="main.py" linenums\nn = 1\nif n:\n    print(n)\n```',
    "pandoc's attributes": "```{.python .numberLines}\nn = 1\nif n:\n    print(n)\n```",
    "a file name": "```python:main.py\nn = 1\nif n:\n    print(n)\n```",
    "a flag": "```python,ignore\nn = 1\nif n:\n    print(n)\n```",
    "a version": "``` Python3.11\nn = 1\nif n:\n    print(n)\n```",
    "the program further out": "   ```python\nn = 1\nif n:\n    print(n)\n   ```",
    "the program further in": "```python\n    n = 1\n    if n:\n        print(n)\n```",
    "lines of Windows": "```python\r\nn = 1\r\nif n:\r\n    print(n)\r\n```\r\n",
    "the end further out": "   ```python\n   n = 1\n   if n:\n       print(n)\n```\n",
    "a blank line": "1. A\n   ```python\n   n = 1\n\n   if n:\n       print(n)\n   ```",
    "spaces at the end": "```python\nn = 1\nif n:\n    print(n)\n```   ",
    "no end": "   ```python\n   n = 1\n   if n:\n       print(n)\n",
    "spaces around the tag": "``` python \nn = 1\nif n:\n    print(n)\n```",
}


@pytest.mark.parametrize("answer", FENCED.values(), ids=FENCED)
def test_fences_in_lists_quotations_and_with_info_strings(answer):
    found = extract_program(answer, STDIO)
    assert "\n".join(line for line in found.splitlines() if line) == PROGRAM


@pytest.mark.parametrize("piece", ["```", "```\n", "   ```\n", "> ", "- ", "~~~\n", "    ```python\n", " "])
def test_hostile_fences_terminate(piece):
    extract_program(piece * (200_000 // len(piece)), STDIO)
