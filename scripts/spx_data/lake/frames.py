"""What passports say of sealed days, as frames of Polars: a row for each chain, and a row for each day."""

from __future__ import annotations

import datetime as dt
import functools
import json
import math
import operator
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import polars as pl

from spx_data.errors import FileCorruptionError, MissingFileError, SpxDataError
from spx_data.lake import reader, remembered
from spx_data.lake.reader import Missing
from spx_data.lake.reader.days import shipped_weights
from spx_data.lake.reader.place import LAKE, Folder, Lake, Selection
from spx_data.lake.remembered import Rows, Table, Told
from spx_data.market.dates import ZONE
from spx_data.quality import DETAILS, DIGITS, Part, weighted
from spx_data.store import seals, tree
from spx_data.store.layout import Layout

Passport = Mapping[str, Any]

_MOMENT = pl.Datetime("ms", ZONE)
_BALANCES = {
    "expected": "that were to be there",
    "received": "that are there",
    "explained": "that are not there, and the source says why",
    "missing": "that are not there, and nobody knows why",
}
_STAMPS = {
    f"stamps_{name}": Told(pl.Int64, f"stamps of contracts {words}") for name, words in _BALANCES.items()
}
_CONTRACTS = {f"contracts_{name}": Told(pl.Int64, f"contracts {words}") for name, words in _BALANCES.items()}
_FIGURES = (
    "forward",
    "discount",
    "iv_atm",
    "spread_median",
    "spread_atm_dollars",
    "parity_r_squared",
    "parity_residual",
)
_DAY_FIGURES = ("iv_level", "spread_median")
_PRICES = ("open", "high", "low", "close")
_POINTS, _NUMBERS = {float}, {float, type(None)}


def chains(
    dates: Selection = None,
    *,
    lake: Lake = LAKE,
    data: Folder | None = None,
    missing: Missing = "raise",
) -> pl.DataFrame:
    """A row for each chain of sealed days, in date order, by their passports: no quote is read.

    `forward` (dollars) and `discount` are medians over the session of put-call parity, `iv_atm` that of the
    volatility at the strike nearest to the forward (an annualised fraction), `spread_median` that of the
    spreads of options out of the money within 2.5 % of the forward, as a share of the midpoint, and
    `spread_atm_dollars` that at the money; `parity_r_squared` and `parity_residual` (in half spreads) say how
    well parity holds. `dte` is in calendar days. `state` is whole, short, contradicted, unavailable or
    unlisted. `score` and `completeness` are of 100 points, the score by the shipped weights. What a passport
    does not say is null. Arguments as those of `scan`.

    What was read is kept in the cache of the data directory, so that it takes seconds only once.

    Raises:
        DateValidationError, MissingFileError, FileCorruptionError: as `scan` does for *dates*; or a passport
            is not what was sealed.
    """
    return _read(CHAINS, dates, lake, data, missing)


def days(
    dates: Selection = None,
    *,
    lake: Lake = LAKE,
    data: Folder | None = None,
    missing: Missing = "raise",
) -> pl.DataFrame:
    """A row for each sealed day, in date order, by its passport: what it holds, and what it is worth.

    `score` and each of its parts (`completeness` to `greeks`) are of 100 points, the score by the shipped
    weights; `complete` says that nothing is unknown of the day, and `unknown` is the first thing that is;
    `iv_level` is the volatility at the money at 30 days, `spread_median` as in `chains`, over the chains with
    7 to 60 days to expiration; `underlying_open` to `underlying_close` are in dollars, `bytes` and `sha256`
    those of the Parquet. Else as `chains`.
    """
    return _read(DAYS, dates, lake, data, missing)


def keep(layout: Layout) -> None:
    """Keep what `chains` and `days` tell of every sealed day, so that the first who asks waits for nothing.

    It saves time and decides nothing: what cannot be read or kept is read by whoever asks.
    """
    if not layout.cache.is_dir():
        return
    passports = dict[dt.date, str]()
    with suppress(SpxDataError, OSError):
        for date in tree.dates(layout):
            with suppress(MissingFileError, FileCorruptionError):
                passports[date] = seals.read(layout.parquet(date)).passport
        remembered.keep(layout, [CHAINS, DAYS], passports)


