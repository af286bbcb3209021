"""API v3 (docs/wire.md, 11): no paging, strikes in dollars, stamps as New York text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spx_data.market import chains, schema
from spx_data.market.chains import Chain, Contract, Listed, Reported
from spx_data.market.records import Asked, Rejects
from spx_data.market.sessions import VendorHours, Window
from spx_data.settings import Terminal
from spx_data.sources.theta import errors, health, limits, tables, wire_rows
from spx_data.sources.theta.transport import Transport

_HISTORY = "/v3/option/history/greeks/first_order"
_STAMP = pa.timestamp("ms")
_CONTRACT: dict[str, pa.DataType] = {
    "symbol": tables.WORD,
    "expiration": tables.WORD,
    "strike": pa.float64(),
    "right": tables.WORD,
}
_EXPIRATION: dict[str, pa.DataType] = {"symbol": tables.WORD, "expiration": tables.WORD}
_FIRST_ORDER: dict[str, pa.DataType] = {
    **_CONTRACT,
    "timestamp": _STAMP,
    **dict.fromkeys(schema.SOURCE_MEASURES, pa.float64()),
    "underlying_timestamp": _STAMP,
    "underlying_price": pa.float64(),
}
HISTORY_COLUMNS = tuple(_FIRST_ORDER)  # in the wire's own order
# Long requests of one client came with a date and a time of day (docs/wire.md, 16).
_DATED: dict[str, pa.DataType] = {
    **_CONTRACT,
    "date": pa.int64(),
    "ms_of_day": pa.int64(),
    **dict.fromkeys(schema.SOURCE_MEASURES, pa.float64()),
    "ms_of_day2": pa.int64(),
    "underlying_price": pa.float64(),
}
_OPTIONAL = (*schema.SOURCE_OPTIONAL, "ms_of_day2")
_CALENDAR: dict[str, pa.DataType] = {"type": tables.WORD, "open": tables.WORD, "close": tables.WORD}
_RIGHTS = {"C": "call", "P": "put"}


class V3:
    """The terminal's v3 API as a `Source`."""

    api = "v3"

    def __init__(self, transport: Transport, terminal: Terminal, *, loosely: bool = False) -> None:
        self._transport, self._loosely = transport, loosely
        self._terminal = terminal
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

    def history(
        self, chain: Chain, window: Window, rejects: Rejects | None = None, *, contracts: int = 0
    ) -> Iterator[pa.RecordBatch]:
        """First-order greeks of *chain* at every stamp of *window*, as batches of `schema.RECORD`."""
        yield from self._first_order(chain, window, {}, rejects, contracts)

    def contract_history(
        self, chain: Chain, right: str, strike: float, window: Window, rejects: Rejects | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Like `history`, of one contract of *chain*; *right* is C or P."""
        only = {"strike": f"{strike:.3f}", "right": _RIGHTS[right]}
        for batch in self._first_order(chain, window, only, rejects, contracts=1):
            wire_rows.check_contract(batch, right, strike, self.base_url + _HISTORY)
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

    def _first_order(
        self, chain: Chain, window: Window, only: dict[str, str], rejects: Rejects | None, contracts: int
    ) -> Iterator[pa.RecordBatch]:
        parameters = {
            "symbol": chain.root,
            "expiration": chain.listed.isoformat(),
            "date": chain.date.isoformat(),
            "interval": window.interval,
            "start_time": window.start.isoformat(),
            "end_time": window.end.isoformat(),
            "version": self._terminal.greeks_version,
            "format": self._terminal.format,
            **only,
        }
        with self._transport.get(
            _HISTORY,
            parameters,
            silence_seconds=self._terminal.history_timeout_seconds,
            ceiling=limits.history(window, contracts),
        ) as answer:
            yield from tables.valid_rows(
                answer,
                _FIRST_ORDER,
                lambda batch: _validated(batch, chain, window),
                Rejects(strict=True) if rejects is None else rejects,
                asked=self._terminal.format,
                optional=_OPTIONAL,
                otherwise=_DATED,
                loosely=self._loosely,
            )


def _contract(row: dict[str, Any]) -> Contract:
    return row["symbol"], row["expiration"], row["strike"], row["right"]


def _validated(
    batch: pa.RecordBatch, chain: Chain, window: Window
) -> tuple[pa.RecordBatch, Mapping[int, str]]:
    if "timestamp" in batch.schema.names:
        zero = pa.scalar(chains.naive_midnight_ms(chain.date), pa.int64())
        stamp = pc.subtract(batch["timestamp"].cast(pa.int64()), zero)
        underlying_stamp = pc.subtract(batch["underlying_timestamp"].cast(pa.int64()), zero)
    else:
        stamp = pc.add(batch["ms_of_day"], wire_rows.days_later(batch["date"], chain.date))
        underlying_stamp = batch["ms_of_day2"]
    columns = {
        "root": batch["symbol"],
        "expiration": batch["expiration"],
        "strike": batch["strike"],
        "right": batch["right"],
        "ms_of_day": stamp,
        "underlying_ms_of_day": underlying_stamp,
    }
    return wire_rows.validated(batch, columns, chain, Asked(chain.root, chain.listed.isoformat(), window))
