"""The vendor's greeks, cross-examined: recomputed from the row's own quote, volatility and underlying.

Neither the rate nor the time to expiration is on the wire. Both are read from the day's own greeks, and then
all greeks of all chains must agree with them; how the source counts time is a fact. Samples are kept per
chain, because short chains cannot tell the rate and long ones can.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from spx_data.market.second_opinion import contract
from spx_data.quality import explanation
from spx_data.quality.checks import Check, Count, Ints, Mask, Need, Part
from spx_data.quality.expiry import FIXED, TIME_LEFT, UNNAMED, WHOLE_DAYS, Clock
from spx_data.quality.explanation import Explanation, Rate
from spx_data.quality.panel import CALL, FAILED, PUT, RIGHTS, Panel, clock, close_ms, put_forward_ms
from spx_data.quality.vendor_model import GREEKS, Rows

MOST = 2_000  # records of a chain that are examined
LATEST = "latest"  # the model of version 3 that counts the time left; version 1 and v2 do not
Kind = tuple[str, bool]  # root, and whether it is the last day
_PLAUSIBLE = (-0.01, 0.12)  # yearly rates
_SLIGHT = 1e-4  # what rates may differ by for no reason of ours: a basis point

_MODEL = "Black & Scholes (1973) without dividends; docs/wire.md, 3, re-computed from genuine rows"
_TRUNCATED = "by more than truncation to four decimals (of the volatility too) and the rate's error explain"


def _of_values(code: str, meaning: str) -> Check:
    text, needs = f"{meaning} {_TRUNCATED}", (Need.GREEKS,)
    return Check(f"greeks-{code}", Part.GREEKS, "values", text, _MODEL, 0.005, 0.10, needs)


ZEROED = Check(
    "greeks-zeroed",
    Part.GREEKS,
    "quotes",
    "delta, theta and vega are all 0 though both sides are quoted, the underlying is known and the "
    "volatility did not fail",
    "docs/wire.md, 2.2: below intrinsic value the delta is 1 or -1; no other sentinel has two sides",
    needs=(Need.GREEKS,),
)
RATE = Check(
    "greeks-rate",
    Part.GREEKS,
    "chains",
    "the rate that a chain's deltas imply is outside of -1 % to 12 %, or differs from that of the day by "
    "more than its own error",
    "docs/wire.md, 3: one rate (SOFR) for every row of a date",
    ruinous=0.10,
    needs=(Need.GREEKS,),
)
TIME = Check(
    "greeks-time",
    Part.GREEKS,
    "chains",
    "T = -epsilon / (S delta) makes no sense: it is not above zero, is off by more than a day and 5 % of the "
    "days there are, is that of another day, jumps, or is counted otherwise than in two thirds of the root's "
    "chains",
    "Black & Scholes (1973): epsilon = -S T delta; T is one number for a chain's records of one stamp",
    ruinous=0.10,
    needs=(Need.GREEKS,),
)
CONVENTION = Check(
    "greeks-convention",
    Part.GREEKS,
    "chains",
    "time is counted otherwise than the model is known to; figures.greeks_convention says how",
    "docs/wire.md, 3: whole days / 365 and 0.15 / 365 on the last (version 1), or the time left, an "
    "hour at least (latest)",
    ruinous=None,
    needs=(Need.GREEKS,),
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
CHECKS: tuple[Check, ...] = (ZEROED, RATE, TIME, CONVENTION, *BY_VALUE.values())


@dataclass(frozen=True)
class Sample:
    """Some records of one chain, at most a few thousand, and what was found in all of them."""

    root: str
    days: int  # to expiration
    rows: Rows
    stamps: Ints  # ms since the epoch
    zeroed: Count

    @property
    def kind(self) -> Kind:
        """Chains of which kind count their time alike: by root, and those on their last day."""
        return self.root, self.days == 0

    def count(self, check: Check, found: Mask, of: int) -> Count:
        """What *check* found among *of* the records."""
        if not found.any():
            return Count(check, 0, of)
        stamps, hits = np.unique(self.stamps[found], return_counts=True)
        at = int(np.flatnonzero(found & (self.stamps == stamps[0]))[0])
        named = contract(RIGHTS[CALL if self.rows.call[at] else PUT], float(self.rows.strike[at]))
        first = f"{named} at {clock(int(stamps[0]))}"
        return Count(check, int(hits.sum()), of, first, stamps, hits.astype(np.int64))


class Examined(NamedTuple):
    """What came of a day's samples: counts for each, in their order, and the day's figures."""

    counts: Sequence[Sequence[Count]]
    figures: dict[str, Any]
    clocks: Mapping[Kind, frozenset[str]]  # the conventions met, by kind of chain


def sample(panel: Panel) -> Sample:
    """The records of *panel* that are examined."""
    error = panel.grid("iv_error")
    judged = panel.two_sided & (panel.grid("underlying_price") > 0.0) & (error < FAILED)
    nought = (panel.grid("delta") == 0.0) & (panel.grid("theta") == 0.0) & (panel.grid("vega") == 0.0)
    solved = judged & (panel.grid("implied_vol") > 0.0)
    some = panel.some(solved, MOST)
    blank = np.full(len(some), np.nan)  # of a kind of records without greeks
    column = defaultdict(lambda: blank, {name: some[name].to_numpy() for name in some.columns})
    return Sample(
        root=panel.root,
        days=panel.days,
        rows=Rows(
            spot=column["underlying_price"],
            strike=column["strike"],
            call=(some["right"] == "C").to_numpy(),
            days=np.full(len(some), float(panel.days)),
            left=close_ms(panel.expiration) - column["timestamp"],
            shift=np.full(len(some), put_forward_ms(panel.date, panel.expiration)),
            mid=0.5 * (column["bid"] + column["ask"]),
            iv=column["implied_vol"],
            iv_error=column["iv_error"],
            printed=np.stack([column[name] for name in GREEKS]),
        ),
        stamps=column["timestamp"],
        zeroed=panel.count(ZEROED, judged & nought, judged),
    )


def examine(
    samples: Sequence[Sample], greeks_version: str, clocks: Mapping[Kind, str] | None = None
) -> Examined:
    """Recompute the greeks of a day's *samples* by the conventions of *greeks_version*.

    Where a probe has read the convention of a kind of chain (*clocks*), that one is the model's.
    """
    if not samples:
        return Examined([], {}, {})
    probed = clocks or {}
    found = explanation.explain([one.rows for one in samples], [one.kind for one in samples])
    counts = [
        [one.zeroed, *_of_chain(one, found, at, _conventions(one, greeks_version, probed))]
        for at, one in enumerate(samples)
    ]
    return Examined(
        counts,
        {
            "rate": round(found.rate.value, 5) + 0.0 if found.told else None,
            "greeks_convention": _named(samples, found.clocks),
        },
        _met(samples, found.clocks),
    )


def _of_chain(one: Sample, found: Explanation, at: int, known: Sequence[str]) -> list[Count]:
    """The counts of one chain, whose place in the day's explanation is *at*."""
    used = found.clocks[at]
    if used is None:
        return [Count(check, 0, 0) for check in CHECKS if check is not ZEROED]
    fits = explanation.explained(
        one.rows, used.gives.years(one.rows), found.rate, used.gives.errors(one.rows)
    )
    told = found.chain_rates[at] if found.told else None
    foreign = used.gives.name(last_day=one.days == 0) not in known
    there = [*np.count_nonzero(np.isfinite(one.rows.printed), axis=1).tolist(), len(one.rows)]
    return [
        Count(RATE, int(told is not None and _contradicts(told, found.rate)), int(told is not None)),
        Count(TIME, int(not used.sense), 1),
        Count(CONVENTION, int(foreign), 1),
        *(one.count(check, ~fits[place], there[place]) for place, check in enumerate(BY_VALUE.values())),
    ]


