"""The columns of a sealed day, each once: its name, type and unit, and since which version it is there.

A lake holds records of one *kind*, and each kind has columns and versions of its own. A version of a schema
is the columns of its kind that were there then. New ones stand behind them and may be null, so each version
begins as those before it did, and days of several make one table. A name means the same in every kind.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Type(Enum):
    """What the values of a column are."""

    DATE = "date"
    WORD = "word"  # one of a few texts
    STAMP = "stamp"  # a moment in New York, to the millisecond
    NUMBER = "number"  # a double
    WHOLE = "whole"  # a whole number


class Column(NamedTuple):
    """One column; *of_day* where it is the same for all rows of a chain, so that records lack it."""

    name: str
    type: Type
    unit: str  # and what it is, where the name does not say so
    since: int = 1  # the first version of the schema that has it
    source: str | None = None  # what sources call it, where not the same
    optional: bool = True  # whether a record may lack it (decision 29)
    of_day: bool = False
    decimals: int | None = (
        None  # of one that is computed at the merge from what records say: no source has it
    )

    @property
    def computed(self) -> bool:
        """Whether it is made at the merge of what records say."""
        return self.decimals is not None

    @property
    def recorded(self) -> bool:
        """Whether records have it, as sources send it."""
        return not (self.of_day or self.computed)

    @property
    def source_name(self) -> str:
        """The name under which sources give it."""
        return self.source or self.name


# Units are the vendor's (docs/wire.md, 2 and 3).
_CONTRACT = (
    Column("date", Type.DATE, "the trading date, in New York", optional=False, of_day=True),
    Column("root", Type.WORD, "like SPXW", optional=False, of_day=True),
    Column("expiration", Type.DATE, "the true date", optional=False, of_day=True),
    Column("strike", Type.NUMBER, "dollars", optional=False),
    Column("right", Type.WORD, "C or P", optional=False),
    Column("timestamp", Type.STAMP, "the stamp, in ms", optional=False),
)
# Readers compare what a row group has at least and at most with a constant, not two columns with each other:
# by this one they pass over chains (decision 84).
_DTE = Column(
    "dte", Type.WHOLE, "calendar days from the trading date to the expiration", since=2, of_day=True
)
_BID = Column("bid", Type.NUMBER, "dollars", optional=False)
_ASK = Column("ask", Type.NUMBER, "dollars", optional=False)
_PRICED = (*_CONTRACT, _BID, _ASK)
_FIRST_ORDER = (
    Column("delta", Type.NUMBER, "dollars per dollar of the underlying"),
    Column("theta", Type.NUMBER, "dollars per day"),
    Column("vega", Type.NUMBER, "dollars per 1.00 of volatility"),
    Column("rho", Type.NUMBER, "dollars per 1.00 of the rate"),
    Column("epsilon", Type.NUMBER, "dollars per 1.00 of the dividend yield"),
    Column("lambda", Type.NUMBER, "percent per percent of the underlying"),
)
# Of the model's price: what of it changes with which inputs (docs/wire.md, 6).
_HIGHER_ORDERS = (
    Column("gamma", Type.NUMBER, "of delta, per dollar of the underlying"),
    Column("vanna", Type.NUMBER, "of delta, per 1.00 of volatility"),
    Column("charm", Type.NUMBER, "of delta, as time passes"),
    Column("vomma", Type.NUMBER, "of vega, per 1.00 of volatility"),
    Column("veta", Type.NUMBER, "of vega, as time passes"),
    Column("vera", Type.NUMBER, "of rho, per 1.00 of volatility"),
    Column("speed", Type.NUMBER, "of gamma, per dollar of the underlying"),
    Column("zomma", Type.NUMBER, "of gamma, per 1.00 of volatility"),
    Column("color", Type.NUMBER, "of gamma, as time passes"),
    Column("ultima", Type.NUMBER, "of vomma, per 1.00 of volatility; never beyond 100 or -100"),
    Column("d1", Type.NUMBER, "of the formula by Black and Scholes"),
    Column("d2", Type.NUMBER, "likewise"),
    Column("dual_delta", Type.NUMBER, "of the price, per dollar of the strike"),
    Column("dual_gamma", Type.NUMBER, "of dual_delta, per dollar of the strike"),
)
_SOLVED = (
    Column("implied_vol", Type.NUMBER, "an annualised fraction"),
    Column("iv_error", Type.NUMBER, "relative to the midpoint; 100 marks failure"),
    Column("underlying_timestamp", Type.STAMP, "of the underlying's price, in ms"),
    Column("underlying_price", Type.NUMBER, "dollars"),
)
_SIDES = (
    Column("bid_size", Type.WHOLE, "contracts"),
    Column("bid_exchange", Type.WHOLE, "the exchange with the best bid, by the vendor's number"),
    _BID,
    Column("bid_condition", Type.WHOLE, "of the bid, by the vendor's number"),
    Column("ask_size", Type.WHOLE, "contracts"),
    Column("ask_exchange", Type.WHOLE, "the exchange with the best ask, by the vendor's number"),
    _ASK,
    Column("ask_condition", Type.WHOLE, "of the ask, by the vendor's number"),
)
# Greeks of our own (`pricing`), to so many decimals: what is behind them hangs on the processor.
_COMPUTED = (
    Column("forward", Type.NUMBER, "dollars: of the expiration at the stamp, by put-call parity", decimals=3),
    Column("discount", Type.NUMBER, "the discount factor to the settlement, likewise", decimals=7),
    Column("iv_bid", Type.NUMBER, "the volatility that the bid implies, an annualised fraction", decimals=5),
    Column("iv_mid", Type.NUMBER, "the same of the midpoint", decimals=5),
    Column("iv_ask", Type.NUMBER, "the same of the ask", decimals=5),
    Column("own_delta", Type.NUMBER, "at iv_mid, dollars per dollar of the underlying", decimals=5),
    Column("own_gamma", Type.NUMBER, "of own_delta, per dollar of the underlying", decimals=7),
    Column("own_theta", Type.NUMBER, "dollars per calendar day of 365", decimals=3),
    Column("own_vega", Type.NUMBER, "dollars per 1.00 of volatility", decimals=3),
    Column("own_rho", Type.NUMBER, "dollars per 1.00 of the rate", decimals=3),
)


class Kind(NamedTuple):
    """A kind of records: what a lake may hold (`processing.records`)."""

    name: str
    title: str  # what a row has, for people
    every: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Those of the newest version, in their order: what came later stands behind what was there."""
        return tuple(sorted(self.every, key=lambda column: column.since))

    @property
    def version(self) -> int:
        """With which new days are sealed."""
        return max(column.since for column in self.every)

    @property
    def computed(self) -> tuple[Column, ...]:
        """Those of the newest version that no source gives."""
        return tuple(column for column in self.columns if column.computed)

    def of(self, version: int) -> tuple[Column, ...]:
        """The columns of a *version* of the schema, in their order."""
        return tuple(column for column in self.columns if column.since <= version)


