"""API v3 (docs/wire.md, 11): no paging, strikes in dollars, stamps as New York text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spx_data.market import chains, schema
from spx_data.market.chains import Chain, Contract, Listed, ListedChain, Reported
from spx_data.market.columns import GREEKS, GREEKS_ALL, QUOTES
from spx_data.market.contracts import Figures, Report
from spx_data.market.records import Asked, Rejects
from spx_data.market.schema import Schema
from spx_data.market.sessions import VendorHours, Window
from spx_data.settings import Terminal
from spx_data.sources.source import Part
from spx_data.sources.theta import errors, health, limits, reports, tables, wire_rows
from spx_data.sources.theta.transport import Answer, Transport
from spx_data.sources.theta.whole_date import Splitter

# Of each kind of records, under the path of all histories (docs/wire.md, 11.2).
HISTORIES = {GREEKS: "greeks/first_order", GREEKS_ALL: "greeks/all", QUOTES: "quote"}
_STAMP = pa.timestamp("ms")
_CONTRACT: dict[str, pa.DataType] = {
    "symbol": tables.WORD,
    "expiration": tables.WORD,
    "strike": pa.float64(),
    "right": tables.WORD,
}
_EXPIRATION: dict[str, pa.DataType] = {"symbol": tables.WORD, "expiration": tables.WORD}
_STAMPED = {"timestamp": _STAMP}, {"underlying_timestamp": _STAMP}
# Long requests of one client came with a date and a time of day (docs/wire.md, 16).
_DATED = {"date": pa.int64(), "ms_of_day": pa.int64()}, {"ms_of_day2": pa.int64()}
_CALENDAR: dict[str, pa.DataType] = {"type": tables.WORD, "open": tables.WORD, "close": tables.WORD}
_RIGHTS = {"C": "call", "P": "put"}
# When a row of a report was made (docs/wire.md, 11.2).
_BUILT = {Report.END_OF_DAY: "created", Report.OPEN_INTEREST: "timestamp"}


class V3:
    """The terminal's v3 API as a `Source`."""

    api = "v3"

    def __init__(
        self, transport: Transport, terminal: Terminal, records: Schema, *, loosely: bool = False
    ) -> None:
        self._transport, self._loosely = transport, loosely
        self._terminal, self._records = terminal, records
        self._history = f"/v3/option/history/{HISTORIES[records.kind]}"
        self.greeks_version = terminal.greeks_version
        self.base_url = transport.base_url

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def check(self) -> None:
        """Raise ThetaTerminalNotRunningError or TerminalDisconnectedError unless it can serve now."""
        health.require(self._transport, self.api, self._terminal.timeout_seconds)

    def expirations(self, root: str) -> tuple[dt.date, ...]:
        """Every expiration of *root* as listed; raises ApiDataNotFoundError for an unknown root."""
        with self._transport.get(
            "/v3/option/list/expirations",
            {"symbol": root},
            silence_seconds=self._terminal.timeout_seconds,
            ceiling=limits.EXPIRATIONS,
        ) as answer:
            rows, _ = wire_rows.rows(answer, _EXPIRATION)
            spelled = (row["expiration"] for row in rows if row["symbol"] == root)
            return wire_rows.listed_expirations(spelled, answer.url)

    def listing(self, root: str, date: dt.date) -> Listed:
        """The chains of *root* with quotes on *date*; raises ApiDataNotFoundError where there are none."""
        with self._transport.get(
            "/v3/option/list/contracts/quote",
            {"symbol": root, "date": date.isoformat()},
            silence_seconds=self._terminal.history_timeout_seconds,
            ceiling=limits.CONTRACTS,
        ) as answer:
            rows, unreadable = wire_rows.rows(answer, _CONTRACT)
            return wire_rows.group(root, date, map(_contract, rows), unreadable, answer.url)

    def eod(self, root: str, date: dt.date) -> Reported:
        """The chains in the end-of-day report of *date*; raises ApiDataNotFoundError where there is none."""
        day = date.isoformat()
        with self._transport.get(
            "/v3/option/history/eod",
            {"symbol": root, "expiration": "*", "start_date": day, "end_date": day},
            silence_seconds=self._terminal.history_timeout_seconds,
            ceiling=limits.REPORT,
        ) as answer:
            rows, unreadable = wire_rows.rows(answer, _CONTRACT | wire_rows.REPORT)
            told = ((_contract(row), wire_rows.is_lively(row)) for row in rows)
            return wire_rows.reported(root, date, told, unreadable)

    def figures(self, root: str, date: dt.date, report: Report) -> Figures:
        """What a *report* says of each contract; raises ApiDataNotFoundError where it says nothing."""
        built, day = _BUILT[report], date.isoformat()
        with self._transport.get(
            f"/v3/option/history/{reports.PATHS[report]}",
            {"symbol": root, "expiration": "*", "start_date": day, "end_date": day},
            silence_seconds=self._terminal.history_timeout_seconds,
            ceiling=limits.REPORT,
        ) as answer:
            columns = _CONTRACT | {built: _STAMP} | reports.columns(report)
            found, unreadable = wire_rows.batches(answer, columns, reports.OPTIONAL)
            plain = [_plain(batch, built, of_date=report is Report.OPEN_INTEREST) for batch in found]
            return reports.figures(root, date, report, plain, unreadable)

    def history(
        self, chain: Chain, window: Window, rejects: Rejects | None = None, *, contracts: int = 0
    ) -> Iterator[pa.RecordBatch]:
        """The records of *chain* at every stamp of *window*."""
        yield from self._rows_of(chain, window, {}, rejects, contracts)

    def whole_date(
        self, root: str, date: dt.date, chains: Sequence[ListedChain], window: Window, max_dte: int | None
    ) -> Iterator[Part]:
        """All *chains* of *root* in one answer; raises what broke it off when its rows are given."""
        splitter = Splitter(
            chains, self._records, lambda rows, chain: validated(rows, chain, window, self._records)
        )
        near = {} if max_dte is None else {"max_dte": str(max_dte)}
        parameters = self._parameters(root, "*", date, window) | near
        contracts, rejects = sum(entry.contracts for entry in chains), Rejects()
        with self._asked(parameters, window, contracts, salvage=True) as answer:
            yield from splitter.split(self._read(answer, splitter.validate, rejects), rejects)
            if answer.cut is not None:
                raise answer.cut

    def contract_history(
        self, chain: Chain, right: str, strike: float, window: Window, rejects: Rejects | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Like `history`, of one contract of *chain*; *right* is C or P."""
        only = {"strike": f"{strike:.3f}", "right": _RIGHTS[right]}
        for batch in self._rows_of(chain, window, only, rejects, contracts=1):
            wire_rows.check_contract(batch, right, strike, self.base_url + self._history)
            yield batch

    def hours(self, date: dt.date, /) -> VendorHours | None:
        """The stock market's hours on *date* by the vendor's calendar."""
        with self._transport.get(
            "/v3/calendar/on_date",
            {"date": date.isoformat()},
            silence_seconds=self._terminal.timeout_seconds,
            ceiling=limits.HOURS,
        ) as answer:
            batches = tables.read(answer, _CALENDAR, asked="csv", optional=("open", "close"))
            rows = [row for batch in batches for row in batch.to_pylist()]
            try:
                (row,) = rows
                return VendorHours.of(row["type"], row["open"], row["close"])
            except ValueError as error:
                raise errors.invalid(answer.url, f"is no calendar: {error}", "one date's hours") from error

    def _rows_of(
        self, chain: Chain, window: Window, only: dict[str, str], rejects: Rejects | None, contracts: int
    ) -> Iterator[pa.RecordBatch]:
        parameters = self._parameters(chain.root, chain.listed.isoformat(), chain.date, window) | only
        with self._asked(parameters, window, contracts) as answer:
            yield from self._read(
                answer,
                lambda batch: validated(batch, chain, window, self._records),
                Rejects(strict=True) if rejects is None else rejects,
            )

    def _parameters(self, root: str, expiration: str, date: dt.date, window: Window) -> dict[str, str]:
        return {
            "symbol": root,
            "expiration": expiration,
            "date": date.isoformat(),
            "interval": window.interval,
            "start_time": window.start.isoformat(),
            "end_time": window.end.isoformat(),
            "version": self._terminal.greeks_version,
            "format": self._terminal.format,
        }

    def _asked(
        self, parameters: dict[str, str], window: Window, contracts: int, *, salvage: bool = False
    ) -> AbstractContextManager[Answer]:
        """The answer about a history."""
        return self._transport.get(
            self._history,
            parameters,
            silence_seconds=self._terminal.history_timeout_seconds,
            ceiling=limits.history(window, contracts),
            salvage=salvage,
        )

    def _read(self, answer: Answer, validate: tables.Validate, rejects: Rejects) -> Iterator[pa.RecordBatch]:
        asked, loosely = self._terminal.format, self._loosely
        return read(answer, self._records, validate, rejects, asked=asked, loosely=loosely)


def _plain(batch: pa.RecordBatch, built: str, *, of_date: bool) -> pa.RecordBatch:
    """Rows of a report with the names of both APIs; *of_date* where they were made on their own date."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    stamp = columns.pop(built)
    columns |= {"root": columns.pop("symbol"), "built": stamp.cast(pa.int64())}
    if of_date:
        columns["date"] = pc.strftime(stamp, format="%Y-%m-%d")
    return pa.RecordBatch.from_pydict(columns)


def _contract(row: dict[str, Any]) -> Contract:
    return row["symbol"], row["expiration"], row["strike"], row["right"]


def history_columns(kind: str) -> tuple[str, ...]:
    """The columns of a history of *kind*, in the wire's own order."""
    return tuple(wire_rows.columns(_CONTRACT, *_STAMPED, schema.newest(kind)))


def read(
    answer: Answer,
    records: Schema,
    validate: tables.Validate,
    rejects: Rejects,
    *,
    asked: str,
    loosely: bool = False,
) -> Iterator[pa.RecordBatch]:
    """The *records* that *validate* makes of a history; see `tables.valid_rows`."""
    return tables.valid_rows(
        answer,
        wire_rows.columns(_CONTRACT, *_STAMPED, records),
        validate,
        rejects,
        asked=asked,
        optional=wire_rows.optional(records),
        otherwise=wire_rows.columns(_CONTRACT, *_DATED, records),
        loosely=loosely,
    )


def validated(
    batch: pa.RecordBatch, chain: Chain, window: Window, records: Schema
) -> tuple[pa.RecordBatch, Mapping[int, str]]:
    """Rows of a history of *chain* as *records*; see `wire_rows.validated`."""
    names = batch.schema.names
    zero = pa.scalar(chains.naive_midnight_ms(chain.date), pa.int64())
    if "timestamp" in names:
        stamp = pc.subtract(batch["timestamp"].cast(pa.int64()), zero)
    else:
        stamp = pc.add(batch["ms_of_day"], wire_rows.days_later(batch["date"], chain.date))
    columns = {
        "root": batch["symbol"],
        "expiration": batch["expiration"],
        "strike": batch["strike"],
        "right": batch["right"],
        "ms_of_day": stamp,
    }
    if "underlying_timestamp" in names:
        columns["underlying_ms_of_day"] = pc.subtract(batch["underlying_timestamp"].cast(pa.int64()), zero)
    elif "ms_of_day2" in names:
        columns["underlying_ms_of_day"] = batch["ms_of_day2"]
    asked = Asked(chain.root, chain.listed.isoformat(), window)
    return wire_rows.validated(batch, columns, chain, asked, records)
