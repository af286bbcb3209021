"""The truth: which contracts exist on a date, and every row a terminal would send.

The wire modules only spell what these frames say, and tests compare what a client
stored with them cell by cell.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from theta_simulator import chance, greeks, index, listing, pricing, quotes, sessions, surface, symbols
from theta_simulator.chance import Floats, Ints
from theta_simulator.greeks import Version
from theta_simulator.listing import Expiration
from theta_simulator.settings import Size

FIRST_QUOTES, FIRST_GREEKS = date(2012, 6, 1), date(2017, 1, 3)
# A whole chain of a date at one second still passes.
MOST_ROWS = 12_000_000
_BLOCK_ROWS = 262_144
# Answers of so many rows are kept, for terminals that differ in their habits alone: 0.5 MB each.
_KEPT_ROWS = 4_096
COLUMNS = {
    "strike": pl.Float64,
    "right": pl.String,
    "ms_of_day": pl.Int64,
    "bid": pl.Float64,
    "ask": pl.Float64,
    "delta": pl.Float64,
    "theta": pl.Float64,
    "vega": pl.Float64,
    "rho": pl.Float64,
    "epsilon": pl.Float64,
    "lambda": pl.Float64,
    "implied_vol": pl.Float64,
    "iv_error": pl.Float64,
    "underlying_ms": pl.Int64,
    "underlying_price": pl.Float64,
}

# Where the smallest size looks for strikes, as fractions of the previous close.
_TINY_STRIKES = np.array([0.92, 0.98, 1.0, 1.03])


class TooMuch(Exception):
    """More rows asked for than this machine should hold."""


@dataclass(frozen=True)
class Market:
    """A simulated market; equal values describe the same world."""

    seed: int = 1
    size: Size = "small"

    def expirations(self, root: str, day: date) -> list[Expiration]:
        """Return the expirations of *root* this market quotes on *day*, in order."""
        if root not in listing.EVERY_ROOT or not sessions.is_session(day):
            return []
        return _chosen(self.size, root, day)

    def contracts(self, root: str, day: date) -> pl.DataFrame:
        """Return expiration, strike and right of every contract quoted on *day*, sorted."""
        frames = [self.chain(expiration, day) for expiration in self.expirations(root, day)]
        schema = {"expiration": pl.Date, "strike": pl.Float64, "right": pl.String}
        return pl.concat([pl.DataFrame(schema=schema), *frames])

    def strikes(self, expiration: Expiration, day: date) -> Floats:
        """Return the strikes of *expiration* this market lists on *day*, ascending.

        Those of the sizes "small" and "real" stay until they expire; the few of "tiny" follow the level.
        """
        return _strikes(self.seed, self.size, expiration, day)

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
        """Return the rows of one expiration on one date, as they go onto the wire.

        *greeks_version* is "latest" or "1" (a v3 terminal) or "v2", which leaves
        out rows without an underlying; or "none", and then greeks are 0. Both ends of
        the window are included.
        Raises `TooMuch` rather than build more than fits into memory.
        """
        found = listing.find(root, expiration) if root in listing.EVERY_ROOT else None
        version = Version(greeks_version)
        first = FIRST_QUOTES if version is Version.NONE else _first_greeks(root)
        if found is None or day < first or found not in self.expirations(root, day):
            return pl.DataFrame(schema=COLUMNS)
        symbol = symbols.OF_ROOT[root]
        strikes = self.strikes(found, day)
        strikes = strikes if strike is None else strikes[strikes == strike]
        last = min(end_ms, symbol.option_close(day, found.expires_on(day)))
        stamps = np.arange(start_ms, last + 1, step_ms, dtype=np.int64)
        stamps = stamps[stamps >= sessions.OPEN]
        if 2 * len(strikes) * len(stamps) > MOST_ROWS:
            raise TooMuch
        if not len(stamps) or not len(strikes):
            return pl.DataFrame(schema=COLUMNS)
        live = tuple(each.settles for each in self.expirations(root, day))
        chain = _Chain(self.seed, found, day, live, version)
        if 2 * len(strikes) * len(stamps) <= _KEPT_ROWS:
            return few_rows(chain, tuple(strikes.tolist()), tuple(stamps.tolist()))
        # Some strikes at a time: working arrays take dozens of times what the rows take.
        block = max(1, _BLOCK_ROWS // (2 * len(stamps)))
        return pl.concat(
            _rows(chain, strikes[at : at + block], stamps) for at in range(0, len(strikes), block)
        )

    def chain(self, expiration: Expiration, day: date) -> pl.DataFrame:
        """Return expiration, strike and right of the contracts of one expiration quoted on *day*."""
        return _contracts(self.seed, self.size, expiration, day)


class _Chain(NamedTuple):
    """A chain on a date in the market of *seed*; contracts of its root settle on the days *live*."""

    seed: int
    expiration: Expiration
    day: date
    live: tuple[date, ...]
    version: Version


def _rows(chain: _Chain, strikes: Floats, stamps: Ints) -> pl.DataFrame:
    """Build the rows of a chain: value, quote, leave out what is not sent, solve."""
    seed, expiration, day, live, version = chain
    symbol = symbols.OF_ROOT[expiration.root]
    tape = index.prints(seed, day)
    print_ms, print_price = tape.as_of(stamps)
    spx = np.where(print_price > 0.0, print_price, tape.opening)
    spot = pricing.level(seed, symbol, day, spx)
    # Of a fund there is a trade before the first second, of an index there is no print yet.
    print_price = spot if symbol.fund else np.where(print_price > 0.0, spot, 0.0)
    asked = pricing.Asked(seed, day, symbol, expiration, strikes, stamps, spx, spot)
    model = pricing.values(asked, live)
    base = chance.key(seed, "chain", expiration.root, expiration.label.isoformat(), day.isoformat())
    contract = _numbers(strikes)
    value = np.stack([model.call, model.put], axis=1).reshape(len(contract), len(stamps))
    quoted = quotes.quotes(
        base, contract, stamps, value, np.repeat(model.time_value, 2, axis=0), pennies=symbol.pennies
    )

    sent = stamps[np.newaxis, :] >= quotes.first_quote(base, contract)[:, np.newaxis]
    sent &= _ever_quoted(seed, expiration, strikes)[:, np.newaxis]
    if version is Version.V2:
        sent &= (print_price > 0.0)[np.newaxis, :]
    row, column = np.nonzero(sent)
    bid, ask = quoted.bid[sent], quoted.ask[sent]
    known = greeks.Inputs(
        spot=print_price[column],
        strike=strikes[row // 2],
        call=row % 2 == 0,
        years=version.years(day, expiration.label, stamps)[column],
        rate=surface.sofr(day),
        mid=0.5 * (bid + ask),
    )
    if version is Version.NONE:
        solved = greeks.unsolved(len(bid))
    else:
        solved = greeks.first_order(known, model.deviation[row // 2, column], version.guess)
    return _frame(known, stamps[column], bid, ask, solved, print_ms[column])


@lru_cache(maxsize=256)
def few_rows(chain: _Chain, strikes: tuple[float, ...], stamps: tuple[int, ...]) -> pl.DataFrame:
    """Return `_rows`, kept."""
    return _rows(chain, np.array(strikes), np.array(stamps, dtype=np.int64))


def _frame(
    known: greeks.Inputs, stamps: Ints, bid: Floats, ask: Floats, solved: greeks.Greeks, prints: Ints
) -> pl.DataFrame:
    """Return the columns of `COLUMNS` under their names."""
    rights = pl.Series(known.call).replace_strict({True: "C", False: "P"}, return_dtype=pl.String)
    columns = {
        "strike": known.strike,
        "right": rights,
        "ms_of_day": stamps,
        "bid": bid,
        "ask": ask,
        "delta": solved.delta,
        "theta": solved.theta,
        "vega": solved.vega,
        "rho": solved.rho,
        "epsilon": solved.epsilon,
        "lambda": solved.lambda_,
        "implied_vol": solved.implied_vol,
        "iv_error": solved.iv_error,
        "underlying_ms": prints,
        "underlying_price": known.spot,
    }
    return pl.DataFrame(columns, schema=COLUMNS)


def _ever_quoted(seed: int, expiration: Expiration, strikes: Floats) -> npt.NDArray[np.bool_]:
    """Say of each contract whether it is ever quoted: on all its days, or on none."""
    base = chance.key(seed, "contracts", expiration.root, expiration.label.isoformat())
    return quotes.ever_quoted(base, _numbers(strikes))


def _numbers(strikes: Floats) -> Ints:
    """Return a number for each contract: two for a strike, the call's and the put's."""
    calls = (strikes * 2).astype(np.int64)
    return np.stack([calls, calls + 1], axis=1).ravel()


def _first_greeks(root: str) -> date:
    """Return the first date of which there are greeks."""
    known = symbols.OF_ROOT.get(root)
    return max(FIRST_GREEKS, known.first_greeks) if known else FIRST_GREEKS


@lru_cache(maxsize=4096)
def _chosen(size: Size, root: str, day: date) -> list[Expiration]:
    """Return the expirations a market of *size* quotes: all, or a few of every kind.

    Those few are nested like all of them: what is listed on one day still is on the next, until it expires.
    """
    listed = listing.expirations(root, day)
    if size == "real":
        return listed
    monthlies = [item for item in listed if 15 <= item.label.day <= 21 and item.label.weekday() == 4]
    weekly = symbols.OF_ROOT[root].roots[root] == symbols.WEEKLIES
    if size == "tiny":
        few = listed[:2] + monthlies[:1] if weekly else listed[:1]
    elif weekly:
        few = listed[:4] + monthlies[:1] + [item for item in listed if _ends_a_year(item.settles)]
    else:
        few = listed[:1] + [item for item in listed if _is_far(item.settles)]
    return sorted(set(few))


@lru_cache(maxsize=1024)
def _strikes(seed: int, size: Size, expiration: Expiration, day: date) -> Floats:
    """Return `Market.strikes`, read-only."""
    if size == "small":
        found = listing.few_strikes(seed, expiration, _first(size, expiration), day)
    else:
        found = listing.strikes(seed, expiration, day)
    if size == "tiny":
        before = sessions.before(day)
        symbol = symbols.OF_ROOT[expiration.root]
        level = symbol.at(seed, before, np.array([index.close(seed, before)]))
        if symbol.volatility:
            level = pricing.volatility(seed, day, index.prints(seed, day).opening)
        wanted = _TINY_STRIKES * level
        after = np.clip(np.searchsorted(found, wanted), 1, len(found) - 1)
        below, above = found[after - 1], found[after]
        found = np.unique(np.where(wanted - below < above - wanted, below, above))
    found.setflags(write=False)
    return found


@lru_cache(maxsize=1024)
def _contracts(seed: int, size: Size, expiration: Expiration, day: date) -> pl.DataFrame:
    """Return `Market.chain`."""
    strikes = _strikes(seed, size, expiration, day)
    quoted = _ever_quoted(seed, expiration, strikes)
    rights = np.tile(np.array(["C", "P"]), len(strikes))
    return pl.DataFrame({"strike": np.repeat(strikes, 2)[quoted], "right": rights[quoted]}).select(
        pl.lit(expiration.label).alias("expiration"), "strike", "right"
    )


@lru_cache(maxsize=4096)
def _first(size: Size, expiration: Expiration) -> date:
    """Return the first session on which a market of *size* quotes an expiration: it does so from then on."""
    days = sessions.between(expiration.first, expiration.last)
    return days[bisect_left(days, True, key=lambda day: expiration in _chosen(size, expiration.root, day))]


def _ends_a_year(day: date) -> bool:
    """Say whether *day* is the last session of its year."""
    return day == sessions.before(date(day.year + 1, 1, 1))


def _is_far(day: date) -> bool:
    """Say whether *day* is one of the Decembers of which one or two are listed at a time, years ahead."""
    return day.month == 12 and day.year % 5 == 3
