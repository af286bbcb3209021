"""What the charts of volatilities share: the slider's moment, the colours of maturities, the axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np

from spx_data.quality.checks import Floats
from spx_data.report.day.market import Market
from spx_data.text import words

PERCENT = alt.Axis(format=".1~%")

_FIRST_SHOWN_MS = 10 * 3_600_000  # since midnight: when all of the market has opened


def first(market: Market) -> int:
    """The moment that is shown before anybody moves the slider."""
    begins = [market.grid.begins_ms(moment) for moment in market.grid.moments]
    return min(range(len(begins)), key=lambda place: abs(begins[place] - _FIRST_SHOWN_MS), default=0)


def minute(market: Market) -> alt.Parameter:
    """The number of the moment that is shown, which the slider sets."""
    return alt.param(name="minute", value=first(market))


def _maturities(market: Market) -> Mapping[int, str]:
    """A colour for the days of each chain that has a smile: what expires soon comes first."""
    days = [chain.days for chain in market.with_smiles]
    return {day: f"@maturity-{place}" for day, place in zip(days, _spread_over(len(days)), strict=True)}


def by_maturity(market: Market) -> alt.Color:
    """The colour of a mark that is of one of these chains."""
    colours = _maturities(market)
    return alt.Color(
        "days:O", scale=alt.Scale(domain=list(colours), range=list(colours.values())), legend=None
    )


def names_of_maturities(market: Market) -> Mapping[str, str]:
    """What these colours mean."""
    return {words.counted(days, "day"): colour for days, colour in _maturities(market).items()}


def _spread_over(count: int) -> list[int]:
    """So many of the nine colours of maturities, as far apart as they can be."""
    return [1 + round(8 * place / max(1, count - 1)) for place in range(count)]


def finite(lines: Sequence[Floats]) -> Floats:
    """The values of all *lines* that are there."""
    joined = np.concatenate([np.zeros(0), *lines])
    return np.asarray(joined[np.isfinite(joined)])
