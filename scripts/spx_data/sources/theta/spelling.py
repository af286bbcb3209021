"""Records as a v3 terminal spells them (docs/wire.md, 11.1 and 11.2): the other way round of `v3.validated`.

A number is spelt by the shortest text that reads as the same double, an absent one by an empty field or null;
a stamp by New York's clock without an offset. What a terminal cannot say of a record, `v3` does not hear: so
what reads these bytes has the records that were given, to the last bit.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from spx_data.market import schema, stamps
from spx_data.market.chains import Chain, midnight_ms, naive_midnight_ms
from spx_data.sources.theta import v3

CONNECTED = "CONNECTED"
# Each format, and what its answers are called in their headers.
FORMATS: Mapping[str, str] = {
    "csv": "text/csv",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
}
RIGHTS = {"C": "CALL", "P": "PUT"}

_CONTRACT = ("symbol", "expiration", "strike", "right")
_UNDERLYING = ("underlying_timestamp", "underlying_price")
_STAMPS = ("timestamp", _UNDERLYING[0])
_ROWS = 1 << 16  # at a time: 10 MB of text
_LINE_END = "\r\n"
_OPENED, _CLOSED = b'{"response":[', b"]}"


def history_path(kind: str) -> str:
    """Where a terminal has the histories of a *kind* of records."""
    return f"/v3/option/history/{v3.HISTORIES[kind]}"


def history(chains: Iterable[tuple[Chain, pl.DataFrame]], kind: str, form: str) -> Iterator[bytes]:
    """A history of *kind* in a format, some rows at a time: nothing at all where there are no records.

    Of each chain come its records or some of them, sorted by contract, with the columns of
    `Schema.record` of the kind: stamps in ms since the epoch.
    """
    parts = (
        (chain, part)
        for chain, records in chains
        for part in records.iter_slices(_ROWS)
        if not part.is_empty()
    )
    write = _WRITERS[form]
    begun = False
    for chain, part in parts:
        yield _between(form, begun, _header(kind)) + write(_spelt(part, chain, kind, form))
        begun = True
    if begun and form == "json":
        yield _CLOSED


def table(rows: pl.DataFrame, form: str) -> bytes:
    """A list, as of expirations or contracts, in a format; its text is words and dates, and strikes."""
    if form == "csv":
        return _line(rows.columns) + _csv(rows.with_columns(_quoted(rows, _CONTRACT)))
    numbers = [pl.col(name).cast(pl.Float64) for name in rows.columns if name == "strike"]
    lines = rows.with_columns(numbers).write_ndjson()
    if form == "ndjson":
        return lines.encode()
    return _OPENED + ",".join(lines.splitlines()).encode() + _CLOSED


def interest(chain: Chain, rows: pl.DataFrame) -> pl.DataFrame:
    """The open interest of contracts of a chain (strike, right, open_interest) with the wire's columns.

    It is of the morning, and nobody keeps the minute at which it was told: its stamp says the date.
    """
    stamp = f"{chain.date.isoformat()}T00:00:00.000"
    return rows.select(
        pl.lit(chain.root).alias("symbol"),
        pl.lit(chain.listed.isoformat()).alias("expiration"),
        strikes(rows["strike"]),
        pl.col("right").replace_strict(RIGHTS, return_dtype=pl.String),
        pl.lit(stamp).alias("timestamp"),
        "open_interest",
    )


def of_contracts(rows: pl.DataFrame, form: str) -> bytes:
    """A table in a format that begins with the columns of the contract: JSON has them apart."""
    if form != "json":
        return table(rows, form)
    plain = rows.with_columns(pl.col("strike").cast(pl.Float64))
    data = pl.struct(pl.exclude(_CONTRACT)).alias("data")
    each = plain.group_by(_CONTRACT, maintain_order=True).agg(data)
    nested = each.select(pl.struct(_CONTRACT).alias("contract"), "data").write_json()
    return _OPENED + nested.encode().removeprefix(b"[").removesuffix(b"]") + _CLOSED


def strikes(column: pl.Series) -> pl.Series:
    """Strikes as text: with three decimals, as terminals have them, or as many as it takes."""
    known = column.unique()
    return column.replace_strict(known, [_strike(value) for value in known], return_dtype=pl.String)


def _strike(dollars: float) -> str:
    usual = f"{dollars:.3f}"
    return usual if float(usual) == dollars else repr(dollars)


def _spelt(records: pl.DataFrame, chain: Chain, kind: str, form: str) -> pl.DataFrame:
    """Records with the wire's columns: the contract in one text of CSV, stamps in words, numbers as they are.

    A contract is the same in hundreds of rows, and is spelt once; so is, in CSV, the underlying of a stamp.
    """
    names = schema.newest(kind).source_names
    ours = {their: our for our, their in names.items()}
    wanted = [name for name in v3.history_columns(kind) if name not in (*_CONTRACT, *_STAMPS)]
    strike, is_call = records["strike"].to_numpy(), (records["right"] == "C").to_numpy()
    other = (strike[1:] != strike[:-1]) | (is_call[1:] != is_call[:-1])
    begins = np.concatenate([[0], np.flatnonzero(other) + 1])
    contracts = pl.Series("contract", _contracts(chain, records.select("strike", "right")[begins]))
    runs = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(records)))
    stamp, spelt = records["timestamp"].to_numpy(), [contracts.gather(runs)]
    known, place = stamps.indexed(stamp)
    spelt.append(_stamps(pl.Series("timestamp", known), chain.date).gather(place))
    spelt += [records[ours[name]].alias(name) for name in wanted if name not in _UNDERLYING]
    if _UNDERLYING[0] in records.columns:
        spelt += _underlying(records.select(_UNDERLYING), place, len(known), chain.date, form)
    return pl.DataFrame(spelt)


def _underlying(
    values: pl.DataFrame, place: stamps.Stamps, many: int, date: dt.date, form: str
) -> list[pl.Series]:
    """The underlying's stamp and price in the wire's columns; in CSV in one text, where it can be.

    *place* says which of so *many* stamps rows are at. All contracts mostly have the same underlying there.
    """
    first = np.empty(many, dtype=np.int64)
    first[place[::-1]] = np.arange(len(place) - 1, -1, -1)
    each, row = values[first], first.take(place)
    spelt = each.with_columns(_stamps(each[_UNDERLYING[0]], date))
    if form == "csv" and _is_alike(values, row):
        texts = _csv(spelt).decode().split(_LINE_END)[:-1]
        return [pl.Series(_UNDERLYING[0], texts).gather(place)]
    return [_stamps(values[_UNDERLYING[0]], date), values[_UNDERLYING[1]]]


def _is_alike(values: pl.DataFrame, row: stamps.Stamps) -> bool:
    """Whether each row has bit for bit what that other *row* has."""
    columns = values.get_columns()
    if any(column.null_count() for column in columns):
        return False
    bits = (column.to_numpy().view(np.int64) for column in columns)
    return all(bool((each == each.take(row)).all()) for each in bits)


def _contracts(chain: Chain, contracts: pl.DataFrame) -> list[str]:
    begin = f'"{chain.root}","{chain.listed.isoformat()}"'
    spelt = strikes(contracts["strike"])
    return [
        f'{begin},{strike},"{RIGHTS[right]}"' for strike, right in zip(spelt, contracts["right"], strict=True)
    ]


def _stamps(column: pl.Series, date: dt.date) -> pl.Series:
    """Moments in ms since the epoch by the clock of *date*, which is New York's: each is spelt once."""
    known = column.drop_nulls().unique().sort()
    if known.is_empty():
        return pl.Series(column.name, [None] * len(column), pl.String)
    naive = known.to_numpy() - midnight_ms(date) + naive_midnight_ms(date)
    spelt = pl.Series(np.datetime_as_string(naive.astype("datetime64[ms]"), unit="ms"))
    if not column.null_count():
        return spelt.gather(known.search_sorted(column)).alias(column.name)
    found = spelt.gather(known.search_sorted(column.fill_null(known[0])))
    return found.alias(column.name).set(column.is_null(), None)


