"""`dunwu verify code`: verdicts as lines, mistakes as one line, and the public attack programs."""

import json
import os
import re
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from dunwu.cli.verify_code import header_problem, line_of, run
from dunwu.errors import UserError
from dunwu.sandbox.open import probe
from dunwu.tasks.code_file import ORACLE, ProblemFile

ATTACKS = Path(os.environ.get("DUNWU_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data", "sandbox_attacks")
needs_sandbox = pytest.mark.skipif(probe().number == 3, reason=f"no sandbox on this machine: {probe().text}")

PROBLEMS = {
    "limits": {"cpu_s": 1, "wall_s": 2, "memory_mib": 256, "stdout_mib": 1},
    "problems": {
        "add": {"mode": "stdio", "cases": [{"stdin": "1 2\n", "stdout": "3\n"}]},
        "twice": {"mode": "function", "entry": "twice", "cases": [{"args": [[1]], "returns": [1, 1]}]},
        "guess": {"mode": "assert", "entry": "guess", "tests": 'def check(candidate):\n    assert candidate(1) == "{ORACLE}"\n'},
        "boxed": {"mode": "assert", "entry": "f", "tests": "assert f(Box()) == 1"},
    },
}
ADD = "# problem: add\nprint(sum(map(int, input().split())))\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "problems.json").write_text(json.dumps(PROBLEMS), encoding="utf-8")
    return tmp_path


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def graded(folder, capsys, *arguments):
    """The records that ``--json`` prints."""
    assert run(["--problems", str(folder / "problems.json"), "--json", *map(str, arguments)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@needs_sandbox
@pytest.mark.parametrize(
    ("name", "source", "status"),
    [
        ("a.py", ADD, "ok"),
        ("a.py", "# id: x\n#problem:add\n\nprint(4)", "wrong_answer"),
        ("a.py", "# problem: twice\ndef twice(x):\n    return x + x\n", "ok"),
        ("a.py", "# problem: guess\ndef guess(x):\n    return ''\n", "wrong_answer"),
        ("a.py", b"# problem: add\n\xff\xfe", "compile_error"),
        ("a.py", b"# problem: add\n\x00print(3)", "compile_error"),
        ("a.py", b"\xef\xbb\xbf# problem: add\nprint(3)", "ok"),
        ("a.py", b"# problem: add\n" + b"#" * (1 << 20), "compile_error"),
        ("a.cpp", '// problem: add\n#include <cstdio>\nint main() { puts("3"); }', "ok"),
    ],
)
def test_records(folder, capsys, name, source, status):
    (record,) = graded(folder, capsys, write(folder / name, source))
    assert (record["status"], record["passed"]) == (status, status == "ok")
    assert record["program"] == str(folder / name)
    assert record["seconds"] >= 0


@needs_sandbox
def test_folders_workers_and_the_table(folder, capsys):
    (folder / "programs").mkdir()
    for number in range(6):
        write(folder / "programs" / f"{number}.py", ADD if number % 2 else ADD + "raise ValueError('\\x1b[31m red')\n")
    records = graded(folder, capsys, folder / "programs", "--workers", 2)
    assert [(Path(record["program"]).name, record["passed"]) for record in records] == [(f"{n}.py", bool(n % 2)) for n in range(6)]
    run(["--problems", str(folder / "problems.json"), str(folder / "programs")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "3 of 6 programs passed"
    assert re.match(r"failed +runtime_error +[\d.]+ s +0/1 +.*0\.py  ValueError", lines[0])
    assert "\x1b" not in "".join(lines)


@needs_sandbox
def test_a_named_problem_goes_before_the_header(folder, capsys):
    program = write(folder / "a.py", ADD)
    (record,) = graded(folder, capsys, program, "--problem", "twice")
    assert (record["problem"], record["passed"]) == ("twice", False)


@needs_sandbox
def test_forgeable_tests_only_when_asked(folder, capsys):
    program = write(folder / "a.py", "# problem: boxed\nclass Box: pass\ndef f(b):\n    return 1\n")
    with pytest.raises(UserError, match="--forgeable"):
        run(["--problems", str(folder / "problems.json"), program])
    assert graded(folder, capsys, program, "--forgeable")[0]["passed"]


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        (ADD, ["missing.py"], r"missing\.py: program not found"),
        (ADD, ["notes.txt"], r"\.txt is not a supported language"),
        (ADD, ["empty"], "no programs"),
        (ADD, ["--problem", "nothing"], "no problem 'nothing': it has add, twice"),
        ("# problem: nothing\n", [], "no problem 'nothing'"),
        ("print(3)", [], "no header line"),
        ("print(3)\n# problem: add", [], "no header line"),
        (ADD, ["--workers", "0"], "greater than or equal to 1"),
        (ADD, ["--wrokers", "2"], "'--wrokers'"),
    ],
)
def test_mistakes_are_one_line(folder, source, arguments, message):
    (folder / "empty").mkdir()
    write(folder / "notes.txt", "")
    write(folder / "a.py", source)
    paths = [str(folder / argument) if "." in argument or argument == "empty" else argument for argument in arguments]
    with pytest.raises(UserError, match=message) as caught:
        run(["--problems", str(folder / "problems.json"), str(folder / "a.py"), *paths])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("{", "not JSON"),
        ("\ud800".encode("utf-8", "surrogatepass"), "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no problems"),
        ('{"problems": {}}', "no problems"),
        ('{"problems": {"a": 3}}', "problem 'a': TypeError"),
        ('{"problems": {"a": {"mode": "magic", "cases": []}}}', "problem 'a'"),
        ('{"problems": {"a": {"mode": "stdio", "cases": []}}}', "problem 'a': .*passes every program"),
        ('{"problems": {"a": {"mode": "stdio", "cases": [{"stdin": "x"}]}}}', "problem 'a': KeyError 'stdout'"),
        ('{"problems": {"a": {"mode": "function", "cases": [{"args": [1], "returns": 1}]}}}', "name the function"),
        ('{"problems": {"a": {"mode": "function", "entry": "f", "cases": [{"args": [1], "returns": NaN}]}}}', "no literal for nan"),
        ('{"problems": {"a": {"mode": "assert", "entry": "f", "tests": "assert ("}}}', "problem 'a': SyntaxError"),
        ('{"problems": {"a": {"mode": "assert", "tests": "assert f(1) == 1"}}}', "name the function"),
        ('{"limits": {"cpu_s": -1}, "problems": {"a": {"mode": "stdio", "cases": [{"stdin": "", "stdout": ""}]}}}', "greater than 0"),
        ('{"limits": [2], "problems": {"a": {"mode": "stdio", "cases": [{"stdin": "", "stdout": ""}]}}}', "problem 'a': AttributeError"),
        ('{"limits": {"memory": 1}, "problems": {"a": {"mode": "stdio", "cases": []}}}', "unknown key memory: the keys are cpu_s, wall_s"),
        ('{"limits": {"memory_mb": 1}, "problems": {"a": {"mode": "stdio", "cases": []}}}', "did you mean memory_mib"),
        (
            '{"problems": {"a": {"mode": "stdio", "cheker": "any", "cases": [{"stdin": "", "stdout": ""}]}}}',
            "unknown key cheker: did you mean checker. If it is something else, rename it",
        ),
    ],
)
def test_bad_problem_files(tmp_path, content, message):
    path = tmp_path / "problems.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message) as caught:
        ProblemFile(path)
    assert "\n" not in str(caught.value)


def test_other_keys_of_a_problem_are_accepted(tmp_path):
    problem = {"mode": "stdio", "cases": [{"stdin": "", "stdout": ""}], "checked": True, "checks": 3, "example": "x", "rating": 800}
    (tmp_path / "p.json").write_text(json.dumps({"problems": {"a": problem}}), encoding="utf-8")
    assert ProblemFile(tmp_path / "p.json").names == ["a"]


def test_an_oracle_is_fresh_for_each_program_and_the_same_in_its_cases(tmp_path):
    returns = [{"args": [n], "returns": {"answer": [ORACLE]}} for n in range(3)]
    content = {"problems": {"a": {"mode": "function", "entry": "f", "cases": returns}}}
    (tmp_path / "p.json").write_text(json.dumps(content), encoding="utf-8")
    problems = ProblemFile(tmp_path / "p.json")
    first, second = ({case.expected for case in problems.tests("a").cases} for _ in range(2))
    assert len(first) == len(second) == 1
    assert first != second
    assert re.fullmatch(r"\{'answer': \['SBX-ORACLE-[0-9a-f]{32}'\]\}", first.pop())


def test_an_oracle_in_an_assert_becomes_an_expected_value(folder):
    tests = ProblemFile(folder / "problems.json").tests("guess")
    assert (tests.mode, tests.tests) == ("function", "")
    assert re.fullmatch(r"'SBX-ORACLE-[0-9a-f]{32}'", tests.cases[0].expected)


@needs_sandbox
def test_a_program_that_sleeps_through_each_case_is_not_waited_for(folder, capsys):
    cases = [{"stdin": "", "stdout": "1\n"}] * 10
    content = {"limits": {"wall_s": 1}, "problems": {"nap": {"mode": "stdio", "cases": cases}}}
    (folder / "problems.json").write_text(json.dumps(content), encoding="utf-8")
    program = write(folder / "a.py", "# problem: nap\nimport time\ntime.sleep(0.5)\nprint(1)")
    (record,) = graded(folder, capsys, program)
    assert record["status"] == "time_limit"
    assert record["cases"] in ("2/10", "3/10")


def test_headers(tmp_path):
    assert header_problem(Path(write(tmp_path / "a.py", "#!/usr/bin/env python\n\n# id: 3\n# problem: max \nprint()"))) == "max"
    assert header_problem(Path(write(tmp_path / "b.py", b"\xff\x00\n# problem: max"))) is None


def test_the_table_holds_no_control_characters():
    record = {
        "passed": False,
        "status": "sandbox_error",
        "seconds": 1.0,
        "cases": "0/1",
        "program": "a.py",
        "detail": "\x1b]0;title\x07\r\n",
    }
    assert line_of(record) == "no verdict sandbox_error     1.00 s      0/1  a.py  ?]0;title?"


@contextmanager
def listening(port):
    """A listener on the loopback; yields the list of those who came."""
    came = []
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def accept():
            while not stop.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                came.append(address)
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield came
        finally:
            stop.set()
            thread.join()


def fields_of(program):
    """The header of an attack program."""
    lines = program.read_bytes().decode("utf-8", "replace").splitlines()
    return dict(re.match(r"# (\w+): (.*)", line).groups() for line in lines if re.match(r"# \w+: ", line))


@needs_sandbox
@pytest.mark.skipif(not ATTACKS.is_dir(), reason=f"no attack programs at {ATTACKS}")
def test_the_public_attacks(capsys, monkeypatch):
    monkeypatch.setenv("SBX_CANARY_ENV", os.urandom(8).hex())
    honest = ATTACKS / "16_control_solution.py"
    programs = sorted(ATTACKS.glob("*.py"))
    assert len(programs) == 17
    children = {process.pid for process in psutil.Process().children(recursive=True)}
    with listening(47311) as came:
        run(["--problems", str(ATTACKS / "problems.json"), "--json", *(str(path) for program in programs for path in (program, honest))])
    output = capsys.readouterr().out
    assert came == []
    assert "SBX-BREACH" not in output
    assert os.environ["SBX_CANARY_ENV"] not in output
    records = [json.loads(line) for line in output.splitlines()]
    for program, record, after in zip(programs, records[::2], records[1::2], strict=True):
        fields = fields_of(program)
        assert record["program"] == str(program)
        assert fields["expect"] == "any" or record["passed"] == (fields["expect"] == "passed"), record
        assert fields["status"] == "*" or record["status"] in fields["status"].split("|"), record
        assert record["seconds"] < float(fields["max_wall_s"]), record
        assert after["passed"], f"after {program.name}: {after}"
        assert fields["no_file"] == "-" or not Path(fields["no_file"]).exists()
    deadline = time.monotonic() + 2
    while left := {process.pid for process in psutil.Process().children(recursive=True)} - children:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
