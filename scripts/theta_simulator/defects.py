"""Defects of a chain's rows, each an edit of the frame; whatever follows from a changed price follows.

A quote that is moved, or an underlying, has the greeks that the vendor would compute from it: the rows stay
consistent but for the one thing that is wrong. Edits keep the order of the rows: strike, right, stamp.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from theta_simulator import greeks, index, sessions, surface
from theta_simulator.blemishes import Kind, Place
from theta_simulator.chance import Floats, Ints
from theta_simulator.greeks import Inputs, Version
from theta_simulator.market import COLUMNS, Market

_ORDER = ["strike", "right", "ms_of_day"]
_TEN_MINUTES = 10 * sessions.MINUTE
_TYPICAL_VOL = 0.2
_ABSURD_VOL = 5.5
# Days to expiration of the chains in which a defect could be seen at all.
DAYS = {
    Kind.OTHER_CONVENTION: (0, 0),
    Kind.CLOCK_SHIFTED: (0, 0),
    Kind.DAY_COUNT_OFF: (2, 60),
    Kind.RATE_CHANGED: (14, 10_000),
    Kind.THETA_PER_YEAR: (1, 10_000),
    Kind.VEGA_PER_PERCENT: (1, 10_000),
    Kind.RHO_PER_PERCENT: (1, 10_000),
    Kind.EPSILON_FLIPPED: (1, 10_000),
    Kind.UNLISTED_EXPIRATION: (1, 60),
    # Later than that, interest and dividends blur what an option is worth exercised.
    Kind.BOUNDS: (0, 30),
    # In longer times the forward moves by more than a strike.
    Kind.CALENDAR: (1, 60),
    # The last day's time is counted in several ways.
    Kind.IV_KINK: (1, 10_000),
    Kind.DELTA_RISING: (1, 10_000),
    # On its last days a chain has too few two-sided quotes for a line through them; in a year rates and
    # dividends may move the forward nearly as far.
    Kind.FORWARD_OFF: (7, 120),
}


@dataclass(frozen=True)
class Scene:
    """What surrounds the rows of an answer: their market, their chain, and what was asked."""

    market: Market
    root: str
    expiration: date
    day: date
    step_ms: int = sessions.MINUTE
    start_ms: int = sessions.OPEN
    end_ms: int = sessions.REGULAR_CLOSE
    greeks_version: str = "v2"
    alone: bool = False  # one contract was asked for

    @property
    def version(self) -> Version:
        """The dialect of the greeks."""
        return Version(self.greeks_version)

    def chain_before(self) -> pl.DataFrame:
        """Return the rows of the root's expiration before this one."""
        labels = [item.label for item in self.market.expirations(self.root, self.day)]
        earlier = labels[labels.index(self.expiration) - 1]
        window = (self.step_ms, self.start_ms, self.end_ms)
        return self.market.history(self.root, earlier, self.day, *window, self.greeks_version)

    def years(self, stamps: Ints, version: Version | None = None) -> Floats:
        """Return the time to expiry that a version of the greeks takes, this terminal's by default."""
        return (version or self.version).years(self.day, self.expiration, stamps)


@dataclass(frozen=True)
class Site:
    """A place and the rows of its whole chain."""

    rows: pl.DataFrame
    where: Place
    scene: Scene

    @property
    def contract(self) -> pl.Expr:
        """The condition for the rows of the place's contract."""
        return (pl.col("strike") == self.where.strike) & (pl.col("right") == self.where.right)

    @property
    def window(self) -> pl.Expr:
        """The condition for the rows of the place's stamps."""
        return pl.col("ms_of_day").is_between(self.where.first, self.where.last)

    @property
    def cells(self) -> pl.Expr:
        """The condition for the rows of the place's contract at its stamps."""
        return self.contract & self.window

    @property
    def here(self) -> pl.DataFrame:
        """The rows of `cells`."""
        return self.rows.filter(self.cells)

    @property
    def neighbours(self) -> list[float]:
        """The strikes next to the place's: the one below and the one above, where there are."""
        strikes = self.rows["strike"].unique().sort().to_list()
        at = strikes.index(self.where.strike)
        return [strikes[number] for number in (at - 1, at + 1) if 0 <= number < len(strikes)]

    @property
    def outer(self) -> float | None:
        """The next strike that is further out of the money, if there is one."""
        beyond = [k for k in self.neighbours if (k > (self.where.strike or 0.0)) is (self.where.right == "C")]
        return beyond[0] if beyond else None

    @property
    def spread(self) -> Floats:
        """The spreads of `here`."""
        return (self.here["ask"] - self.here["bid"]).to_numpy()

    def of(self, right: str | None = None, strike: float | None = None) -> "Site":
        """Return the same place of another contract."""
        other = replace(self.where, right=right or self.where.right, strike=strike or self.where.strike)
        return replace(self, where=other)

    def with_rows(self, condition: pl.Expr, changed: pl.DataFrame) -> pl.DataFrame:
        """Return the chain with the rows of *condition* replaced."""
        return _ordered(self.rows.filter(~condition), changed)


