"""What the sealed records of a day say, small enough for a page."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from spx_data.errors import FileCorruptionError, SchemaValidationError, SpxDataError
from spx_data.market.products import Product
from spx_data.quality import DETAILS
from spx_data.quality.checks import Floats
from spx_data.report.day.chain import DELTAS, Grid, Lines, Smile, read
from spx_data.report.page import Columns
from spx_data.store import parquet, seals

# Units of what is whole on the page.
LACKING = 1e-2
STALE = 1e-3
SPREAD = 1e-4  # of the midpoint
VOLATILITY = 1e-4

# Days to expiration of which smiles are drawn, as near as there are chains.
_TENORS = (0, 1, 7, 30, 60, 91, 182, 365, 1000)

# Of the records, what is read.
COLUMNS = (
    "strike",
    "right",
    "timestamp",
    "bid",
    "ask",
    "delta",
    "implied_vol",
    "iv_error",
    "underlying_price",
)


@dataclass(frozen=True)
class Market:
    """The day's quotes and volatilities, by expiration and minute."""

    grid: Grid
    chains: Sequence[Lines]  # by expiration, then root

    @classmethod
    def of(cls, product: Product, parquet: Path, passport: Mapping[str, Any]) -> Market:
        """Read the records of the sealed day of *product* with this *passport*, which stand in *parquet*.

        Raises:
            FileCorruptionError, MissingFileError: the Parquet is not what was sealed.
        """
        date = dt.date.fromisoformat(passport["date"])
        proofs = {
            (chain["root"], chain["expiration"]): proof
            for chain, proof in zip(passport["chains"], passport[DETAILS]["chains"], strict=True)
        }
        grid = Grid.of(product, passport)
        chains = [
            read(root, expiration, tables, proofs[root, expiration.isoformat()], grid)
            for root, expiration, tables in sealed_chains(parquet, date)
        ]
        return cls(grid, sorted(chains, key=lambda chain: (chain.expiration, chain.root)))

    @cached_property
    def with_smiles(self) -> Sequence[Lines]:
        """The chains of which smiles are drawn, from those that expire soon to those that live long."""
        fullest: dict[int, Lines] = {}
        for chain in self.chains:
            if any(_drawn(chain)) and chain.contracts > getattr(fullest.get(chain.days), "contracts", 0):
                fullest[chain.days] = chain
        if not fullest:
            return []
        nearest = {
            min(fullest, key=lambda days: abs(math.log((1 + days) / (1 + tenor)))) for tenor in _TENORS
        }
        return [fullest[days] for days in sorted(nearest)]

    @cached_property
    def data(self) -> Mapping[str, Columns]:
        """What charts share: `smiles` have a row a chain and moment, all others a row a chain.

        Of `presence`, `lacking`, `spread` and `stale`, a row's lists tell stretches of the grid in which
        nothing changes, *from* a column *until* another one; `minutes` have a value for each column.
        """
        return {
            "presence": _by_columns(map(_presence, self.chains)),
            "lacking": _by_columns(_shares(chain, 1 - chain.two_sided, LACKING) for chain in self.chains),
            "spread": _by_columns(_shares(chain, chain.spread, SPREAD) for chain in self.chains),
            "stale": _by_columns(_shares(chain, chain.stale, STALE) for chain in self.chains),
            "minutes": _by_columns(map(_minutes, self.chains)),
            "deltas": _by_columns(map(_deltas, self.chains)),
            "smiles": _by_columns(row for chain in self.with_smiles for row in _smiles(chain)),
        }


def _key(chain: Lines) -> dict[str, Any]:
    return {"chain": chain.name, "days": chain.days}


def _presence(chain: Lines) -> dict[str, Any]:
    present, missing = _tenths(chain.present), _tenths(chain.missing)
    return {**_runs(chain, present=present, missing=missing), "contracts": chain.contracts}


def _shares(chain: Lines, line: Floats, unit: float) -> dict[str, Any]:
    return _runs(chain, share=_whole(line, unit))


