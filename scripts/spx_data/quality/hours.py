"""Session truth: when the market was open by the exchange's calendar, by the vendor's, and by the records.

Calendars can be wrong: for 2024-12-24 one of index options has a close at 16:15, the stock exchange's has
13:00. What two of the three say is believed; where all differ, or the vendor has no calendar, the exchange's.
How much longer than stocks index options go on, no calendar says: on half days the records do.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from spx_data.market.chains import midnight_ms
from spx_data.market.products import Product
from spx_data.market.sessions import Session, VendorHours, Window
from spx_data.quality.checks import Check, Count, Part
from spx_data.settings import Settings
from spx_data.sources.catalogue import capabilities
from spx_data.sources.profile import NOT_SEEN, Ends, Profile
from spx_data.store.staging import Receipt

_MINUTE_MS = 60_000
_REGULAR_OPEN_MS, _REGULAR_CLOSE_MS = 570 * _MINUTE_MS, 960 * _MINUTE_MS

DISAGREES = Check(
    "session-disagrees",
    Part.COMPLETENESS,
    "chains",
    "the exchange's calendar, the vendor's and the records do not tell the same hours for the date; the "
    "passport's session.findings say how",
    "calendars err: of 2024-12-24 CBOE_Index_Options says 16:15 and NYSE 13:00; docs/wire.md, 11.4",
    ruinous=None,
)
SURPLUS = Check(
    "surplus",
    Part.COMPLETENESS,
    "records",
    "a record outside of the session's hours, like a last quote repeated after a half day's close; it costs "
    "nothing, because nothing is lost by it and session.closes tells it apart",
    "docs/wire.md, 2.1: quiet bars repeat the last quote; section 16: nobody knows where half days end",
    ruinous=None,
)
CHECKS = (DISAGREES, SURPLUS)


def surplus(within: int, outside: int) -> Count:
    """The check of one chain's records *outside* of the session, beside those *within* it."""
    return Count(SURPLUS, outside, within + outside)


