"""Answers designed to be slow, by kind: ``hostile(count, seed)`` yields ``(kind, gold, answer)``, the same for the same seed.

Each kind is a function of a random generator. A third of the answers are in a box, some in ``<answer>`` or after text, to attack the search
for the answer too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

GOLDS = (
    "5", "-17", r"\frac{1}{3}", "0.75", r"\sqrt{2}", r"\frac{\sqrt{5}}{17}", r"3+2\sqrt{2}", r"\frac{3\pi}{4}", "1+2i", "2^{100}",
    "x^2-3x+2", r"\frac{1}{x+1}", r"\sin(2x)", r"|x-3|", r"\sqrt[3]{x^2-2}", r"e^{x+y}", r"\ln 6", "(2,-9)", "1,2,3", r"\{1,2,3\}",
    r"(-\infty,1)\cup(2,\infty)", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "y=2x+1", "x>2", "0x9064", "0b101", "101_2", "3:05",
    "2 R 3", "3 x 4", "1 2 3", "IX", "TTFF", "CDAB", r"\text{even}", r"\text{(B)}", "B", r"12\text{ cm}", r"\$5.50", r"45^\circ",
    "28\\%", r"0.\overline{3}", r"\frac{\pi}{4}+k\pi, k\in\mathbb{Z}", r"\binom{10}{3}", "1.5e10", "no solution",
    r"\text{Alice: } 5, \text{Bob: } 7",
    ",".join(rf"\sin {n}" for n in range(1, 40)), r"\{" + ",".join(rf"\sqrt[3]{{{n}}}" for n in range(2, 60)) + r"\}", "x=1, y=2",
)  # fmt: skip

INFINITY, ROOT = r"\infty", r"\sqrt{2}"
PRIMES = (999983, 99999989, 999999937, 9999999967, 99999999977, 999999999989, 9999999999971, 2**61 - 1, 2**89 - 1)
Rng = random.Random


def _radicand(rng: Rng) -> str:
    p, q = rng.choice(PRIMES), rng.choice(PRIMES)
    return str(rng.choice((p, p * p, p * q, p + 1, 2 * p, rng.randrange(10**11, 10**12), rng.randrange(10**24, 10**25), 10**300 + 1)))


def _sum_of_roots(rng: Rng) -> str:
    return rng.choice("+-").join(rf"\sqrt{{{_radicand(rng)}}}" for _ in range(rng.randint(1, 9)))


def inverse_roots(rng: Rng) -> str:
    return rf"\frac{{{rng.randint(1, 9)}}}{{{rng.randint(1, 9)}+{_sum_of_roots(rng)}}}"


def products_of_roots(rng: Rng) -> str:
    return "".join(rf"({rng.randint(1, 99)}+{_sum_of_roots(rng)})" for _ in range(rng.randint(2, 12)))


def powers_of_roots(rng: Rng) -> str:
    return rf"({rng.randint(1, 99)}+{_sum_of_roots(rng)})^{{{rng.choice((-30, -29, -7, 17, 29, 30, 31, 1000))}}}"


def nested_roots(rng: Rng) -> str:
    text = _radicand(rng)
    for _ in range(rng.randint(1, 22)):
        degree = rng.choice(("", "", "[3]", "[7]", "[63]", "[64]", "[65]", "[1000]", "[x]", f"[{_radicand(rng)}]"))
        text = rf"\sqrt{degree}{{{rng.choice(('', '-', _radicand(rng) + '+', 'x+', '1/'))}{text}}}"
    return text


def high_roots(rng: Rng) -> str:
    inside = rng.choice((str(rng.randrange(10**300, 10**301)), _radicand(rng), f"{rng.randint(2, 99)}^{{{rng.randint(99, 4000)}}}"))
    return rf"\sqrt[{rng.choice((2, 3, 5, 7, 31, 63, 64))}]{{{inside}}}" + rng.choice(("", "+1", "-x", rf"+\sqrt{{{_radicand(rng)}}}"))


def power_towers(rng: Rng) -> str:
    text = rng.choice(("9", "99", "x", "10", r"\pi", "i", "0.5", "-3"))
    for _ in range(rng.randint(1, 12)):
        text = rf"{rng.choice(('9', '2', '10', 'e', 'x', '1.0000001', '(-1)', '0.1', 'i'))}^{{{text}}}"
    return rng.choice(("", "-", "1/", r"\sqrt ", r"\sin ", r"\ln ")) + text


def repeated_powers(rng: Rng) -> str:
    text = rng.choice(("3", "x+1", r"1+\sqrt{2}", "x+y+z", "0.1", "1/3"))
    for _ in range(rng.randint(2, 15)):
        text = rf"({text})^{{{rng.choice((2, 3, 7, 30, 99, -1, -2, 1000, 0.5, 10**6))}}}"
    return text


def huge_powers(rng: Rng) -> str:
    exponent = rng.choice((10**3, 10**4, 32767, 32768, 10**6, 10**9, -(10**4), 10**50))
    return f"{rng.choice((2, 3, 7, 10, 12345, 0.5, 1.1, '1/3'))}^{{{exponent}}}"


def products_of_powers(rng: Rng) -> str:
    return rng.choice(("*", "+", "/", "-")).join(f"{rng.randint(2, 99)}^{{{rng.randint(3000, 9999)}}}" for _ in range(rng.randint(2, 40)))


def factorials(rng: Rng) -> str:
    n = rng.choice((170, 999, 2499, 2500, 2501, 10**4, 10**7, 10**12, 10**100, "x", "2.5", "-3"))
    return rng.choice((f"{n}!", f"({n}!)!", f"{n}!!!", f"1/{n}!", f"{n}!/{n}!", f"{n}!^{{{n}!}}", rf"\sqrt{{{n}!}}", f"({n})!+x"))


def many_factorials(rng: Rng) -> str:
    n = rng.choice((500, 1500, 2500))
    return rng.choice(("*", "+", "/")).join(f"{n - k}!" for k in range(rng.randint(5, 70)))


def binomials(rng: Rng) -> str:
    n, k = rng.choice((100, 2500, 10**4, 10**9, 10**18)), rng.choice((2, 50, 1250, 5000, 5 * 10**8))
    return rng.choice("*+/").join(rf"\binom{{{n}}}{{{k}}}" for _ in range(rng.randint(1, 40)))


def nested_binomials(rng: Rng) -> str:
    text = "9"
    for _ in range(rng.randint(1, 8)):
        text = rf"\binom{{{text}}}{{{rng.randint(2, 5)}}}"
    return text


def deep_fractions(rng: Rng) -> str:
    text = rng.choice(("x", "1", r"\sqrt{2}", "x+y", "9" * 80))
    for _ in range(rng.randint(5, 48)):
        numerator = rng.choice(("1", "x", "7", "a", rf"\sqrt{{{rng.randint(2, 99)}}}"))
        text = rf"\frac{{{numerator}}}{{{rng.choice(('1', '2', 'x', 'y', ''))}{rng.choice('+-')}{text}}}"
    return text


def deep_plain_fractions(rng: Rng) -> str:
    depth = rng.randint(5, 49)
    return f"{rng.choice('1xa')}/(1{rng.choice('+-')}" * depth + "x" + ")" * depth


def sums_of_fractions(rng: Rng) -> str:
    return "+".join(
        rf"\frac{{1}}{{{rng.choice((rng.randrange(10**8), f'x+{n}', f'{n}^{{99}}', '9' * 30))}}}" for n in range(rng.randint(5, 60))
    )


def long_products_of_symbols(rng: Rng) -> str:
    letters = rng.sample("abcdfghjkmnpqrstuvwxyz", rng.randint(1, 8))
    return "".join(f"({rng.choice('+-').join(rng.sample(letters, rng.randint(1, len(letters))))}+{n})" for n in range(rng.randint(3, 40)))


def powers_of_sums(rng: Rng) -> str:
    inner = "+".join(rng.sample("abcdfghjkmnpqrstuvwxyz", rng.randint(2, 15)))
    return "*".join(f"({inner})^{{{rng.choice((2, 3, 9, 29, 30, 31, 10**5))}}}" for _ in range(rng.randint(1, 6)))


def long_sums(rng: Rng) -> str:
    term = rng.choice(("x^{%d}", "%d", r"\sqrt{%d}", r"\sin(%dx)", r"\ln %d", "e^{%dx}", "x_{%d}", "1.%d", r"\frac{%d}{x}", r"|x-%d|"))
    return rng.choice("+-").join(term % rng.choice((n, n * n, 10**6 + n)) for n in range(2, rng.randint(50, 320)))


def nested_functions(rng: Rng) -> str:
    names = [
        rng.choice((r"\sin", r"\cos", r"\tan", r"\ln", r"\exp", r"\cosh", r"\arctan", r"\log_2", r"\sqrt"))
        for _ in range(rng.randint(3, 45))
    ]
    return (
        "".join(f"{name}{{(" if name != r"\sqrt" else r"\sqrt{(" for name in names) + rng.choice(("x", "10^{99}", "2")) + ")}" * len(names)
    )


def nested_bars(rng: Rng) -> str:
    count = rng.randint(2, 300)
    return rng.choice(
        ("|" * count + "x" + "|" * count, "|x|" * count, "|x-" * count + "1" + "|" * count, r"\left|x-\right." * count, "|" * count)
    )


def floors(rng: Rng) -> str:
    depth = rng.randint(1, 30)
    return r"\lfloor " * depth + rng.choice(("9^{999}", "x", r"\sqrt{99999999999999}", "10^{400}/7", r"e^{99}")) + r"\rfloor " * depth


def long_periods(rng: Rng) -> str:
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 990)))
    over = rng.choice(
        (rf"\overline{{{digits}}}", rf"\dot{{{digits}}}", rf"\overline{{{digits}", rf"({digits})", rf"\overline{{{digits}}}^{{99}}")
    )
    return rf"{rng.choice(('0', '12', '-3'))}.{rng.choice(('', '1', '007'))}{over}"


def many_overlines(rng: Rng) -> str:
    return rng.choice(("+", "*", "", ",", " ")).join(rf"0.\overline{{{n}}}" for n in range(1, rng.randint(5, 130)))


def giant_exponents_of_ten(rng: Rng) -> str:
    exponent = rng.choice(("999", "1000", "1001", "9999", "-9999", "99999999", "9" * 500, "-" + "9" * 100))
    return rng.choice(
        (
            f"1e{exponent}",
            f"1.5E{exponent}",
            rf"3\times 10^{{{exponent}}}",
            f"1e{exponent}+1e{exponent}",
            f"10^{exponent}",
            f"x^{{1e{exponent}}}",
        )
    )


def many_giant_decimals(rng: Rng) -> str:
    return rng.choice(("*", "+", "/", ",")).join(rng.choice(("1e999", "1e-999", "3.7e500")) for _ in range(rng.randint(2, 90)))


def many_relations(rng: Rng) -> str:
    sign = rng.choice(("=", "<", r"\le ", ">", r"\ne ", r"\approx ", r"\in ", "=-", r"\equiv ", "≤"))
    item = rng.choice(("x", "1", "x+1", "2*3", r"\sqrt{99999999977}", "(1,2)", "e^{x}", "f(x)", r"\{1\}"))
    return sign.join([item] * rng.randint(2, 500))


def many_commas(rng: Rng) -> str:
    item = rng.choice(("1", "x", "(1,2)", "1 or 2", r"\sqrt{2}", "x=1", "", " ", "x>1", "e^{x}", r"\{1\}", "1,000", "A", "a: 1", "1.5"))
    joint = rng.choice((",", ";", " and ", r"\cup ", ", ", r"\\", "&", " ", "，", r"\text{ or }", "、", r"\pm "))
    return joint.join([item] * rng.randint(2, 900))


def distinct_items(rng: Rng) -> str:
    count, kind = (
        rng.randint(20, 101),
        rng.choice((r"\sin {n}", r"e^{{{n}}}", r"\ln {n}", r"\sqrt[3]{{{n}}}", "x^{{{n}}}", r"\frac{{{n}}}{{7}}", "|x-{n}|")),
    )
    items = [kind.format(n=n) for n in range(2, count)]
    rng.shuffle(items)
    return rng.choice((",".join(items), r"\{" + ",".join(items) + r"\}", "(" + ",".join(items) + ")"))


def many_signs(rng: Rng) -> str:
    count = rng.randint(2, 1900)
    return rng.choice(
        (
            "-" * count + "3",
            "+-" * (count // 2) + "3",
            r"\pm " * (count // 4) + "3",
            r"1\pm " * min(count, 300) + "1",
            "(-" * 45 + "3" + ")" * 45,
        )
    )


def many_texts(rng: Rng) -> str:
    word = rng.choice(("a", "5", "or", "not", "", " ", "cm", "-", "five", ",", "and", "minus", "=", "(B)"))
    return rng.choice(("", "5", "5 ", ",", "+")).join(
        [rf"\{rng.choice(('text', 'mathrm', 'textbf', 'mbox'))}{{{word}}}"] * rng.randint(2, 250)
    )


def nested_texts(rng: Rng) -> str:
    depth = rng.randint(2, 240)
    return r"\text{" * depth + "5" + "}" * rng.choice((depth, depth - 1, 0))


def many_words(rng: Rng) -> str:
    words = (
        "one",
        "hundred",
        "and",
        "twenty",
        "five",
        "million",
        "minus",
        "half",
        "not",
        "thousand",
        "point",
        "over",
        "the",
        "of",
        "is",
        "twice",
    )
    return rng.choice((" ", "-", ", ")).join(rng.choice(words) for _ in range(rng.randint(5, 400)))[:2000]


def long_runs(rng: Rng) -> str:
    unit = rng.choice((" ", "{", "}", "\\", "(", ")", "[", "]", "1", "1,", "1 ", ",", ".", "$", "^", "_", "&", "!", "'", "°",
    "%", "/", "*", "=", "\n", "\t", "¶",
                       "‹", "›", "⦃", "⦄", "1,000,", "000 ", "a", "aA", "x_", "x^", "\\\\", "{}", "{ }", "{,}", "\\,", "\\!",
                       ":", "1:", "::", "0x", "e", "1e", "-",
                       "<answer>", "answer is ", "\\boxed", "\\boxed{", "\\text", "\\frac", "\\sqrt", "$ $", "\\(", "**", "或",
                       "万", "½", "²", "·", "０", "．"))  # fmt: skip
    return (
        rng.choice(("", "5", "x"))
        + unit * rng.choice((50, 300, 1000, 1900 // len(unit), 2048, 30000))
        + rng.choice(("", "5", "x", "}", "!"))
    )


def spaced_runs(rng: Rng) -> str:
    gap = rng.choice((" " * rng.randint(100, 900), "\\ " * 300, "~" * 900, "\\quad " * 200, "\n" * 900))
    return rng.choice(
        (
            f"5{gap}6",
            f"{gap}5",
            f"5{gap}cm",
            f"5{gap}, {gap}6",
            f"x{gap}={gap}5",
            f"5{gap}%",
            f"5{gap}or 6",
            f"(1,{gap}2)",
            f"5{gap}/{gap}6{gap}x",
        )
    )


def digits_with_commas(rng: Rng) -> str:
    groups = rng.randint(20, 330)
    return (
        "1"
        + "".join(
            rng.choice((",000", ",00", " 000", ".000", "{,}000", r"\,000", ",0000")) if rng.random() < 0.05 else ",000"
            for _ in range(groups)
        )
        + rng.choice(("", ".", ",", "x", ",1"))
    )


def unmatched(rng: Rng) -> str:
    marks = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        r"\{",
        r"\}",
        r"\left(",
        r"\right]",
        "|",
        "1",
        ",",
        r"\langle",
        r"\rangle",
        "x",
        "+",
        r"\frac",
        r"\sqrt",
        "^",
        "_",
    ]
    return "".join(rng.choice(marks) for _ in range(rng.randint(10, 400)))


def long_matrices(rng: Rng) -> str:
    name = rng.choice(("pmatrix", "array", "cases", "bmatrix", "vmatrix", "aligned", "matrix"))
    row = "&".join([rng.choice(("1", "x", r"\sqrt{2}", "x=1", ""))] * rng.choice((1, 2, 3, 50)))
    rows = r" \\ ".join([row] * rng.choice((2, 20, 50, 200)))
    return rf"\begin{{{name}}}{rng.choice(('', '{cc}', '{' + 'c|' * 200 + '}'))}{rows}" + rng.choice(
        (rf"\end{{{name}}}", "", r"\end{x}", rf"\end{{{name}}}^{{99}}")
    )


def many_environments(rng: Rng) -> str:
    name = rng.choice(("pmatrix", "array", "cases"))
    return rf"\begin{{{name}}}" * rng.randint(2, 100) + "1" + rf"\end{{{name}}}" * rng.choice((0, 1, 50))


def strange_signs(rng: Rng) -> str:
    marks = "¶‹›⦃⦄±∓≤≥≠∪∈°%²³½①Ⅷ٣𝟛万千\u0301\u202e\u200b\x00\ud800√∛∞π·×÷。，（）［］０１２３∠△⊥∥∴≡≈∑∏∫"
    return "".join(rng.choice(marks + "0123456789") for _ in range(rng.randint(5, 1500)))


def strange_numbers(rng: Rng) -> str:
    digits = "".join(rng.choice("0123456789abcdef") for _ in range(rng.randint(5, 900)))
    binary = "".join(rng.choice("01") for _ in range(rng.randint(5, 990)))
    return rng.choice((f"0x{digits}", f"0b{binary}", f"0o{binary}", f"{binary}_2", f"{binary}_{{{'9' * 50}}}",
    f"{digits}_{{16}}", "M" * 900, "IV" * 400, "T" * 900, f"{binary} R {binary}",
                       ":".join([binary[:9]] * 90), "x".join([binary[:9]] * 90), " ".join(binary), f"{binary}:{binary}",
                       f"{binary}_{{2}}+{binary}_{{3}}"))  # fmt: skip


def strange_commands(rng: Rng) -> str:
    names = ("sum_{k=1}^{10^9}k", "int_0^1 e^{x^x}dx", "prod_{k=1}^{99999}", "lim_{n\\to\\infty}", "gcd(10^{900},6)", "mod",
    "pmod{7}", "Gamma(10^9)", "overline{AB}", "vec{a}", "over", "choose 3",
             "det", "underline{6}", "cdots", "setminus", "cap", "mathbb{Z}", "langle", "substack{", "prime", "not", "stackrel",
             "def\\a{\\a\\a}\\a", "operatorname{lcm}(9^{999},2)")  # fmt: skip
    return rng.choice(("", "1", "x", "+", "{")).join("\\" + rng.choice(names) for _ in range(rng.randint(1, 60)))


def overs(rng: Rng) -> str:
    depth = rng.randint(1, 49)
    return rng.choice(
        (
            "{1 \\over " * depth + "2" + "}" * depth,
            "1 \\over " * depth + "2",
            "{" * 40 + "1 \\over 2" + "}" * 40,
            "{n \\choose " * depth + "2" + "}" * depth,
        )
    )


def subscripts(rng: Rng) -> str:
    count = rng.randint(2, 300)
    return rng.choice(
        (
            "x_{" * 49 + "1" + "}" * 49,
            "x_" * count + "1",
            "x_{" + "1" * 900 + "}",
            "+".join(f"x_{{{n}}}" for n in range(count)),
            "x'" + "'" * count,
        )
    )


def labelled(rng: Rng) -> str:
    return ", ".join(
        f"{rng.choice(('Alice', 'x', 'a', 'the first of them', 'x_1', '(a)'))}{rng.choice((': ', ' = ', '-'))}{n}"
        for n in range(rng.randint(5, 110))
    )


def conditions(rng: Rng) -> str:
    head = rng.choice((r"\frac{\pi}{4}+k\pi", "x", r"\{x", "2n", "n^2"))
    return head + rng.choice(
        (r", k\in\mathbb{Z}", r" \mid x>1", r" \text{ for all } n", r" \text{ where } k \in \{1,\ldots,9\}")
    ) * rng.randint(1, 100)


def periodic_families(rng: Rng) -> str:
    return (
        ", ".join(rf"\frac{{{n}\pi}}{{{rng.randint(1, 999)}}}+{rng.choice((2, 3, 999999))}k\pi" for n in range(rng.randint(1, 80)))
        + r", k\in\mathbb{Z}"
    )


def unions_of_intervals(rng: Rng) -> str:
    parts = [f"({rng.randint(-999, 999)},{rng.choice((INFINITY, ROOT, '9', f'e^{n}'))})" for n in range(rng.randint(2, 110))]
    return rng.choice((r"\cup ", r"\cap ", r"\setminus ", " or ", ", ")).join(parts)


def radical_powers(rng: Rng) -> str:
    base = rng.choice(("x^2-2", "x+y+z", r"\sqrt{x}+1", "999999999989", "10^{300}+1"))
    return rng.choice("*+/").join(
        rf"({base})^{{{rng.randint(-99, 99)}/{rng.choice((2, 3, 7, 63, 97))}}}" for _ in range(rng.randint(1, 25))
    )


def rational_functions(rng: Rng) -> str:
    def polynomial() -> str:
        return "+".join(f"{rng.randint(1, 10**6)}x^{{{n}}}y^{{{rng.randint(0, 9)}}}" for n in range(rng.randint(1, 12)))

    return rng.choice("+*/").join(rf"\frac{{{polynomial()}}}{{{polynomial()}}}" for _ in range(rng.randint(1, 6)))


def complex_powers(rng: Rng) -> str:
    return rng.choice("*+").join(
        rf"({rng.randint(1, 99)}+{rng.randint(1, 99)}i)^{{{rng.choice((29, 30, 31, 999, 10**6, -30))}}}" for _ in range(rng.randint(1, 25))
    )


def many_dollars(rng: Rng) -> str:
    return "".join(
        rng.choice(("$5$ ", r"\$5 ", "so $x$ ", r"\(5\) ", r"\[", "$", "The answer is ", "= ", "#### ", "Answer: "))
        for _ in range(rng.randint(5, 400))
    )


def money_sentences(rng: Rng) -> str:
    return " ".join(f"${rng.randint(1, 999)},{rng.randint(100, 999)} {rng.choice('+-*=')}" for _ in range(rng.randint(3, 150))) + " $5"


def named_powers(rng: Rng) -> str:
    """Nested opaque powers: each level repeats the name of the level below once per term."""
    text = rng.choice(("x", "1+x", "x+y", r"\sqrt{2}"))
    for _ in range(rng.randint(2, 14)):
        head = rng.choice((r"\sin", r"\cos", r"\ln", "e^", "2^", r"\sqrt", r"\frac{1}", r"\sqrt[3]"))
        power = rng.choice((2, 5, 13, 30))
        text = rng.choice((f"{head}{{({text}+1)^{{{power}}}}}", f"({head}{{{text}}}+1)^{{{power}}}", f"({head}{{{text}}}+y)^{{{power}}}"))
    return text


def named_products(rng: Rng) -> str:
    text = rng.choice(("x", "1+x", "x+y"))
    for _ in range(rng.randint(2, 8)):
        others = "".join(f"({letter}+{rng.randint(1, 9)})" for letter in rng.sample("abcdghjkmn", rng.randint(1, 6)))
        text = rng.choice(
            (
                rf"\sin({others}({text}))",
                rf"\frac{{1}}{{{others}+{text}}}",
                rf"e^{{{others}({text})}}",
                rf"|{others}|({text})",
                rf"({others}+\ln({text}))",
            )
        )
    return text


def big_coefficients(rng: Rng) -> str:
    """Just inside the bound on the bits of a number, many times."""

    def big() -> str:
        return rng.choice(
            (
                f"{rng.choice((3, 7, 11))}^{{{rng.randint(1500, 9000)}}}",
                f"{rng.randint(500, 2400)}!",
                f"\\frac{{{rng.randint(2, 9)}^{{8000}}}}{{11^{{2000}}}}",
                "1e999",
            )
        )

    shapes = (
        lambda: f"({big()}x+{big()}y)^{{{rng.choice((2, 3, 4, 9, 29))}}}",
        lambda: f"\\frac{{1}}{{{big()}+{big()}\\sqrt{{2}}+\\sqrt{{3}}}}",
        lambda: "+".join(f"{big()}x^{{{n}}}" for n in range(rng.randint(2, 60))),
        lambda: f"({'+'.join(f'{big()}x^{{{n}}}' for n in range(9))})({'+'.join(f'{big()}x^{{{n}}}' for n in range(9))})",
        lambda: f"\\sqrt{{{big()}}}+\\sqrt[3]{{{big()}}}",
        lambda: f"\\sin({big()})+e^{{{big()}}}+\\ln({big()})",
        lambda: "+".join(f"\\frac{{1}}{{{big()}}}" for _ in range(rng.randint(2, 40))),
        lambda: f"{big()}\\%",
        lambda: f"({big()}+{big()}i)^{{{rng.choice((2, 5, -3))}}}",
        lambda: f"{big()} = {big()}",
        lambda: f"|{big()}-{big()}|",
        lambda: f"\\log_{{{big()}}}({big()})",
        lambda: f"\\binom{{{big()}}}{{2}}",
    )
    return rng.choice(shapes)()


def many_square_parts(rng: Rng) -> str:
    joint = rng.choice("+-*,")
    return joint.join(rf"\sqrt{{{rng.choice((999999999989, 999966000289 - n, 10**12 - 11 - n))}}}" for n in range(rng.randint(20, 75)))


def many_inverses(rng: Rng) -> str:
    return rng.choice("+*").join(
        rf"\frac{{1}}{{1+\sqrt{{2}}+\sqrt{{3}}+\sqrt{{{n}}}+{rng.choice('ix12')}}}" for n in range(5, rng.randint(7, 30))
    )


PIECES = (
    r" |{|}|\|(|)|[|]|1|1,|1 |,|.|$|^|_|&|!|'|°|%|/|*|=|¶|-|+|<|>|≤|∈|∪|x|xy|ab |the |of |and |or |not |is |\text{a}|\text{|\text{ 5}|",
    r"\frac|\frac{1}|\sqrt|\sqrt{|\left(|\right)|\left|\right|\overline{|\dot{|\{|\}|\\|\,|\!|\ |~|\quad|{,}|\cdot|\times|\pm|\cup|\infty|",
    r"\in|\mathbb{R}|\setminus|\approx|\le|\ne|\begin{cases}|\end{cases}|\langle|0x|0b|1:|:|a.m.|PM|h |min |5 hours |one |hundred |ten-|",
    r"minus |half |五|十|百|万|分之|。|，|\over|\choose|\binom{1}{|x=|x=1,|a: |Alice: 5, |(A)|A. |m²|cm |km/|^{2}|_{2}|…|...|\ldots|mod|",
    r"\pmod{|R |x 5 |IV|TF|∠|\lfloor|\rfloor|e|1e5|1.|0.|.5|\%|percent|\$|^\circ|\pi|k\pi|k\in\mathbb{Z}|th|st|P(X=|f(",
)
PIECES = (*"".join(PIECES).split("|"), "|", "\n", "\u200b")


def runs_of_pieces(rng: Rng) -> str:
    """A few pieces of notation, repeated one after another or in turn, until the text is long."""
    pieces, length = rng.choices(PIECES, k=rng.randint(1, 4)), rng.choice((200, 1000, 2000))
    if rng.random() < 0.5:
        return "".join(piece * (length // len(pieces) // max(len(piece), 1)) for piece in pieces)
    return "".join(pieces) * (length // max(len("".join(pieces)), 1))


def mixtures_of_pieces(rng: Rng) -> str:
    return "".join(rng.choices(PIECES, k=rng.randint(3, 500)))[:2000]


KINDS: tuple[Callable[[Rng], str], ...] = tuple(
    value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__ and not name.startswith("_")
)


def hostile(count: int, seed: int = 11) -> Iterator[tuple[str, str, str]]:
    """``count`` tuples ``(kind, gold, answer)``, cycling through the kinds."""
    rng = random.Random(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        text = kind(rng)
        dress = rng.choice(
            (
                "{}",
                "{}",
                "{}",
                r"\boxed{{{}}}",
                r"\boxed{{{}}}",
                "<answer>{}</answer>",
                "The answer is {}.",
                "x = {}",
                "-({})",
                "$${}$$",
                r"\text{{{}}}",
            )
        )
        yield kind.__name__, rng.choice(GOLDS), dress.format(text)