def _runs(chain: Lines, **lines: Sequence[float | None]) -> dict[str, Any]:
    """A row of lists with a value for each stretch in which none of *lines* changes; without empty ones."""
    values = list(zip(*lines.values(), strict=True))
    begins = [at for at, value in enumerate(values) if not at or value != values[at - 1]]
    runs = [
        (begin, end, *values[begin])
        for begin, end in zip(begins, [*begins[1:], len(values)], strict=True)
        if values[begin][0] is not None
    ]
    columns = zip(*runs, strict=True) if runs else [() for _ in range(2 + len(lines))]
    return {**_key(chain), **dict(zip(("from", "until", *lines), map(list, columns), strict=True))}


def _minutes(chain: Lines) -> dict[str, Any]:
    return {**_key(chain), "root": chain.root, "iv": _whole(chain.iv, VOLATILITY)}


def _deltas(chain: Lines) -> dict[str, Any]:
    """A row of `deltas`: moment after moment, the volatility at each of `DELTAS`."""
    nothing = np.full(len(DELTAS), np.nan)
    lines = [smile.by_delta if smile else nothing for smile in chain.smiles]
    return {**_key(chain), "iv": _whole(np.concatenate([np.zeros(0), *lines]), VOLATILITY)}


def _drawn(chain: Lines) -> list[Smile | None]:
    """The smiles of a chain that have points."""
    return [smile if smile and len(smile.strikes) else None for smile in chain.smiles]


def _smiles(chain: Lines) -> Iterable[dict[str, Any]]:
    """The rows of `smiles` of one chain: lists with a value for each strike."""
    for moment, smile in enumerate(_drawn(chain)):
        if smile:
            yield {
                **_key(chain),
                "moment": moment,
                "forward": round(smile.forward, 2),
                "deviation": float(f"{smile.deviation:.5g}"),
                "strike": [
                    int(strike) if strike == int(strike) else strike for strike in smile.strikes.tolist()
                ],
                "iv": _whole(smile.iv, VOLATILITY),
            }


def _whole(line: Floats, unit: float) -> list[int | None]:
    """A line in whole units, None where there is nothing: the shortest that JSON has."""
    return [round(value / unit) if math.isfinite(value) else None for value in line.tolist()]


def _tenths(line: Floats) -> list[float | None]:
    """A line of counts, which are means of whole ones where the lake has several stamps a minute."""
    counts = (round(value, 1) if math.isfinite(value) else None for value in line.tolist())
    return [int(count) if count is not None and count == int(count) else count for count in counts]


def _by_columns(rows: Iterable[Mapping[str, Any]]) -> Columns:
    found = list(rows)
    return {name: [row[name] for row in found] for name in found[0]} if found else {}


# The sealed records, checked before the first is read ---------------------------------------------------


def sealed_chains(path: Path, date: dt.date) -> Iterator[tuple[str, dt.date, Iterator[pl.DataFrame]]]:
    """The chains of the sealed file of *date* in its order, each with its records in turn, by `COLUMNS`.

    Raises:
        FileCorruptionError, MissingFileError: it is not what was sealed.
    """
    with _checked(path, date) as file:
        for root, expiration, tables in parquet.chains(file, COLUMNS):
            yield root, expiration, map(_frame, tables)


def _checked(path: Path, date: dt.date) -> pq.ParquetFile:
    """The open file, the bytes of which are those that were sealed."""
    try:
        seals.verify(path)
    except FileCorruptionError as error:
        raise _damaged(date, error.cause, **error.fields) from error
    try:
        file = parquet.opened(path)
    except (pa.ArrowException, OSError) as error:
        parquet.raise_if_the_systems(error, path)
        cause = f"{path} was sealed and cannot be read: {error}"
        raise _damaged(date, cause, path=path, expected="a Parquet", actual=str(error)) from error
    try:
        parquet.schema_of(path, file)
    except SpxDataError as error:
        file.close()
        if isinstance(error, SchemaValidationError):
            raise _damaged(date, error.cause, path=path, **error.fields) from error
        raise
    return file


def _damaged(date: dt.date, cause: str, **fields: object) -> FileCorruptionError:
    cure = f"`spx-data verify {date}` moves away what is damaged, and the next run fetches it again"
    return FileCorruptionError(cause, cure=cure, **fields)


def _frame(rows: pa.Table) -> pl.DataFrame:
    """Rows as a panel wants them: stamps in ms since the epoch, rights as text."""
    frame = pl.from_arrow(rows.select(COLUMNS))
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(pl.col("timestamp").to_physical(), pl.col("right").cast(pl.String))
