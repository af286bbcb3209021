"""What is chosen by rules: days and chains to ask about, and the contracts of an answer that tell something.

A replay of a recording is asked the same as its original. So what a finding names is the lowest strike or the
earliest stamp of its kind; a recording keeps just these contracts with all of their rows, and one that has
every stamp; and the choice is the same where only the chosen are left.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from spx_data.fill.lacking import Contract as Contract
from spx_data.fill.lacking import listed_contracts
from spx_data.market import schema
from spx_data.market.chains import Chain, ListedChain, true_expiration
from spx_data.market.columns import GREEKS
from spx_data.market.dates import ZONE
from spx_data.market.products import Product
from spx_data.market.second_opinion import Lack
from spx_data.market.sessions import Session, Window
from spx_data.quality.panel import FAILED
from spx_data.settings import Settings

LOOKED_BACK_DAYS = 400  # every kind of day is among them
_SETTLED_DAYS = 14  # what is older was published, whatever the source
_SUNDAY = 6
_NEW_YORK = ZoneInfo(ZONE)
# Wider than the regular hours: what comes before 09:30 and after 16:00 shows where days begin and end.
_WIDE = (dt.time(9), dt.time(16, 30))
_COARSE = "1h"  # where it only matters whether there is anything
_NEVER = 10.0  # times the highest strike: nothing is listed there
FIRST = "first"  # a row at the chain's first stamp
NO_UNDERLYING = "no-underlying"
NO_MARKET = "no-market"  # neither bid nor ask
ZERO_FIRST = "zero-first"  # the same, before any quote of a contract that is worth more than a tick
NO_BID = "no-bid"
UNSOLVED = "unsolved"  # no volatility was found, though both sides are quoted and the underlying is known
REPEATED = "repeated"  # the quote of the contract's row before
BLANK = "blank "  # and a column, which has no value
LACKS = (Lack.HOLES, Lack.LATE, Lack.EARLY)
_CHEAP = 0.05  # dollars; for what costs no more there is no market now and then
_NEAR = 6  # contracts, near the money
_CONTRACT = ("right", "strike")


@dataclass(frozen=True)
class Days:
    """The days that are asked about; None where there was none of the kind."""

    ordinary: dt.date | None
    half: dt.date | None
    third_friday: dt.date | None
    before_clocks: dt.date | None  # the last session before New York's clocks change
    last: dt.date | None  # finished session
    today: dt.date | None  # where it is a session that is not finished
    closed: dt.date | None  # a Sunday

    @classmethod
    def of(
        cls, sessions: Sequence[Session], moment: dt.datetime, own: Iterable[dt.date], product: Product
    ) -> Days:
        """The days among *sessions* at *moment*, by which options of *product* are over or not.

        The ordinary one is the latest that is long published; one of the main root's *own* expiration dates
        where there is any.
        """
        finished = [session for session in sessions if session.options_close(product) <= moment]
        today = moment.astimezone(_NEW_YORK).date()
        settled = [session for session in finished if (today - session.date).days >= _SETTLED_DAYS]
        changes = {_before_change(session.date, sessions) for session in settled} - {None}
        usual = [
            session.date
            for session in settled
            if not session.early_close and not _is_third_friday(session.date) and session.date not in changes
        ]
        expiring = sorted(set(own).intersection(usual))
        ordinary = _last(expiring) or _last(usual)
        return cls(
            ordinary=ordinary,
            half=_last(session.date for session in settled if session.early_close),
            third_friday=_last(session.date for session in settled if _is_third_friday(session.date)),
            before_clocks=_last(date for date in changes if date),
            last=_last(session.date for session in finished),
            today=_last(each.date for each in sessions if each.date == today and each not in finished),
            closed=ordinary and ordinary - dt.timedelta(days=(ordinary.weekday() - _SUNDAY) % 7),
        )


def _last(dates: Iterable[dt.date]) -> dt.date | None:
    return max(dates, default=None)


def _is_third_friday(date: dt.date) -> bool:
    return date.weekday() == 4 and 15 <= date.day <= 21


def third_friday_from(date: dt.date) -> dt.date:
    """The first third Friday on *date* or after it."""
    found = date
    while not _is_third_friday(found):
        found += dt.timedelta(days=1)
    return found


def _before_change(date: dt.date, sessions: Sequence[Session]) -> dt.date | None:
    """*date* where New York's clocks change before the session after it, else None."""
    after = next((session.date for session in sessions if session.date > date), None)
    return date if after is not None and _offset(date) != _offset(after) else None


def _offset(date: dt.date) -> dt.timedelta | None:
    return dt.datetime.combine(date, dt.time(12), _NEW_YORK).utcoffset()


