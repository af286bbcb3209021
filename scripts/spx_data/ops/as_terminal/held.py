"""What a lake holds, as a terminal is asked about it: roots, stamps, a kind of records, sealed days."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from spx_data.errors import DateValidationError, MissingFileError
from spx_data.lake import calendar, reader, remembered
from spx_data.lake.remembered import Rows, Table, Told
from spx_data.market import columns, schema, sessions
from spx_data.market.sessions import Session, VendorHours, Window
from spx_data.ops.as_terminal.asking import Query, RefusedError, not_held, nothing
from spx_data.ops.as_terminal.day import Day
from spx_data.settings import Settings
from spx_data.store import dataset, seals, tree
from spx_data.store.layout import Layout

_MOST_DAYS = 8  # whose footers and contracts are kept in memory, some MB each


class Held:
    """A lake that is answered from; several may ask it at a time.

    Raises:
        MissingFileError: no day of it was ever sealed.
        LakeMissingError, OtherVersionError: it cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self.layout: Layout = settings.layout
        self.symbol = settings.product.symbol
        dataset.check_there(self.layout)
        identity = dataset.check(self.layout, {})
        if not identity:
            raise _empty(self.layout)
        self.kind: str = identity["records"]
        self.roots: tuple[str, ...] = tuple(identity["roots"])
        self.greeks_version: str = identity["greeks_version"]
        start, end = (dt.time.fromisoformat(identity[name]) for name in ("start_time", "end_time"))
        self.window = Window(start, end, identity["interval"])
        self._days: dict[dt.date, Day] = {}
        self._looking = threading.Lock()

    def check_kind(self, kind: str, query: Query) -> None:
        """Refuse a history of *kind* that is none of what the lake holds."""
        has, asked = (set(schema.newest(each).record.names) for each in (self.kind, kind))
        if not asked <= has:
            title = columns.KINDS[self.kind].title
            raise not_held(f"This lake holds {self.kind} ({title}), and this endpoint is of {kind}")
        version = query.get("version") or "latest"
        if kind != columns.QUOTES and version != self.greeks_version:
            raise not_held(f"This lake holds greeks of version {self.greeks_version}, not of {version}")

    # Days ---------------------------------------------------------------------------------------------------

    def day(self, date: dt.date) -> Day:
        """The sealed day *date*; refuses where it is not sealed, and raises as `day_if_sealed`."""
        if (found := self.day_if_sealed(date)) is None:
            raise nothing(f"{date} is not sealed in this lake")
        return found

    def day_if_sealed(self, date: dt.date) -> Day | None:
        """The sealed day *date*; None where it is not sealed.

        Raises:
            FileCorruptionError: its bytes are not those that were sealed.
        """
        path = self.layout.parquet(date)
        if not seals.is_sealed(path):
            return None
        seal = seals.read(path)
        with self._looking:  # or who asks for many chains at a time would have each hashed
            known = self._days.pop(date, None)
            found = known if known and known.is_still(seal) else Day.of(self.layout, date, seal)
            while len(self._days) >= _MOST_DAYS:
                del self._days[next(iter(self._days))]
            self._days[date] = found
        return found

    def glimpse(self, date: dt.date) -> Day:
        """The sealed day *date*, of whose Parquet nothing is hashed: for lists over many days."""
        return Day.of(self.layout, date, seals.read(self.layout.parquet(date)), hashed=False)

    def days(self, first: dt.date, last: dt.date) -> Iterator[dt.date]:
        """The sealed dates from *first* to *last*; refuses where there is none, or one lacks between."""
        if first == last:
            yield first
            return
        within = f"{first}..{last}"
        try:
            _, found = reader.sealed(within, lake=self.layout.output, data=self.layout.data, missing="raise")
        except (DateValidationError, MissingFileError) as error:
            raise nothing(error.cause) from error
        yield from found

    def listed(self) -> pl.DataFrame:
        """Each chain of each sealed day by its passport: date, root, the expiration as listed, rows."""
        dates = [date for date in tree.dates(self.layout) if seals.is_sealed(self.layout.parquet(date))]
        passports = {date: seals.read(self.layout.parquet(date)).passport for date in dates}
        return remembered.read(self.layout, LISTED, passports)

    def session(self, date: dt.date) -> Session | None:
        """The stock exchange's session on *date*."""
        return next(iter(self.sessions(date, date)), None)

    def sessions(self, first: dt.date, last: dt.date) -> list[Session]:
        """The stock exchange's sessions from *first* to *last*."""
        path = self.layout.calendar(sessions.STOCKS)
        return calendar.remembered(path, sessions.STOCKS, first, last)


