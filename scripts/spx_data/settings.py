"""Typed settings: what everything inside the library sees of a config.

They trust the document that `config.resolve` returned, so that the many short jobs of a run need not check
it again. A document has one lake, or one for each of its `symbols`: `Lakes` is read at the edge, and all
below are given the settings of one.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from spx_data.errors import SettingRefusedError
from spx_data.market import columns, products
from spx_data.market.dates import Dates
from spx_data.market.products import Product
from spx_data.market.sessions import Window
from spx_data.pricing import models
from spx_data.store import dataset
from spx_data.store.layout import Layout
from spx_data.store.modes import OwnerOnly
from spx_data.symbols import document_of, placed


@dataclass(frozen=True)
class Terminal:
    """How to reach the Theta Terminal."""

    base_url: str | None
    api: str  # of a source (`sources.catalogue`), or auto
    format: str
    max_concurrent_requests: int
    timeout_seconds: float
    history_timeout_seconds: float
    greeks_version: str
    retry_wait_factor: float


class Patience(NamedTuple):
    """When a session that is not sealed is asked for again, and when no more."""

    publication_hours: float
    max_attempts: int | None


class Recheck(NamedTuple):
    """Which sealed dates are fetched again, and what becomes of one that the source changed."""

    sample: int
    restated: Literal["report", "keep", "replace"]


class Mend(NamedTuple):
    """Whether a run ends with a mend of incomplete days that are due, and how many requests that may take."""

    after_runs: bool
    requests: int


class Report(NamedTuple):
    """When pages for people to look at are made: after every run, and of how many of the newest dates."""

    after_runs: bool
    day_pages: int


class Weights(NamedTuple):
    """Points that decide which missing date is filled first."""

    age: float
    volatility: float
    tries: float


class Alerts(NamedTuple):
    """Thresholds, in percent but for *consecutive_missing* (sessions); and who is told of what they cross."""

    failure_rate_percent: float
    consecutive_missing: int
    disk_free_percent: float
    connectivity_percent: float
    memory_percent: float
    notify: Sequence[str]  # addresses of Apprise
    digest: bool  # whether these people are told each day, whatever it brought


class Metrics(NamedTuple):
    """What programs are told of runs: a text file for Prometheus, and the address of a monitor."""

    textfile: Path | None
    ping: str | None


class Database(NamedTuple):
    """A team's database, where there is one, and the schema in it for the status log of the lake."""

    url: str | None
    schema: str


class Retention(NamedTuple):
    """How long logs and audit records are kept; None is for ever, or without limit."""

    compress_days: float | None
    logs_days: float | None
    logs_mb: float | None
    audit_days: float | None


class Quality(NamedTuple):
    """When bad records fail a date; when a day's score (0 to 100) or its distance from others says so."""

    rejected_percent: float
    warn_below: float
    fail_below: float
    outlier_z: float
    weights: Mapping[str, float]  # of the parts of a score


