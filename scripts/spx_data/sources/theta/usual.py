"""How terminals of each version usually spell things: what a probe holds the user's own against.

What is assumed is what captures of live terminals have (docs/wire.md, 0, 1.1, 2, 11.1 and 11.2).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from spx_data.market.columns import KINDS
from spx_data.sources.theta import v2, v3

# Layouts of the JSON of a contract by itself.
OBJECTS = "contracts with their rows"
ROWS = "rows under a header's names"
_MS, _FOUR = r"\d{1,8}", r"-?\d+\.\d{4}"


@dataclass(frozen=True)
class Usual:
    """The spelling of one version; what a field looks like is a regular expression by its column."""

    histories: Mapping[str, tuple[str, ...]]  # the columns of each kind of records, in their order
    stamps: Mapping[str, str]
    dates: Mapping[str, str]
    rights: Mapping[str, str]
    numbers: Mapping[str, str]
    quoted: bool  # whether CSV has words in quotation marks
    layout: str  # of JSON
    server: str | None  # what the terminal calls itself
    root: str  # the column of the root
    strike_units: float  # a dollar in the units of strikes
    expirations_as_json: bool  # in an object's `response`; else as CSV

    def columns(self, names: Collection[str]) -> tuple[str, ...]:
        """The columns of the kind of history that *names* are most like."""
        return max(self.histories.values(), key=lambda each: len(set(each) & set(names)) / len(each))


USUAL: Mapping[str, Usual] = {
    "v3": Usual(
        histories={kind: v3.history_columns(kind) for kind in KINDS},
        stamps={"timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}"},
        dates={"expiration": r"\d{4}-\d\d-\d\d"},
        rights={"right": "CALL|PUT"},
        numbers={"strike": r"\d+\.\d{3}", "bid": _FOUR, "delta": _FOUR},
        quoted=True,
        layout=OBJECTS,
        server="Jetty",
        root="symbol",
        strike_units=1.0,
        expirations_as_json=False,
    ),
    "v2": Usual(
        histories={kind: v2.history_columns(kind) for kind in KINDS},
        stamps={"ms_of_day": _MS, "date": r"\d{8}"},
        dates={"expiration": r"\d{8}"},
        rights={"right": "[CP]"},
        numbers={"strike": r"\d+", "bid": _FOUR, "delta": _FOUR},
        quoted=False,
        layout=ROWS,
        server=None,
        root="root",
        strike_units=1000.0,
        expirations_as_json=True,
    ),
}
