r"""The maths verifier beside math-verify, and under attack: ``python -m benchmarks.verify_math``.

Answers are made by rule, so that the truth is known: numbers, expressions and collections in several spellings, every second one wrong.
*hostile* are `HOSTILE`, each against three golds; *mixed* is made like *clean*, with 5 % of them strewn in. math-verify runs as it comes,
in a process of its own that is killed after 15 s a row; its hostile row is left out of the short version.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.results import Options, Result, Row, chosen, finish, parse, result, table
from dunwu.verifiers.math.plain import plain_verdicts
from dunwu.verifiers.math.service import SERVICE
from dunwu.verifiers.math.verify import compare_math

ROWS = ("integers", "expressions", "clean", "mixed", "hostile", "math-verify clean", "math-verify hostile")
SHORT = ROWS[:6]

HOSTILE = (
    # towers and huge numbers
    "9^{9^{9^9}}", "2^{2^{2^{2^{2^{2}}}}}", "2^{10^9}", "10^{10^{10}}", "7^{7^{7}}^{7}", "3**3**3**3**3", "(((2^{99})^{99})^{99})^{99}",
    "0.5^{-10^8}", "1.0000001^{10^{12}}", "e^{e^{e^{e^{9}}}}", r"\exp(\exp(\exp(\exp(5))))", "x^{9^{9^{9}}}", r"\sin(9^{9^{9}})",
    r"\left(10^{500}\right)^{500}", r"\sqrt{9^{9^{9}}}", r"\frac{1}{9^{9^{9}}}", "1e999999999", "1e9999", "-1e-99999", "9" * 999,
    "9" * 1500, "0." + "3" * 990, "1/" + "7" * 900,
    # factorials, binomials, other functions that grow
    "99999999!", "(10^9)!", "((9!)!)!", "5!!!!", r"\binom{10^9}{5 \cdot 10^8}", r"\binom{99999999}{49999999}", r"\Gamma(10^{9})",
    r"\lfloor 9^{9^{9}} \rfloor", r"\log_{10^{900}}(10^{999})", r"\cosh(10^{300})", r"\tan(\tan(\tan(\tan(10^{99}))))",
    r"\arcsin(10^{400})",
    # sums, products, integrals and limits, closed forms asked of sympy
    r"\sum_{k=1}^{10^9} \frac{1}{k}", r"\sum_{a=1}^{10^5}\sum_{b=1}^{10^5} \sin(ab)", r"\prod_{k=1}^{10^8} (1+k)",
    r"\int_0^1 e^{x^{x^x}} dx", r"\int \frac{\sin(x^3)\ln(x)}{\sqrt{1+x^7}} dx", r"\int_0^\infty\int_0^\infty e^{-(xy)^5} dx dy",
    r"\lim_{n\to\infty} \left(1+\frac{1}{n}\right)^{n^n}", r"\lim_{x \to 0} \frac{\sin^{99} x}{x^{99}}", r"\operatorname{eye}(10^9)",
    r"\operatorname{SVD}\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\det\begin{pmatrix}a&b\\c&d\end{pmatrix}",
    r"\frac{d^{50}}{dx^{50}} \tan x", r"\gcd(10^{999}, 10^{998}+1)",
    # nesting, open and crossed brackets
    "(" * 40 + "3" + ")" * 40, "(" * 900 + "3" + ")" * 900, "{" * 1000, "}" * 1000, r"\frac{" * 300, r"\frac{1}{1+" * 45 + "x" + "}" * 45,
    r"\sqrt{" * 400 + "2" + "}" * 400, r"\sqrt{2+" * 45 + "2" + "}" * 45, "[" * 30 + "1,2" + "]" * 30, r"\{" * 30 + "1" + r"\}" * 30,
    "((1,2),(3", r"\left(\left(\left(", "|" * 800, "|x|" * 300, "-" * 1500 + "3", r"\boxed{" * 200 + "3" + "}" * 200, r"\boxed{3",
    r"\begin{pmatrix} 1 & 2 \\ 3", r"\begin{pmatrix}" * 60, r"\text{\text{\text{3}}}",
    # size
    "+".join(f"x^{{{n}}}" for n in range(250)), "*".join(["(x+y+z)"] * 250), "(x+1)(x+2)" * 90, "(a+b+c+d)^{30}(a-b-c-d)^{30}",
    "(x+y)^{999999}", "x" * 2000, "xy" * 900, "1" + "+1" * 900, "1,2," * 240, "(1,2)" * 200,
    r"\begin{pmatrix}" + "&".join(["1"] * 400) + r"\end{pmatrix}", r"\{" + ",".join(map(str, range(350))) + r"\}", "1<" * 400 + "x",
    "=".join(["x"] * 500), r"\pm" * 60 + "1", r"1\pm1\pm1\pm1\pm1\pm1\pm1\pm1", r"\sin" * 300 + "x", r"\sqrt{x+" * 20 + "y" + "}" * 20,
    "x_{" * 200 + "1", "a^b^c^d^e^f", " " * 2000 + "8 9",
    r"\frac{1}{" + "+".join(rf"\sqrt{{{p}}}" for p in (2, 3, 5, 7, 11, 13, 17, 19, 23)) + "}",
    # injection and macros
    "__import__('os').system('id')", r"\text{__import__('os').system('id')}", "exec('1')", "lambda: 0", "open('/etc/passwd').read()",
    "().__class__.__bases__[0]", r"\def\a{\a\a}\a", r"\newcommand{\x}{\x\x}\x", r"\input{/etc/passwd}", r"\write18{id}",
    r"\loop\iftrue\repeat", r"\csname a\endcsname", "{{7*7}}", "${7*7}", "3; DROP TABLE golds",
    # text that is no maths
    "nan", "NaN", "inf", "-inf", r"\frac{0}{0}", r"\frac{1}{0}", "0^{-1}", r"\log 0", "None", "True", "٣", "𝟛", "③", "Ⅲ", "3\u0301",
    "3\x00", "\ud800", "\u202e3", "three", "~~3~~", "3 or 4", "3, 4", r"\boxed{3}\boxed{4}", "1, 2, 3, 4, 5, 6, 7", "not 3", "around 3",
    "3?4", "<answer>3</answer><answer>4</answer>",
)  # fmt: skip
"""Answers that are right for no gold of `GOLDS`; none may cost more than the time limit, or be counted as right."""
GOLDS = ("-17", r"\frac{\sqrt{5}}{17}", "(2,-9)")


def integers(count: int, rng: random.Random) -> list[tuple[str, str, bool]]:
    """``(gold, text, truth)`` with whole numbers in their usual dress."""
    dresses = (
        r"\boxed{{{}}}",
        "The answer is {}.",
        r"so $x = \boxed{{{}}}$",
        "{}",
        "<answer>{}</answer>",
        r"\boxed{{{} \text{{ cm}}}}",
        "#### {}",
    )
    made = []
    for index in range(count):
        value, right = rng.randrange(-(10**6), 10**6), index % 2 == 0
        said = value if right else value + rng.choice((-100, -10, -1, 1, 7, 10))
        made.append((str(value), rng.choice(dresses).format(said), right))
    return made


def expressions(count: int, rng: random.Random) -> list[tuple[str, str, bool]]:
    """Fractions, roots, polynomials, functions, tuples, intervals and sets, the answer spelt in another way than the gold."""
    made = []
    for index in range(count):
        a, b, c = rng.randrange(2, 99), rng.randrange(2, 99), rng.randrange(2, 60)
        right = index % 2 == 0
        d = a if right else a + 1
        shapes = (
            (rf"\frac{{{a}}}{{{b * 101}}}", f"{d * c}/{b * 101 * c}"),
            (rf"{a}\sqrt{{{c}}}", rf"\sqrt{{{d * d * c}}}"),
            (f"x^2 - {a * a}", f"(x-{d})(x+{d})"),
            (rf"\frac{{{a}\pi}}{{{b}}}", rf"\frac{{{d}}}{{{b}}}\pi"),
            (f"({a}, {b})", rf"\left({d}, \frac{{{b * c}}}{{{c}}}\right)"),
            (f"[{a}, {b + 200})", rf"{d} \le x < {b + 200}"),
            (rf"\{{{a},{b + 200}\}}", rf"\{{{b + 200}, {d}\}}"),
            (rf"{a}\sin(2x)", rf"{2 * d}\sin x\cos x"),
            (f"{a}e^{{{b}t}}", rf"{d}(e^{{t}})^{{{b}}}"),
            (rf"\frac{{x+{a}}}{{x+{b + 200}}}", rf"1 + \frac{{{d - b - 200}}}{{x+{b + 200}}}"),
        )
        gold, said = rng.choice(shapes)
        made.append((gold, rf"\boxed{{{said}}}", right))
    return made


def hostile(count: int, rng: random.Random) -> list[tuple[str, str, bool]]:
    """Attacks on all golds, in turn."""
    attacks = [(gold, rf"\boxed{{{text}}}" if rng.random() < 0.5 else text, False) for gold in GOLDS for text in HOSTILE]
    rng.shuffle(attacks)
    return [attacks[index % len(attacks)] for index in range(count)]


def streams(options: Options) -> dict[str, list[tuple[str, str, bool]]]:
    """The cases of every row."""
    count, rng = 10_000 if options.long else 2_000, random.Random(0)
    clean = integers(count // 2, rng) + expressions(count // 2, rng)
    rng.shuffle(clean)
    mixed = integers(count * 19 // 40, rng) + expressions(count * 19 // 40, rng) + hostile(count // 20, rng)
    rng.shuffle(mixed)
    made = {"integers": integers(count, rng), "expressions": expressions(count, rng), "clean": clean, "mixed": mixed}
    attacks = hostile(3 * len(HOSTILE), rng)
    return made | {"hostile": attacks, "math-verify clean": clean[: count // 10], "math-verify hostile": attacks[: len(HOSTILE)]}


def measure(name: str, cases: Sequence[tuple[str, str, bool]]) -> Row:
    """Accuracy, times, and what is left open of one row."""
    before = _descriptors()
    if name.startswith("math-verify"):
        found = [(verdict.equal, verdict.seconds) for verdict in plain_verdicts([(gold, text) for gold, text, _ in cases])]
    else:
        found = [_timed(gold, text) for gold, text, _ in cases]
    seconds = [second for _, second in found]
    truths = [truth for _, _, truth in cases]
    return {
        "row": name,
        "answers": len(cases),
        "right": sum(bool(equal) == truth and equal is not None for (equal, _), truth in zip(found, truths, strict=True)) / len(cases),
        "false_positives": sum(equal is True and not truth for (equal, _), truth in zip(found, truths, strict=True)),
        "median_ms": 1000 * statistics.median(seconds),
        "longest_s": max(seconds),
        "answers_per_s": len(cases) / sum(seconds),
        "leaked": _descriptors() - before,
    }


def _timed(gold: str, text: str) -> tuple[bool | None, float]:
    began = time.perf_counter()
    verdict = compare_math(gold, text)
    return (None if verdict.score is None else verdict.score == 1.0), time.perf_counter() - began


def _descriptors() -> int:
    folder = Path(f"/proc/{os.getpid()}/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def as_table(found: Result) -> str:
    """One line a row, and the throughput under attack as a share of the clean one."""
    names = ("row", "answers", "right", "false_positives", "median_ms", "longest_s", "answers_per_s", "leaked")
    text = table([name.replace("_", " ") for name in names], [[row[name] for name in names] for row in found["rows"]])
    rates = {row["row"]: row["answers_per_s"] for row in found["rows"]}
    if "clean" in rates and "mixed" in rates:
        text += f"\n\nWith 5 % hostile answers: {100 * rates['mixed'] / rates['clean']:.0f} % of the clean throughput."
    return text


def main(argv: Sequence[str] | None = None) -> Result:
    """The command line."""
    options = parse(__doc__, argv)
    names = chosen(ROWS, options, SHORT)
    SERVICE.start()
    made = streams(options)
    rows = [measure(name, made[name]) for name in names]
    SERVICE.close()
    versions = {"math-verify": version("math-verify"), "sympy": version("sympy")}
    found = result("verify_math", options, versions, {name: "long" for name in ROWS if name not in names}, rows)
    return finish(found, as_table(found), options)


if __name__ == "__main__":
    main()
