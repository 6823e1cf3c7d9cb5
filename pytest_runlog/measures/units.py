"""Numbers with the unit that a person would choose."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

SECONDS: Final = {
    "us": Fraction(1, 1_000_000),
    "ms": Fraction(1, 1_000),
    "s": Fraction(1),
    "min": Fraction(60),
}


def seconds_text(seconds: float) -> str:
    """`"830 us"`, `"1.2 ms"`, `"3.45 s"` or `"2 min 5 s"`."""
    if round(seconds * 1e6) < 1000:
        return f"{seconds * 1e6:.0f} us"
    if round(seconds * 1e3, 1) < 1000:
        return f"{seconds * 1e3:.1f} ms" if seconds < 0.1 else f"{seconds * 1e3:.0f} ms"
    if seconds < 120:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def parse_seconds(text: str) -> float:
    """The seconds of a time such as `"10s"`, `"800ms"` or `"2"`. Raises `ValueError`."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", text.strip())
    unit = SECONDS.get(found.group(2) or "s") if found else None
    if found is None or unit is None or not Fraction(found.group(1)):
        raise ValueError(f"{text!r} is no time above zero, such as 10s, 800ms or 2min")
    return float(Fraction(found.group(1)) * unit)


def count_text(count: int, noun: str, plural: str | None = None) -> str:
    """`"1 run"`, `"2 runs"`, `"1,000 runs"`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def share_text(share: float) -> str:
    """`"0.4%"`, `"12.5%"` or `"1,200%"`."""
    percent = share * 100
    return f"{percent:.3g}%" if percent < 999.5 else f"{percent:,.0f}%"


def number_text(number: float) -> str:
    """`"1,200"` or `"7.5"`."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.4g}"
