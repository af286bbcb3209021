"""What a row has: greeks of the first order, all greeks, or a quote; and which subscription lets it through.

Every row is one of the market's (`market.COLUMNS`); what other endpoints say more of it follows from that row
alone, so that habits and blemishes look the same on each of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import polars as pl
from scipy.special import ndtr

from theta_simulator import chance, surface
from theta_simulator.chance import Floats
from theta_simulator.greeks import FAILED, Version, cut

Tier = Literal["free", "value", "standard", "pro"]
TIERS: tuple[Tier, ...] = ("free", "value", "standard", "pro")

_FIRST = ("delta", "theta", "vega", "rho", "epsilon", "lambda")
_HIGHER = (
    "gamma", "vanna", "charm", "vomma", "veta", "vera", "speed", "zomma", "color", "ultima", "d1", "d2",
    "dual_delta", "dual_gamma",
)  # fmt: skip
_SOLVED = ("implied_vol", "iv_error")
_QUOTE = (
    "bid_size", "bid_exchange", "bid", "bid_condition", "ask_size", "ask_exchange", "ask", "ask_condition",
)  # fmt: skip
_MOST_ULTIMA = 100.0
# Of Cboe alone and of all exchanges; both firm (docs/wire.md, 2.2 and 10).
_EXCHANGE, _NONE, _CONDITION = 5, 42, 50


@dataclass(frozen=True)
class Kind:
    """An endpoint of history: its names on both terminals, its columns after the stamp, its tier."""

    v3: str
    v2: str
    columns: tuple[str, ...]
    tier: Tier
    more: Callable[[pl.DataFrame, date, date, Version], pl.DataFrame]
    underlying: bool = True  # whether its price, and when it was, stand behind
    whole_dates: bool = False  # whether a v3 terminal answers `expiration=*`


def _nothing(rows: pl.DataFrame, _: date, __: date, ___: Version) -> pl.DataFrame:
    return rows


def _higher(rows: pl.DataFrame, label: date, day: date, version: Version) -> pl.DataFrame:
    """Return *rows* with the greeks of higher orders: by the textbook, at the volatility in the row."""
    spot, strike, vol = (rows[name].to_numpy() for name in ("underlying_price", "strike", "implied_vol"))
    known = (spot > 0) & (vol > 0) & (rows["iv_error"].to_numpy() < FAILED)
    spot, vol = np.where(known, spot, 1.0), np.where(known, vol, 1.0)
    years = version.years(day, label, rows["ms_of_day"].to_numpy())
    found = _textbook(spot, strike, vol, years, surface.sofr(day), (rows["right"] == "C").to_numpy())
    return rows.with_columns(pl.Series(name, cut(np.where(known, found[name], 0.0))) for name in _HIGHER)


def _textbook(
    spot: Floats, strike: Floats, vol: Floats, years: Floats, rate: float, call: np.ndarray
) -> dict[str, Floats]:
    """Return derivatives of a price by Black and Scholes, per year and per 1.00."""
    root = np.sqrt(years)
    deviation = vol * root
    d1 = (np.log(spot / strike) + rate * years) / deviation + 0.5 * deviation
    d2 = d1 - deviation
    density = np.exp(-0.5 * d1 * d1) / np.sqrt(2 * np.pi)
    discount = np.exp(-rate * years)
    vega, gamma = spot * density * root, density / (spot * deviation)
    drift = (2 * rate * years - d2 * deviation) / (2 * years * deviation)
    dual = discount * np.exp(-0.5 * d2 * d2) / np.sqrt(2 * np.pi)
    vomma = vega * d1 * d2 / vol
    ultima = -vega / vol**2 * (d1 * d2 * (1 - d1 * d2) + d1**2 + d2**2)
    side = np.where(call, 1.0, -1.0)
    return {
        "gamma": gamma,
        "vanna": -density * d2 / vol,
        "charm": -density * drift,
        "vomma": vomma,
        "veta": -spot * density * root * (rate * d1 / deviation - (1 + d1 * d2) / (2 * years)),
        "vera": -strike * years * dual * d1 / vol,
        "speed": -gamma / spot * (d1 / deviation + 1),
        "zomma": gamma * (d1 * d2 - 1) / vol,
        "color": -gamma / (2 * years) * (1 + 2 * years * drift * d1),
        "ultima": np.clip(ultima, -_MOST_ULTIMA, _MOST_ULTIMA),
        "d1": d1,
        "d2": d2,
        "dual_delta": -side * discount * ndtr(side * d2),
        "dual_gamma": dual / (strike * deviation),
    }


def quoted(rows: pl.DataFrame) -> pl.DataFrame:
    """Return *rows* with sizes, exchanges and conditions; a side without a price has no size."""
    contract = (rows["strike"] * 2000).cast(pl.Int64).to_numpy() + (rows["right"] == "C").to_numpy()
    drawn = {
        side: chance.uniform(chance.key(0, "size", side), contract, rows["ms_of_day"].to_numpy() // 1000)
        for side in ("bid", "ask")
    }
    return rows.with_columns(
        column
        for side, share in drawn.items()
        for there in ((rows[side] > 0).to_numpy(),)
        for column in (
            pl.Series(f"{side}_size", np.where(there, 1 + (share * share * 500).astype(np.int64), 0)),
            pl.Series(f"{side}_exchange", np.where(there, _EXCHANGE, _NONE)),
            pl.Series(f"{side}_condition", np.full(len(rows), _CONDITION)),
        )
    )


GREEKS = Kind("greeks/first_order", "greeks", ("bid", "ask", *_FIRST, *_SOLVED), "standard", _nothing)
ALL = Kind("greeks/all", "all_greeks", ("bid", "ask", *_FIRST, *_HIGHER, *_SOLVED), "pro", _higher)
QUOTES = Kind(
    "quote", "quote", _QUOTE, "value", lambda rows, *_: quoted(rows), underlying=False, whole_dates=True
)
KINDS = (GREEKS, ALL, QUOTES)
WHOLE = frozenset(name for name in _QUOTE if name not in ("bid", "ask"))  # columns of whole numbers

V3_HISTORIES = {f"/v3/option/history/{kind.v3}": kind for kind in KINDS}
V2_HISTORIES = {f"/v2/bulk_hist/option/{kind.v2}": kind for kind in KINDS}
V2_SINGLES = {f"/v2/hist/option/{kind.v2}": kind for kind in KINDS}
_LISTINGS = ("/v3/option/list/contracts/", "/v2/list/contracts/")
_INTEREST = "/open_interest"


def refused(path: str, tier: Tier) -> str | None:
    """Return the sentence with which a subscription of *tier* is refused *path*; None where it is not."""
    kind = (V3_HISTORIES | V2_HISTORIES | V2_SINGLES).get(path)
    needed: Tier = "value" if path.startswith(_LISTINGS) else "free"
    if kind or path.endswith(_INTEREST):
        needed = kind.tier if kind else "standard"
    if TIERS.index(tier) >= TIERS.index(needed):
        return None
    return (
        f"Requesting an option endpoint requiring a {needed} subscription, "
        f"but you only have a {tier.upper()} subscription."
    )
