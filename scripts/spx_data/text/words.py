"""Numbers and moments as a person reads them."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Sequence

__all__ = [
    "count",
    "counted",
    "duration",
    "large",
    "minute",
    "percent",
    "points",
    "printable",
    "quoted",
    "share",
    "size",
]


def count(value: float) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,.0f}"


def percent(share: float) -> str:
    """A share as percent with two digits that count, however small it is."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"


def large(value: float) -> str:
    """A large number in words: 842,000 stays, 17.7 million, 14.6 billion."""
    for word, unit in (("billion", 1e9), ("million", 1e6)):
        if value >= 0.99995 * unit:  # what rounds to it is called so
            return f"{value / unit:,.1f} {word}"
    return count(value)


def share(value: float) -> str:
    """A share as percent with one digit, never rounded to all or nothing."""
    return f"{100 * value:.0f} %" if value in {0, 1} else f"{min(max(100 * value, 0.1), 99.9):.1f} %"


def points(value: float) -> str:
    """Points with one digit, never rounded up: 100 is nothing lost."""
    return "100" if value == 100 else f"{math.floor(value * 10) / 10:.1f}"


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 date, 2 dates."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def few(items: Sequence[object], most: int) -> str:
    """The first *most* of *items* by name, the others as a number."""
    shown = ", ".join(map(str, items[:most]))
    return f"{shown} and {len(items) - most:,} more" if len(items) > most else shown


def size(value: float) -> str:
    """Bytes as a person reads them, in decimal units."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:,.0f} {unit}" if unit in {"bytes", "kB"} else f"{value:,.1f} {unit}"
        value /= 1000
    return f"{value:,.2f} TB"


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 45 s, 12 min, 3 h 05 min, 2 d 04 h."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24:02} h"


def minute(at: str) -> str:
    """A moment (ISO 8601, UTC) to the minute."""
    return at[:16].replace("T", " ")


def quoted(path: str | os.PathLike[str]) -> str:
    """A path as a shell takes it when it is pasted, on one line, whatever bytes its name has.

    None of them is a backtick, which would mark a command (`commands`).
    """
    text = os.fspath(path)
    if text.isprintable() and "`" not in text:
        return shlex.quote(text)
    # What no terminal shows, bytes that are no text included, as bash 3.2 and zsh spell it.
    spelt = "".join(
        letter if letter.isprintable() and letter not in "\\'`" else _escaped(letter) for letter in text
    )
    return f"$'{spelt}'"


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text that can be written anywhere: bytes that are no text are spelt out."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _escaped(letter: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(letter))


def fraction(value: float) -> str:
    """A share in percent, with three digits that count."""
    return f"{100 * value:.3g} %"
