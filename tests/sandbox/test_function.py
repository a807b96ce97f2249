"""Function mode: a value comes back with its types, and only as data."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dunwu.sandbox.outcome import Limits, Outcome
from dunwu.sandbox.values import encode_value
from tests.sandbox.conftest import Run

Call = Callable[..., Outcome]


@pytest.fixture
def call(run: Run) -> Call:
    def call_it(source: str, *args: Any, entry: str = "f", **kwargs: Any) -> Outcome:
        given = {"args": [encode_value(a) for a in args], "kwargs": {k: encode_value(v) for k, v in kwargs.items()}}
        return run(source, json.dumps(given), Limits(), entry=entry)

    return call_it


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "é\ud800\0", [1, (2, {3})], {1: frozenset({2})}, {"a": {"b": []}}, 10**3000])
def test_values_go_in_and_come_out(value: Any, call: Call) -> None:
    outcome = call("def f(x): return x", value)
    assert outcome.status == "ok", outcome
    assert outcome.result == value
    assert type(outcome.result) is type(value)


def test_keywords_and_methods(call: Call) -> None:
    assert call("class Solution:\n    def f(self, a, *, b): return a - b", 5, b=3).result == 2
    assert call("f = lambda a, b=2: a * b", 4).result == 8


def test_what_it_prints_disturbs_nothing(call: Call) -> None:
    outcome = call("import os\ndef f():\n    print('[1, 2]')\n    os.write(1, b'{}')\n    return 7")
    assert (outcome.status, outcome.result) == ("ok", 7)
    assert outcome.stdout == "{}[1, 2]\n"


def test_nan_is_a_value(call: Call) -> None:
    assert math.isnan(call("def f(): return float('nan')").result)


REFUSED = {
    "no function": "def g(): return 1",
    "no method": "class Solution:\n    def g(self): return 1",
    "no callable": "f = 3",
    "an int that equals everything": "class I(int):\n    def __eq__(self, o): return True\ndef f(): return I(-1)",
    "one inside a list": "class I(int): pass\ndef f(): return [I(1)]",
    "a dict of another kind": "class Sly(dict):\n    def __eq__(self, other): return True\ndef f(): return Sly()",
    "an object": "def f(): return object()",
    "a liar about its type": "class L:\n    @property\n    def __class__(self): return int\ndef f(): return L()",
    "nested too deep": "def f():\n    x = []\n    for _ in range(10**5): x = [x]\n    return x",
    "a cycle": "def f():\n    x = []\n    x.append(x)\n    return x",
    "a long int": "def f(): return 1 << 10_000_000",
    "leaves early": "import os\ndef f(): os._exit(0)",
    "leaves with success": "def f(): raise SystemExit(0)",
    "leaves while it is loaded": "raise SystemExit",
    "raises": "def f(): raise ValueError('no')",
    "raises while it is loaded": "1/0\ndef f(): return 1",
    "closes the result": "import os\ndef f():\n    os.closerange(3, 99)\n    return 1",
    "writes junk before": "import os\ndef f():\n    os.write(3, b'junk')\n    return 1",
    "writes another result before": "import os\ndef f():\n    os.write(3, b'1')\n    return [2]",
    "writes marks": "import os\ndef f():\n    os.write(3, b'x')\n    os._exit(0)",
    "writes brackets": "import os\ndef f():\n    os.write(3, b'[' * 10**5)\n    os._exit(0)",
    "writes bytes": "import os\ndef f():\n    os.write(3, bytes(range(256)))\n    os._exit(0)",
    "writes a digit too many": "import os\ndef f():\n    os.write(3, b'1' * 5000)\n    os._exit(0)",
    "writes a set of lists": "import os\ndef f():\n    os.write(3, b'{\"$set\": [[1]]}')\n    os._exit(0)",
    "another encoder": "import json\njson.dumps = lambda *_: 'SECRET'\ndef f(): return 1",
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_result_is_a_runtime_error(name: str, call: Call, honest: Callable[[], Sequence[str]]) -> None:
    outcome = call(REFUSED[name])
    assert (outcome.status, outcome.result) == ("runtime_error", None), outcome
    assert honest() == ["42\n", "-15\n"]


def test_the_reason_can_be_read(call: Call) -> None:
    assert "neither a function 'f'" in call("x = 1").stderr
    assert "Sly" in call(REFUSED["a dict of another kind"]).stderr
    assert 'File "program.py", line 1, in f\nValueError: no' in call(REFUSED["raises"]).stderr
    assert "no result" in call(REFUSED["leaves early"]).stderr


def test_a_flood_of_a_result_is_cut(call: Call) -> None:
    assert call("def f(): return 'x' * (1 << 22)").status == "output_limit"


def test_a_result_that_a_program_writes_itself_is_only_data(call: Call) -> None:
    """It could as well have returned it: nothing is gained."""
    assert call("import os\ndef f():\n    os.write(3, b'[1]')\n    os._exit(0)").result == [1]


def test_a_name_that_is_none(call: Call) -> None:
    assert call("def f(): return 1", entry="f\ud800\n'").status == "runtime_error"
