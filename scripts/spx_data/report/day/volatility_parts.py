"""What the charts of volatilities share: the slider's moment, the colours of maturities, the axis."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np

from spx_data.quality.checks import Floats
from spx_data.report.day.market import Market
from spx_data.report.day.market_map import legend

PERCENT = alt.Axis(format=".1~%")

_FIRST_SHOWN_MS = 10 * 3_600_000  # since midnight: when all of the market has opened


def first(market: Market) -> int:
    """The moment that is shown before anybody moves the slider."""
    begins = [market.grid.begins_ms(moment) for moment in market.grid.moments]
    return min(range(len(begins)), key=lambda place: abs(begins[place] - _FIRST_SHOWN_MS), default=0)


def minute(market: Market) -> alt.Parameter:
    """The number of the moment that is shown, which the slider sets."""
    return alt.param(name="minute", value=first(market))


def maturities(market: Market, title: str | None = "days to expiration") -> alt.Color:
    """A colour for each chain that has a smile, from those that expire soon to those that live long."""
    days = [chain.days for chain in market.with_smiles]
    scale = alt.Scale(domain=days, range=[f"@maturity-{place}" for place in _spread_over(len(days))])
    columns = alt.ExprRef("width < 420 ? 5 : 9")
    return alt.Color(
        "days:O", scale=scale, legend=legend(title, symbolType="stroke", symbolOpacity=1, columns=columns)
    )


def _spread_over(count: int) -> list[int]:
    """So many of the nine colours of maturities, as far apart as they can be."""
    return [1 + round(8 * place / max(1, count - 1)) for place in range(count)]


def finite(lines: Sequence[Floats]) -> Floats:
    """The values of all *lines* that are there."""
    joined = np.concatenate([np.zeros(0), *lines])
    return np.asarray(joined[np.isfinite(joined)])
