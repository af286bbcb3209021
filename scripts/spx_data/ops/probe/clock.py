"""How the greeks count time, by which rate, and how their values are printed; read as the judges read it."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import numpy as np

from spx_data.market.chains import true_expiration
from spx_data.ops.probe import choosing, looking
from spx_data.ops.probe.heard import CHAINS, Heard, Story
from spx_data.ops.probe.looking import Seen
from spx_data.quality import black_scholes, explanation, greeks
from spx_data.quality.checks import Floats
from spx_data.quality.expiry import UNNAMED, Counting, Reading
from spx_data.quality.explanation import Explanation, Rate
from spx_data.quality.greek_rows import PRINTED
from spx_data.quality.greeks import Sample
from spx_data.quality.panel import Panel
from spx_data.sources import profile
from spx_data.sources.catalogue import capabilities

_PLAUSIBLE = (-0.01, 0.12)  # yearly rates, as `quality.greeks` has them
_DAYS = {"a day of 365": 1.0, "a trading day of 252": 365.0 / 252.0, "a year": 365.0}  # by what theta is more
_ALIKE = 0.02  # of a ratio
_THETA = 0.05  # dollars: thetas that tell their unit
_LEVER = 5.0  # dollars of S T: above it epsilon tells delta more exactly than delta is printed
_FEWEST = 30  # records
_LOCAL = " by the local clock"


@dataclass(frozen=True)
class _Told:
    """What the greeks of one chain tell."""

    heard: Heard
    sample: Sample
    gives: Counting | Reading
    rate: Rate
    told: bool  # whether the records of the date tell the rate

    @property
    def last_day(self) -> bool:
        return self.sample.days == 0

    @property
    def name(self) -> str:
        return self.gives.name(last_day=self.last_day)

    @property
    def years(self) -> Floats:
        return self.gives.years(self.sample.rows)


def _told(story: Story) -> list[_Told]:
    """What each chain tells, by a few contracts near the money; the rate is one of a date."""
    found = [(heard, _sample(heard)) for heard, _ in looking.chains(story)]
    found = sorted(((heard, one) for heard, one in found if len(one.rows)), key=_by_date)
    told = []
    for _, group in itertools.groupby(found, key=_by_date):
        chains = list(group)
        samples = [one for _, one in chains]
        explained = explanation.explain([one.rows for one in samples], [one.kind for one in samples])
        told += list(_of_date(chains, explained))
    return sorted(told, key=lambda one: CHAINS.index(one.heard.topic))


def _by_date(one: tuple[Heard, Sample]) -> dt.date:
    assert one[0].date
    return one[0].date


def _of_date(chains: Sequence[tuple[Heard, Sample]], explained: Explanation) -> Iterator[_Told]:
    for (heard, one), used in zip(chains, explained.clocks, strict=True):
        if used is not None:
            yield _Told(heard, one, used.gives, explained.rate, explained.told)


def _sample(heard: Heard) -> Sample:
    assert heard.chain
    assert heard.date
    assert heard.window
    assert heard.records is not None
    records = choosing.near_money(heard.records).sort("strike", "right", "timestamp")
    expiration = true_expiration(heard.chain.listed)
    return greeks.sample(Panel(heard.chain.root, expiration, heard.date, records, heard.window.step_ms))


# The time -----------------------------------------------------------------------------------------------


def clocks(story: Story) -> tuple[profile.Clock, ...]:
    """How each kind of chain counts the time to expiration, where that has a name."""
    names: dict[tuple[str, bool], Counter[str]] = {}
    for one in _told(story):
        if one.name != UNNAMED:
            names.setdefault(one.sample.kind, Counter())[one.name] += 1
    return tuple(profile.Clock(*kind, _common(found)) for kind, found in sorted(names.items()))


def _common(names: Counter[str]) -> str:
    """The name that most chains have; one by the local clock is told by a change of clocks alone."""
    most = names.most_common(1)[0][0]
    return next((name for name in names if _LOCAL in name and name.replace(_LOCAL, "") == most), most)


def time_to_expiration(story: Story) -> Seen | None:
    """How chains count, by kind, in the words of the judge."""
    told, version = _told(story), _version(story)
    if not told:
        return None
    parts: dict[str, list[str]] = {}
    for one in told:
        parts.setdefault(_kind(one), []).append(one.name)
    text = "; ".join(f"{kind}: {', '.join(dict.fromkeys(names))}" for kind, names in sorted(parts.items()))
    usual = all(one.name in greeks.allowed(one.sample.days, version) for one in told)
    follows = "greeks are judged by the time read from them, whichever it is"
    return Seen(
        text, usual, follows + ("" if usual else "; passports count it as greeks-convention"), "clocks"
    )


def _kind(one: _Told) -> str:
    if one.last_day:
        return f"{one.sample.root} on its last day"
    turned = bool(one.sample.rows.shift.any())
    return f"{one.sample.root} " + ("across a change of clocks" if turned else "before its last day")


def _version(story: Story) -> str:
    """The greeks version that was asked for; a v2 terminal has one, which is 1 of v3."""
    targets = (raw.target for heard, _ in looking.chains(story) for raw in heard.raws)
    asked = (parse_qs(urlsplit(target).query).get("version", []) for target in targets)
    return next((each[0] for each in asked if each), "1")


def greeks_version(story: Story) -> Seen | None:
    """Which version the way of counting is that of: only a last day tells them apart."""
    version, last = _version(story), [one for one in _told(story) if one.last_day]
    if not last:
        return None
    names = ", ".join(dict.fromkeys(one.name for one in last))
    known = [
        each for each in (greeks.LATEST, "1") if all(one.name in greeks.allowed(0, each) for one in last)
    ]
    given = f"as version {known[0]} does" if known else "as no version is known to"
    one = capabilities(story.api).has_one_greeks_version
    asked = f"{story.api} knows one" if one else f"asked for version {version}"
    follows = "sealed days name the version that was asked for"
    return Seen(f"{asked}: on a last day time is counted {given} ({names})", version in known, follows)


# Rate and units -----------------------------------------------------------------------------------------


def rate(story: Story) -> Seen | None:
    """The rate of the date that tells it best."""
    told = [one for one in _told(story) if one.told]
    if not told:
        return None
    best = min(told, key=lambda one: one.rate.error)
    text = f"{looking.said(best.heard)}: {best.rate.value:.2%} a year, within {best.rate.error:.2%}"
    usual = _PLAUSIBLE[0] <= best.rate.value <= _PLAUSIBLE[1]
    return Seen(
        text, usual, "greeks are judged by the rate read from them" + ("" if usual else " (greeks-rate)")
    )


def theta(story: Story) -> Seen | None:
    """What theta is per: the printed one over the model's a day of 365."""
    for one in _told(story):
        rows = one.sample.rows
        model = black_scholes.values(
            rows.spot, rows.strike, rows.call, one.years, one.rate.value, rows.iv + 0.5 * PRINTED
        ).theta
        telling = np.abs(model) > _THETA
        if np.count_nonzero(telling) < _FEWEST:
            continue
        ratio = float(np.nanmedian(rows.greek("theta")[telling] / model[telling]))
        unit = next((name for name, one in _DAYS.items() if abs(ratio / one - 1) < _ALIKE), None)
        said = f"per {unit}" if unit else f"{ratio:.3g} times that of a day of 365"
        follows = "theta is judged as per a day of 365, and kept as it is"
        return Seen(f"{looking.said(one.heard)}: theta is {said}", unit == next(iter(_DAYS)), follows)
    return None


def truncation(story: Story) -> Seen | None:
    """Whether delta is cut off or rounded: epsilon = -S T delta tells more of its decimals."""
    for one in _told(story):
        rows = one.sample.rows
        lever, delta = rows.spot * one.years, np.abs(rows.greek("delta"))
        told = np.abs(rows.untruncated("epsilon")) / lever
        telling = (lever > _LEVER) & (delta > 500 * PRINTED) & np.isfinite(told)
        if not isinstance(one.gives, Counting) or one.gives.error_ms or np.count_nonzero(telling) < _FEWEST:
            continue
        beyond = (told - delta)[telling] / PRINTED
        if np.ptp(beyond) > 1.5:  # it is not one decimal that is missing, or the time is not quite that
            continue
        cut = bool(np.mean(beyond) > 0.25)
        text = f"{looking.said(one.heard)}: epsilon says that delta is " + ("cut off" if cut else "rounded")
        return Seen(f"{text} at four decimals", cut, "greeks are judged by what may have been cut off")
    return None