# Formats ----------------------------------------------------------------------------------------------------


def _between(form: str, begun: bool, header: bytes) -> bytes:
    """What stands before a part of a body."""
    if form == "json":
        return b"," if begun else _OPENED
    return header if form == "csv" and not begun else b""


def _header(kind: str) -> bytes:
    return _line(v3.history_columns(kind))


def _line(words: Sequence[str]) -> bytes:
    return f"{','.join(words)}{_LINE_END}".encode()


def _csv(rows: pl.DataFrame) -> bytes:
    to = io.BytesIO()
    rows.write_csv(to, include_header=False, line_terminator=_LINE_END, quote_style="never")
    return to.getvalue()


def _quoted(rows: pl.DataFrame, names: Sequence[str]) -> list[pl.Expr]:
    """The words of a list as a terminal has them: in quotation marks; a strike is a number."""
    return [pl.format('"{}"', name) for name in names if name in rows.columns and name != "strike"]


def _parted(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `_spelt` with the contract as the columns that it is made of."""
    known = rows["contract"].unique(maintain_order=True)
    words = [text.replace('"', "").split(",") for text in known]
    columns = [pl.Series(name, [each[at] for each in words]) for at, name in enumerate(_CONTRACT)]
    contracts = pl.DataFrame([known, *columns]).with_columns(pl.col("strike").cast(pl.Float64))
    return rows.join(contracts, on="contract", maintain_order="left").drop("contract")


def _ndjson(rows: pl.DataFrame) -> bytes:
    parted = _parted(rows)
    return parted.select(*_CONTRACT, pl.exclude(_CONTRACT)).write_ndjson().encode()


def _json(rows: pl.DataFrame) -> bytes:
    """Each contract with its rows, without what stands around all of them."""
    data = pl.struct(pl.exclude("contract")).alias("data")
    contracts = _parted(rows.group_by("contract", maintain_order=True).agg(data))
    nested = contracts.select(pl.struct(_CONTRACT).alias("contract"), "data").write_json()
    return nested.encode().removeprefix(b"[").removesuffix(b"]")


_WRITERS = {"csv": _csv, "json": _json, "ndjson": _ndjson}
