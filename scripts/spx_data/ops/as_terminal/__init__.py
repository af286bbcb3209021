"""The lake as a terminal: the paths of API v3 that sealed days answer, and how (docs/wire.md, 11)."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import polars as pl

from spx_data.errors import SpxDataError
from spx_data.market import sessions
from spx_data.market.chains import Chain
from spx_data.market.columns import KINDS, QUOTES
from spx_data.ops.as_terminal.asking import Asked, Query, RefusedError, not_held, nothing
from spx_data.ops.as_terminal.day import Day, Entry
from spx_data.ops.as_terminal.held import Held, holidays, hours_on, hours_table
from spx_data.ops.serving import TEXT, Reply
from spx_data.sources.theta import spelling

_LIST, _HISTORY = "/v3/option/list", "/v3/option/history"
_NO_STREAM = "DISCONNECTED"

Parts = Iterator[tuple[Chain, pl.DataFrame]]


class AsTerminal:
    """Answers as a Theta Terminal that knows the sealed days of *lakes*, by symbol, and nothing else."""

    policy = "default-src 'none'; frame-ancestors 'none'"

    def __init__(self, lakes: Mapping[str, Held]) -> None:
        self._lakes = list(lakes.values())
        self._paths: Mapping[str, Callable[[Query], Reply]] = {
            "/v3/terminal/mdds/status": lambda _: Reply(spelling.CONNECTED, kind=TEXT),
            "/v3/terminal/fpss/status": lambda _: Reply(_NO_STREAM, kind=TEXT),
            f"{_LIST}/symbols": self._symbols,
            f"{_LIST}/expirations": self._expirations,
            f"{_LIST}/strikes": self._strikes,
            f"{_LIST}/dates/quote": self._dates,
            f"{_LIST}/contracts/quote": self._contracts,
            **{spelling.history_path(kind): partial(self._history, kind) for kind in KINDS},
            f"{_HISTORY}/open_interest": self._interest,
            f"{_HISTORY}/eod": self._end_of_day,
            "/v3/calendar/today": self._today,
            "/v3/calendar/on_date": self._on_date,
            "/v3/calendar/year_holidays": self._holidays,
        }

    def reply(self, target: str) -> Reply:
        """What is answered to a request for *target*; trouble is a sentence with a status."""
        parts = urlsplit(target)
        try:
            query = Query(dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=50)))
            return self._answered(parts.path, query)
        except RefusedError as refused:
            return Reply(refused.told, refused.status, TEXT)
        except SpxDataError as error:
            return Reply(str(error), HTTPStatus.INTERNAL_SERVER_ERROR, TEXT)
        except ValueError as error:
            return Reply(f"This is no request: {error}", HTTPStatus.BAD_REQUEST, TEXT)

    def _answered(self, path: str, query: Query) -> Reply:
        if path in self._paths:
            query.check_names()
            return self._paths[path](query)
        if path.startswith("/v2/"):
            raise RefusedError(HTTPStatus.GONE, "This answers API v3 alone: /v3/… instead of /v2/…")
        if path.startswith("/v3/"):
            raise not_held(
                f"{path} is none of what a lake can answer; docs/how-to/as-terminal.md has the list"
            )
        raise RefusedError(HTTPStatus.NOT_FOUND, f"Not found: {path}")

    def _lake(self, root: str) -> Held:
        for held in self._lakes:
            if root in held.roots:
                return held
        known = ", ".join(root for held in self._lakes for root in held.roots)
        raise not_held(f"There is no lake of {root} here, only of {known}")

    # Lists --------------------------------------------------------------------------------------------------

    def _symbols(self, query: Query) -> Reply:
        return _list(query, pl.DataFrame({"symbol": [root for held in self._lakes for root in held.roots]}))

    def _expirations(self, query: Query) -> Reply:
        roots = query.required("symbol").split(",")
        known = pl.concat(self._lake(root).listed().filter(pl.col("root") == root) for root in roots)
        found = known.select("root", "listed").unique().sort("root", "listed")
        return _list(query, found.select(symbol="root", expiration=pl.col("listed").cast(pl.String)))

    def _dates(self, query: Query) -> Reply:
        _, found = self._of_expiration(query)
        return _list(query, found.select(pl.col("date").cast(pl.String)).sort("date"))

    def _strikes(self, query: Query) -> Reply:
        held, found = self._of_expiration(query)
        root, listed = query.required("symbol"), query.date("expiration")
        days = map(held.glimpse, found["date"])
        entries = ((day, entry) for day in days for entry in _chains(day, root, listed, None))
        strikes = set().union(*(day.strikes(entry) for day, entry in entries))
        spelt = spelling.strikes(pl.Series("strike", sorted(strikes), pl.Float64))
        return _list(query, pl.DataFrame({"symbol": [root] * len(spelt), "strike": spelt}))

    def _of_expiration(self, query: Query) -> tuple[Held, pl.DataFrame]:
        """The days that have records of an expiration, and the lake that they are of."""
        root, listed = query.required("symbol"), query.date("expiration")
        held = self._lake(root)
        is_it = (pl.col("root") == root) & (pl.col("listed") == listed) & (pl.col("rows") > 0)
        return held, held.listed().filter(is_it)

    def _contracts(self, query: Query) -> Reply:
        date, max_dte = query.date("date"), query.number("max_dte")
        roots = query.symbols() or [root for held in self._lakes for root in held.roots]
        lakes = {held.symbol: held for held in map(self._lake, roots)}
        if not (days := [day for held in lakes.values() if (day := held.day_if_sealed(date))]):
            raise nothing(f"{date} is not sealed")
        found = pl.concat(day.contracts for day in days).filter(pl.col("root").is_in(roots))
        if max_dte is not None:
            found = found.filter(pl.col("expiration") <= date + dt.timedelta(max_dte))
        return _list(
            query,
            found.select(
                pl.col("root").alias("symbol"),
                pl.col("listed").cast(pl.String).alias("expiration"),
                spelling.strikes(found["strike"]),
                pl.col("right").replace_strict(spelling.RIGHTS, return_dtype=pl.String),
            ),
        )

    # Histories ----------------------------------------------------------------------------------------------

    def _history(self, kind: str, query: Query) -> Reply:
        held = self._lake(query.required("symbol"))
        held.check_kind(kind, query)
        asked = query.history(held.window, whole_dates=kind == QUOTES)
        form = query.choice("format", spelling.FORMATS)
        blocks = spelling.history(_records(held, asked, kind), kind, form)
        if (first := next(blocks, None)) is None:
            raise nothing(f"no records of {asked.root} {asked.listed or 'any expiration'} from {asked.first}")
        return Reply(itertools.chain([first], blocks), kind=spelling.FORMATS[form])

    def _interest(self, query: Query) -> Reply:
        held = self._lake(query.required("symbol"))
        asked, form = query.contracts(held.window), query.choice("format", spelling.FORMATS)
        days = [held.day(date) for date in held.days(asked.first, asked.last)]
        if without := [day.date for day in days if day.interest is None]:
            raise nothing(f"{without[0]} was sealed without its contracts")
        told = [
            spelling.interest(entry.chain, day.interest_of(entry, asked.strike, asked.rights))
            for day in days
            for entry in _chains(day, asked.root, asked.listed, asked.max_dte)
        ]
        if not (told := [rows for rows in told if not rows.is_empty()]):
            raise nothing(f"no open interest of {asked.root} {asked.listed or 'any expiration'}")
        return Reply(spelling.of_contracts(pl.concat(told), form).decode(), kind=spelling.FORMATS[form])

    def _end_of_day(self, query: Query) -> Reply:
        held = self._lake(query.required("symbol"))
        raise nothing(
            f"the sealed days of {held.symbol} hold no whole end-of-day report: no sizes, no trades"
        )

    # Calendar -----------------------------------------------------------------------------------------------

    def _today(self, query: Query) -> Reply:
        return _list(query, hours_table([hours_on(sessions.today(sessions.now()), self._lakes)]))

    def _on_date(self, query: Query) -> Reply:
        return _list(query, hours_table([hours_on(query.date("date"), self._lakes)]))

    def _holidays(self, query: Query) -> Reply:
        query.required("year")
        found = holidays(min(max(query.number("year") or 0, 1), dt.MAXYEAR), self._lakes[0])
        dates = pl.Series("date", [day.isoformat() for day, _ in found], pl.String)
        return _list(query, hours_table([told for _, told in found]).insert_column(0, dates))


def _records(held: Held, asked: Asked, kind: str) -> Parts:
    """The records that are asked for: of each day its chains, of each chain some at a time."""
    window = None if asked.window == held.window else asked.window
    for date in held.days(asked.first, asked.last):
        day = held.day(date)
        for entry in _chains(day, asked.root, asked.listed, asked.max_dte):
            for records in day.records(entry, kind, window, asked.strike, asked.rights):
                yield entry.chain, records


def _chains(day: Day, root: str, listed: dt.date | None, max_dte: int | None) -> list[Entry]:
    """The chains of *day* that are asked for, in its order."""
    last = dt.date.max if max_dte is None else day.date + dt.timedelta(max_dte)
    return [
        entry
        for entry in day.entries
        if entry.chain.root == root
        and listed in (None, entry.chain.listed)
        and entry.chain.expiration <= last
    ]


def _list(query: Query, rows: pl.DataFrame) -> Reply:
    """A list in the format that is asked for; one without rows is no data."""
    form = query.choice("format", spelling.FORMATS)
    if rows.is_empty():
        raise nothing("the sealed days have none")
    return Reply(spelling.table(rows, form).decode(), kind=spelling.FORMATS[form])
