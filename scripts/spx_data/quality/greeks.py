"""The vendor's greeks, cross-examined: recomputed from the row's own quote, volatility and underlying.

The rate is not on the wire: it is inferred from the day's own deltas, and then all greeks of all chains must
agree with it. Samples are kept per chain, because short chains cannot tell the rate and long ones can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spx_data.evidence import contract
from spx_data.quality import explanation
from spx_data.quality.checks import Check, Count, Ints, Mask, Part
from spx_data.quality.explanation import (
    CONVENTIONS,
    TIME_LEFT,
    TIME_LEFT_EARLY,
    UNKNOWN,
    WHOLE_DAYS,
    Explanation,
    Rate,
    Rows,
)
from spx_data.quality.panel import CALL, FAILED, PUT, RIGHTS, Panel, clock, close_ms

MOST = 2_000  # records of a chain that are examined
LATEST = "latest"  # the model of version 3 that counts the time left; version 1 and v2 do not
_EARLIER_MS = 2.75 * 3_600_000  # index options end at 13:15 on half days
_PLAUSIBLE = (-0.01, 0.12)  # yearly rates
_SLIGHT = 1e-4  # what rates may differ by for no reason of ours: a basis point

_MODEL = "Black & Scholes (1973) without dividends; wire-facts, section 3, re-computed from genuine rows"
_TRUNCATED = "by more than truncation to four decimals (of the volatility too) and the rate's error explain"


def _of_values(code: str, meaning: str) -> Check:
    return Check(f"greeks-{code}", Part.GREEKS, "values", f"{meaning} {_TRUNCATED}", _MODEL, 0.005, 0.10)


ZEROED = Check(
    "greeks-zeroed",
    Part.GREEKS,
    "quotes",
    "delta, theta and vega are all 0 though both sides are quoted, the underlying is known and the "
    "volatility did not fail",
    "wire-facts, section 2.2: below intrinsic value the delta is 1 or -1; no other sentinel has two sides",
)
RATE = Check(
    "greeks-rate",
    Part.GREEKS,
    "chains",
    "the rate that a chain's deltas imply is outside of -1 % to 12 %, or differs from that of the day by "
    "more than its own error",
    "wire-facts, section 3: one rate (SOFR) for every row of a date",
    ruinous=0.10,
)
CONVENTION = Check(
    "greeks-convention",
    Part.GREEKS,
    "chains",
    "the way to count time that explains a chain's values is none of its model's, or there is none",
    "wire-facts, section 3: whole days / 365 and 0.15 / 365 on the last (version 1), or the time left, an "
    "hour at least (latest)",
    ruinous=0.10,
)
BY_VALUE: dict[str, Check] = {
    "delta": _of_values("delta", "delta is not N(d1), or N(d1) - 1 of a put,"),
    "theta": _of_values("theta", "theta is not -S n(d1) iv / (2 sqrt T) - r K exp(-r T) N(d2) a day of 365"),
    "vega": _of_values("vega", "vega is not S n(d1) sqrt T per 1.00"),
    "rho": _of_values("rho", "rho is not K T exp(-r T) N(d2) per 1.00"),
    "epsilon": _of_values("epsilon", "epsilon is not -S T delta per 1.00"),
    "lambda": _of_values("lambda", "lambda is not delta S / model price"),
    "price": _of_values("price", "the model's price at the volatility is not midpoint (1 + iv_error)"),
}
CHECKS: tuple[Check, ...] = (ZEROED, RATE, CONVENTION, *BY_VALUE.values())


@dataclass(frozen=True)
class Sample:
    """Some records of one chain, at most a few thousand, and what was found in all of them."""

    days: int  # to expiration
    rows: Rows
    stamps: Ints  # ms since the epoch
    zeroed: Count

    def count(self, check: Check, found: Mask, looked_at: Mask) -> Count:
        """What *check* found among the records that were *looked_at*."""
        found, of = found & looked_at, int(np.count_nonzero(looked_at))
        if not found.any():
            return Count(check, 0, of)
        stamps, hits = np.unique(self.stamps[found], return_counts=True)
        at = int(np.flatnonzero(found & (self.stamps == stamps[0]))[0])
        named = contract(RIGHTS[CALL if self.rows.call[at] else PUT], float(self.rows.strike[at]))
        first = f"{named} at {clock(int(stamps[0]))}"
        return Count(check, int(hits.sum()), of, first, stamps, hits.astype(np.int64))


@dataclass(frozen=True)
class Examined:
    """What came of a day's samples: counts for each, in their order, and the day's figures."""

    counts: Sequence[Sequence[Count]]
    figures: dict[str, Any]


def sample(panel: Panel) -> Sample:
    """The records of *panel* that are examined."""
    error = panel.grid("iv_error")
    judged = panel.two_sided & (panel.grid("underlying_price") > 0.0) & (error < FAILED)
    nought = (panel.grid("delta") == 0.0) & (panel.grid("theta") == 0.0) & (panel.grid("vega") == 0.0)
    solved = judged & (panel.grid("implied_vol") > 0.0)
    some = panel.some(solved, MOST)
    column = {name: some[name].to_numpy() for name in some.columns if name != "right"}
    return Sample(
        days=panel.days,
        rows=Rows(
            spot=column["underlying_price"],
            strike=column["strike"],
            call=(some["right"] == "C").to_numpy(),
            days=np.full(len(some), float(panel.days)),
            left=close_ms(panel.expiration) - column["timestamp"],
            early=np.full(len(some), panel.days > 0 or _ended_early(panel)),
            mid=0.5 * (column["bid"] + column["ask"]),
            iv=column["implied_vol"],
            iv_error=column["iv_error"],
            printed=np.stack([column[name] for name in explanation.GREEKS]),
        ),
        stamps=column["timestamp"],
        zeroed=panel.count(ZEROED, judged & nought, judged),
    )


def examine(samples: Sequence[Sample], greeks_version: str) -> Examined:
    """Recompute the greeks of a day's *samples* by the conventions of *greeks_version*."""
    if not samples:
        return Examined([], {})
    found = explanation.explain([one.rows for one in samples])
    counts = [[one.zeroed, *_of_chain(one, found, at, greeks_version)] for at, one in enumerate(samples)]
    return Examined(
        counts,
        {
            "rate": round(found.rate.value, 5) + 0.0 if found.told else None,
            "greeks_convention": _named(samples, found.conventions),
        },
    )


