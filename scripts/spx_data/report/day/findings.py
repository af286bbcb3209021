"""What no market allows: arbitrage beyond the spread, parity that does not hold; and where it was found.

Of parity also what it implies: the forward and the rate of each expiration.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt

from spx_data.report.day.tables import checks, is_costly, is_fact
from spx_data.report.day.view import View
from spx_data.report.drawing import Figure, Row, at, chart_of, clock, colours_of_roots, dashed, told
from spx_data.report.page import Content
from spx_data.status import day_report

_ABOUT = ("arbitrage", "parity")

_ROW, _LEAST = 30, 110  # pixels for each check, and for few of them
_TALL = 0.86  # of its row: the highest bar

# Days are whole ones, and the rest of the session weighs in what is near; so does a cent of a price.
_FEWEST_DAYS = 30
_YEAR = 365.0
_FLOOR = 1e-6  # of a misfit: figures have six digits, and tell no better one
_ROOM = 0.001  # a tenth of a percent of rate above and below, so that trifles look like trifles
_HEIGHT = 210
_DAYS = alt.Scale(type="symlog", constant=3, nice=False, padding=6)
_TICKS = [0, 1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1095, 1825]
_DAYS_AXIS = alt.Axis(values=_TICKS, grid=False, format=",.0f")


def content(view: View) -> Content:
    """What was found, in words and by stamp and chain."""
    lead = (
        "Riskless profits at quoted prices, and calls that disagree with puts; then, for every check, the "
        "minutes and chains of its findings."
    )
    more = {"words": _words(view.dossier), "checks": checks(view.dossier, _ABOUT)}
    return Content(lead, [*_where(view), *_of_parity(view)], more)


def _words(found: Mapping[str, Any]) -> list[str]:
    """What was found, a sentence for each of the parts that the section is about."""
    return [_sentence(part, [check for check in found["checks"] if check["part"] == part]) for part in _ABOUT]


def _sentence(part: str, among: list[Mapping[str, Any]]) -> str:
    looked, found = ([check for check in among if check[name]] for name in ("of", "hits"))
    if not looked:
        return f"{part.capitalize()}: no data to check."
    if not found:
        return f"{part.capitalize()}: no findings ({_names(looked)})."
    return f"{part.capitalize()}: {', '.join(map(_told, found))}."


def _told(check: Mapping[str, Any]) -> str:
    return f"{check['hits']:,} of {check['of']:,} {check['unit']} ({check['check']})"


def _names(among: list[Mapping[str, Any]]) -> str:
    return ", ".join(check["check"] for check in among)


def _where(view: View) -> Iterator[Figure]:
    """When and in which chains checks found something: first what is wrong, then what markets do."""
    found = [check["check"] for check in view.dossier["checks"] if check["hits"]]
    wrong, facts = ([code for code in found if is_fact(code) is fact] for fact in (False, True))
    if wrong:
        yield from _hits(view, wrong, "findings", "Findings by {}")
    if facts:
        yield from _hits(view, facts, "facts", "Facts of the market (no points lost) by {}")


# By stamp, and by chain ---------------------------------------------------------------------------------


def _hits(view: View, codes: Sequence[str], name: str, title: str) -> Iterator[Figure]:
    """What the checks *codes* found by stamp and by chain; *title* has a place for which of the two."""
    hits = (view.dossier["minutes"] or {}).get("hits", {})
    if most := {code: max(hits[code]) for code in codes if any(hits.get(code, ()))}:
        rows = _by_stamp(view, most)
        yield Figure(
            f"{name}-by-minute",
            title.format("minute"),
            _through_the_day(rows, view.dossier["minutes"]),
            f"Each row has its own scale; the number is its highest bar.{_colours(view, codes)}",
            max(_LEAST, _ROW * len(rows)),
            wide=True,
            canvas=True,
        )
    if cells := _by_chain(view, codes):
        yield Figure(
            f"{name}-by-chain",
            title.format("expiration"),
            _over_the_chains(cells, view, codes),
            "Hits per thousand records of the chain; blank where there are none.",
            18 * max(2, len({cell["check"] for cell in cells})),
            wide=True,
        )


def _by_stamp(view: View, most: Mapping[str, int]) -> list[dict[str, Any]]:
    """A row for each check: its hits at each stamp, and at the foot of which row of the chart they stand."""
    costly, hits = _costly(view), view.dossier["minutes"]["hits"]
    return [
        {"check": code, "row": place + 1, "most": number, "costly": code in costly, "all": hits[code]}
        for place, (code, number) in enumerate(most.items())
    ]


def _costly(view: View) -> set[str]:
    """The checks that cost points."""
    return {check["check"] for check in view.dossier["checks"] if is_costly(check)}


def _colours(view: View, codes: Sequence[str]) -> str:
    return " Orange cost points; blue did not." if _costly(view) & set(codes) else ""


def _through_the_day(rows: Sequence[Row], minutes: Mapping[str, Any]) -> alt.TopLevelMixin:
    """Bars through the day, a row of them for each check."""
    labels = [f"{row['check']}  {row['most']:,}" for row in rows]
    axis = alt.Axis(
        values=[row["row"] - 0.4 for row in rows],
        labelExpr=f"{json.dumps(labels)}[floor(datum.value)]",
        labelOverlap=False,
        labelLimit=220,
        grid=False,
        ticks=False,
        domain=False,
    )
    scale = alt.Scale(domain=[0, len(rows)], reverse=True, nice=False)
    floor = (
        chart_of({"row": row["row"], **_session(minutes)} for row in rows)
        .mark_rule(strokeWidth=1)
        .encode(
            x=clock("at"),
            x2="until:T",
            y=alt.Y("row:Q", title=None, scale=scale, axis=axis),
            color=alt.value("@grid"),
        )
    )
    bars = (
        _stamp_by_stamp(chart_of(rows), minutes)
        .mark_rect()
        .encode(
            x=clock("at"),
            x2="until:T",
            y=alt.Y("top:Q", title=None, scale=scale, axis=axis),
            y2="row:Q",
            color=alt.condition("datum.costly", alt.value("@vermilion"), alt.value("@blue")),
            tooltip=told(check="check", clock="at", hits=("hits", ",")),
        )
    )
    return alt.layer(floor, bars)


def _session(minutes: Mapping[str, Any]) -> dict[str, int]:
    """From the first stamp to where the bar of the last one ends."""
    stamps = day_report.stamps(minutes)
    return {"at": at(stamps[0])["at"], "until": at(stamps[-1])["at"] + 1000 * minutes["step_seconds"]}


def _stamp_by_stamp(chart: alt.Chart, minutes: Mapping[str, Any]) -> alt.Chart:
    """*chart* with a row for each check and stamp that has hits: from where to where, and how high."""
    first, step = day_report.stamps(minutes)[0], 1000 * minutes["step_seconds"]
    found: alt.Chart = (
        chart.transform_flatten(["all"], as_=["hits"])
        .transform_window(place="row_number()", groupby=["check"])
        .transform_filter("datum.hits > 0")
        .transform_calculate(at=f"{at(first)['at']} + (datum.place - 1) * {step}")
        .transform_calculate(
            until=f"datum.at + {step}",
            top=f"datum.row - {_TALL} * datum.hits / datum.most",
            clock="utcFormat(datum.at, '%H:%M')",
        )
    )
    return found


def _by_chain(view: View, codes: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each check and chain that has hits."""
    return [
        {
            "chain": f"{chain['expiration']} {chain['root']}",
            "check": code,
            "hits": number,
            "records": chain["rows"],
            "thousandth": round(1000 * number / max(1, chain["rows"]), 4),
        }
        for chain in view.dossier["chains"]
        if chain["quality"]
        for code, number in chain["quality"]["hits"].items()
        if code in codes and number
    ]