def _ordered(*parts: pl.DataFrame) -> pl.DataFrame:
    columns = list(COLUMNS)
    return pl.concat([part.select(columns) for part in parts]).sort(_ORDER, maintain_order=True)


# Where a defect would be seen ---------------------------------------------------------------------------


def shows(site: Site) -> bool:
    """Say whether a defect would be seen there; the rows are a clean chain's whole day."""
    contract = site.rows.filter(site.contract)
    if len(contract) < site.rows["ms_of_day"].n_unique():
        return False
    here = contract if site.where.first is None else site.here
    # Somebody quotes a price, and the vendor found its volatility.
    usable = (pl.col("bid") >= 1.0) & (pl.col("ask") > pl.col("bid")) & (pl.col("implied_vol") > 0.0)
    if here.is_empty() or not here.select(usable.all()).item():
        return False
    return _SHOWS.get(site.where.kind, _near_the_money)(here, site)


def _between(here: pl.DataFrame, low: float, high: float) -> bool:
    """Say whether all deltas lie between *low* and *high*, whatever their sign."""
    return bool(here["delta"].abs().is_between(low, high).all())


def _near_the_money(here: pl.DataFrame, _: Site) -> bool:
    return _between(here, 0.15, 0.85)


def _moves_away(here: pl.DataFrame, site: Site) -> bool:
    """Say whether the underlying moves so far that the quote would have to follow."""
    levels = here["underlying_price"].to_numpy()
    reach = 0.25 * float(levels.max() - levels.min())
    return _between(here, 0.25, 0.75) and reach > 3.0 * float(site.spread.max())


def _has_neighbours(here: pl.DataFrame, site: Site) -> bool:
    return _near_the_money(here, site) and len(site.neighbours) == 2


def _beyond_the_forward(here: pl.DataFrame, site: Site, strike: float) -> bool:
    """Say whether *strike* is out of the money by what the market expects, and clearly so."""
    years = (site.scene.expiration - site.scene.day).days / 365.0
    carry = np.exp((surface.rate(site.scene.day) - surface.DIVIDEND_YIELD) * years)
    forward = here["underlying_price"].to_numpy() * carry
    return bool(strike > 1.002 * forward.max() if site.where.right == "C" else strike < 0.998 * forward.min())


def _on_a_smooth_smile(here: pl.DataFrame, site: Site) -> bool:
    """Say whether the strikes beside are out of the money too, and so near that the smile is straight."""
    if len(site.neighbours) < 2 or not _between(here, 0.1, 0.4):
        return False
    below, above = site.neighbours
    outside = _beyond_the_forward(here, site, below if site.where.right == "C" else above)
    years = (site.scene.expiration - site.scene.day).days / 365.0
    bids = [site.of(strike=strike).here["bid"].to_numpy() for strike in site.neighbours]
    deviation = float(here["implied_vol"].to_numpy().min()) * np.sqrt(years)
    return bool(outside and all(len(bid) and bid.min() > 0.0 for bid in bids)) and bool(
        np.log(above / below) < 0.4 * deviation
    )


def _in_the_money(here: pl.DataFrame, site: Site) -> bool:
    return _between(here, 0.7, 0.999) and float(_inside(here).min()) > 40.0 and _twins(site) >= 4


def _has_one_before(here: pl.DataFrame, site: Site) -> bool:
    """Say whether the chain before has the next strike outwards, out of the money and worth something.

    The moneyness is what is comparable, and the forward moves: one strike more leaves room for that.
    """
    outer = site.outer
    if outer is None or not _near_the_money(here, site):
        return False
    before = replace(site, rows=site.scene.chain_before()).of(strike=outer).here
    return (
        len(before) == len(here)
        and _between(before, 0.05, 0.4)
        and float(before["bid"].to_numpy().min()) > 2.0
    )


def _among_many(here: pl.DataFrame, site: Site) -> bool:
    """Say whether enough strikes have both quotes to tell which one breaks parity."""
    return _near_the_money(here, site) and _twins(site) >= 4


def _twins(site: Site) -> int:
    """Return how many strikes have a bid for the call and for the put at every stamp of the place."""
    bids = site.rows.filter(site.window & (pl.col("bid") > 0.0))
    quoted = bids.group_by("strike").len()["len"]
    return int((quoted == 2 * bids["ms_of_day"].n_unique()).sum())


