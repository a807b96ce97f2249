"""Numbers with units, money, degrees and times; and numbers in words."""

from __future__ import annotations

from fractions import Fraction

from tests.verifiers.answers.case import Case, Keyed, Rng, digits_changed, key_of, speak


def number_words(rng: Rng) -> Case:
    n = rng.randint(2, 999)
    wrong = [(text, key_of(m)) for m in digits_changed(rng, n) for text in (str(m), speak(m) or str(m))]
    wrong += [
        (rf"\frac{{{n}}}{{2}}", None),
        (f"{speak(n)} thousand and one", None),
        (f"{speak(n)} halves", None),
        (f"{speak(n)} over {speak(n + 1)}", None),
    ]
    return Case(
        rf"\text{{{speak(n)}}}", key_of(n), (str(n), speak(n) or "", rf"\text{{{speak(n)}}}", (speak(n) or "").capitalize()), tuple(wrong)
    )


def units(rng: Rng) -> Case:
    n, unit = (
        rng.randint(2, 9999),
        rng.choice(("cm", "m", "kg", "miles", "square units", "hours", "apples", "km/h", "cm^2", "m^3", "points")),
    )
    written = rf"{n}\text{{ {unit.split('^')[0]}}}" + ("^" + unit.split("^")[1] if "^" in unit else "")
    tail = written.removeprefix(str(n))
    wrong = [(f"{m}{tail}", key_of(m)) for m in digits_changed(rng, n)]
    wrong += [
        (rf"\frac{{{n}}}{{7}}{tail}", None),
        (f"{n} million {unit}", None),
        (f"{n}{tail} + 1", None),
        (f"{n}+{n}{tail}", None),
        (f"{n}.5{tail}", None),
        (rf"{n}\text{{ dozen {unit}}}", None),
        (f"{n} thousand {unit}", None),
    ]
    wrong += [(f"{words} {unit}", key_of(m)) for m in digits_changed(rng, n) if (words := speak(m))]
    return Case(written, key_of(n), (str(n), written, rf"{n}\,{tail.strip()}", rf"\boxed{{{written}}}", f"{n}.0{tail}"), tuple(wrong))


def money(rng: Rng) -> Case:
    cents = rng.choice((rng.randint(2, 999) * 100, rng.randint(201, 99999)))

    def spell(cents: int) -> str:
        return f"{'-' if cents < 0 else ''}\\${abs(cents) // 100:,}" + (f".{abs(cents) % 100:02d}" if cents % 100 else "")

    changed = digits_changed(rng, cents)
    wrong = (
        [(spell(m), m) for m in changed]
        + [(f"{m / 100:.2f} dollars", m) for m in changed]
        + [
            (f"{spell(cents)} million", None),
            (f"{cents} dollars", 100 * cents),
            (f"{spell(cents)} and {spell(cents + 100)}", None),
            (f"{spell(cents)} off {spell(cents + 700)}", None),
        ]
    )
    return Case(
        spell(cents), cents, (spell(cents), f"{cents / 100:.2f}", f"{cents / 100:.2f} dollars", rf"\$ {cents / 100:,.2f}"), tuple(wrong)
    )


def degrees(rng: Rng) -> Case:
    n = rng.randint(2, 359)
    wrong = [(text, key_of(m)) for m in digits_changed(rng, n) for text in (rf"{m}^\circ", f"{m} degrees", f"{m}°", str(m))]
    turn = Fraction(n + 1, 180)
    wrong += [
        (rf"\frac{{{turn.numerator}\pi}}{{{turn.denominator}}}", None),
        (rf"{n}\pi", None),
        (rf"\sin {n}^\circ", None),
        (rf"{n}^\circ + 1^\circ", None),
        (f"{n}^2", None),
    ]
    return Case(
        rf"{n}^\circ",
        key_of(n),
        (rf"{n}^{{\circ}}", f"{n}°", f"{n} degrees", str(n), rf"\angle ABC = {n}^\circ", rf"{n}\text{{ degrees}}"),
        tuple(wrong),
    )