def _read(table: Table, dates: Selection, lake: Lake, data: Folder | None, missing: Missing) -> pl.DataFrame:
    place, sealed = reader.sealed(dates, lake=lake, data=data, missing=missing)
    place.hold(sealed, verify=False)
    return remembered.read(place.layout, table, {date: seal.passport for date, seal in sealed.items()})


@functools.cache
def _weights() -> Mapping[str, float]:
    return shipped_weights()


def _weights_told() -> str:
    return json.dumps(dict(_weights()), sort_keys=True)


def _number(value: Any) -> float | None:
    """A number of a passport's details, whose types nobody has checked."""
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 53 else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _points(parts: Mapping[str, Any]) -> tuple[float | None, dict[str, float]]:
    """The score of now, and the points of each part."""
    found = {name: points for name, told in parts.items() if (points := _number(told)) is not None}
    return weighted(found, _weights()), found


# Chains -----------------------------------------------------------------------------------------------------


def _chains_of(passport: Passport) -> Rows:
    """A row for each chain: column by column, for ten years have a hundred thousand chains and more."""
    date, chains = dt.date.fromisoformat(passport["date"]), passport["chains"]
    details = _details(passport)
    qualities = [_object(detail.get("quality")) for detail in details]
    figures = [_object(quality.get("figures")) for quality in qualities]
    parts = [_object(quality.get("parts")) for quality in qualities]
    expirations = [dt.date.fromisoformat(chain["expiration"]) for chain in chains]
    return [
        *zip(
            [chain["root"] for chain in chains],
            expirations,
            [(expiration - date).days for expiration in expirations],
            [chain.get("state") for chain in chains],
            [chain["rows"] for chain in chains],
            [chain.get("contracts_listed") for chain in chains],
            [chain.get("contracts_received") for chain in chains],
            *([_count(detail.get(name)) for detail in details] for name in _STAMPS),
            *(_numbers([each.get(name) for each in figures]) for name in _FIGURES),
            _scores(parts),
            _numbers([each.get(Part.COMPLETENESS) for each in parts]),
            strict=True,
        )
    ]


def _details(passport: Passport) -> list[Mapping[str, Any]]:
    """The details of each chain; nothing, where they are not of the same chains."""
    details, many = _object(passport.get(DETAILS)).get("chains"), len(passport["chains"])
    if not isinstance(details, list) or len(details) != many:
        return [{}] * many
    return [*map(_object, details)]


def _numbers(values: list[Any]) -> list[float | None]:
    """Each of them as `_number` has it: all at once where all are numbers, as nearly always."""
    if {*map(type, values)} <= _NUMBERS and math.isfinite(sum(filter(None, values))):
        return values
    return [*map(_number, values)]


def _scores(parts: list[Mapping[str, Any]]) -> list[float | None]:
    """The score of now of each, as `quality.weighted` has it, which is asked where a part is no number."""
    weights, known = _weights(), dict[tuple[str, ...], tuple[list[float], float]]()
    found = list[float | None]()
    for each in parts:
        names, points = (*each,), [*each.values()]
        if {*map(type, points)} != _POINTS or not math.isfinite(sum(points)):
            found.append(_points(each)[0])
            continue
        if names not in known:
            known[names] = (
                [weights.get(name, 0.0) for name in names],
                sum(weights.get(name, 0.0) for name in names),
            )
        heavy, total = known[names]
        found.append(round(sum(map(operator.mul, heavy, points)) / total, DIGITS) if total else None)
    return found


