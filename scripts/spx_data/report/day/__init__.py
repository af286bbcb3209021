"""The page of one sealed day: what is there, what the quotes say, and what it is worth.

`View` is what it shows, read once; each of its sections is made by a function of one of the modules here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

from spx_data import report
from spx_data.report.day import findings, maps, provenance, tables, underlying, verdict, volatility
from spx_data.report.day.view import View
from spx_data.report.drawing import time_of
from spx_data.report.page import Page, Section
from spx_data.settings import Settings
from spx_data.status import Summary

SECTIONS = (
    Section("verdict", "Verdict", verdict.content, "verdict"),
    Section("presence", "Completeness", maps.presence, "presence", needs=["presence", "lacking"]),
    Section(
        "volatility", "Volatility", volatility.content, "volatility", needs=["minutes", "deltas", "smiles"]
    ),
    Section("quotes", "Quotes", maps.quotes, needs=["spread", "stale"]),
    Section("findings", "Arbitrage and parity", findings.content, "findings"),
    Section("underlying", "Underlying", underlying.content, "underlying"),
    Section("chains", "Chains", tables.chains, "chains"),
    Section("provenance", "Provenance", provenance.content, "provenance"),
)


def page(
    settings: Settings,
    moment: dt.datetime,
    date: dt.date,
    together: Collection[dt.date] = (),
    summaries: Sequence[Summary] | None = None,
) -> Page[View]:
    """The page of *date*, a sealed one, made at *moment*, and *together* with those of other dates.

    *summaries* are those of `status.summaries` at this moment, where they were read before.

    Raises:
        DateValidationError: it is not sealed.
        FileCorruptionError, MissingFileError: what is there is not what was sealed.
    """
    view = View.of(settings, moment, date, together, summaries)
    return Page(
        title=f"{view.dataset['symbol']} {date}",
        subtitle=_subtitle(view),
        made_at=moment.astimezone(dt.UTC),
        view=view,
        sections=SECTIONS,
        tables=lambda view: view.market.data,
        styles=["day.css"],
        home=f"../{settings.layout.dashboard.name}",
        rules=report.rules_digest(settings),
    )


def _subtitle(view: View) -> str:
    """The day in a line: its weekday, its hours, what is sealed of it."""
    session = view.dossier["session"]
    hours = "hours unknown"
    if session:
        hours = f"{time_of(session['opens'])} to {time_of(session['closes'])} New York"
    early = ", early close" if session and session["early_close"] else ""
    dataset = view.dataset
    return f"{view.date:%A}, {hours}{early}; {', '.join(dataset['roots'])} every {dataset['interval']}"
