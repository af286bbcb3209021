"""Figures that describe a chain and a day, so that days can be compared: spreads and volatility levels."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from spx_data.quality.panel import Panel
from spx_data.quality.parity import Fit


def of_chain(panel: Panel, fit: Fit) -> dict[str, float | None]:
    """The figures of one chain."""
    return {}


def of_day(
    chains: Sequence[tuple[dt.date, Mapping[str, float | None]]], date: dt.date
) -> dict[str, float | None]:
    """The figures of a date from those of its chains, each with its expiration."""
    return {}