def _over_the_chains(rows: Sequence[Row], view: View, codes: Sequence[str]) -> alt.Chart:
    chains = sorted(f"{chain['expiration']} {chain['root']}" for chain in view.dossier["chains"])
    seen, most = {row["check"] for row in rows}, max(row["thousandth"] for row in rows)
    labels = alt.Axis(labelAngle=-90, ticks=False, domain=False)
    order = alt.Scale(domain=[code for code in codes if code in seen])
    found: alt.Chart = (
        chart_of(rows)
        .mark_rect()
        .encode(
            x=alt.X("chain:O", title=None, scale=alt.Scale(domain=chains), axis=labels),
            y=alt.Y("check:N", title=None, scale=order, axis=alt.Axis(ticks=False, domain=False)),
            color=alt.Color(
                "thousandth:Q",
                title="per thousand records",
                scale=alt.Scale(
                    type="symlog", constant=0.1, domain=[0, most], range=["@few", "@many"], interpolate="rgb"
                ),
                legend=alt.Legend(format="~r", gradientLength=150, gradientThickness=9, values=_legend(most)),
            ),
            tooltip=told(chain="chain", check="check", hits=("hits", ","), records=("records", ",")),
        )
    )
    return found


def _legend(most: float) -> list[float]:
    """Values to name beside the colours from 0 to *most*."""
    return [0, *(10.0**power for power in range(-1, 4) if 10.0**power <= 0.7 * most), float(f"{most:.2g}")]


# Parity -------------------------------------------------------------------------------------------------


