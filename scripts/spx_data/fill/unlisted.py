"""Chains that the report of the day names and nobody lists: they are asked for like those that are listed.

A listing that lacks a chain looks like any other. The report, which each date is asked for anyway, comes from
elsewhere in the source, and has a row for each contract that was quoted or traded.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import replace

from spx_data.errors import SpxDataError
from spx_data.fill import reports, witnesses
from spx_data.fill.listing import Listing, Reports
from spx_data.market.chains import Chain, ListedChain, true_expiration
from spx_data.market.contracts import REPORTED, Report
from spx_data.settings import Settings
from spx_data.sources.session import SourceSession

_log = logging.getLogger(__name__)


def with_reported(settings: Settings, line: SourceSession, listed: Listing, told: Reports | None) -> Listing:
    """*listed* with the chains that the report of the day, as it was *told*, has beyond it.

    Not those that are out of reach or had expired, nor those that are knowingly not asked for.

    Raises:
        SpxDataError: what would meet every other request too.
    """
    import polars as pl

    figures = reports.read(settings.layout, listed.date, told).get(Report.END_OF_DAY)
    if figures is None:
        return listed
    lively = figures.filter(pl.any_horizontal(pl.col(each.name) > 0 for each in REPORTED[Report.END_OF_DAY]))
    known = {(entry.chain.root, entry.chain.expiration) for entry in listed.chains}
    named = sorted(lively.select("root", "expiration").unique().rows())
    found = list[ListedChain]()
    for root, expiration in named:
        if (root, expiration) in known or not _is_wanted(settings, listed, root, expiration):
            continue
        of_chain = (pl.col("root") == root) & (pl.col("expiration") == expiration)
        contracts = lively.filter(of_chain)
        calls, puts = (
            tuple(contracts.filter(pl.col("right") == right)["strike"].unique().sort()) for right in "CP"
        )
        spelt = max(_spellings(settings, line, listed.date, root, expiration))
        found.append(ListedChain(Chain(root, expiration, listed.date, spelt), calls, puts, "eod"))
    if not found:
        return listed
    _log.warning(
        "in no listing, and in the report of the day: %s", ", ".join(str(each.chain) for each in found)
    )
    return replace(listed, chains=tuple(sorted([*listed.chains, *found], key=lambda entry: entry.chain)))


def _is_wanted(settings: Settings, listed: Listing, root: str, expiration: dt.date) -> bool:
    days = (expiration - listed.date).days
    within = settings.max_dte is None or days <= settings.max_dte
    left_out = any(text.startswith(f"{root} {expiration}") for text in listed.unasked)
    return within and not left_out and witnesses.is_live(settings.product, listed.date, root, expiration)


def _spellings(
    settings: Settings, line: SourceSession, date: dt.date, root: str, expiration: dt.date
) -> Iterator[dt.date]:
    """The days under which the source lists an expiration, as far as that is known."""
    yield expiration
    try:
        every = witnesses.known_expirations(settings, line, root, date)
    except SpxDataError as error:
        if error.surroundings:
            raise
        return
    yield from (listed for listed in every if true_expiration(listed) == expiration)