def times(rng: Rng) -> Case:
    hour, minute, half = rng.randint(1, 12), rng.randint(1, 59), rng.choice(("AM", "PM"))

    def spell(hour: int, minute: int, half: str) -> Keyed:
        return f"{hour}:{minute:02d} {half}", (hour % 12 + 12 * (half == "PM"), minute)

    text, key = spell(hour, minute, half)
    other = "AM" if half == "PM" else "PM"
    wrong: list[Keyed] = [
        spell(hour, minute, other),
        spell(hour % 12 + 1, minute, half),
        spell(hour, (minute + 1) % 60, half),
        spell(minute % 12 or 12, hour * 5 % 60, half),
        spell(hour, minute // 10 + minute % 10 * 10, half) if minute % 10 < 6 else spell(hour, 0, half),
    ]
    wrong += [
        (f"{hour}:{minute:02d} {'p' if half == 'AM' else 'a'}.m.", None),
        (rf"\frac{{{hour}}}{{{minute}}}", None),
        (f"{hour}.{minute:02d}", None),
        (f"{hour}{minute:02d}", None),
        (f"{hour}", None),
        (f"{minute} {half}", None),
        (f"{hour} {half}", None),
    ]
    wrong += [(f"{hour % 12 + (half == 'AM') * 12}:{minute:02d}:30", None), (f"{hour} hours {minute} minutes", None)]
    dotted = f"{half[0].lower()}.m."
    right = (
        text,
        f"{hour}:{minute:02d} {dotted}",
        f"{hour}:{minute:02d}{half.lower()}",
        rf"{hour}:{minute:02d}\text{{ {dotted}}}",
        f"{hour}:{minute:02d} {half.lower()}",
        rf"{hour}:{minute:02d}\ \text{{{half}}}",
        f"{hour:02d}:{minute:02d} {half}",
    )
    return Case(text, key, right, tuple(wrong))


def clock(rng: Rng) -> Case:
    """Times without halves of the day."""
    hour, minute = rng.randint(0, 23), rng.randint(1, 59)

    def spell(hour: int, minute: int) -> Keyed:
        return f"{hour}:{minute:02d}", (hour, minute)

    text, key = spell(hour, minute)
    wrong: list[Keyed] = [
        spell((hour + 1) % 24, minute),
        spell(hour, (minute + 1) % 60),
        spell(minute % 24, min(hour, 59)),
        spell((hour + 5) % 24, minute),
    ]
    wrong += [
        (f"{hour}/{minute}", None),
        (f"{hour}.{minute:02d}", None),
        (f"{hour}{minute:02d}", None),
        (f"{hour}*{minute}", None),
        (f"{hour}:{minute}", None) if minute < 10 else ("0:00", None),
        (str(hour), None),
        (f"-{text}", None),
        (f"{text}:01", None),
    ]
    return Case(text, key, (text, f"{hour:02d}:{minute:02d}", rf"{hour}\!:\!{minute:02d}", f"{text}:00"), tuple(wrong))


def durations(rng: Rng) -> Case:
    hours, minutes = rng.randint(1, 20), rng.randint(1, 59)

    def spell(hours: int, minutes: int) -> Keyed:
        return f"{hours} hours {minutes} minutes", 60 * hours + minutes

    text, key = spell(hours, minutes)
    wrong = [
        spell(minutes, hours),
        spell(hours + 1, minutes),
        spell(hours, minutes + 1),
        spell(hours, 10 * minutes),
        (f"{minutes} hours {hours} minutes", 60 * minutes + hours),
        (f"{hours} hours", 60 * hours),
        (f"{minutes} minutes", minutes),
        (f"{hours * 60 + minutes + 1} minutes", None),
        (f"{hours} minutes {minutes} seconds", None),
        (f"{hours} days {minutes} hours", None),
        (f"{hours}.{minutes:02d} hours", None),
        (str(hours), None),
        (f"{hours + minutes}", None),
        (f"-{text}", None),
    ]
    right = (
        text,
        f"{hours} hours and {minutes} minutes",
        f"{hours} h {minutes} min",
        rf"{hours}\text{{ hours }}{minutes}\text{{ minutes}}",
        f"{60 * hours + minutes} minutes",
        f"{hours} hr {minutes} min",
    )
    return Case(text, key, right, tuple(wrong))
