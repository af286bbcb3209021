"""A universe of LEAN: the contracts of a date as they were then, from which it chooses the day after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from spx_data.market.columns import VALID_GREEKS
from spx_data.market.products import Product

if TYPE_CHECKING:
    import polars as pl

HEADER = (
    "#expiry,strike,right,open,high,low,close,volume,open_interest,"
    "implied_volatility,delta,gamma,vega,theta,rho"
)
_KEY = ("expiration", "strike", "right")
_PRICES = ("open", "high", "low", "close")
_GREEKS = ("implied_vol", "delta", "gamma", "vega", "theta", "rho")
# Ours, where the lake has quotes alone.
_OWN = ("iv_mid", "own_delta", "own_gamma", "own_vega", "own_theta", "own_rho")
_PERCENT = ("vega", "rho")  # LEAN has them for a percentage point


def lines(
    rows: pl.DataFrame, reported: pl.DataFrame | None, underlying: pl.DataFrame | None, product: Product
) -> Iterator[str]:
    """The lines of one root: prices are midpoints, greeks those of the last row that has some.

    What nobody knows is empty. Gamma is our own where the lake has none.
    """
    import polars as pl

    yield HEADER
    if underlying is not None:
        taken = pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last()
        of_day = ",".join(_plain(price) for price in underlying.select(taken).row(0))
        yield f",,,{of_day},{'0' if product.exercise == 'European' else ''},,,,,,,"
    found = _prices(rows).join(_greeks(rows, product), on=_KEY, how="left", maintain_order="left")
    if reported is None:
        found = found.with_columns(pl.lit(None).alias("volume"), pl.lit(None).alias("open_interest"))
    else:
        told = reported.select(*_KEY, "volume", "open_interest")
        found = found.join(told, on=_KEY, how="left", maintain_order="left")
    for row in found.sort("right", "expiration", "strike").iter_rows(named=True):
        prices = ",".join(_fixed(row[name], 4) for name in _PRICES)
        counts = ",".join("" if row[name] is None else str(row[name]) for name in ("volume", "open_interest"))
        greeks = ",".join(_fixed(row[name], 7) for name in _GREEKS)
        yield f"{row['expiration']:%Y%m%d},{_plain(row['strike'])},{row['right']},{prices},{counts},{greeks}"


def _plain(value: float) -> str:
    return repr(value).removesuffix(".0")


def _fixed(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def _prices(rows: pl.DataFrame) -> pl.DataFrame:
    """First, highest, lowest and last price of each contract: the midpoint, or the side that there is."""
    import polars as pl

    bid, ask = pl.col("bid"), pl.col("ask")
    middle = pl.when((bid > 0) & (ask > 0)).then((bid + ask) / 2).otherwise(pl.max_horizontal(bid, ask))
    price = pl.when(middle > 0).then(middle).alias("price")
    seen = rows.select(*_KEY, price)
    value = pl.col("price").drop_nulls()
    taken = value.first(), value.max(), value.min(), value.last()
    return seen.group_by(_KEY, maintain_order=True).agg(
        each.alias(name) for each, name in zip(taken, _PRICES, strict=True)
    )


def _greeks(rows: pl.DataFrame, product: Product) -> pl.DataFrame:
    """The greeks of each contract at the last row that has some."""
    import polars as pl

    vendors = "implied_vol" in rows.columns
    valid = rows.filter(pl.sql_expr(VALID_GREEKS) if vendors else pl.col("iv_mid").is_not_null())
    names = {name: name for name in _GREEKS} if vendors else dict(zip(_GREEKS, _OWN, strict=True))
    held = {name: of for name, of in names.items() if of in rows.columns}
    found = (
        valid.group_by(_KEY, maintain_order=True)
        .agg(pl.col(of).last().alias(name) for name, of in held.items())
        .with_columns(pl.col(name) / 100 for name in _PERCENT)
    )
    if "gamma" in held:
        return found
    return found.join(_gammas(valid, product), on=_KEY, how="left", maintain_order="left")


def _gammas(rows: pl.DataFrame, product: Product) -> pl.DataFrame:
    """Gamma of our own, of each contract of one root at the last stamp of its chain."""
    import polars as pl

    from spx_data.pricing.day import UNDERLYING, WANTED, Day

    kinds = {"expiration": pl.Date, "strike": pl.Float64, "right": pl.String, "gamma": pl.Float64}
    found = [pl.DataFrame(schema=kinds)]
    pricer = Day(product)
    for chain in rows.partition_by("expiration", maintain_order=True):
        last = chain.filter(pl.col("timestamp") == pl.col("timestamp").max())
        records = last.select(*WANTED, UNDERLYING).with_columns(pl.col("timestamp").dt.epoch("ms"))
        root, expiration = last.row(0, named=True)["root"], last.row(0, named=True)["expiration"]
        gamma = pricer.chain(root, expiration, [records]).price(records).gamma
        value = pl.Series("gamma", gamma, nan_to_null=True)
        found.append(last.select(*_KEY).with_columns(value))
    return pl.concat(found)
