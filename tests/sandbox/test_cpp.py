"""C++: compiled behind a wall of its own, run like any other case."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest

from dunwu.errors import ConfigError
from dunwu.sandbox import compiler
from dunwu.sandbox.local import LocalSandbox
from dunwu.sandbox.outcome import Limits, Outcome, Program
from tests.sandbox.conftest import AMPLE, QUICK, require

pytestmark = pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler")

HEAD = "#include <cstdio>\n#include <cstdlib>\n#include <unistd.h>\n#include <sys/syscall.h>\n"


@pytest.fixture(scope="module")
def level_1() -> Iterator[LocalSandbox]:
    require(1)
    with LocalSandbox(1, 1) as found:
        yield found


@pytest.fixture
def run(level_1: LocalSandbox) -> Callable[..., Outcome]:
    def run_it(source: str, given: str = "", limits: Limits = QUICK) -> Outcome:
        return level_1.run(Program(source, language="cpp"), [given], limits)[0]

    return run_it


def main(body: str, more: str = "") -> str:
    return f"{HEAD}{more}int main() {{ {body} }}\n"


def test_it_reads_and_prints(level_1: LocalSandbox) -> None:
    source = "#include <iostream>\nint main() { long a, b; std::cin >> a >> b; std::cout << a * b << std::endl; }"
    outcomes = level_1.run(Program(source, language="cpp"), ["6 7", "-3 5"], Limits())
    assert [(outcome.status, outcome.stdout) for outcome in outcomes] == [("ok", "42\n"), ("ok", "-15\n")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("return 3;", "runtime_error"),
        ("abort();", "runtime_error"),
        ("*(volatile int*)0 = 1;", "runtime_error"),
        ("for (volatile int i = 0;; ) i = i + 1;", "time_limit"),
        ("sleep(60);", "time_limit"),
        ("for (;;) puts(\"0123456789\");", "output_limit"),
        ("for (;;) { volatile char* p = new char[1 << 20]; for (int i = 0; i < 1 << 20; i += 4096) p[i] = 1; }", "memory_limit"),
        ("if (fork() < 0) return 3;", "runtime_error"),
        ("char* a[] = {(char*)\"true\", 0}; execv(\"/bin/true\", a); return 3;", "runtime_error"),
        ("for (int f = 0; f < 40; f++) syscall(SYS_execveat, f, \"\", 0, 0, 0x1000); return 3;", "runtime_error"),
        ("if (kill(1, 9)) return 3;", "runtime_error"),
        ("if (!fopen(\"leaves\", \"w\") && !fopen(\"/tmp/leaves\", \"w\")) return 3;", "runtime_error"),
        ("if (system(\"true\")) return 3;", "runtime_error"),
    ],
)  # fmt: skip
def test_ends(body: str, status: str, run: Callable[..., Outcome]) -> None:
    more, limits = "#include <signal.h>\n", QUICK if status == "time_limit" else AMPLE
    assert run(main(body, more), limits=limits).status == status
    assert run(main('int a; if (scanf("%d", &a) == 1) printf("%d\\n", a + 1);'), "41", AMPLE).stdout == "42\n"


def test_deep_recursion_and_threads_are_fine(run: Callable[..., Outcome]) -> None:
    deep = "long f(long n) { volatile char room[100]; room[0] = 1; return n ? room[0] + f(n - 1) : 0; }\n"
    assert run(main('printf("%ld\\n", f(200000));', deep)).stdout == "200000\n"
    more = '#include <thread>\nstatic void f() { puts("thread"); }\n'
    assert run(main("std::thread t(f); t.join();", more)).stdout == "thread\n"


@pytest.mark.parametrize(
    "source",
    [
        "int main( {",
        "int main() { return x; }",
        "#include \"/etc/passwd\"\nint main() {}",
        "\0",
        "int a[1 << 29] = {1}; int main() { return a[3]; }",
        "template <int N> struct A { static const int x = A<N - 1>::x + A<N - 2>::x; }; int y = A<1 << 30>::x; int main() {}",
        "#include __FILE__\nint main() {}",
    ],
)  # fmt: skip
def test_texts_that_do_not_compile(source: str, run: Callable[..., Outcome]) -> None:
    outcome = run(source)
    assert outcome.status == "compile_error", outcome
    assert outcome.stderr


def test_a_program_is_compiled_once(level_1: LocalSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    times = []
    real = compiler._compile
    monkeypatch.setattr(compiler, "_compile", lambda *arguments: times.append(1) or real(*arguments))
    for _ in range(3):
        level_1.run(Program(main('puts("once");'), language="cpp"), ["", ""], Limits())
    assert len(times) == 1


def test_without_a_compiler_it_is_our_error(level_1: LocalSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "COMPILERS", ("no-such-compiler",))
    outcomes = level_1.run(Program("int main() { return 0; } // fresh", language="cpp"), ["", ""], Limits())
    assert [outcome.status for outcome in outcomes] == ["sandbox_error"] * 2
    assert "install g++" in outcomes[0].stderr


def test_other_levels_have_no_place_to_compile() -> None:
    with LocalSandbox(2, 1) as other:
        (outcome,) = other.run(Program("int main() {}", language="cpp"), [""], Limits())
    assert outcome.status == "sandbox_error"
    assert "level 1" in outcome.stderr


def test_there_are_no_functions_of_cpp() -> None:
    with pytest.raises(ConfigError, match="standard input"):
        Program("int f() { return 1; }", language="cpp", entry="f")
