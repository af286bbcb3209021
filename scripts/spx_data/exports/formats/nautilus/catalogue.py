"""A catalogue for NautilusTrader 1.221: option contracts, their quotes, and what they are on as trades.

Its backtest closes what expires at the market, at the first quote from the expiration on. So an option's last
quote is what it settles at, on both sides: its intrinsic value to the cent. The quote that the lake has at
that very moment is a nanosecond earlier, and so is the underlying's price at every stamp: it is known before
any quote of the stamp is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick, TradeTick
from nautilus_trader.model.enums import AggressorSide, AssetClass, OptionKind
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId
from nautilus_trader.model.instruments import Equity, IndexInstrument, Instrument, OptionContract
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from spx_data.exports.day import Day, Output
from spx_data.market import expirations
from spx_data.market.products import Product
from spx_data.pricing.normal import Floats

_VENUE = "XCBO"  # Cboe's options exchange, by its market identifier code
_CENTS = 2
_UNKNOWN_SIZE = 1_000_000.0  # what Nautilus takes where nobody says how much there is
_MS_NS = 1_000_000
_CONTRACT = ["root", "expiration", "strike", "right"]
_NEEDED = (*_CONTRACT, "timestamp", "bid", "ask", "bid_size", "ask_size", "underlying_price")


def write(day: Day, out: Output) -> None:
    """Write the contracts, quotes and prices of *day*."""
    catalog = ParquetDataCatalog(str(out.folder()))
    words, stamp = pl.col("root", "right").cast(pl.String), pl.col("timestamp").dt.epoch("ns").cast(pl.UInt64)
    needed = pl.selectors.by_name(*_NEEDED, require_all=False)
    rows = day.rows().select(needed).with_columns(words, stamp).collect()
    prices = _prices(rows)
    for note in _lacking(rows):
        out.note(note)
    catalog.write_data([_underlying(day.product)])
    if prices:
        catalog.write_data(list(_trades(prices, day.product)))
    quoted = rows.filter(pl.col("ask") > 0)
    for contract in quoted.partition_by(_CONTRACT, maintain_order=True):
        instrument = _option(day.product, *contract.select(_CONTRACT).row(0))
        catalog.write_data([instrument])
        catalog.write_data(_quotes(instrument, contract, prices.get(instrument.expiration_ns)))


def _prices(rows: pl.DataFrame) -> dict[int, float]:
    """The price of the underlying at each stamp that knows one."""
    if "underlying_price" not in rows.columns:
        return {}
    priced = rows.filter(pl.col("underlying_price") > 0)
    at_stamp = priced.group_by("timestamp").agg(pl.col("underlying_price").first()).sort("timestamp")
    return dict(at_stamp.iter_rows())


def _lacking(rows: pl.DataFrame) -> Iterator[str]:
    if "bid_size" not in rows.columns:
        yield f"the lake has no sizes: {_UNKNOWN_SIZE:,.0f} stands for them"
    if "underlying_price" not in rows.columns:
        yield "the lake has no price of the underlying: what expires is closed at its last quote"
    yield "there are no greeks: Nautilus 1.221 has no type for those of a quote"


def _underlying(product: Product) -> Instrument:
    """What options are on: an index, if they are European, else a share of a fund."""
    of_both = {
        "instrument_id": InstrumentId.from_str(f"{product.symbol}.{_VENUE}"),
        "raw_symbol": Symbol(product.symbol),
        "currency": USD,
        "price_precision": _CENTS,
        "price_increment": Price(0.01, _CENTS),
        "ts_event": 0,
        "ts_init": 0,
    }
    if product.exercise == "European":
        return IndexInstrument(**of_both, size_precision=0, size_increment=Quantity(1, 0))
    return Equity(**of_both, lot_size=Quantity(1, 0))


def _option(product: Product, root: str, expiration: dt.date, strike: float, right: str) -> OptionContract:
    """A contract; as its file stands for all days, nothing of it hangs on the day."""
    at_the_open = product.settles_at_the_open(root)
    # OCC's name of it, without the blanks.
    name = f"{root}{expiration:%y%m%d}{right}{round(strike * 1000):08}"
    return OptionContract(
        instrument_id=InstrumentId.from_str(f"{name}.{_VENUE}"),
        raw_symbol=Symbol(name),
        asset_class=AssetClass.INDEX if product.exercise == "European" else AssetClass.EQUITY,
        currency=USD,
        price_precision=_CENTS,
        price_increment=Price(product.tick, _CENTS),
        multiplier=Quantity(product.multiplier, 0),
        lot_size=Quantity(1, 0),
        underlying=product.symbol,
        option_kind=OptionKind.CALL if right == "C" else OptionKind.PUT,
        strike_price=Price(strike, 3 if round(strike * 1000) % 10 else _CENTS),
        activation_ns=0,
        expiration_ns=expirations.settled_ms(expiration, at_the_open=at_the_open) * _MS_NS,
        ts_event=0,
        ts_init=0,
        info={"root": root, "settlement": "AM" if at_the_open else "PM"},
    )


def _quotes(instrument: OptionContract, rows: pl.DataFrame, settled: float | None) -> list[QuoteTick]:
    """The quotes of one contract; a bid that is none has the price 0 and no size.

    The last one is what it is *settled* at, where that price of the underlying is known.
    """
    stamps = rows["timestamp"].to_numpy(writable=True)
    bid, ask = _numbers(rows, "bid"), _numbers(rows, "ask")
    sizes = _sizes(rows, "bid", bid), _sizes(rows, "ask", ask)
    if settled is not None:
        stamps -= (stamps == instrument.expiration_ns).astype(np.uint64)
        stamps = np.append(stamps, np.uint64(instrument.expiration_ns))
        apart = settled - float(instrument.strike_price)
        value = max(0.0, apart if instrument.option_kind == OptionKind.CALL else -apart)
        bid, ask = np.append(bid, value), np.append(ask, value)
        sizes = np.append(sizes[0], _UNKNOWN_SIZE), np.append(sizes[1], _UNKNOWN_SIZE)
    found: list[QuoteTick] = QuoteTick.from_raw_arrays_to_list(
        instrument.id, _CENTS, 0, bid, ask, *sizes, stamps, stamps
    )
    return found


def _numbers(rows: pl.DataFrame, name: str) -> Floats:
    return rows[name].fill_null(0).cast(pl.Float64).to_numpy(writable=True)


def _sizes(rows: pl.DataFrame, side: str, prices: Floats) -> Floats:
    if f"{side}_size" in rows.columns:
        return _numbers(rows, f"{side}_size")
    return np.where(prices > 0, _UNKNOWN_SIZE, 0.0)


def _trades(prices: Mapping[int, float], product: Product) -> Iterator[TradeTick]:
    """The underlying's price at each stamp, a nanosecond before it."""
    underlying, one = _underlying(product), Quantity(1, 0)
    for stamp, price in prices.items():
        before, name = stamp - 1, TradeId(str(stamp // _MS_NS))
        value = Price(price, _CENTS)
        yield TradeTick(underlying.id, value, one, AggressorSide.NO_AGGRESSOR, name, before, before)