def _out_of_the_money(here: pl.DataFrame, site: Site) -> bool:
    """Say whether all of the quote is time value, which some volatility must explain."""
    return _beyond_the_forward(here, site, site.where.strike or 0.0) and _between(here, 0.15, 0.45)


def _worth_something(here: pl.DataFrame, site: Site) -> bool:
    """Say whether an absurd volatility gives a price less than a hundred times the quote."""
    return _out_of_the_money(here, site) and float(here["bid"].to_numpy().min()) >= 25.0


_SHOWS: dict[Kind, Callable[[pl.DataFrame, Site], bool]] = {
    Kind.STALE: _moves_away,
    Kind.VERTICAL: _has_neighbours,
    Kind.BUTTERFLY: _has_neighbours,
    Kind.DELTA_RISING: _on_a_smooth_smile,
    Kind.BOUNDS: _in_the_money,
    Kind.CALENDAR: _has_one_before,
    Kind.IV_KINK: _on_a_smooth_smile,
    Kind.IV_OUT_OF_RANGE: _worth_something,
    Kind.PARITY_BROKEN: _among_many,
    Kind.FAILED_IV: _out_of_the_money,
}


# What follows from a changed price ----------------------------------------------------------------------


def _inside(rows: pl.DataFrame) -> Floats:
    """Return the intrinsic value against the index."""
    side = np.where(rows["right"].to_numpy() == "C", 1.0, -1.0)
    return np.asarray(np.maximum(side * (rows["underlying_price"] - rows["strike"]).to_numpy(), 0.0))


def _known(rows: pl.DataFrame, scene: Scene, years: Floats | None = None, more_rate: float = 0.0) -> Inputs:
    return Inputs(
        spot=rows["underlying_price"].to_numpy(),
        strike=rows["strike"].to_numpy(),
        call=(rows["right"] == "C").to_numpy(),
        years=scene.years(rows["ms_of_day"].to_numpy()) if years is None else years,
        rate=surface.sofr(scene.day) + more_rate,
        mid=0.5 * (rows["bid"] + rows["ask"]).to_numpy(),
    )


def solved(
    rows: pl.DataFrame, scene: Scene, years: Floats | None = None, more_rate: float = 0.0
) -> pl.DataFrame:
    """Return the rows with the greeks that the vendor computes from their prices."""
    known = _known(rows, scene, years, more_rate)
    vol = rows["implied_vol"].to_numpy()
    start = np.where((vol > 0.0) & (vol < 5.0), vol, _TYPICAL_VOL) * np.sqrt(known.years)
    return _with(rows, greeks.first_order(known, start, scene.version.guess))


def _at_vol(rows: pl.DataFrame, scene: Scene, vol: Floats) -> pl.DataFrame:
    """Return the rows with the greeks of a volatility that is not the price's, and an honest error."""
    return _with(rows, greeks.at(_known(rows, scene), vol))


def _with(rows: pl.DataFrame, found: greeks.Greeks) -> pl.DataFrame:
    return rows.with_columns(
        **{name.rstrip("_"): pl.Series(column, dtype=pl.Float64) for name, column in vars(found).items()}
    )


def _requoted(site: Site, bid: Floats, ask: Floats) -> pl.DataFrame:
    """Return the chain with another quote, on ticks, at the place, and its greeks."""
    quote = {name: pl.Series(np.round(price * 20.0) / 20.0) for name, price in (("bid", bid), ("ask", ask))}
    return site.with_rows(site.cells, solved(site.here.with_columns(**quote), site.scene))


def _quote(site: Site) -> tuple[Floats, Floats]:
    """Return bid and ask at the place, in order of time."""
    here = site.here.sort("ms_of_day")
    return here["bid"].to_numpy(), here["ask"].to_numpy()


def _reunderlain(site: Site, condition: pl.Expr, price: pl.Expr, ms: pl.Expr | None = None) -> pl.DataFrame:
    """Return the chain with another underlying where *condition* holds, and its greeks."""
    columns = {"underlying_price": price.round(2)} | ({} if ms is None else {"underlying_ms": ms})
    changed = site.rows.filter(condition).with_columns(**columns)
    return site.with_rows(condition, solved(changed, site.scene))


# Edits --------------------------------------------------------------------------------------------------

Edit = Callable[[Site], pl.DataFrame]


def _shifted(site: Site) -> pl.DataFrame:
    """Label every row, and its underlying, an hour late, as a wrong offset from UTC does."""
    later = site.rows.with_columns(pl.col("ms_of_day", "underlying_ms") + sessions.HOUR)
    return later.filter(pl.col("ms_of_day") <= site.rows["ms_of_day"].max())


