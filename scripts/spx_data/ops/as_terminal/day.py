"""A sealed day as it is answered from: the bytes that were sealed, each chain found at once."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import polars as pl
import pyarrow.parquet as pq

from spx_data.errors import FileCorruptionError
from spx_data.lake import passports
from spx_data.market import schema
from spx_data.market.chains import Chain, midnight_ms
from spx_data.market.contracts import KEY
from spx_data.market.records import RIGHTS
from spx_data.market.schema import Schema
from spx_data.market.sessions import Window
from spx_data.quality import DETAILS
from spx_data.store import names, parquet, reads, seals
from spx_data.store.layout import Layout
from spx_data.store.seals import Seal

_NAMED = ("contracts_missing", "contracts_explained")  # contracts that were listed and have no record


class Entry(NamedTuple):
    """A chain of the day, with the row groups that hold its records, and contracts without any."""

    chain: Chain
    groups: Sequence[int]
    silent: Sequence[tuple[str, float]]  # of those that the source listed


@dataclass(frozen=True)
class Day:
    """A sealed day, and the file that it was when its bytes were looked at."""

    path: Path
    date: dt.date
    seal: Seal
    file: tuple[int, ...]
    columns: Schema
    footer: pq.FileMetaData
    entries: Sequence[Entry]
    vendor: Mapping[str, Any] | None  # the vendor's hours as the passport has them

    @classmethod
    def of(cls, layout: Layout, date: dt.date, seal: Seal, *, hashed: bool = True) -> Day:
        """The day that *seal* vouches for; every byte of it is read once, and *hashed*.

        Raises:
            FileCorruptionError: its bytes, or those of its passport, are others.
            OtherVersionError: another version of spx-data sealed it.
        """
        path = layout.parquet(date)
        with reads.reading(path, follow=True) as stream:
            file = _identity(stream)
            if hashed:
                seals.check(path, seal.parquet, hashlib.file_digest(stream, "sha256").hexdigest())
                stream.seek(0)
            with parquet.readable(path), parquet.opened(stream) as opened:
                columns, footer = parquet.schema_of(path, opened), opened.metadata
        passport = passports.read(layout, date, whole=True).document
        vendor = (passport.get("session") or {}).get("vendor")
        entries = _entries(date, passport, _groups(footer))
        return cls(path, date, seal, file, columns, footer, entries, vendor)

    def is_still(self, seal: Seal) -> bool:
        """Whether the day is what it was, and vouched for by *seal*."""
        if seal != self.seal:
            return False
        with reads.reading(self.path, follow=True) as stream:
            return _identity(stream) == self.file

    @cached_property
    def contracts(self) -> pl.DataFrame:
        """Each contract that has records, or was listed without: its chain, strike and right."""
        found = [entry for entry in self.entries if entry.groups or entry.silent]
        return pl.concat([_no_contracts(), *(_told(entry.chain, self._contracts(entry)) for entry in found)])

    def _contracts(self, entry: Entry) -> pl.DataFrame:
        """The strike and the right of each contract of a chain, in the order of its records."""
        silent = pl.DataFrame(entry.silent, {"right": pl.String, "strike": pl.Float64}, orient="row")
        there = self._read(entry.groups, ["strike", "right"])
        every = pl.concat([silent.select("strike", "right"), *there])
        return every.unique().sort("strike", "right")

    @cached_property
    def interest(self) -> pl.DataFrame | None:
        """The open interest of the morning, by root, true expiration, strike and right, where it is told.

        None where the day was sealed without its contracts.

        Raises:
            FileCorruptionError: their file is not what was sealed.
        """
        if self.seal.contracts is None:
            return None
        path = names.contracts_of(self.path)
        seals.check(path, self.seal.contracts, reads.digest(path))
        with parquet.readable(path):
            rows = pl.DataFrame(pq.read_table(path, columns=[*KEY, "open_interest"]))
        return rows.drop_nulls("open_interest").with_columns(pl.col("root", "right").cast(pl.String))

    def interest_of(self, entry: Entry, strike: float | None, rights: str) -> pl.DataFrame:
        """What `interest` has of a chain, or of some contracts of it: strike, right, open_interest."""
        chain = entry.chain
        wanted = (pl.col("root") == chain.root) & (pl.col("expiration") == chain.expiration)
        if (condition := _condition(self.date, None, strike, rights)) is not None:
            wanted &= condition
        found = pl.DataFrame() if self.interest is None else self.interest.filter(wanted)
        return found.select("strike", "right", "open_interest")

    def strikes(self, entry: Entry) -> set[float]:
        """The strikes of a chain that have records."""
        return {strike for rows in self._read(entry.groups, ["strike"]) for strike in rows["strike"].unique()}

    def records(
        self, entry: Entry, kind: str, window: Window | None, strike: float | None, rights: str
    ) -> Iterator[pl.DataFrame]:
        """The records of a chain in the columns of *kind*, some at a time; of *window*, where it is told."""
        wanted = _condition(self.date, window, strike, rights)
        for rows in self._read(entry.groups, schema.newest(kind).record.names):
            yield rows if wanted is None else rows.filter(wanted)

    def _read(self, groups: Sequence[int], names: Sequence[str]) -> Iterator[pl.DataFrame]:
        if not groups:
            return
        there = [name for name in names if name in self.columns.day.names]
        with reads.reading(self.path, follow=True) as stream, parquet.readable(self.path):
            if _identity(stream) != self.file:
                raise _changed(self.path)
            with parquet.opened(stream, metadata=self.footer, page_checksum_verification=True) as opened:
                for number in groups:
                    rows = schema.widened(opened.read_row_group(number, there), names)
                    yield pl.DataFrame(rows.cast(schema.records(names)))


def _entries(
    date: dt.date, passport: Mapping[str, Any], groups: Mapping[tuple[str, dt.date], Sequence[int]]
) -> Sequence[Entry]:
    """The chains of a passport; those that are in the file alone are listed under their true expiration."""
    found = []
    for at, each in enumerate(passport["chains"]):
        expiration = dt.date.fromisoformat(each["expiration"])
        listed = dt.date.fromisoformat(each.get("listed") or each["expiration"])
        chain = Chain(each["root"], expiration, date, listed)
        silent = _silent(passport, at) if each.get("witness") == "listing" else ()
        found.append(Entry(chain, groups.get((chain.root, expiration), ()), silent))
    return found


def _silent(passport: Mapping[str, Any], at: int) -> Sequence[tuple[str, float]]:
    """The right and the strike of the contracts without records that are named for a chain, like C 4700."""
    with suppress(LookupError, TypeError, AttributeError, ValueError):  # details are as they were sealed
        detail = passport[DETAILS]["chains"][at]
        names = [name.split(" ") for key in _NAMED for name in detail[key]]
        return [(right, float(strike)) for right, strike in names if right in RIGHTS.values()]
    return ()


def _groups(footer: pq.FileMetaData) -> Mapping[tuple[str, dt.date], Sequence[int]]:
    """The row groups of each chain, by its root and true expiration: none has rows of two (`DayWriter`)."""
    names = footer.schema.names
    places = names.index("root"), names.index("expiration")
    found: dict[tuple[str, dt.date], list[int]] = {}
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        root, expiration = (group.column(place).statistics.min for place in places)
        found.setdefault((root, expiration), []).append(number)
    return found


def _condition(date: dt.date, window: Window | None, strike: float | None, rights: str) -> pl.Expr | None:
    """Which records are wanted; None where all of them are."""
    wanted = list[pl.Expr]()
    if window is not None:
        stamp = pl.col("timestamp") - midnight_ms(date)
        wanted.append(stamp.is_between(window.start_ms, window.end_ms))
        wanted.append((stamp - window.start_ms) % window.step_ms == 0)
    if strike is not None:
        wanted.append((pl.col("strike") - strike).abs() < 0.0005)  # the wire has three decimals
    if len(rights) == 1:
        wanted.append(pl.col("right") == rights)
    return pl.all_horizontal(wanted) if wanted else None


def _no_contracts() -> pl.DataFrame:
    columns = {"root": pl.String, "listed": pl.Date, "expiration": pl.Date}
    return pl.DataFrame(schema={**columns, "strike": pl.Float64, "right": pl.String})


def _told(chain: Chain, contracts: pl.DataFrame) -> pl.DataFrame:
    """Contracts of a chain with the columns that name the chain."""
    named = (pl.lit(chain.root).alias("root"), pl.lit(chain.listed).alias("listed"))
    return contracts.select(*named, pl.lit(chain.expiration).alias("expiration"), "strike", "right")


def _identity(stream: BinaryIO) -> tuple[int, ...]:
    """What changes when a file is written anew."""
    found = os.fstat(stream.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _changed(path: Path) -> FileCorruptionError:
    return FileCorruptionError(
        f"{path} was sealed anew while it was read",
        cure="Ask again",
        path=path,
        expected="the file whose bytes were checked",
        actual="another one",
    )
