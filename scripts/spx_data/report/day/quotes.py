"""How wide the spreads are, and how long quotes stand still, by expiration and minute."""

from __future__ import annotations

from collections.abc import Iterator

import altair as alt
import numpy as np

from spx_data.report.day.maps import legend, minute_map, share
from spx_data.report.day.market import SPREAD, STALE, Market
from spx_data.report.day.view import View
from spx_data.report.page import Figure, Section

# The same on every page, so that days can be compared: shares of the midpoint.
_SPREADS = (0.002, 0.5)
_NONE_STALE = (
    "No quote of the day stood still for 30 minutes in which the underlying moved enough to change it."
)


def section(view: View) -> Section:
    """The section: how wide the spreads are, and how long quotes stand still, by expiration and minute."""
    market = view.market
    stale = [chain for chain in market.chains if np.nanmax(chain.stale, initial=0.0) > 0]
    return Section(
        "quotes",
        "Quotes",
        lead="" if stale or not market.chains else _NONE_STALE,
        figures=[*_spread(market, wide=not stale), *_stale(market, bool(stale))],
    )


def _spread(market: Market, *, wide: bool) -> Iterator[Figure]:
    if not any(np.isfinite(chain.spread).any() for chain in market.chains):
        return
    scale = alt.Scale(type="log", scheme="viridis", domain=_SPREADS, clamp=True)
    color = alt.Color(
        "median:Q", scale=scale, legend=legend(format="~%", values=[0.002, 0.005, 0.02, 0.05, 0.2, 0.5])
    )
    tooltip = [share("median", "median spread", 2)]
    yield Figure(
        "spread",
        "Median spread",
        minute_map(market, "spread", color, tooltip, median=f"{SPREAD} * datum.share"),
        "Ask less bid as a share of the midpoint, of options out of the money within 2.5 % of the forward.",
        wide,
    )


def _stale(market: Market, found: bool) -> Iterator[Figure]:
    if not found:
        return
    scale = alt.Scale(
        type="symlog",
        constant=0.01,
        domain=[0, 0.03, 1],
        range=["@quiet", "@missing-1", "@missing-4"],
        interpolate="rgb",
    )
    color = alt.Color("stale:Q", scale=scale, legend=legend(format="~%", values=[0, 0.02, 0.1, 0.3, 1]))
    yield Figure(
        "stale",
        "Stale quotes",
        minute_map(market, "stale", color, [share("stale", "stale")], stale=f"{STALE} * datum.share"),
        "Of two-sided quotes with |delta| of 0.1 or more: bid and ask unchanged for 30 minutes or more, "
        "in which the underlying moved enough to change them.",
    )
