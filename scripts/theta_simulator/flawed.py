"""A market whose data have blemishes: the same world, except where one sits.

Where a blemish sits follows from (market, blemish, date) and not from what is asked. A request that meets one
is answered from the whole chain, so that a contract asked for alone shows what its chain shows.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache

import polars as pl

from theta_simulator import bad_rows, chance, defects, sessions
from theta_simulator.bad_rows import Wire
from theta_simulator.blemishes import Blemish, Kind, Place, Scope
from theta_simulator.defects import Scene, Site
from theta_simulator.listing import ROOTS, Expiration
from theta_simulator.market import Market

_TRIES = 400
# Nothing is drawn from the first minutes, when a few contracts have no quote yet.
_SETTLED = 20


@dataclass(frozen=True)
class FlawedMarket(Market):
    """A market and its blemishes; without any it is the market."""

    blemishes: tuple[Blemish, ...] = ()

    @property
    def clean(self) -> Market:
        """The same market without blemishes."""
        return Market(self.seed, self.size)

    def places(self, day: date) -> list[Place]:
        """Return where the blemishes sit on *day*; one that finds no place there is left out."""
        found = [place(self.clean, blemish, day) for blemish in self.blemishes]
        return [where for where in found if where is not None]

    def expirations(self, root: str, day: date) -> list[Expiration]:
        """Return the expirations quoted on *day*, but for those that nobody lists."""
        gone = {(where.root, where.expiration) for where in self._of_kinds(day, (Kind.UNLISTED_EXPIRATION,))}
        return [item for item in super().expirations(root, day) if (root, item.label) not in gone]

    def history(
        self,
        root: str,
        expiration: date,
        day: date,
        step_ms: int,
        start_ms: int = sessions.OPEN,
        end_ms: int = sessions.REGULAR_CLOSE,
        greeks_version: str = "latest",
        strike: float | None = None,
    ) -> pl.DataFrame:
        """Return the rows of `Market.history` with their blemishes."""
        asked = (root, expiration, day, step_ms, start_ms, end_ms, greeks_version)
        here = [where for where in self._here(root, expiration, day) if where.kind in defects.EDITS]
        if not here:
            return super().history(*asked, strike)
        rows, alone = super().history(*asked, None), strike is not None
        scene = Scene(self.clean, root, expiration, day, step_ms, start_ms, end_ms, greeks_version, alone)
        for where in here:
            if len(rows):
                rows = defects.EDITS[where.kind](Site(rows, where, scene))
        return rows if strike is None else rows.filter(pl.col("strike") == strike)

    def on_the_wire(
        self, frame: pl.DataFrame, root: str, expiration: date, days: list[date], wire: Wire
    ) -> pl.DataFrame:
        """Return the spelled rows of an answer, spoilt or cut short where a blemish says so."""
        for day in days:
            for where in self._here(root, expiration, day):
                frame = bad_rows.edited(frame, where, wire)
        return frame

    def calendar_kind(self, day: date, kind: str) -> str:
        """Return the vendor calendar's word for *day*, which truly is a day of that *kind*."""
        words = {
            Kind.CALENDAR_OPEN: "open",
            Kind.CALENDAR_EARLY: "early_close",
            Kind.CALENDAR_CLOSED: "full_close",
        }
        wrong = [words[where.kind] for where in self._of_kinds(day, tuple(words))]
        return wrong[0] if wrong else kind

    def _here(self, root: str, expiration: date, day: date) -> list[Place]:
        """Return the places in one chain, or on all of its date."""
        return [
            where
            for where in self.places(day)
            if (where.root, where.expiration) in ((root, expiration), (None, None))
        ]

    def _of_kinds(self, day: date, kinds: tuple[Kind, ...]) -> list[Place]:
        if not any(blemish.kind in kinds for blemish in self.blemishes):
            return []
        return [where for where in self.places(day) if where.kind in kinds]


@lru_cache(maxsize=4096)
def place(market: Market, blemish: Blemish, day: date) -> Place | None:
    """Return where *blemish* sits in *market* on *day*; None where nothing there suits it."""
    if (blemish.day or day) != day or not sessions.is_session(day):
        return None
    kind = Kind(blemish.kind)
    dice = random.Random(chance.key(blemish.seed, "blemish", kind, day.isoformat()))
    if blemish.scope is Scope.DATE:
        return Place(kind, day, blemish.seed)
    chains = list(_chains(market, blemish, day))
    for _ in range(_TRIES if chains else 0):
        chain = dice.choice(chains)
        if found := _in_chain(market, blemish, chain, day, dice):
            return found
    return None


def _chains(market: Market, blemish: Blemish, day: date) -> Iterator[Expiration]:
    """Yield the chains a blemish may sit in."""
    for root in (blemish.root,) if blemish.root else ROOTS:
        listed = market.expirations(root, day)
        for number, item in enumerate(listed):
            if (blemish.expiration or item.label) != item.label:
                continue
            least, most = defects.DAYS.get(Kind(blemish.kind), (0, 10_000))
            if least <= (item.label - day).days <= most and not (
                blemish.kind == Kind.CALENDAR and number == 0
            ):
                yield item


def _in_chain(
    market: Market, blemish: Blemish, chain: Expiration, day: date, dice: random.Random
) -> Place | None:
    """Draw a place in a chain; None where the defect could not be seen there."""
    kind = Kind(blemish.kind)
    where = Place(kind, day, blemish.seed, chain.root, chain.label)
    if blemish.scope is Scope.CHAIN:
        return where
    rows = _whole_day(market, chain.root, chain.label, day)
    stamps = rows["ms_of_day"].unique().sort().to_list()
    length = blemish.minutes
    if blemish.first and blemish.last:
        first, last = _ms(blemish.first), _ms(blemish.last)
    elif len(stamps) > length + 2 * _SETTLED:
        at = dice.randrange(_SETTLED, len(stamps) - length - _SETTLED)
        first = _ms(blemish.first) if blemish.first else stamps[at]
        last = first + (length - 1) * sessions.MINUTE
    else:
        return None
    if blemish.scope is Scope.STAMPS:
        return Place(kind, day, blemish.seed, chain.root, chain.label, None, None, first, last)
    strike = blemish.strike if blemish.strike is not None else dice.choice(rows["strike"].unique().sort())
    right = blemish.right or dice.choice("CP")
    within = (None, None) if blemish.scope is Scope.CONTRACT else (first, last)
    found = Place(kind, day, blemish.seed, chain.root, chain.label, strike, right, *within)
    named = blemish.strike is not None and blemish.right is not None
    scene = Scene(market, chain.root, chain.label, day)
    return found if named or defects.shows(Site(rows, found, scene)) else None


@lru_cache(maxsize=8)
def _whole_day(market: Market, root: str, label: date, day: date) -> pl.DataFrame:
    """Return a chain's rows at every minute with an underlying."""
    return market.history(root, label, day, sessions.MINUTE, greeks_version="v2")


def _ms(clock: time) -> int:
    """Return a time of day in ms since midnight."""
    return (clock.hour * 60 + clock.minute) * sessions.MINUTE + clock.second * 1000