def _empty(layout: Layout) -> MissingFileError:
    return MissingFileError(
        f"{layout.output} holds no sealed day, so there is nothing to answer with",
        cure="Fill it with `spx-data process-gaps`, or name another lake",
        path=layout.dataset,
    )


def _listed(passport: Mapping[str, Any]) -> Rows:
    return [
        (each["root"], dt.date.fromisoformat(each.get("listed") or each["expiration"]), each["rows"])
        for each in passport["chains"]
    ]


LISTED = Table(
    "listed",
    {
        "date": Told(pl.Date, "the trading date"),
        "root": Told(pl.String, "like SPXW"),
        "listed": Told(pl.Date, "the expiration as the source lists it"),
        "rows": Told(pl.Int64, "records"),
    },
    _listed,
    lambda: "",
)


# The stock market's hours as a terminal tells them (docs/wire.md, 11.4) -------------------------------------


_AHEAD = dt.timedelta(366)
_FRIDAY = 4
_CLOSED, _WEEKEND = "full_close", "weekend"


def hours_on(date: dt.date, lakes: Sequence[Held]) -> VendorHours:
    """The hours of *date*: the vendor's own where a day was sealed with them, else the stock exchange's."""
    _check(date)
    for held in lakes:
        if (told := _sealed(held, date)) is not None:
            return told
    return _of(date, lakes[0].session(date))


def _sealed(held: Held, date: dt.date) -> VendorHours | None:
    try:
        told = held.day(date).vendor
        return VendorHours.of_json(told) if told else None
    except (RefusedError, KeyError, TypeError, ValueError):  # it is not sealed, or tells none
        return None


def holidays(year: int, held: Held) -> list[tuple[dt.date, VendorHours]]:
    """The weekdays of *year* on which stocks are not traded, or not for long."""
    first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
    _check(first)
    _check(last)
    found = {session.date: session for session in held.sessions(first, last)}
    days = (first + dt.timedelta(number) for number in range((last - first).days + 1))
    hours = [(day, _of(day, found.get(day))) for day in days]
    return [(day, told) for day, told in hours if told.kind in (_CLOSED, sessions.EARLY_CLOSE)]


def _of(date: dt.date, session: Session | None) -> VendorHours:
    if session is None:
        return VendorHours(_WEEKEND if date.weekday() > _FRIDAY else _CLOSED, None, None)
    kind = sessions.EARLY_CLOSE if session.early_close else sessions.OPEN
    opens, closes = (moment.time() for moment in (session.opens, session.closes))
    return VendorHours(kind, opens, closes)


def _check(date: dt.date) -> None:
    """Refuse what no calendar can tell."""
    until = sessions.today(sessions.now()) + _AHEAD
    if not calendar.FIRST <= date <= until:
        raise nothing(f"the calendar goes from {calendar.FIRST} to {until}")


def hours_table(told: Sequence[VendorHours]) -> pl.DataFrame:
    """Hours with the columns of a calendar's answer."""
    columns = {
        "type": [each.kind for each in told],
        "open": [each.opens and each.opens.isoformat() for each in told],
        "close": [each.closes and each.closes.isoformat() for each in told],
    }
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