CHAINS = Table(
    "chains",
    {
        "date": Told(pl.Date, "the trading date"),
        "root": Told(pl.String, "like SPXW"),
        "expiration": Told(pl.Date, "the true date"),
        "dte": Told(pl.Int32, "calendar days from the trading date to the expiration"),
        "state": Told(pl.String, "whole, short, contradicted, unavailable or unlisted"),
        "rows": Told(pl.Int64, "records"),
        "contracts_listed": Told(pl.Int64, "contracts that the source listed"),
        "contracts_received": Told(pl.Int64, "contracts with records"),
        **_STAMPS,
        "forward": Told(pl.Float64, "dollars, by put-call parity: the median of the session"),
        "discount": Told(pl.Float64, "of a dollar at the expiration, likewise"),
        "iv_atm": Told(pl.Float64, "volatility at the strike nearest to the forward, an annualised fraction"),
        "spread_median": Told(pl.Float64, "of the midpoint, out of the money within 2.5 % of the forward"),
        "spread_atm_dollars": Told(pl.Float64, "dollars, at the strike nearest to the forward"),
        "parity_r_squared": Told(pl.Float64, "how well parity is a line"),
        "parity_residual": Told(pl.Float64, "distance from that line, of half of both spreads"),
        "score": Told(pl.Float64, "points of 100, by the shipped weights"),
        "completeness": Told(pl.Float64, "points of 100"),
    },
    _chains_of,
    _weights_told,
    whole=True,
)


# Days -------------------------------------------------------------------------------------------------------


def _day_of(passport: Passport) -> Rows:
    session, source = passport.get("session") or {}, passport.get("source") or {}
    quality, completeness = passport.get("quality") or {}, passport["completeness"]
    underlying, figures = passport.get("underlying") or {}, quality.get("figures") or {}
    score, parts = _points({name: part["score"] for name, part in quality.get("parts", {}).items()})
    return [
        (
            *(_moment(session.get(name)) for name in ("opens", "closes")),
            session.get("early_close"),
            passport["rows"],
            sum(chain["rows"] > 0 for chain in passport["chains"]),
            completeness.get("complete"),
            next(iter(completeness.get("unknown") or ()), None),
            *(completeness.get(name) for name in (*_CONTRACTS, *_STAMPS)),
            *(score, *(parts.get(part) for part in Part)),
            *(figures.get(name) for name in _DAY_FIGURES),
            *(underlying.get(name) for name in _PRICES),
            *(passport["records"], passport["schema_version"]),
            *(source.get("api"), source.get("greeks_version")),
            _moment(passport["sealed_at"]),
            *(passport["parquet"]["bytes"], passport["parquet"]["sha256"]),
        )
    ]


def _moment(told: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(told) if told else None


DAYS = Table(
    "days",
    {
        "date": Told(pl.Date, "the trading date"),
        "opens": Told(_MOMENT, "when the stock market opened"),
        "closes": Told(_MOMENT, "when it closed"),
        "early_close": Told(pl.Boolean, "whether it was a half day"),
        "rows": Told(pl.Int64, "records"),
        "chains": Told(pl.Int64, "chains with records"),
        "complete": Told(pl.Boolean, "whether nothing is unknown of the day"),
        "unknown": Told(pl.String, "the first thing that is"),
        **_CONTRACTS,
        **_STAMPS,
        "score": Told(pl.Float64, "points of 100, by the shipped weights"),
        **{part.value: Told(pl.Float64, "points of 100: a part of the score") for part in Part},
        "iv_level": Told(pl.Float64, "volatility at the money at 30 days, an annualised fraction"),
        "spread_median": Told(pl.Float64, "that of the chains with 7 to 60 days to expiration"),
        **{
            f"underlying_{name}": Told(pl.Float64, f"dollars, the day's {words}")
            for name, words in zip(_PRICES, ("first", "highest", "lowest", "last"), strict=True)
        },
        "records": Told(pl.String, "the kind of its records"),
        "schema_version": Told(pl.Int64, "of its columns"),
        "api": Told(pl.String, "of the source"),
        "greeks_version": Told(pl.String, "of the source"),
        "sealed_at": Told(_MOMENT, "when it was sealed"),
        "bytes": Told(pl.Int64, "of its Parquet"),
        "sha256": Told(pl.String, "of its Parquet"),
    },
    _day_of,
    _weights_told,
)
