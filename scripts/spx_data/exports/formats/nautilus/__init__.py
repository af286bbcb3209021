"""A catalogue for NautilusTrader, which is an extra of the package and loaded when it is written."""

from __future__ import annotations

from spx_data.exports import Format
from spx_data.exports.day import Day, Output


def _write(day: Day, out: Output) -> None:
    from spx_data.exports.formats.nautilus import catalogue

    catalogue.write(day, out)


FORMAT = Format(
    "nautilus", "a catalogue for NautilusTrader: contracts, quotes, the underlying", _write, extra="nautilus"
)
