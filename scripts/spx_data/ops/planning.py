"""The lakes of one run, as its plan sees them: what each misses, and in which order all of it is filled.

A config has one lake or several, one for each symbol. What is wrong with one of several is said, and the
others go on without it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from spx_data.errors import SpxDataError
from spx_data.lake import calendar, session_states
from spx_data.lake.session_states import State
from spx_data.market.sessions import Session
from spx_data.ops import gaps
from spx_data.ops.gaps import finding, sharing
from spx_data.settings import Lakes, Settings
from spx_data.store import dataset, faults, seals
from spx_data.store.layout import Layout

Dated = tuple[str, dt.date]  # a symbol and a trading date: what one chain of jobs is about


@dataclass(frozen=True)
class Lake:
    """One lake of a run: its settings, and the state of each of its sessions."""

    symbol: str
    settings: Settings
    states: Mapping[Session, State]

    @property
    def layout(self) -> Layout:
        """Its paths."""
        return self.settings.layout

    @cached_property
    def missing(self) -> list[dt.date]:
        """The dates that the run is to fill."""
        return session_states.missing_dates(self.states, self.settings.dates)

    @property
    def left_out(self) -> str:
        """What is to be said of dates that the settings ask for and the source cannot have; else empty."""
        since = calendar.begins(self.settings)
        if self.settings.start_date >= since:
            return ""
        return (
            f"{self.symbol}: its greeks begin on {since}, and dates from {self.settings.start_date} on are "
            f"asked for: those before are left out. Set its start_date to {since}"
        )

    @cached_property
    def hours(self) -> Mapping[dt.date, Sequence[str]]:
        """Opening and closing of each session."""
        return {session.date: session.hours for session in self.states}


@dataclass(frozen=True)
class Plan:
    """All lakes of a run by their symbols; *refused* are those that cannot take part, and why."""

    lakes: Mapping[str, Lake]
    refused: Mapping[str, SpxDataError]
    moment: dt.datetime

    @classmethod
    def of(cls, lakes: Lakes, moment: dt.datetime) -> Plan:
        """The plan of *lakes* at *moment*.

        Raises:
            SpxDataError: the only lake, or each of several, cannot take part; the first one's error.
        """
        found, refused = dict[str, Lake](), dict[str, SpxDataError]()
        for symbol, settings in lakes.items():
            try:
                found[symbol] = _looked_at(symbol, settings, moment, beside_others=lakes.several)
            except (SpxDataError, OSError) as error:
                told = faults.of(error)
                if not isinstance(told, SpxDataError) or not lakes.several:
                    raise
                refused[symbol] = told
        if not found:
            raise next(iter(refused.values()))
        return cls(found, refused, moment)

    def __iter__(self) -> Iterator[Lake]:
        return iter(self.lakes.values())

    @property
    def missing(self) -> list[Dated]:
        """What is to be filled, in no order."""
        return [(lake.symbol, date) for lake in self for date in lake.missing]

    def made(self, name: str) -> Dated | None:
        """The symbol and the date that the file *name* is made for, in any spelling; None for any other."""
        for lake in self:
            if date := lake.layout.made_date(lake.layout.spelled(name)):
                return lake.symbol, date
        return None

    def spelled(self, name: str) -> str:
        """*name* as the rules spell it, where it is a path into one of the lakes; else as it is."""
        if any(lake.layout.is_spelled(name) for lake in self):
            return name
        return next((found for lake in self if (found := lake.layout.spelled(name)) != name), name)

    def is_sealed(self, dated: Dated) -> bool:
        """Whether that date is sealed."""
        symbol, date = dated
        return seals.is_sealed(self.lakes[symbol].layout.parquet(date))

    @cached_property
    def _priorities(self) -> Mapping[Dated, int]:
        if len(self.lakes) == 1:
            (lake,) = self
            ordered = gaps.order(lake.settings, self.moment, lake.states)
            return sharing.priorities([(lake.symbol, date) for date in ordered])
        ranks = {
            (lake.symbol, date): rank
            for lake in self
            for date, rank in finding.ranks(lake.settings, self.moment, lake.states).items()
        }
        return sharing.priorities(sorted(ranks, key=ranks.__getitem__, reverse=True))

    def priority(self, dated: Dated) -> int:
        """Snakemake's priority: the order of the gaps across all lakes, each by its weight."""
        return sharing.priority(self._priorities, dated, dated[1])


def _looked_at(symbol: str, settings: Settings, moment: dt.datetime, *, beside_others: bool) -> Lake:
    states = session_states.states(settings, moment)
    dataset.check_version(settings.layout)
    if beside_others:
        gaps.check_dataset(settings, None)  # of one lake alone, the preflight says it
    return Lake(symbol, settings, states)
