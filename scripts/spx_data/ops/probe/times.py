"""How greeks count time, by which rate, and how they are printed, as the judges read it; where days end."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import numpy as np
import polars as pl

from spx_data.market.chains import true_expiration
from spx_data.market.products import Product
from spx_data.ops.probe import choosing, looking
from spx_data.ops.probe.heard import CHAINS, Heard, Story, Topic
from spx_data.ops.probe.looking import Seen
from spx_data.quality import explanation, greeks, vendor_model
from spx_data.quality.checks import Floats
from spx_data.quality.expiry import UNNAMED, Counting, Reading
from spx_data.quality.explanation import Explanation, Rate
from spx_data.quality.greeks import Sample
from spx_data.quality.panel import Panel, clock
from spx_data.quality.vendor_model import PRINTED
from spx_data.sources import profile
from spx_data.sources.catalogue import capabilities
from spx_data.sources.profile import Ends

_OPENS = dt.time(9, 30)
_STOCKS_CLOSE = dt.time(16)  # a window that ends before tells nothing of a session's end
_REST_MS = 600_000  # for which quotes near the money must have stood still to count as repeated
_FINISHED = (
    Topic.LAST_SESSION,
    Topic.ORDINARY,
    Topic.LIVING,
    Topic.HALF_DAY,
    Topic.HALF_DAY_EXPIRING,
    Topic.CLOCK_CHANGE,
)
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
    """What each chain tells: worked out once for the same records, as six rows of the table look at it."""
    records, (before, told) = [each for _, each in looking.chains(story)], story.worked_out
    if [*map(id, records)] != [*map(id, before)]:
        told = _read(story)
        story.worked_out = records, told
    return told


def _read(story: Story) -> list[_Told]:
    """What each chain tells, by a few contracts near the money; the rate is one of a date."""
    found = [(heard, _sample(story.product, heard)) for heard, _ in looking.chains(story)]
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


def _sample(product: Product, heard: Heard) -> Sample:
    assert heard.chain
    assert heard.date
    assert heard.window
    assert heard.records is not None
    records = choosing.near_money(heard.records).sort("strike", "right", "timestamp")
    expiration = true_expiration(heard.chain.listed)
    window = heard.window
    return greeks.sample(Panel(product, heard.chain.root, expiration, heard.date, records, window.step_ms))


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
    text = f"{best.heard.name}: {best.rate.value:.2%} a year, within {best.rate.error:.2%}"
    usual = _PLAUSIBLE[0] <= best.rate.value <= _PLAUSIBLE[1]
    return Seen(
        text, usual, "greeks are judged by the rate read from them" + ("" if usual else " (greeks-rate)")
    )


def theta(story: Story) -> Seen | None:
    """What theta is per: the printed one over the model's a day of 365."""
    for one in _told(story):
        rows = one.sample.rows
        model = vendor_model.values(
            rows.spot, rows.strike, rows.call, one.years, one.rate.value, rows.iv + 0.5 * PRINTED
        ).theta
        telling = np.abs(model) > _THETA
        if np.count_nonzero(telling) < _FEWEST:
            continue
        ratio = float(np.nanmedian(rows.greek("theta")[telling] / model[telling]))
        unit = next((name for name, one in _DAYS.items() if abs(ratio / one - 1) < _ALIKE), None)
        said = f"per {unit}" if unit else f"{ratio:.3g} times that of a day of 365"
        follows = "theta is judged as per a day of 365, and kept as it is"
        return Seen(f"{one.heard.name}: theta is {said}", unit == next(iter(_DAYS)), follows)
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
        text = f"{one.heard.name}: epsilon says that delta is " + ("cut off" if cut else "rounded")
        return Seen(f"{text} at four decimals", cut, "greeks are judged by what may have been cut off")
    return None


# Where days end -----------------------------------------------------------------------------------------


class _End(NamedTuple):
    heard: Heard
    half: bool
    last_day: bool
    last: int  # ms since the epoch
    expected: int
    rests: int | None  # since when nothing near the money changes; None where it does to the end


def _ends(story: Story) -> list[_End]:
    """The last stamps of finished days, in windows wide enough to tell them: the widest windows first."""
    found = []
    for heard, records in looking.chains(story, *_FINISHED):
        session, window = looking.session(story, heard.date), heard.window
        last_day = heard.is_last_day
        assert heard.chain
        if not session or not window or window.end < _STOCKS_CLOSE:
            continue
        if last_day and story.product.settles_at_the_open(heard.chain.root):
            continue
        if last_day and window.end < (session.closes + story.product.expiring_longer).time():
            continue  # it ends where the window does
        last = looking.ends(records)[1]
        expected = int(session.last_stamp(window, story.product, expiring=last_day).timestamp() * 1000)
        found.append(_End(heard, session.early_close, last_day, last, expected, _rests(records, last)))
    return found


def _rests(records: pl.DataFrame, last: int) -> int | None:
    """Since when no quote near the money changes, should that be long before the *last* stamp."""
    moved = (pl.col("bid") != pl.col("bid").shift()) | (pl.col("ask") != pl.col("ask").shift())
    near = choosing.near_money(records).filter(moved.over("right", "strike"))
    since = near["timestamp"].max()
    return since if isinstance(since, int) and last - since >= _REST_MS else None


def ends(story: Story) -> tuple[Ends, Ends]:
    """Last stamps of a full day and of a half day."""
    found = _ends(story)

    def last(*, half: bool, last_day: bool) -> int | None:
        of_kind = (end for end in found if (end.half, end.last_day) == (half, last_day))
        return next((looking.since_midnight(end.heard, end.last) for end in of_kind), None)

    full, short = (
        Ends(last(half=half, last_day=False), last(half=half, last_day=True)) for half in (False, True)
    )
    return full, short


def of_days(story: Story, *, half: bool) -> Seen | None:
    """Where the rows of full days, or of half days, end."""
    found = {end.last_day: end for end in reversed(_ends(story)) if end.half is half}
    texts = [_end_said(found[last_day], last_day) for last_day in (False, True) if last_day in found]
    if not texts:
        return None
    usual = all(end.last == end.expected and not end.rests for end in found.values())
    if usual:
        follows = "stamps until then are expected, and none after it"
    else:
        follows = "each day's end is read from its own rows; what comes after the close is kept besides"
    return Seen("; ".join(texts), usual, follows, "half_day" if half else "full_day")


def _end_said(end: _End, last_day: bool) -> str:
    assert end.heard.window
    kind = "expiring" if last_day else "living"
    text = (
        f"{kind} chain of {end.heard.date} to {clock(end.last)} (asked for to {end.heard.window.end:%H:%M})"
    )
    return text + (f", quotes near the money the same since {clock(end.rests)}" if end.rests else "")


def outside_hours(story: Story) -> Seen | None:
    """Whether there are rows before 09:30 or after the options' close, in a window that would have them."""
    for heard, records in looking.chains(story, Topic.LAST_SESSION):
        session, window = looking.session(story, heard.date), heard.window
        if not session or not window or window.start >= _OPENS:
            return None
        begin, end = looking.ends(records)
        text = f"{heard.name}, asked for from {window.start:%H:%M} to {window.end:%H:%M}: "
        text += f"rows from {clock(begin)} to {clock(end)}"
        both = session.opens, session.options_close(story.product)
        opens, closes = (moment.timestamp() * 1000 for moment in both)
        within = opens <= begin and end <= closes
        return Seen(text, within, "a window wider than the session adds " + ("nothing" if within else "rows"))
    return None