# What the vendor solves for, or makes of what it solved.
SOLVED = tuple(column.name for column in (*_FIRST_ORDER, *_HIGHER_ORDERS, *_SOLVED[:2]))
# Which rows have greeks, as SQL, which Polars reads as well. Where no volatility was found `iv_error` is 100;
# where the price is at or below intrinsic value, or nothing moves it, volatility or vega are 0; without an
# underlying nothing was solved (docs/wire.md, 2.2). A comparison with null is not true.
VALID_GREEKS = "implied_vol > 0 AND iv_error < 100 AND vega > 0 AND underlying_price > 0"

GREEKS, GREEKS_ALL, QUOTES = "greeks", "greeks-all", "quotes"
DEFAULT = GREEKS
KINDS = {
    kind.name: kind
    for kind in (
        Kind(GREEKS, "bid, ask and greeks of the first order", (*_PRICED, *_FIRST_ORDER, *_SOLVED, _DTE)),
        Kind(
            GREEKS_ALL, "bid, ask and all greeks", (*_PRICED, *_FIRST_ORDER, *_HIGHER_ORDERS, *_SOLVED, _DTE)
        ),
        Kind(
            QUOTES,
            "bid and ask, with their sizes, exchanges and conditions, and greeks of our own",
            (*_CONTRACT, *_SIDES, *_COMPUTED, _DTE),
        ),
    )
}

# Every column of any kind by its name, in the order of the kinds.
COLUMNS = {column.name: column for kind in KINDS.values() for column in kind.columns}