def _of_chain(one: Sample, found: Explanation, at: int, version: str) -> list[Count]:
    """The counts of one chain, whose place in the day's explanation is *at*."""
    convention = found.conventions[at]
    if convention is None:
        return [Count(check, 0, 0) for check in CHECKS if check is not ZEROED]
    used = convention if convention != UNKNOWN else _own(one.days, version)
    fits = explanation.explained(one.rows, one.rows.years()[used], found.rate)
    told = found.chain_rates[at] if found.told else None
    foreign = convention not in _allowed(one.days, version)
    return [
        Count(RATE, int(told is not None and _contradicts(told, found.rate)), int(told is not None)),
        Count(CONVENTION, int(foreign), 1),
        *(
            one.count(check, ~fits[place], there)
            for (place, check), there in zip(enumerate(BY_VALUE.values()), one.rows.there(), strict=True)
        ),
    ]


def _contradicts(told: Rate, day: Rate) -> bool:
    if not _PLAUSIBLE[0] <= told.value <= _PLAUSIBLE[1]:
        return True
    return abs(told.value - day.value) > told.error + day.error + _SLIGHT


def _own(days: int, version: str) -> int:
    """The convention of a model, where nothing says otherwise."""
    return TIME_LEFT if version == LATEST and days == 0 else WHOLE_DAYS


def _allowed(days: int, version: str) -> tuple[int, ...]:
    """The conventions of a model: nobody has said whether `latest` counts hours before the last day."""
    if version != LATEST:
        return (WHOLE_DAYS,)
    return (TIME_LEFT, TIME_LEFT_EARLY) if days == 0 else (WHOLE_DAYS, TIME_LEFT, TIME_LEFT_EARLY)


def _ended_early(panel: Panel) -> bool:
    """Whether the last record is from a half day's hours."""
    if not len(panel.stamps):
        return False
    return float(panel.stamps[-1]) <= close_ms(panel.date) - _EARLIER_MS


def _named(samples: Sequence[Sample], conventions: Sequence[int | None]) -> str | None:
    """The conventions met, those of the last day apart: like "whole-days; last day time-left"."""
    met = {"": set[str](), "last day ": set[str]()}
    for one, convention in zip(samples, conventions, strict=True):
        if convention is not None:
            last = one.days == 0
            word = "unknown" if convention == UNKNOWN else CONVENTIONS[convention]
            met["last day " if last else ""].add(
                "fixed" if last and word == CONVENTIONS[WHOLE_DAYS] else word
            )
    return "; ".join(when + ", ".join(sorted(names)) for when, names in met.items() if names) or None