@dataclass(frozen=True)
class Settings:
    """The settings of one lake, as everything inside the library sees them."""

    terminal: Terminal
    start_date: dt.date
    end_date: dt.date | None
    product: Product
    roots: tuple[str, ...]
    records: str  # their kind (`market.columns`)
    window: Window
    max_dte: int | None
    calendar: str
    second_opinions: int  # requests that a date may spend on them
    keep_ndjson: bool
    batch_size: int | None
    priority: Weights
    alerts: Alerts
    metrics: Metrics
    database: Database
    retention: Retention
    quality: Quality
    patience: Patience
    owner_only: OwnerOnly
    verify_depth: Literal["pages", "bytes"]
    recheck: Recheck
    mend: Mend
    report: Report
    publish_url: str | None
    dates: Dates | None
    layout: Layout
    document: Mapping[str, Any]

    def covers(self, date: dt.date) -> bool:
        """Whether *date* lies between the start and the end date."""
        return self.start_date <= date <= (self.end_date or dt.date.max)

    def identity(self, greeks_version: str) -> dataset.Identity:
        """What these settings ask of a lake (`store.dataset`); *greeks_version* is what the source has."""
        return {
            "format": dataset.FORMAT,
            "schema_version": columns.KINDS[self.records].version,
            "records": self.records,
            "symbol": self.product.symbol,
            "roots": sorted(self.roots),
            "interval": self.window.interval,
            "start_time": self.window.start.isoformat(),
            "end_time": self.window.end.isoformat(),
            "max_dte": self.max_dte,
            "greeks_version": greeks_version,
            **models.identity(self.product, self.records),
        }

    @classmethod
    def of(cls, resolved: Mapping[str, Any]) -> Settings:
        """The settings in a document that `resolve` returned."""
        processing = resolved["processing"]
        end = processing["end_date"]
        product = products.of(processing["symbol"], resolved["products"])
        return cls(
            terminal=Terminal(**resolved["thetadata"]),
            start_date=dt.date.fromisoformat(processing["start_date"]),
            end_date=dt.date.fromisoformat(end) if end else None,
            product=product,
            roots=tuple(processing["roots"] or product.root_names),
            records=processing["records"],
            window=Window(
                start=dt.time.fromisoformat(processing["start_time"]),
                end=dt.time.fromisoformat(processing["end_time"]),
                interval=processing["interval"],
            ),
            max_dte=processing["max_dte"],
            calendar=processing["calendar"],
            second_opinions=processing["second_opinions"],
            keep_ndjson=processing["keep_ndjson"],
            batch_size=processing["batch_size"],
            priority=Weights(
                **{name: points * resolved.get("weight", 1) for name, points in resolved["priority"].items()}
            ),
            alerts=Alerts(**resolved["alerts"]),
            metrics=Metrics(
                Path(file) if (file := resolved["metrics"]["textfile"]) else None, resolved["metrics"]["ping"]
            ),
            database=Database(
                resolved["database"]["url"],
                resolved["database"]["schema"] or f"{product.symbol.lower()}_status",
            ),
            retention=Retention(**resolved["retention"]),
            quality=Quality(**resolved["quality"], weights=resolved["score"]),
            patience=Patience(**{name: processing[name] for name in Patience._fields}),
            owner_only=processing["owner_only"],
            verify_depth=resolved["verify"]["depth"],
            recheck=Recheck(**resolved["recheck"]),
            mend=Mend(**resolved["mend"]),
            report=Report(**resolved["report"]),
            publish_url=resolved["publish"]["url"],
            dates=Dates.of(resolved["dates"]) if resolved["dates"] else None,
            layout=_layout(resolved, product.stem),
            document=copy.deepcopy(dict(resolved)),
        )


# Several symbols ----------------------------------------------------------------------------------------

_SYMBOL, _STEM = "{symbol}", "{stem}"  # wildcards of Snakemake


@dataclass(frozen=True)
class Lakes(Mapping[str, Settings]):
    """The settings of each lake of a document, by symbol; *several* says whether it has `symbols`."""

    every: Mapping[str, Settings]
    several: bool
    patterns: Layout  # of any of them, with wildcards for what differs

    @classmethod
    def of(cls, resolved: Mapping[str, Any]) -> Lakes:
        """The lakes of a document that `resolve` returned."""
        named = resolved.get("symbols")
        if not named:
            settings = Settings.of(resolved)
            return cls({settings.product.symbol: settings}, several=False, patterns=settings.layout)
        found = {symbol: Settings.of(document_of(resolved, symbol)) for symbol in named}
        return cls(found, several=True, patterns=_layout(placed(resolved, _SYMBOL), _STEM))

    def only(self, symbol: str) -> Lakes:
        """The lake of *symbol* alone.

        Raises:
            SettingRefusedError: there is none.
        """
        if symbol not in self.every:
            raise SettingRefusedError(
                f"{symbol!r} is no symbol of this config",
                cure=f"Name one of {', '.join(self.every)}",
                what="--symbol",
                reason="no such symbol",
            )
        return replace(self, every={symbol: self.every[symbol]})

    def __getitem__(self, symbol: str) -> Settings:
        return self.every[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self.every)

    def __len__(self) -> int:
        return len(self.every)


def of_lake(resolved: Mapping[str, Any], symbol: str) -> Settings:
    """The settings of one lake of a document, without a look at the others."""
    return Settings.of(document_of(resolved, symbol) if resolved.get("symbols") else resolved)


def _layout(document: Mapping[str, Any], stem: str) -> Layout:
    processing = document["processing"]
    return Layout(
        output=Path(processing["output_directory"]),
        temp=Path(processing["temp_directory"]),
        data=Path(processing["data_directory"]),
        database=Path(document["database"]["path"]),
        stem=stem,
    )
