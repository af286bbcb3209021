"""The underlying's price through the day, and among the sessions around it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from spx_data.lake.session_states import Kind
from spx_data.market import schema
from spx_data.report.day.tables import checks
from spx_data.report.day.view import View, around
from spx_data.report.drawing import MONTH_AND_DAY, Figure, Row, at, chart_of, clock, dashed, told
from spx_data.report.page import Content, Tile
from spx_data.status import Summary
from spx_data.store import parquet

_PRICES = ("open", "high", "low", "close")
_COLUMNS = ["timestamp", "underlying_price"]
_DOLLARS = alt.Axis(format=",.8~g")


def content(view: View) -> Content:
    """The prices of the day in words and charts, and what was checked about them."""
    assert view.market, "which has checked the file"
    series = prices(view.layout.parquet(view.date), view.dossier["chains"])
    lead = f"Price in the records at {len(series):,} stamps: the last print at or before each."
    more = {
        "tiles": list(_tiles(view.dossier["underlying"], _close_before(view))),
        "checks": checks(view.dossier, ["underlying"]),
    }
    return Content(lead if series else "", list(_figures(view, series)), more)


# Figures in words -----------------------------------------------------------------------------------------


def _close_before(view: View) -> tuple[dt.date, float] | None:
    """The close of the session before this one, where that is sealed too."""
    before = [summary for summary in view.summaries if summary.date < view.date]
    if not before or before[-1].state.kind is not Kind.SEALED:
        return None
    close = before[-1].facts.underlying_close
    return (before[-1].date, close) if close else None


def _tiles(found: Mapping[str, float] | None, before: tuple[dt.date, float] | None) -> Iterator[Tile]:
    if not found or found["close"] is None:
        return
    opened, high, low, close = (found[name] for name in _PRICES)
    since = f"{_change(opened, before[1])} on the previous close" if before else ""
    yield Tile("open", _price(opened), since)
    yield Tile("high", _price(high), _change(high, opened))
    yield Tile("low", _price(low), _change(low, opened))
    yield Tile("close", _price(close), _change(close, opened))
    yield Tile("range", _price(high - low), f"{100 * (high - low) / opened:.2f} % of the open")
    if before:
        date, price = before
        yield Tile("change", _change(close, price), f"from {_price(price)} on {date}")


def _price(value: float) -> str:
    return f"{value:,.2f}"


def _change(value: float, before: float) -> str:
    return f"{100 * (value / before - 1):+.2f} %".replace("-", "−")


# Charts ---------------------------------------------------------------------------------------------------


def _figures(view: View, series: Sequence[tuple[dt.datetime, float]]) -> Iterator[Figure]:
    if series:
        yield Figure(
            "price",
            "Price through the day",
            _through_the_day(series),
            "New York time. Dots: high and low. Dashed: the first price.",
            260,
            wide=True,
        )
    beside = around(_known(view), view.date)
    if len(beside) > 1:
        yield Figure(
            "candles",
            "Neighbouring sessions",
            _candles(view.date, beside),
            "Open, high, low and close of sealed sessions; this one is shaded.",
            180,
            wide=True,
        )


def _through_the_day(series: Sequence[tuple[dt.datetime, float]]) -> alt.TopLevelMixin:
    rows = [{**at(stamp), "price": round(price, 4)} for stamp, price in series]
    low, high = min(rows, key=lambda row: row["price"]), max(rows, key=lambda row: row["price"])
    ends = [_end(high, "high", rows), _end(low, "low", rows)]
    room = 0.12 * (high["price"] - low["price"]) or 1.0
    scale = alt.Scale(domain=[low["price"] - room, high["price"] + room], nice=False, zero=False)
    base = chart_of(rows).encode(
        x=clock("at"),
        y=alt.Y("price:Q", title="dollars", scale=scale, axis=_DOLLARS),
    )
    near = alt.selection_point(name="near", on="pointermove", nearest=True, encodings=["x"], empty=False)
    line = base.mark_line(strokeWidth=1.6, strokeJoin="round", color="@blue")
    finder = (
        base.mark_point(size=60, filled=True, color="@blue")
        .encode(
            opacity=alt.condition(near, alt.value(1), alt.value(0)),
            tooltip=told(clock="at", price=("price", ",.2f")),
        )
        .add_params(near)
    )
    marked = chart_of(ends).encode(x="at:T", y="price:Q")
    dots = marked.mark_circle(size=60, color="@vermilion", opacity=1)
    words = marked.mark_text(dy=alt.expr("datum.dy"), align=alt.expr("datum.align"), fontSize=11).encode(
        text="says:N"
    )
    return alt.layer(*dashed("price", rows[0]["price"]), line, dots, words, finder)


def _end(row: Row, name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """The highest or the lowest of *rows* with its label, which does not leave the chart at either side."""
    place = (row["at"] - rows[0]["at"]) / max(1, rows[-1]["at"] - rows[0]["at"])
    align = "left" if place < 0.05 else "right" if place > 0.95 else "center"
    return {**row, "says": f"{name} {row['price']:,.2f}", "dy": -11 if name == "high" else 13, "align": align}


def _known(view: View) -> list[Summary]:
    """The sealed sessions whose prices are known, oldest first."""
    return [
        summary
        for summary in view.summaries
        if summary.state.kind is Kind.SEALED and summary.facts.underlying_close is not None
    ]


def _candles(date: dt.date, beside: Sequence[Summary]) -> alt.TopLevelMixin:
    rows = [
        {
            "date": each.date.isoformat(),
            **{name: getattr(each.facts, f"underlying_{name}") for name in _PRICES},
            "is_it": each.date == date,
        }
        for each in beside
    ]
    colour = alt.condition("datum.close < datum.open", alt.value("@vermilion"), alt.value("@sealed"))
    base = chart_of(rows).encode(
        x=alt.X("date:O", title=None, axis=MONTH_AND_DAY),
        color=colour,
        tooltip=told(date="date", **{name: (name, ",.2f") for name in _PRICES}),
    )
    scale, axis = alt.Scale(zero=False), _DOLLARS
    band = (
        base.transform_filter("datum.is_it")
        .mark_bar(opacity=0.7, width=alt.RelativeBandSize(0.95))
        .encode(y=alt.value(0), y2=alt.value("height"), color=alt.value("@grid"))
    )
    wick = base.mark_rule(strokeWidth=1.2).encode(
        y=alt.Y("low:Q", title="dollars", scale=scale, axis=axis), y2="high:Q"
    )
    body = base.mark_bar(width=alt.RelativeBandSize(0.5)).encode(y="open:Q", y2="close:Q", stroke=colour)
    return alt.layer(band, wick, body)


# The records' prices ------------------------------------------------------------------------------------


def prices(path: Path, chains: Sequence[Mapping[str, Any]]) -> list[tuple[dt.datetime, float]]:
    """The underlying's price at the day's stamps, of the chain of a passport that has most of them.

    All chains name the same price at a stamp (the check `underlying-differs` tells where they do not), so
    one of them is read, and two columns of it. Records of a stamp agree as well; where they do not, the
    median is taken. A price of 0 is the vendor's word for none. That the file is what was sealed is for the
    caller to see to.
    """
    there = [chain for chain in chains if chain["rows"]]
    if not there:
        return []
    fullest = max(there, key=lambda chain: (chain["grid"] or 0, chain["rows"]))
    with parquet.opened(path) as file:
        rows = pa.concat_tables(_groups(file, fullest["root"], fullest["expiration"]))
    return _median_by_stamp(rows)


def _groups(file: pq.ParquetFile, root: str, expiration: str) -> Iterator[pa.Table]:
    """The rows of a chain, which has row groups of its own."""
    names = file.schema_arrow.names
    at = names.index("root"), names.index("expiration")
    wanted = root, dt.date.fromisoformat(expiration)
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        if tuple(group.column(place).statistics.min for place in at) == wanted:
            there = [name for name in _COLUMNS if name in names]
            yield schema.widened(file.read_row_group(number, columns=there), _COLUMNS)


def _median_by_stamp(rows: pa.Table) -> list[tuple[dt.datetime, float]]:
    found = (
        pl.DataFrame(pl.from_arrow(rows))
        .filter(pl.col("underlying_price") > 0)
        .group_by("timestamp")
        .agg(pl.col("underlying_price").median())
        .sort("timestamp")
    )
    stamps = found["timestamp"].dt.convert_time_zone(schema.ZONE).dt.replace_time_zone(None)
    return list(zip(stamps, found["underlying_price"], strict=True))