def main_root(settings: Settings) -> str:
    """The root of most questions: one whose contracts are quoted to the close of their last day."""
    to_the_close = (root for root in settings.roots if not settings.product.settles_at_the_open(root))
    return next(to_the_close, settings.roots[0])


def morning_root(settings: Settings) -> str | None:
    """A root that is settled at the open; None where the lake has none."""
    return next((root for root in settings.roots if settings.product.settles_at_the_open(root)), None)


@dataclass(frozen=True)
class Chains:
    """The expirations of one root, *listed* as the terminal lists them."""

    product: Product
    root: str
    listed: Sequence[dt.date]

    def expiring(self, date: dt.date) -> Chain | None:
        """The chain that expires on *date* and is quoted to its close."""
        return (
            None
            if self.product.settles_at_the_open(self.root)
            else self._chain(date, lambda last: last == date)
        )

    def living(self, date: dt.date, days: int = 1) -> Chain | None:
        """The chain of the first expiration that is *days* after *date*, or later."""
        from_ = date + dt.timedelta(days=days)
        return self._chain(date, lambda last: last >= from_)

    def first(self, date: dt.date) -> Chain | None:
        """The chain that expires first, of those that are quoted on *date*."""
        return self.expiring(date) or self.living(date)

    def _chain(self, date: dt.date, wanted: Callable[[dt.date], bool]) -> Chain | None:
        found = ((true_expiration(each), each) for each in self.listed)
        last, listed = min((pair for pair in found if wanted(pair[0])), default=(None, None))
        return Chain(self.root, last, date, listed) if last and listed else None


def wide(window: Window) -> Window:
    """*window* as wide as anything is quoted in the regular hours and beside them."""
    return Window(min(window.start, _WIDE[0]), max(window.end, _WIDE[1]), window.interval)


def coarse(window: Window) -> Window:
    """*window* with a stamp an hour."""
    return Window(window.start, window.end, _COARSE)


def of_contract(records: pl.DataFrame, one: Contract) -> pl.DataFrame:
    """Those rows of *records* that are of one contract."""
    return records.filter((pl.col("right") == one[0]) & (pl.col("strike") == one[1]))


def with_every_column(records: pl.DataFrame) -> pl.DataFrame:
    """*records* of any kind, with null in what those of greeks have besides."""
    usual = schema.polars_record(schema.newest(GREEKS).record.names)
    lacking = {name: kind for name, kind in usual.items() if name not in records.columns}
    return records.with_columns(pl.lit(None, kind).alias(name) for name, kind in lacking.items())


def census(records: pl.DataFrame) -> pl.DataFrame:
    """One row for each contract of *records*, those near the underlying first.

    Its columns: right, strike, rows, first and last (stamps), and holes, late and early: whether it lacks
    such stamps of those that any contract has.
    """
    stamps = records["timestamp"].unique().sort()
    known = records.filter(pl.col("underlying_price") > 0).sort("timestamp")
    spot = known["underlying_price"][-1] if len(known) else records["strike"].median()
    found = (
        records.group_by("right", "strike")
        .agg(rows=pl.len(), first=pl.col("timestamp").min(), last=pl.col("timestamp").max())
        .with_columns(away=(pl.col("strike") - spot).abs())
    )
    between = [
        int(stamps.is_between(first, last).sum()) for first, last in found.select("first", "last").rows()
    ]
    return (
        found.with_columns(
            (pl.col("rows") < pl.Series(between, dtype=pl.Int64)).alias(Lack.HOLES),
            (pl.col("first") > stamps[0]).alias(Lack.LATE),
            (pl.col("last") < stamps[-1]).alias(Lack.EARLY),
        )
        .sort("away", "strike", "right")
        .drop("away")
    )


