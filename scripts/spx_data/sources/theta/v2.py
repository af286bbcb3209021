"""API v2 (docs/wire.md, 1 to 4): pages, strikes in 1/1000 dollar, times in ms since midnight."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from spx_data.errors import ApiDataNotFoundError, LargeRequestError
from spx_data.market import schema
from spx_data.market.chains import Chain, Contract, Listed, ListedChain, Reported
from spx_data.market.columns import GREEKS, GREEKS_ALL, QUOTES
from spx_data.market.contracts import Figures, Report
from spx_data.market.records import Asked, Rejects
from spx_data.market.schema import Schema
from spx_data.market.sessions import VendorHours, Window
from spx_data.settings import Terminal
from spx_data.sources.source import Part
from spx_data.sources.theta import bodies, errors, health, json_text, limits, reports, tables, wire_rows
from spx_data.sources.theta.limits import Ceiling
from spx_data.sources.theta.transport import Answer, Transport

_Address = tuple[str, frozenset[tuple[str, str]]]
_Reader = Callable[[Answer], Iterator[pa.RecordBatch]]

GREEKS_VERSION = "1"  # v2 knows no other (docs/wire.md, 3.2)

_THOUSANDTHS = 1000.0
_CONTRACT: dict[str, pa.DataType] = {
    "root": tables.WORD,
    "expiration": pa.int64(),
    "strike": pa.int32(),  # up to two million dollars
    "right": tables.WORD,
}
# What a terminal calls itself, whatever it is reached by.
_ITSELF = re.compile(r"http://(127\.0\.0\.1|localhost)(:\d+)?(?=/)")
_STAMPED = {"ms_of_day": pa.int64()}, {"ms_of_day2": pa.int64()}
# Of each kind of records, under the path of all histories (docs/wire.md, 2 and 6).
_HISTORIES = {GREEKS: "greeks", GREEKS_ALL: "all_greeks", QUOTES: "quote"}


class V2:
    """The terminal's v2 API as a `Source`."""

    api = "v2"
    greeks_version = GREEKS_VERSION

    def __init__(
        self, transport: Transport, terminal: Terminal, records: Schema, *, loosely: bool = False
    ) -> None:
        self._transport, self._loosely = transport, loosely
        self._terminal, self._records = terminal, records
        self._name, self._tick = _HISTORIES[records.kind], _tick(records)
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
            "/v2/list/expirations",
            {"root": root},
            silence_seconds=self._terminal.timeout_seconds,
            ceiling=limits.EXPIRATIONS,
        ) as answer:
            try:
                bodies.past_mark(answer.body)
                numbers = json_text.whole(answer.body)["response"]
                return wire_rows.listed_expirations(map(str, numbers), answer.url)
            except (ValueError, KeyError, TypeError) as error:
                raise errors.invalid(
                    answer.url, f"cannot be read: {error!r}", "dates as YYYYMMDD in `response`"
                ) from error

    def listing(self, root: str, date: dt.date) -> Listed:
        """The chains of *root* with quotes on *date*; raises ApiDataNotFoundError where there are none."""
        path = "/v2/list/contracts/option/quote"
        parameters: dict[str, str | int] = {"root": root, "start_date": _number(date), "use_csv": "true"}
        rows, unreadable = self._rows(path, parameters, _CONTRACT, limits.CONTRACTS)
        return wire_rows.group(root, date, map(_contract, rows), unreadable, f"{self.base_url}{path}")

    def eod(self, root: str, date: dt.date) -> Reported:
        """The chains in the end-of-day report of *date*; raises ApiDataNotFoundError where there is none."""
        path, columns = "/v2/bulk_hist/option/eod", _CONTRACT | wire_rows.REPORT
        rows, unreadable = self._rows(path, _of_all(root, date), columns, limits.REPORT)
        told = ((_contract(row), wire_rows.is_lively(row)) for row in rows)
        return wire_rows.reported(root, date, told, unreadable)

    def figures(self, root: str, date: dt.date, report: Report) -> Figures:
        """What a *report* says of each contract; raises ApiDataNotFoundError where it says nothing."""
        columns = _CONTRACT | {"ms_of_day": pa.int64()} | reports.columns(report) | {"date": pa.int64()}
        path = f"/v2/bulk_hist/option/{reports.PATHS[report]}"
        found, unreadable = self._batches(path, _of_all(root, date), columns, limits.REPORT, reports.OPTIONAL)
        return reports.figures(root, date, report, map(_plain_rows, found), unreadable)

    def history(
        self, chain: Chain, window: Window, rejects: Rejects | None = None, *, contracts: int = 0
    ) -> Iterator[pa.RecordBatch]:
        """The records of *chain* at every stamp of *window*."""
        columns = _CONTRACT | self._tick
        read = self._reader(columns, lambda batch: self._validated(batch, chain, window), rejects)
        path, most = f"/v2/bulk_hist/option/{self._name}", limits.history(window, contracts)
        yield from self._tables(path, self._asked(chain, window), read, most)

    def whole_date(
        self, root: str, date: dt.date, chains: Sequence[ListedChain], window: Window, max_dte: int | None
    ) -> Iterator[Part]:
        """Nobody calls it: this API is asked chain by chain, as its capabilities say."""
        raise NotImplementedError

    def contract_history(
        self, chain: Chain, right: str, strike: float, window: Window, rejects: Rejects | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Like `history`, of one contract of *chain*; *right* is C or P.

        Rows of this endpoint do not say whose they are (docs/wire.md, 2).
        """
        thousandths = round(strike * _THOUSANDTHS)
        contract = {
            "root": chain.root,
            "expiration": _number(chain.listed),
            "strike": thousandths,
            "right": right,
        }
        parameters = self._asked(chain, window) | {"strike": thousandths, "right": right}

        def sift(ticks: pa.RecordBatch) -> tuple[pa.RecordBatch, Mapping[int, str]]:
            constant = [
                pa.repeat(pa.scalar(contract[name], _plain(kind)), len(ticks)).cast(kind)
                for name, kind in _CONTRACT.items()
            ]
            names = [*_CONTRACT, *self._tick]
            whole = pa.RecordBatch.from_arrays([*constant, *ticks.columns], names=names)
            return self._validated(whole, chain, window)

        read = self._reader(self._tick, sift, rejects)
        yield from self._tables(f"/v2/hist/option/{self._name}", parameters, read, limits.history(window, 1))

    def hours(self, _: dt.date, /) -> VendorHours | None:
        """None: this API has no calendar (docs/wire.md, 7)."""
        return None

    def _asked(self, chain: Chain, window: Window) -> dict[str, str | int]:
        return {
            "root": chain.root,
            "exp": _number(chain.listed),
            "start_date": _number(chain.date),
            "end_date": _number(chain.date),
            "ivl": window.step_ms,
            "start_time": window.start_ms,
            "end_time": window.end_ms,
            "use_csv": "true" if self._terminal.format == "csv" else "false",
        }

    def _validated(
        self, batch: pa.RecordBatch, chain: Chain, window: Window
    ) -> tuple[pa.RecordBatch, Mapping[int, str]]:
        columns = {
            "root": batch["root"],
            "expiration": _words(batch["expiration"]),
            "strike": pc.divide(batch["strike"].cast(pa.float64()), _THOUSANDTHS),
            "right": batch["right"],
            "ms_of_day": pc.add(batch["ms_of_day"], wire_rows.days_later(batch["date"], chain.date)),
        }
        if "ms_of_day2" in batch.schema.names:
            columns["underlying_ms_of_day"] = batch["ms_of_day2"]
        asked = Asked(chain.root, chain.listed.isoformat(), window)
        return wire_rows.validated(batch, columns, chain, asked, self._records)

    def _reader(self, columns: tables.Columns, sift: tables.Validate, rejects: Rejects | None) -> _Reader:
        """What reads the records on a page of history."""

        def read(answer: Answer) -> Iterator[pa.RecordBatch]:
            put_up_with = Rejects(strict=True) if rejects is None else rejects
            asked = self._terminal.format
            return tables.valid_rows(
                answer,
                columns,
                sift,
                put_up_with,
                asked=asked,
                optional=wire_rows.optional(self._records),
                loosely=self._loosely,
            )

        return read

    def _rows(
        self, path: str, parameters: dict[str, str | int], columns: tables.Columns, ceiling: Ceiling
    ) -> tuple[list[dict[str, Any]], int]:
        """The readable rows on all pages of a list, and how many are not."""
        batches, unreadable = self._batches(path, parameters, columns, ceiling)
        return [row for batch in batches for row in batch.to_pylist()], unreadable

    def _batches(
        self,
        path: str,
        parameters: dict[str, str | int],
        columns: tables.Columns,
        ceiling: Ceiling,
        optional: Iterable[str] = (),
    ) -> tuple[list[pa.RecordBatch], int]:
        """Like `_rows`, in batches; some of the columns may be *optional*."""
        unreadable = 0

        def read(answer: Answer) -> Iterator[pa.RecordBatch]:
            nonlocal unreadable
            found, bad = wire_rows.batches(answer, columns, optional)
            unreadable += bad
            return iter(found)

        return list(self._tables(path, parameters, read, ceiling)), unreadable

    def _tables(
        self, path: str, parameters: dict[str, str | int], read: _Reader, ceiling: Ceiling
    ) -> Iterator[pa.RecordBatch]:
        """What *read* finds on every page of an answer; no page may come twice."""
        beginnings: set[tuple[object, ...]] = set()
        for answer in self._pages(path, parameters, ceiling):
            for number, batch in enumerate(read(answer)):
                if number == 0:
                    beginning = tuple(column[0].as_py() for column in batch.columns)
                    if beginning in beginnings:
                        raise errors.invalid(answer.url, "repeats the rows of a page before", "new rows")
                    beginnings.add(beginning)
                yield batch

    def _pages(self, path: str, parameters: dict[str, str | int], ceiling: Ceiling) -> Iterator[Answer]:
        """Every page of an answer, in order; each one lasts until the next is asked for.

        The address of the next page is used as it is (docs/wire.md, 1.2), provided it is this
        terminal's and was not asked before: a terminal that is reached by another name or port, as through
        a tunnel, calls itself 127.0.0.1 all the same. All pages together have the *ceiling*.
        """
        seen: set[_Address] = set()
        following: str | None = path
        while following is not None:
            with ExitStack() as stack:
                page = self._transport.get(
                    following,
                    {} if seen else parameters,
                    silence_seconds=self._terminal.history_timeout_seconds,
                    ceiling=ceiling,
                    about=self.base_url + path if seen else "",
                )
                try:
                    answer = stack.enter_context(page)
                except (ApiDataNotFoundError, LargeRequestError) as error:
                    if not seen:
                        raise
                    # What these say of a request, "nothing" or "halve it", would drop or repeat rows here.
                    raise errors.invalid(
                        following, f"is none: {error.cause}", "the page that the one before it names"
                    ) from error
                seen.add(_address(answer.url))
                following = answer.next_page
                if following is None:
                    following = tables.next_page_of(answer)
                if following is not None:
                    following = self._page(following, seen, answer)
                ceiling = ceiling.after(answer.body.seek(0, 2))
                answer.body.seek(0)
                yield answer

    def _page(self, page: str, seen: set[_Address], answer: Answer) -> str:
        """Where a *page* is asked for that an *answer* names."""
        if len(seen) >= limits.PAGES:
            raise errors.invalid(answer.url, f"is page {len(seen):,}, and not the last", "an end by then")
        if itself := _ITSELF.match(page):
            page = self.base_url + page[itself.end() :]
        if not page.startswith(f"{self.base_url}/"):
            raise errors.invalid(answer.url, f"leads to {page}", f"a page of {self.base_url}")
        if _address(page) in seen:
            raise errors.invalid(answer.url, f"leads back to the page {page}", "each page once")
        return page


def _of_all(root: str, date: dt.date) -> dict[str, str | int]:
    """What asks for all contracts of *root*."""
    day = _number(date)
    return {"root": root, "exp": 0, "start_date": day, "end_date": day, "use_csv": "true"}


def _plain_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows of a report with the names of both APIs, and strikes in dollars."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    strike, expiration = columns["strike"].cast(pa.float64()), _words(columns["expiration"])
    columns |= {"strike": pc.divide(strike, _THOUSANDTHS), "expiration": expiration}
    columns["built"] = columns.pop("ms_of_day")
    return pa.RecordBatch.from_pydict(columns)


def _contract(row: dict[str, Any]) -> Contract:
    return row["root"], str(row["expiration"]), row["strike"] / _THOUSANDTHS, row["right"]


def _address(url: str) -> _Address:
    """What *url* asks for, whatever the order of its parameters."""
    parts = urlsplit(url)
    return parts.path, frozenset(parse_qsl(parts.query))


def _tick(records: Schema) -> dict[str, pa.DataType]:
    """The columns of a row that does not say whose it is, in the wire's own order."""
    return wire_rows.columns({}, *_STAMPED, records) | {"date": pa.int64()}


def history_columns(kind: str) -> tuple[str, ...]:
    """The columns of a history of *kind*, in the wire's own order."""
    return tuple(_CONTRACT | _tick(schema.newest(kind)))


def _words(column: pa.Array) -> pa.DictionaryArray:
    """A column of whole numbers as words."""
    encoded = column.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices, encoded.dictionary.cast(pa.string()))


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of a column's values, encoded or not."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _number(date: dt.date) -> int:
    return int(f"{date:%Y%m%d}")