def _contradicted(site: Site) -> pl.DataFrame:
    return _ordered(site.rows, solved(site.here.with_columns(bid=pl.col("bid") - 0.05), site.scene))


def _crossed(site: Site) -> pl.DataFrame:
    bid, ask = _quote(site)
    return _requoted(site, ask, bid)


def _locked(site: Site) -> pl.DataFrame:
    bid, _ = _quote(site)
    return _requoted(site, bid, bid)


def _one_sided(site: Site) -> pl.DataFrame:
    bid, ask = _quote(site)
    return _requoted(site, bid, 0.0 * ask)


def _wide(site: Site) -> pl.DataFrame:
    bid, ask = _quote(site)
    middle = 0.5 * (bid + ask)
    return _requoted(site, 0.05 * middle, 1.95 * middle)


def _stale(site: Site) -> pl.DataFrame:
    bid, ask = _quote(site)
    return _requoted(site, np.full(len(bid), bid[0]), np.full(len(ask), ask[0]))


def _frozen(site: Site) -> pl.DataFrame:
    tape = index.prints(site.scene.market.seed, site.scene.day)
    _, price = tape.as_of(np.array([site.where.first]))
    return _reunderlain(site, site.window, pl.lit(float(price[0])))


def _late(site: Site) -> pl.DataFrame:
    """Give the rows the print of ten minutes before."""
    tape = index.prints(site.scene.market.seed, site.scene.day)
    stamps = site.rows.filter(site.window)["ms_of_day"].to_numpy()
    ms, price = tape.as_of(stamps - _TEN_MINUTES)
    return _reunderlain(site, site.window, pl.lit(pl.Series(price)), pl.lit(pl.Series(ms)))


def _failed_iv(site: Site) -> pl.DataFrame:
    guess = np.full(len(site.here), site.scene.version.guess)
    failed = _at_vol(site.here, site.scene, guess).with_columns(iv_error=pl.lit(greeks.FAILED))
    return site.with_rows(site.cells, failed)


def _vertical(site: Site) -> pl.DataFrame:
    """Bid more for the contract than its neighbour, which is worth more, is offered at."""
    dearer = site.neighbours[0 if site.where.right == "C" else 1]
    _, offered = _quote(site.of(strike=dearer))
    return _requoted(site, offered + 0.2, offered + 0.2 + site.spread)


def _butterfly(site: Site) -> pl.DataFrame:
    """Bid more for the middle than its wings are offered at; its twin moves along, so parity holds."""
    below, above = site.neighbours
    assert site.where.strike is not None
    share = (site.where.strike - below) / (above - below)
    (_, low), (_, high), (middle, _) = (_quote(site.of(strike=k)) for k in (below, above, site.where.strike))
    more = (1.0 - share) * low + share * high + 0.2 - middle
    for right in "CP":
        one = replace(site.of(right=right), rows=site.rows)
        bid, ask = _quote(one)
        site = replace(site, rows=_requoted(one, bid + more, ask + more))
    return site.rows


def _calendar(site: Site) -> pl.DataFrame:
    """Offer the contract for less than one further out, which expires before it, is bid at."""
    bid, _ = _quote(replace(site, rows=site.scene.chain_before()).of(strike=site.outer))
    return _requoted(site, np.maximum(0.8 * bid - site.spread, 0.05), 0.8 * bid)


def _bounds(site: Site) -> pl.DataFrame:
    """Offer the contract for less than it is worth exercised."""
    ask = 0.5 * _inside(site.here)
    return _requoted(site, ask - site.spread, ask)


def _parity_broken(site: Site) -> pl.DataFrame:
    """Move the contract's quote away from its twin's by more than both their spreads."""
    bid, ask = _quote(site)
    twin = site.of(right="P" if site.where.right == "C" else "C")
    more = 1.0 + site.spread + twin.spread
    return _requoted(site, bid + more, ask + more)


def _kinked(site: Site) -> pl.DataFrame:
    vol = 1.5 * site.here["implied_vol"].to_numpy() + 0.1
    return site.with_rows(site.cells, _at_vol(site.here, site.scene, vol))


def _out_of_range(site: Site) -> pl.DataFrame:
    return site.with_rows(site.cells, _at_vol(site.here, site.scene, np.full(len(site.here), _ABSURD_VOL)))


