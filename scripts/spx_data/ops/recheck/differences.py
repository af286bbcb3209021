"""What two versions of a trading date say differently: counts, places and a few examples.

Units are those of the columns (`market.columns`); stamps are milliseconds.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from spx_data.market import columns
from spx_data.market.columns import Type
from spx_data.market.dates import ZONE

EXAMPLES = 3  # of each column, and of added and removed rows
REMOVED, ADDED = "row removed", "row added"

_KINDS = (*columns.COLUMNS, REMOVED, ADDED)
_ZONE = ZoneInfo(ZONE)
_STAMPS = frozenset(each.name for each in columns.COLUMNS.values() if each.type is Type.STAMP)


@dataclass(frozen=True)
class ColumnChange:
    """One column's changed cells and the largest absolute change; None where no change is a finite number."""

    cells: int
    largest_change: float | None

    def __add__(self, other: ColumnChange) -> ColumnChange:
        found = [change for change in (self.largest_change, other.largest_change) if change is not None]
        return ColumnChange(self.cells + other.cells, max(found, default=None))


@dataclass(frozen=True)
class Example:
    """One changed cell, or one added or removed row; *what* is the column, `row added` or `row removed`."""

    root: str
    expiration: dt.date
    strike: float
    right: str
    timestamp: int  # ms since the epoch
    what: str
    before: float | int | None = None
    after: float | int | None = None

    def as_json(self) -> dict[str, Any]:
        """The example as a JSON document."""
        return asdict(self) | {
            "expiration": self.expiration.isoformat(),
            "timestamp": _moment(self.timestamp),
            "before": _value(self.what, self.before),
            "after": _value(self.what, self.after),
        }


def _moment(ms: float) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, _ZONE).isoformat()


def _value(column: str, value: float | int | None) -> Any:
    """A cell in a form that every JSON reader takes: stamps as New York time, what is no number as a word."""
    if value is None:
        return None
    if column in _STAMPS:
        return _moment(value)
    return value if math.isfinite(value) else str(value)


@dataclass(frozen=True)
class ChainChange:
    """What became of one chain that is not the same in both versions; contracts are spelt like `C 4700`."""

    root: str
    expiration: dt.date
    rows_before: int
    rows_after: int
    rows_added: int
    rows_removed: int
    rows_changed: int
    columns: Mapping[str, ColumnChange]
    contracts_added: tuple[str, ...]
    contracts_removed: tuple[str, ...]
    contracts_changed: Mapping[str, int]  # cells changed in each
    examples: tuple[Example, ...]

    def __bool__(self) -> bool:
        return bool(self.columns or self.rows_added or self.rows_removed)

    def __add__(self, other: ChainChange) -> ChainChange:
        """What became of two ranges of strikes together; *other* is the higher one."""
        contracts = {**self.contracts_changed, **other.contracts_changed}
        examples = sorted((*self.examples, *other.examples), key=lambda one: _KINDS.index(one.what))
        return ChainChange(
            self.root,
            self.expiration,
            self.rows_before + other.rows_before,
            self.rows_after + other.rows_after,
            self.rows_added + other.rows_added,
            self.rows_removed + other.rows_removed,
            self.rows_changed + other.rows_changed,
            _together([self, other]),
            _by_right([*self.contracts_added, *other.contracts_added]),
            _by_right([*self.contracts_removed, *other.contracts_removed]),
            {name: contracts[name] for name in _by_right(contracts)},
            tuple(_first_of_each_kind(examples)),
        )

    def as_json(self) -> dict[str, Any]:
        """The change as a JSON document, without the examples."""
        told = asdict(replace(self, examples=())) | {"expiration": self.expiration.isoformat()}
        del told["examples"]
        return told


def _together(chains: Iterable[ChainChange]) -> dict[str, ColumnChange]:
    """The columns that have changed cells in any of *chains*, in their order."""
    total: dict[str, ColumnChange] = {}
    for chain in chains:
        for name, change in chain.columns.items():
            total[name] = total[name] + change if name in total else change
    return {name: total[name] for name in columns.COLUMNS if name in total}


def _by_right(contracts: Iterable[str]) -> tuple[str, ...]:
    """Names of contracts (like C 4700) that ascend by strike: calls, then puts."""
    return tuple(sorted(contracts, key=lambda name: name[0]))


@dataclass
class Differences:
    """Two versions of a trading date: their rows, and the chains in which they differ, in sealed order."""

    rows_before: int = 0
    rows_after: int = 0
    chains: list[ChainChange] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.chains)

    @property
    def rows_added(self) -> int:
        """Rows that only the second version has."""
        return sum(chain.rows_added for chain in self.chains)

    @property
    def rows_removed(self) -> int:
        """Rows that only the first version has."""
        return sum(chain.rows_removed for chain in self.chains)

    @property
    def rows_changed(self) -> int:
        """Rows of both, with at least one cell that differs."""
        return sum(chain.rows_changed for chain in self.chains)

    @property
    def columns(self) -> dict[str, ColumnChange]:
        """The columns that have changed cells, in their order."""
        return _together(self.chains)

    @property
    def examples(self) -> list[Example]:
        """At most `EXAMPLES` of each kind, the first ones in sealed order."""
        return _first_of_each_kind(example for chain in self.chains for example in chain.examples)

    def as_json(self) -> dict[str, Any]:
        """The differences as a JSON document."""
        return {
            "rows_before": self.rows_before,
            "rows_after": self.rows_after,
            "rows_added": self.rows_added,
            "rows_removed": self.rows_removed,
            "rows_changed": self.rows_changed,
            "chains_added": _names(chain for chain in self.chains if not chain.rows_before),
            "chains_removed": _names(chain for chain in self.chains if not chain.rows_after),
            "contracts_added": sum(len(chain.contracts_added) for chain in self.chains),
            "contracts_removed": sum(len(chain.contracts_removed) for chain in self.chains),
            "columns": {name: asdict(change) for name, change in self.columns.items()},
            "examples": [example.as_json() for example in self.examples],
            "chains": [chain.as_json() for chain in self.chains],
        }


def _names(chains: Iterable[ChainChange]) -> list[str]:
    return [f"{chain.root} {chain.expiration}" for chain in chains]


def _first_of_each_kind(examples: Iterable[Example]) -> list[Example]:
    """At most `EXAMPLES` of *examples* for each `what`, in their order."""
    seen: Counter[str] = Counter()
    chosen = []
    for example in examples:
        seen[example.what] += 1
        if seen[example.what] <= EXAMPLES:
            chosen.append(example)
    return chosen