@dataclass(frozen=True)
class Hours:
    """From when to when stocks trade, in ms since midnight, and how much longer options do.

    *usual_ms* is how much longer those of the product usually trade, *usual_expiring_ms* what expires that
    day.
    """

    opens_ms: int
    closes_ms: int
    longer_ms: int
    expiring_longer_ms: int
    usual_ms: int
    usual_expiring_ms: int

    @classmethod
    def usual(cls, opens_ms: int, closes_ms: int, product: Product) -> Hours:
        """The hours of a day on which options of *product* trade as usual."""
        longer = product.longer_ms, product.expiring_longer_ms
        return cls(opens_ms, closes_ms, *longer, *longer)

    @classmethod
    def regular(cls, product: Product) -> Hours:
        """Those of a whole day."""
        return cls.usual(_REGULAR_OPEN_MS, _REGULAR_CLOSE_MS, product)

    def span(self, window: Window, *, expiring: bool) -> range:
        """The places of *window*'s stamps at which a contract is quoted, *expiring* on the date or not."""
        first = max(0, -((window.start_ms - self.opens_ms) // window.step_ms))
        closes = self.closes_ms + (self.expiring_longer_ms if expiring else self.longer_ms)
        last = (min(window.end_ms, closes) - window.start_ms) // window.step_ms
        return range(first, max(first, last + 1))

    @property
    def closes_early(self) -> bool:
        """Whether it is a half day."""
        return self.closes_ms < _REGULAR_CLOSE_MS

    def ending(self, ends: Ends) -> Hours:
        """The same with options that end when those of a probed day did, where that makes sense."""
        longer = {
            name: end - self.closes_ms
            for name, end in (("longer_ms", ends.living), ("expiring_longer_ms", ends.expiring))
            if end is not None and 0 <= end - self.closes_ms <= self.usual_ms
        }
        return replace(self, **longer)

    @property
    def variants(self) -> tuple[Hours, ...]:
        """The same, as usual, and on half days with options that end with stocks, or as late as usual."""
        usual = replace(self, longer_ms=self.usual_ms, expiring_longer_ms=self.usual_expiring_ms)
        if not self.closes_early:
            return (self, usual)
        together = (0, self.usual_ms)
        return (self, usual, *(replace(self, longer_ms=each, expiring_longer_ms=each) for each in together))


def of_vendor(told: VendorHours | None, product: Product) -> Hours | None:
    """The hours in the vendor's calendar; None where it tells none."""
    if told is None or told.opens is None or told.closes is None:
        return None
    return Hours.usual(_ms(told.opens), _ms(told.closes), product)


def _of_session(session: Session | None, product: Product) -> Hours | None:
    if session is None:
        return None
    midnight = midnight_ms(session.date)
    opens, closes = (int(moment.timestamp()) * 1000 - midnight for moment in (session.opens, session.closes))
    return Hours.usual(opens, closes, product)


def _ms(time: dt.time) -> int:
    return (time.hour * 3600 + time.minute * 60 + time.second) * 1000


class Observed(NamedTuple):
    """What most chains of a date have as their first and their last stamp, in ms since midnight."""

    first: int | None
    last: int | None  # of chains that live on
    last_expiring: int | None  # of those that expire on the date

    @classmethod
    def of(cls, date: dt.date, chains: Iterable[tuple[dt.date, int | None, int | None]]) -> Observed:
        """What the *chains* have: each with its expiration and its stamps in ms since the epoch."""
        firsts, lasts = Counter[int](), {True: Counter[int](), False: Counter[int]()}
        midnight = midnight_ms(date)
        for expiration, first, last in chains:
            if first is not None and last is not None:
                firsts[first - midnight] += 1
                lasts[expiration == date][last - midnight] += 1
        return cls(_usual(firsts, -1), _usual(lasts[False], 1), _usual(lasts[True], 1))

    @property
    def kinds(self) -> list[tuple[bool, int]]:
        """Whether expiring, and the last stamp: of each kind of chain that there is."""
        both = ((False, self.last), (True, self.last_expiring))
        return [(expiring, last) for expiring, last in both if last is not None]


def _usual(counts: Counter[int], sign: int) -> int | None:
    """The most frequent value; of several the greatest where *sign* is 1, the smallest where it is -1."""
    return max(counts, key=lambda value: (counts[value], sign * value), default=None)


@dataclass(frozen=True)
class Truth:
    """The hours by which a date is judged, and what speaks against them."""

    hours: Hours
    quoted: Hours  # the same, but from when on there can be records
    findings: tuple[str, ...]

    def count(self) -> Count:
        """The check of one chain of the date."""
        return Count(DISAGREES, int(bool(self.findings)), 1)


@dataclass(frozen=True)
class HoursReports:
    """What each of the three says about the hours of one date."""

    product: Product
    calendar: str  # the exchange's, by name
    session: Session | None
    vendor: VendorHours | None
    observed: Observed
    full_day: Ends = NOT_SEEN  # as a probe has seen them
    half_day: Ends = NOT_SEEN

    @classmethod
    def of(
        cls,
        settings: Settings,
        date: dt.date,
        vendor: VendorHours | None,
        session: Session | None,
        receipts: Iterable[Receipt],
        profile: Profile | None,
    ) -> HoursReports:
        """What both calendars, the records that are staged and a probe tell of the hours of *date*."""
        stamps = ((each.expiration, each.evidence.first_stamp, each.evidence.last_stamp) for each in receipts)
        ends = (profile.full_day, profile.half_day) if profile else (NOT_SEEN, NOT_SEEN)
        return cls(settings.product, settings.calendar, session, vendor, Observed.of(date, stamps), *ends)

    def truth(self, window: Window, api: str) -> Truth:
        """The hours that most of them tell, and their disagreement in words."""
        told = _of_session(self.session, self.product), of_vendor(self.vendor, self.product)
        exchange, vendor = map(self._ending, told)
        candidates = [hours for hours in (exchange, vendor) if hours is not None]
        ends = [self._ends(hours, window) for hours in candidates]
        believed = [self._as_seen(hours, window) for hours in candidates]
        votes = [ends.count(end) + (seen is not None) for end, seen in zip(ends, believed, strict=True)]
        best = votes.index(max(votes)) if votes else None
        chosen = Hours.regular(self.product) if best is None else believed[best] or candidates[best]
        quoted = replace(chosen, opens_ms=self._quoted_from(chosen.opens_ms, api))
        findings = [*self._about_closed(), *self._about_late_records(quoted, window)]
        disagree = any(self._as_seen(hours, window) is None for hours in [*candidates, chosen])
        if disagree and not self._is_as_probed(chosen, window):
            findings.append(self._about_closes(exchange, vendor, chosen))
        return Truth(chosen, quoted, tuple(findings))

    def as_json(self, truth: Truth) -> dict[str, Any] | None:
        """The hours that were told and those that are believed; None where no calendar has the date."""
        if self.session is None and self.vendor is None:
            return None
        exchange = (
            None if self.session is None else dict(zip(("opens", "closes"), self.session.hours, strict=True))
        )
        return {
            "exchange": exchange and {"calendar": self.calendar} | exchange,
            "vendor": self.vendor and self.vendor.as_json(),
            "early_close": truth.hours.closes_early,
            "findings": list(truth.findings),
        }

    def _ending(self, hours: Hours | None) -> Hours | None:
        return hours and hours.ending(self._probed(hours))

    def _probed(self, hours: Hours) -> Ends:
        return self.half_day if hours.closes_early else self.full_day

    def _as_probed(self, hours: Hours, window: Window) -> list[tuple[str, int, int]]:
        """Which chains, when they end, and when those of a probed day of that kind did within *window*."""
        probed = self._probed(hours)
        kinds = (
            ("chains that live on", self.observed.last, probed.living),
            ("expiring chains", self.observed.last_expiring, probed.expiring),
        )
        return [
            (which, last, window.stamp_before(end))
            for which, last, end in kinds
            if last is not None and end is not None
        ]

    def _is_as_probed(self, hours: Hours, window: Window) -> bool:
        """Whether the records end when those of a probed day did, whatever calendars say."""
        found = self._as_probed(hours, window)
        return bool(found) and all(last == end for _, last, end in found)

    def differs(self, truth: Truth, window: Window) -> Iterator[str]:
        """When the records end, where those of a probed day of that kind ended otherwise."""
        kind = "half days" if truth.hours.closes_early else "full days"
        for which, last, end in self._as_probed(truth.hours, window):
            if last != end:
                yield f"{which} end at {clock(last)}, on {kind} of the profile at {clock(end)}"

    def _ends(self, hours: Hours, window: Window) -> tuple[int, ...]:
        """The last stamps that *hours* lead to, for each kind of chain that there is."""
        return tuple(
            window.start_ms + (hours.span(window, expiring=expiring).stop - 1) * window.step_ms
            for expiring, _ in self.observed.kinds
        )

    def _as_seen(self, hours: Hours, window: Window) -> Hours | None:
        """The variant of *hours* that leads to the last stamps of the records; None if none does."""
        seen = tuple(last for _, last in self.observed.kinds)
        return next((each for each in hours.variants if self._ends(each, window) == seen), None)

    def _quoted_from(self, opens_ms: int, api: str) -> int:
        """From when on there can be records: some sources have none before the first print."""
        first = self.observed.first
        if capabilities(api).from_the_open:
            return opens_ms
        if first is not None and opens_ms <= first <= opens_ms + _MINUTE_MS:
            return first
        return opens_ms + 1

    def _about_closed(self) -> Iterator[str]:
        if self.session is None:
            yield f"the exchange calendar {self.calendar} has no session on the date, and there are records"
        if self.vendor is not None and of_vendor(self.vendor, self.product) is None:
            yield f"the vendor's calendar says {self.vendor.kind}, and there are records"

    def _about_late_records(self, hours: Hours, window: Window) -> Iterator[str]:
        first = window.start_ms + hours.span(window, expiring=False).start * window.step_ms
        if self.observed.first is not None and self.observed.first != first:
            yield f"the records begin at {clock(self.observed.first)}, {clock(first)} was expected"

    def _about_closes(self, exchange: Hours | None, vendor: Hours | None, chosen: Hours) -> str:
        told = ", ".join(
            f"{who} closes at {clock(hours.closes_ms)}"
            for who, hours in (
                (f"the exchange calendar {self.calendar}", exchange),
                ("the vendor's calendar", vendor),
            )
            if hours is not None
        )
        seen = ", ".join(
            f"{'those of expiring chains' if expiring else 'records'} end at {clock(last)}"
            for expiring, last in self.observed.kinds
        )
        return f"{told or 'no calendar has the date'}; {seen}; judged by {clock(chosen.closes_ms)}"


def clock(ms: int) -> str:
    """A time of day: minutes, and seconds where there are any."""
    text = f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}"
    return f"{text}:{ms // 1000 % 60:02}" if ms % 60_000 else text
