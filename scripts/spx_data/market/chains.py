"""What is asked of a source and what it lists, in our terms: chains and their contracts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from spx_data.market.dates import ZONE

_ZONE = ZoneInfo(ZONE)
_SATURDAY, _LAST_LABEL = 5, dt.date(2015, 2, 28)


@dataclass(frozen=True, order=True)
class Chain:
    """The contracts of one expiration on one date: what one history request asks for.

    *listed* is the expiration as the terminal spells it: monthlies before February 2015 are listed under
    their Saturday (docs/wire.md, 4), while *expiration* is the true date.
    """

    root: str
    expiration: dt.date
    date: dt.date
    listed: dt.date

    def __str__(self) -> str:
        return f"{self.root} {self.expiration} on {self.date}"


@dataclass(frozen=True)
class ListedChain:
    """A chain and the strikes, in dollars and ascending, for which the terminal lists quotes.

    *witness* is who knows of it: the `listing` of the date; the terminal's list of `expirations` or sealed
    `days` beside, neither of which tells strikes; or the `eod` report.
    """

    chain: Chain
    calls: tuple[float, ...]
    puts: tuple[float, ...]
    witness: str = "listing"

    @property
    def contracts(self) -> int:
        """Number of listed contracts."""
        return len(self.calls) + len(self.puts)

    def united(self, other: ListedChain) -> ListedChain:
        """The chain with the strikes of both; it stays known from its own witness."""
        calls, puts = {*self.calls, *other.calls}, {*self.puts, *other.puts}
        return replace(self, calls=tuple(sorted(calls)), puts=tuple(sorted(puts)))


# Rows that a terminal is known to list beside the live ones, in every answer.
_USUAL = frozenset({"expired"})


class Listed(NamedTuple):
    """What a source lists of a root on a date: chains in order of expiration; and rows left out, by reason.

    The reasons: `foreign-root`, `expiration` (no date), `expired` (before the date), `right`, `strike` (no
    positive number) and `unreadable` (no row at all).
    """

    chains: tuple[ListedChain, ...]
    left_out: Mapping[str, int] = MappingProxyType({})


class Reported(NamedTuple):
    """What the end-of-day report of a root on a date names.

    *quoted* are chains with a bid, an ask, a volume or a count that is not zero, with the contracts that have
    one; *silent* are those with rows of nothing but zeros. Rows *left_out* are counted as in `Listed`.
    """

    quoted: tuple[ListedChain, ...]
    silent: tuple[ListedChain, ...]
    left_out: Mapping[str, int] = MappingProxyType({})


def is_unusual(left_out: Mapping[str, int]) -> bool:
    """Whether the rows that an answer leaves out are a reason to doubt it: what spoilt them may have more."""
    return bool(left_out.keys() - _USUAL)


# A contract as rows spell it: root, expiration as an ISO date or YYYYMMDD, strike in dollars, right.
Contract = tuple[str, str, float, str]


def true_expiration(listed: dt.date) -> dt.date:
    """The last day of a listed expiration.

    Until February 2015 a Saturday stands for the Friday before it (docs/wire.md, 4). A later one is what it
    says, however odd: to take it for its Friday would make one chain of two.
    """
    is_label = listed.weekday() == _SATURDAY and listed <= _LAST_LABEL
    return listed - dt.timedelta(days=1) if is_label else listed


def midnight_ms(date: dt.date) -> int:
    """Midnight of *date* in New York, in ms since the Unix epoch.

    Clocks change on Sundays at two, so a session's every stamp is this plus its ms since midnight.
    """
    return int(dt.datetime.combine(date, dt.time(), _ZONE).timestamp()) * 1000


def naive_midnight_ms(date: dt.date) -> int:
    """Midnight of *date* read as if it were UTC: the zero of the wire's stamps without zone."""
    return int(dt.datetime.combine(date, dt.time(), dt.UTC).timestamp()) * 1000