def _delta_rising(site: Site) -> pl.DataFrame:
    """Give the contract a delta above that of the strike below it."""
    below = site.of(strike=site.neighbours[0]).here.sort("ms_of_day")["delta"].to_numpy()
    return site.with_rows(
        site.cells, site.here.with_columns(delta=pl.Series(greeks.cut(below + 0.02), dtype=pl.Float64))
    )


def _scaled(factor: float, *names: str) -> Edit:
    """Return an edit of a whole chain's greeks, cut as the vendor cuts."""
    return lambda site: site.rows.with_columns(
        pl.Series(name, greeks.cut(factor * site.rows[name].to_numpy())) for name in names
    )


def _of_time(years: Callable[[Scene, Ints], Floats], more_rate: float = 0.0) -> Edit:
    """Return an edit that solves a chain with another time to expiry, or another rate."""
    return lambda site: solved(
        site.rows, site.scene, years(site.scene, site.rows["ms_of_day"].to_numpy()), more_rate
    )


def _other_version(scene: Scene, stamps: Ints) -> Floats:
    return scene.years(stamps, Version.ONE if scene.version is Version.LATEST else Version.LATEST)


EDITS: dict[Kind, Edit] = {
    Kind.WITHHELD_CONTRACT: lambda site: site.rows.filter(~site.contract),
    Kind.WITHHELD_FROM_CHAIN: lambda site: site.rows.filter(~site.contract | site.scene.alone),
    Kind.WITHHELD_MINUTES: lambda site: site.rows.filter(~site.cells),
    Kind.WITHHELD_MINUTE_OF_CHAIN: lambda site: site.rows.filter(~site.window),
    Kind.WITHHELD_EXPIRATION: lambda site: site.rows.clear(),
    Kind.FALSE_NO_DATA: lambda site: site.rows if site.scene.alone else site.rows.clear(),
    Kind.ENDS_EARLY: lambda site: site.rows.filter(
        pl.col("ms_of_day") <= sessions.EARLY_CLOSE + sessions.AFTER_CLOSE
    ),
    Kind.STAMPS_SHIFTED: _shifted,
    Kind.DUPLICATE_ROWS: lambda site: _ordered(site.rows, site.here),
    Kind.CONFLICTING_ROWS: _contradicted,
    Kind.CROSSED: _crossed,
    Kind.LOCKED: _locked,
    Kind.ONE_SIDED: _one_sided,
    Kind.WIDE: _wide,
    Kind.STALE: _stale,
    Kind.UNDERLYING_MISSING: lambda site: _reunderlain(site, site.window, pl.lit(0.0), pl.col("ms_of_day")),
    Kind.UNDERLYING_FROZEN: _frozen,
    Kind.UNDERLYING_DISAGREES: lambda site: _reunderlain(
        site, site.cells, pl.col("underlying_price") * 1.002
    ),
    Kind.UNDERLYING_STALE: _late,
    Kind.FAILED_IV: _failed_iv,
    Kind.VERTICAL: _vertical,
    Kind.BUTTERFLY: _butterfly,
    Kind.CALENDAR: _calendar,
    Kind.BOUNDS: _bounds,
    Kind.PARITY_BROKEN: _parity_broken,
    Kind.FORWARD_OFF: lambda site: _reunderlain(site, pl.lit(True), pl.col("underlying_price") * 1.1),
    Kind.IV_KINK: _kinked,
    Kind.IV_OUT_OF_RANGE: _out_of_range,
    Kind.DELTA_RISING: _delta_rising,
    Kind.GREEKS_ZEROED: _scaled(0.0, "delta", "theta", "vega", "rho", "epsilon", "lambda"),
    Kind.IV_IN_PERCENT: _scaled(100.0, "implied_vol"),
    Kind.DELTA_FLIPPED: _scaled(-1.0, "delta"),
    Kind.DELTA_IN_PERCENT: _scaled(100.0, "delta"),
    Kind.THETA_PER_YEAR: _scaled(365.0, "theta"),
    Kind.VEGA_PER_PERCENT: _scaled(0.01, "vega"),
    Kind.RHO_PER_PERCENT: _scaled(0.01, "rho"),
    Kind.EPSILON_FLIPPED: _scaled(-1.0, "epsilon"),
    Kind.LAMBDA_PER_PERCENT: _scaled(0.01, "lambda"),
    Kind.OTHER_CONVENTION: _of_time(_other_version),
    Kind.CLOCK_SHIFTED: _of_time(lambda scene, stamps: scene.years(stamps + sessions.HOUR)),
    Kind.DAY_COUNT_OFF: _of_time(lambda scene, stamps: scene.years(stamps) - 1.0 / 365.0),
    Kind.RATE_CHANGED: _of_time(lambda scene, stamps: scene.years(stamps), more_rate=0.01),
}