def _of_parity(view: View) -> Iterator[Figure]:
    """Charts of what put-call parity says of each expiration, as far as it does."""
    every = list(_rows(view))
    draws = {"residual": _residuals, "forward": _forwards, "rate": _rates, "fit": _fits}
    for name, draw in draws.items():
        rows = [row for row in every if row[name] is not None]
        if rows and not (name == "fit" and all(row["fit"] <= _FLOOR for row in rows)):
            yield draw(rows, view)


def _rows(view: View) -> Iterator[dict[str, Any]]:
    """A row for each chain, with what its figures imply; None where it was not judged."""
    for chain in view.dossier["chains"]:
        found = (chain["quality"] or {}).get("figures", {})
        days = (dt.date.fromisoformat(chain["expiration"]) - view.date).days
        squared = found.get("parity_r_squared")
        yield {
            "root": chain["root"],
            "expiration": chain["expiration"],
            "days": days,
            "residual": found.get("parity_residual"),
            "forward": found.get("forward"),
            "discount": found.get("discount"),
            "rate": _rate(found.get("discount"), days),
            "fit": None if squared is None else max(1.0 - squared, _FLOOR),
        }


def _rate(discount: float | None, days: int) -> float | None:
    if not discount or discount <= 0 or days < _FEWEST_DAYS:
        return None
    return round(-math.log(discount) * _YEAR / days, 6)


def _figure(
    title: str,
    note: str,
    rows: Sequence[Row],
    y: alt.Y,
    line: float | None,
    **shown: tuple[str, str],
) -> Figure:
    """A point for each expiration; the first field *shown* is drawn, and dashed a *line* at a value of it."""
    roots = colours_of_roots(row["root"] for row in rows)
    points = (
        chart_of(rows)
        .mark_circle(size=55, opacity=0.85)
        .encode(
            x=alt.X("days:Q", title="days to expiration", scale=_DAYS, axis=_DAYS_AXIS),
            y=y,
            color=alt.Color(
                "root:N", title=None, scale=alt.Scale(domain=list(roots), range=list(roots.values()))
            ),
            tooltip=told(root="root", expiration="expiration", days=("days", "d"), **shown),
        )
    )
    name = next(iter(shown))
    return Figure(f"parity-{name}", title, alt.layer(*dashed(name, line), points), note, _HEIGHT)


def _residuals(rows: Sequence[Row], _: View) -> Figure:
    note = (
        "Median distance of the midpoints from the parity line, in half spreads: "
        "above 1 the line lies outside the quotes."
    )
    scale = alt.Scale(type="sqrt", domain=[0, max(1.1, *(row["residual"] for row in rows))], nice=False)
    y = alt.Y("residual:Q", title="half spreads", scale=scale)
    return _figure("Distance from put-call parity", note, rows, y, 1, residual=("residual", ".3f"))


def _forwards(rows: Sequence[Row], view: View) -> Figure:
    note = (
        "Strike at which call and put are worth the same, median of the day. Dashed: the underlying's close."
    )
    close = (view.dossier["underlying"] or {}).get("close") or None
    y = alt.Y("forward:Q", title="dollars", scale=alt.Scale(zero=False), axis=alt.Axis(format=",.8~g"))
    return _figure("Forward by days to expiration", note, rows, y, close, forward=("forward", ",.2f"))


def _rates(rows: Sequence[Row], view: View) -> Figure:
    note = (
        f"−ln(discount factor) per year, from {_FEWEST_DAYS} days on. Dashed: the rate implied by the deltas."
    )
    rate = view.dossier["figures"].get("rate")
    known = [row["rate"] for row in rows] + ([] if rate is None else [rate])
    room = max(_ROOM, 0.05 * (max(known) - min(known)))
    scale = alt.Scale(domain=[min(known) - room, max(known) + room], zero=False)
    y = alt.Y("rate:Q", title="per year", scale=scale, axis=alt.Axis(format=".2%"))
    shown = {"rate": ("rate", ".2%"), "discount": ("discount", ".5f")}
    return _figure("Rate by days to expiration", note, rows, y, rate, **shown)


def _fits(rows: Sequence[Row], _: View) -> Figure:
    note = "1 − R² of the parity line through all strikes, median of the day. Above the dashed line: no fit."
    scale = alt.Scale(type="log", domain=[_FLOOR, max(0.01, *(row["fit"] for row in rows))])
    axis = alt.Axis(format=".0e", values=[10.0**power for power in range(-6, 1)])
    y = alt.Y("fit:Q", title="1 − R²", scale=scale, axis=axis)
    return _figure("Fit of the parity line", note, rows, y, 0.001, fit=("1 − R²", ".2~e"))
