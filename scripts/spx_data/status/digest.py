"""What lists, trends and alerts need of a passport's judgement: little enough to be kept for ten years.

A digest is JSON, so that it is the same whether it was read just now or remembered.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator, Mapping
from typing import Any

Digest = Mapping[str, Any]

_BALANCE = ("expected", "received", "explained", "missing")
_OF_A_CHECK = ("check", "hits", "of", "unit", "score", "part", "chains", "chains_of")
_WHOLE = 100.0  # points
CONFLICT = "conflict"  # what `records` calls records that contradict each other


def of(passport: Mapping[str, Any]) -> Digest | None:
    """The digest of a *passport*; None where it is of a day that nobody judged.

    `parts` has the points of each part; `lost` the checks that cost any, the costliest first, as code, hits,
    of how many, unit, points, part, and chains with hits of those looked at; `contracts` and `stamps` what
    was expected, received, explained and missing;
    `rejects` bad rows, duplicates dropped and conflicts; `expirations` what `expirations` understands.
    """
    quality = passport.get("quality")
    if quality is None:
        return None
    completeness, rejects = passport["completeness"], passport.get("rejects") or {}
    figures = quality["figures"]
    return {
        "parts": {name: part["score"] for name, part in quality["parts"].items()},
        "lost": _lost(quality["checks"]),
        "contracts": [completeness.get(f"contracts_{name}") for name in _BALANCE],
        "stamps": [completeness.get(f"stamps_{name}") for name in _BALANCE],
        "complete": completeness.get("complete"),
        "rejects": _rejects(rejects),
        "spread_median": figures.get("spread_median"),
        "iv_level": figures.get("iv_level"),
        "rows": passport["rows"],
        "minutes": _minutes(passport),
        "findings": (passport.get("session") or {}).get("findings") or [],
        "expirations": _expirations(passport),
        "profile": _profile(passport),
    }


def _lost(checks: list[dict[str, Any]]) -> list[list[Any]]:
    costly = [check for check in checks if check["score"] is not None and check["score"] < _WHOLE]
    costly.sort(key=lambda check: (check["score"], check["check"]))
    return [[check[name] for name in _OF_A_CHECK] for check in costly]


def _rejects(rejects: Mapping[str, Any]) -> list[int | None]:
    """Bad records, duplicates dropped and conflicts, of which both versions stand among the rejects."""
    rows = rejects.get("rows")
    bad = None if rows is None else rows - rejects["reasons"].get(CONFLICT, 0)
    return [bad, rejects.get("duplicates_dropped"), rejects.get("conflicts")]


def _profile(passport: Mapping[str, Any]) -> list[Any]:
    """The digest of the terminal's profile that a day was judged by, and what it met otherwise."""
    told = passport.get("profile") or {}
    return [told.get("sha256"), told.get("differs") or []]


def _minutes(passport: Mapping[str, Any]) -> float | None:
    """From the first stamp that the session and the lake's window allow to the last one, in minutes."""
    session = passport.get("session")
    if session is None:
        return None
    first, last = (
        dt.datetime.fromisoformat(session[name]) for name in ("first_stamp_expected", "last_stamp_expected")
    )
    minutes = (last - first).total_seconds() / 60
    return minutes if minutes > 0 else None


def _expirations(passport: Mapping[str, Any]) -> str:
    """The listed expirations as root and days to them: `SPX 14 42;SPXW 0 1 2`, a fifth of their dates."""
    date = dt.date.fromisoformat(passport["date"]).toordinal()
    found: dict[str, list[int]] = {}
    for chain in passport["chains"]:
        found.setdefault(chain["root"], []).append(_ordinal(chain["expiration"]) - date)
    return ";".join(f"{root} {' '.join(map(str, sorted(days)))}" for root, days in sorted(found.items()))


@functools.lru_cache(maxsize=8192)
def _ordinal(date: str) -> int:
    """The ordinal of a date, of which thousands of passports have the same ones."""
    return dt.date.fromisoformat(date).toordinal()


def expirations(digest: Digest, date: dt.date) -> Iterator[tuple[str, dt.date]]:
    """The root and the expiration of each chain that was listed on *date*."""
    for line in filter(None, digest["expirations"].split(";")):
        root, *days = line.split(" ")
        for number in days:
            yield root, date + dt.timedelta(int(number))
