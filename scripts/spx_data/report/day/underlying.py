"""The underlying's price through the day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt

from spx_data.lake.session_states import Kind
from spx_data.report.day import prices
from spx_data.report.day.checks import checks
from spx_data.report.day.drawing import MONTH_AND_DAY, around, clock, dashed, layered, moment
from spx_data.report.day.view import View
from spx_data.report.drawing import Row, chart_of
from spx_data.report.page import Figure, Section
from spx_data.report.tiles import Tile
from spx_data.status import Summary

_PRICES = ("open", "high", "low", "close")
_DOLLARS = alt.Axis(format=",.8~g")


def section(view: View) -> Section:
    """The section: the underlying's price through the day."""
    found, series = view.dossier["underlying"], _series(view)
    return Section(
        "underlying",
        "Underlying",
        template="underlying",
        lead=_lead(len(series)),
        figures=list(_figures(view, series)),
        context={
            "tiles": list(_tiles(found, _close_before(view))) if _is_known(found) else [],
            "checks": checks(view.dossier, ["underlying"]),
            "stamps": len(series),
        },
    )


def _lead(stamps: int) -> str:
    if not stamps:
        return ""
    return f"The records' price of the index at {stamps:,} stamps: the last print at or before each."


def _series(view: View) -> list[tuple[dt.datetime, float]]:
    assert view.market, "which has checked the file"
    return prices.minutes(view.layout.parquet(view.date), view.dossier["chains"])


def _is_known(found: Mapping[str, Any] | None) -> bool:
    return bool(found) and found is not None and found["close"] is not None


# Figures in words -----------------------------------------------------------------------------------------


def _close_before(view: View) -> tuple[dt.date, float] | None:
    """The close of the session before this one, where that is sealed too."""
    before = [summary for summary in view.summaries if summary.date < view.date]
    if not before or before[-1].state.kind is not Kind.SEALED:
        return None
    close = before[-1].facts.underlying_close
    return (before[-1].date, close) if close else None


def _tiles(found: Mapping[str, float], before: tuple[dt.date, float] | None) -> Iterator[Tile]:
    opened, high, low, close = (found[name] for name in _PRICES)
    yield Tile.of(
        "open", _price(opened), f"{_change(opened, before[1])} to the close before" if before else ""
    )
    yield Tile.of("high", _price(high), _change(high, opened))
    yield Tile.of("low", _price(low), _change(low, opened))
    yield Tile.of("close", _price(close), _change(close, opened))
    yield Tile.of("range", _price(high - low), f"{100 * (high - low) / opened:.2f} % of the open")
    if before:
        date, price = before
        yield Tile.of("on the day", _change(close, price), f"from {_price(price)} on {date}")


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
            "New York time. Points: high and low of the stamps shown. Dashed: the first of them.",
            wide=True,
        )
    beside = around(_known(view), view.date)
    if len(beside) > 1:
        yield Figure(
            "candles",
            "Sessions around",
            _candles(view.date, beside),
            "Open, high, low and close of the sealed sessions; this one stands on a band.",
            wide=True,
        )


def _through_the_day(series: Sequence[tuple[dt.datetime, float]]) -> alt.TopLevelMixin:
    rows = [{**moment(at), "price": round(price, 4)} for at, price in series]
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
            tooltip=[alt.Tooltip("clock:N", title="at"), alt.Tooltip("price:Q", format=",.2f")],
        )
        .add_params(near)
    )
    first = dashed("price", rows[0]["price"])
    marked = chart_of(ends).encode(x="at:T", y="price:Q")
    dots = marked.mark_circle(size=60, color="@vermilion", opacity=1)
    words = marked.mark_text(dy=alt.expr("datum.dy"), align=alt.expr("datum.align"), fontSize=11).encode(
        text="says:N"
    )
    return layered(260, first, line, dots, words, finder)


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
        tooltip=["date:N", *(alt.Tooltip(f"{name}:Q", format=",.2f") for name in _PRICES)],
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
    return layered(180, band, wick, body)
