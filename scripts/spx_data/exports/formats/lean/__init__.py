"""LEAN's data folder: minute quotes, open interest and universes of options, and what they are on.

Names, columns and scaling are those of the files that come with LEAN. A bar has the time at which it begins:
that of 09:30 ends at the stamp 09:31, closes at its quote and opened at the one before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from spx_data.exports import Format
from spx_data.exports.day import Day, Output
from spx_data.exports.formats.lean import minutes, universe
from spx_data.exports.formats.lean.places import Place

if TYPE_CHECKING:
    import polars as pl

_SIZES = ("bid_size", "ask_size")
_CONTRACT = ("root", "expiration", "strike", "right")


def _write(day: Day, out: Output) -> None:
    rows = minutes.whole(day.rows()).collect()
    reported = day.reported()
    trades = minutes.underlying(rows)
    for note in _lacking(rows, reported, trades):
        out.note(note)
    if trades is not None:
        Place.of(day.product, day.product.symbol).write_underlying(out, day.date, trades)
    for of_root in rows.partition_by("root", maintain_order=True):
        place = Place.of(day.product, of_root["root"][0])
        place.write_minutes(out, day.date, "quote", minutes.quotes(of_root))
        told = None
        if reported is not None:
            told = reported.join(of_root.select(_CONTRACT).unique(), on=_CONTRACT, how="semi")
            place.write_minutes(out, day.date, "openinterest", minutes.open_interest(told))
        place.write_universe(out, day.date, universe.lines(of_root, told, trades, day.product))


def _lacking(rows: pl.DataFrame, reported: pl.DataFrame | None, trades: pl.DataFrame | None) -> Iterator[str]:
    if not set(_SIZES) <= set(rows.columns):
        yield "the lake has no sizes: 0 stands for them"
    if reported is None or reported["open_interest"].is_null().all():
        yield "the day has no open interest: no such file, and empty in the universe"
    if reported is None or reported["volume"].is_null().all():
        yield "the day has no volumes: empty in the universe"
    if trades is None:
        yield "the lake has no price of the underlying: no such file, and no such row in the universe"


FORMAT = Format(
    "lean",
    "LEAN's data folder: minute quotes, open interest, universes, the underlying",
    _write,
    reports=True,
)