def _contradicts(told: Rate, day: Rate) -> bool:
    if not _PLAUSIBLE[0] <= told.value <= _PLAUSIBLE[1]:
        return True
    return abs(told.value - day.value) > told.error + day.error + _SLIGHT


def _conventions(one: Sample, version: str, probed: Mapping[Kind, str]) -> tuple[str, ...]:
    """The conventions by which a chain is expected to count: the probed one, or those of its model."""
    return (probed[one.kind],) if one.kind in probed else allowed(one.days, version)


def allowed(days: int, version: str) -> tuple[str, ...]:
    """The conventions of a model: nobody has said whether `latest` counts hours before the last day."""
    whole, left = FIXED if days == 0 else WHOLE_DAYS, TIME_LEFT
    known = (whole,) if version != LATEST else (left,) if days == 0 else (whole, left)
    return tuple(one.name(last_day=days == 0) for one in known)


def _met(samples: Sequence[Sample], clocks: Sequence[Clock | None]) -> dict[Kind, frozenset[str]]:
    """The conventions met, by kind of chain; those that make no sense, or have no name, tell nothing."""
    met: dict[Kind, set[str]] = {}
    for one, used in zip(samples, clocks, strict=True):
        if used is not None and used.sense and (name := used.gives.name(last_day=one.days == 0)) != UNNAMED:
            met.setdefault(one.kind, set()).add(name)
    return {kind: frozenset(names) for kind, names in met.items()}


def _named(samples: Sequence[Sample], clocks: Sequence[Clock | None]) -> str | None:
    """The conventions met, those of the last day apart: like "whole-days; last day time-left"."""
    met = {"": set[str](), "last day ": set[str]()}
    for one, used in zip(samples, clocks, strict=True):
        if used is not None:
            last = one.days == 0
            met["last day " if last else ""].add(used.gives.name(last_day=last))
    return "; ".join(when + ", ".join(sorted(names)) for when, names in met.items() if names) or None


def differences(found: Examined, clocks: Mapping[Kind, str]) -> Iterator[str]:
    """How kinds of chains count their time, where *clocks*, which a probe has read, say otherwise."""
    for (root, last_day), names in sorted(found.clocks.items()):
        expected = clocks.get((root, last_day))
        if expected is not None and names != {expected}:
            when = " on their last day" if last_day else ""
            yield f"greeks of {root}{when} count {', '.join(sorted(names))}, in the profile {expected}"