def telling(records: pl.DataFrame | None, listed: ListedChain | None, most: int) -> list[Contract]:
    """At most *most* contracts: some of each lack of the chain's *records*, then whole ones near the money.

    Of a chain without records they are *listed* ones around the middle of its strikes.
    """
    if records is None or not len(records):
        return _middle(listed, most) if listed else []
    found = census(records)
    share = max(1, most // 4)
    chosen: list[Contract] = []
    for lack in (Lack.HOLES, Lack.LATE, Lack.EARLY):
        lacking = found.filter(found[lack]).select("right", "strike").rows()
        chosen += [one for one in lacking if one not in chosen][:share]
    whole = found.filter(~(found[Lack.HOLES] | found[Lack.LATE] | found[Lack.EARLY]))
    for one in [*whole.select("right", "strike").rows(), *found.select("right", "strike").rows()]:
        if one not in chosen:
            chosen.append(one)
    return chosen[:most]


def never_quoted(there: Set[Contract], listed: ListedChain | None) -> tuple[Contract, bool] | None:
    """A contract that is not *there*, in the chain's answer, and whether it is *listed*, or by nobody.

    Of several that are listed it is the lowest call, or the lowest put. None where no strike is known.
    """
    names = listed_contracts(listed) if listed else []
    if there and (absent := sorted(one for one in names if one not in there)):
        return absent[0], True
    strikes = [strike for _, strike in [*there, *names]]
    return (("C", round(_NEVER * max(strikes), 3)), False) if strikes else None


def _middle(listed: ListedChain, most: int) -> list[Contract]:
    contracts = sorted(listed_contracts(listed), key=lambda one: (one[1], one[0]))
    begin = max(0, (len(contracts) - most) // 2)
    return contracts[begin : begin + most]


def _oddities(names: Iterable[str]) -> dict[str, pl.Expr]:
    """What is odd, of records with the columns *names*, in the order of `schema.RECORD_KEY`."""
    bid, ask = pl.col("bid"), pl.col("ask")
    none = (bid == 0) & (ask == 0)
    failed = (pl.col("iv_error") >= FAILED) & (bid > 0) & (ask > 0) & (pl.col("underlying_price") > 0)
    return {
        FIRST: pl.col("timestamp") == pl.col("timestamp").min(),
        NO_UNDERLYING: pl.col("underlying_price") == 0,
        NO_MARKET: none,
        ZERO_FIRST: (none.cast(pl.Int8).cum_min().over(_CONTRACT) == 1)
        & (ask > _CHEAP).any().over(_CONTRACT),
        NO_BID: (bid == 0) & (ask > 0),
        UNSOLVED: failed,
        REPEATED: ((bid == bid.shift()) & (ask == ask.shift())).over(_CONTRACT).fill_null(value=False),
    } | {f"{BLANK}{name}": pl.col(name).is_null() for name in names}


def first_odd(records: pl.DataFrame, oddity: str) -> dict[str, Any] | None:
    """The first row with an *oddity*: of the lowest strike, its call before its put, the earliest stamp."""
    found = records.filter(_oddities(records.columns)[oddity])
    return found.row(0, named=True) if len(found) else None


def first_lacking(records: pl.DataFrame, lack: Lack) -> Contract | None:
    """The contract of the lowest strike that has a *lack*."""
    found = census(records)
    return _lowest(found.filter(found[lack]))


def near_money(records: pl.DataFrame) -> pl.DataFrame:
    """Those of *records* that are of the few contracts nearest to the underlying's last price."""
    return records.join(census(records).head(_NEAR).select(_CONTRACT), on=_CONTRACT, how="semi")


def odd_contracts(records: pl.DataFrame) -> set[Contract]:
    """The contracts without which what is found in a chain's *records* would not be the same."""
    if not len(records):
        return set()
    told = (first_odd(records, oddity) for oddity in _oddities(records.columns))
    chosen: set[Contract] = {(row["right"], row["strike"]) for row in told if row}
    chosen |= {one for lack in LACKS if (one := first_lacking(records, lack))}
    chosen |= set(near_money(records).select(_CONTRACT).unique().rows())
    return chosen | _with_every_stamp(records, chosen)


def _with_every_stamp(records: pl.DataFrame, chosen: set[Contract]) -> set[Contract]:
    """Contracts that have those stamps of *records* that none of the *chosen* has."""
    having = pl.DataFrame(sorted(chosen), _CONTRACT, orient="row")
    stamps = records.join(having, on=_CONTRACT, how="semi").select("timestamp")
    more: set[Contract] = set()
    while len(left := records.join(stamps, on="timestamp", how="anti")):
        most = left.group_by(_CONTRACT).len().sort("len", "strike", "right", descending=[True, False, False])
        one = most.select(_CONTRACT).row(0)
        more.add(one)
        own = of_contract(left, one)
        stamps = pl.concat([stamps, own.select("timestamp")])
    return more


def _lowest(contracts: pl.DataFrame) -> Contract | None:
    found = contracts.sort("strike", "right").select(_CONTRACT)
    return found.row(0) if len(found) else None


def left_of(records: pl.DataFrame, most: int) -> pl.DataFrame:
    """Those of a chain's *records* that are of contracts which questions hang on, or findings are about."""
    if not len(records):
        return records
    names = ["right", "strike"]
    kept = pl.DataFrame(sorted(set(of_answer(records, most, mean=False))), names, orient="row")
    return records.join(kept, on=names, how="semi", maintain_order="left")


def of_answer(records: pl.DataFrame, most: int, *, mean: bool) -> Iterator[Contract]:
    """The contracts of an answer that questions hang on, and those that findings are about unless *mean*."""
    if not len(records):
        return
    yield from telling(records, None, most)
    ordered = records.sort("strike", "right").select("right", "strike")
    yield from (ordered.row(0), ordered.row(-1))
    if not mean:
        yield from odd_contracts(records)
