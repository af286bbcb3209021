"""Smiles, term structure and surface, at any minute of a few."""

from __future__ import annotations

from collections.abc import Iterator

from spx_data.quality.hours import clock
from spx_data.report.day.market import Market
from spx_data.report.day.view import View
from spx_data.report.day.volatility.levels import terms, through_the_day
from spx_data.report.day.volatility.parts import first
from spx_data.report.day.volatility.smiles import smiles, surface
from spx_data.report.page import Figure, Section


def section(view: View) -> Section:
    """The section: smiles, term structure and surface, at any minute of a few."""
    grid = view.market.grid
    return Section(
        "volatility",
        "Volatility",
        template="volatility",
        figures=list(_figures(view.market)) if view.market.with_smiles else [],
        context={
            "labels": [clock(grid.begins_ms(moment)) for moment in grid.moments],
            "first": first(view.market),
        },
    )


def _figures(market: Market) -> Iterator[Figure]:
    yield smiles(market)
    yield from surface(market)
    yield terms(market)
    yield through_the_day(market)
