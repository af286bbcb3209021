"""A lake as ten years of SPX leave it: thousands of sealed dates and some failed ones, without a download.

    PYTHONPATH=scripts python benchmarks/big_lake.py FOLDER [--days 2500] [--failed 50]

Journals, passports, sidecars, receipts and logs are what a run writes, event by event and field
by field: about 70 chains a date, a request, a checkpoint and a judgement for each, some retries, now and then
a run that failed before the one that sealed. The Parquet files hold a few hundred bytes of nothing: what this
lake is for reads everything but them. Nothing is flushed to the device, so it is made in a minute or two.
"""

from __future__ import annotations

import argparse
import copy
import datetime as dt
import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from spx_data.config import load, resolve
from spx_data.errors import (
    ApiConnectionError,
    ApiResponseInvalidError,
    SpxDataError,
    ThetaTerminalNotRunningError,
)
from spx_data.fill.listing import Listing
from spx_data.fill.passport import ChainReport, details, passport
from spx_data.fill.passport import session as described
from spx_data.fill.rejects import RejectsFile
from spx_data.lake.endings import STAGES
from spx_data.market import sessions
from spx_data.market.chains import Chain, ListedChain
from spx_data.market.sessions import Session
from spx_data.quality import DETAILS
from spx_data.quality.catalogue import CHECKS
from spx_data.quality.checks import Check, Count, Ints
from spx_data.quality.completeness import Balance, Completeness
from spx_data.quality.hours import HoursReports, Observed
from spx_data.quality.judgement import Judge, Judgement, Rules
from spx_data.settings import Settings
from spx_data.store import disk, files, journal, modes, seals, staging
from spx_data.store.parquet import Written
from spx_data.store.staging import Receipt

LAST = dt.date(2024, 12, 31)
MOMENT = "2025-01-02T08:00:00-05:00"  # when the lake is looked at
CHAINS, STRIKES, STAMPS = 70, 100, 391

_BASE_URL = "http://127.0.0.1:1"  # nobody answers there: whoever asks is told so at once
_ERRORS = (
    ApiConnectionError("the terminal answers 500", status=500, url=_BASE_URL),
    ApiResponseInvalidError("the answer is no CSV", cure="Ask again", excerpt="<html>", expected="csv"),
    ThetaTerminalNotRunningError(
        f"nothing listens on {_BASE_URL}", cure="Start it", base_url=_BASE_URL, details=""
    ),
)


@dataclass
class Maker:
    """Makes the dates of one lake; *chance* is seeded, so that the same call makes the same lake."""

    settings: Settings
    chance: random.Random
    template: dict[str, Any]  # the passport of one date; the others differ in their numbers
    chains: tuple[ListedChain, ...]

    @classmethod
    def of(cls, settings: Settings, session: Session) -> Maker:
        """A maker whose dates look like *session*."""
        chains = tuple(_chains(session.date))
        listing = Listing(session.date, "v3", settings.identity("latest"), chains)
        reports = [_report(entry, session) for entry in chains]
        written = Written(sum(report.receipt.rows for report in reports), "0" * 64)
        hours = _hours(settings, session, reports)
        truth = hours.truth(settings.window, "v3")
        told = described(listing, reports, hours, truth, settings.window)
        judgement = _judgement(settings, reports)
        document = passport(listing, reports, written, told, RejectsFile({}, None), judgement)
        document[DETAILS] = details(reports, judgement)
        _describe(document)
        return cls(settings, random.Random(1), document, chains)

    def sealed(self, date: dt.date) -> None:
        """One sealed date: in every tenth a run failed before."""
        layout, at = self.settings.layout, _evening(date)
        document = self._passport(date, at)
        parquet = layout.parquet(date)
        files.make_directory(parquet.parent)
        parquet.write_bytes(b"PAR1" + date.isoformat().encode() * 30 + b"PAR1")
        seals.seal(parquet, document["parquet"]["sha256"], document)
        log = _Log(at, self.chance)
        if self.chance.random() < 0.1:
            self._failing_run(log, date, self.chance.choice(_ERRORS))
            log.wait(86_400)
        self._sealing_run(log, date, document)
        self._close(date, log)

    def failed(self, date: dt.date, number: int) -> None:
        """One failed date, half of it staged: three runs failed, so it is parked unless the terminal did."""
        log, layout = _Log(_evening(date), self.chance), self.settings.layout
        listing = Listing(date, "v3", self.settings.identity("latest"), self.chains)
        files.write_json(layout.listing(date), listing.as_json())
        for entry in self.chains[: CHAINS // 2]:
            chain = entry.chain
            staging.write_receipt(layout.checkpoint(date, chain.root, chain.expiration), _receipt(entry))
        for _ in range(3):
            self._failing_run(log, date, _ERRORS[number % len(_ERRORS)])
            log.wait(86_400)
        self._close(date, log)

    def _passport(self, date: dt.date, at: dt.datetime) -> dict[str, Any]:
        document = copy.deepcopy(self.template)
        day = document["quality"]["figures"]
        day |= {name: day[name] * self.chance.uniform(0.97, 1.03) for name in ("iv_level", "spread_median")}
        busy = 0.5 + self.chance.random()
        for number, (chain, judged) in enumerate(
            zip(document["chains"], document[DETAILS]["chains"], strict=True)
        ):
            chain["root"], expiration = _listed(date, number)
            chain["expiration"] = expiration.isoformat()
            chain["rows"] = round(chain["rows"] * busy)
            judged["quality"]["figures"]["records"] = chain["rows"]
            chain["checkpoint"]["bytes"] = chain["rows"] * 230
            chain["checkpoint"]["sha256"] = _sha256(date, chain["root"], chain["expiration"])
            chain["seconds"] = round(self.chance.uniform(1, 9), 3)
        rows = sum(chain["rows"] for chain in document["chains"])
        document |= {"date": date.isoformat(), "rows": rows, "records_sha256": _sha256(date, "records")}
        document["parquet"] = {"bytes": rows * 14, "sha256": _sha256(date, "parquet")}
        document["sealed_at"] = (at + dt.timedelta(minutes=8)).isoformat(timespec="milliseconds")
        document["merge_seconds"] = round(self.chance.uniform(20, 60), 3)
        document[DETAILS] = document.pop(DETAILS)  # the last field
        return document

    def _sealing_run(self, log: _Log, date: dt.date, document: dict[str, Any]) -> None:
        log.begin("list")
        self._list(log, date)
        log.end(2.0)
        log.begin("download")
        for chain in document["chains"]:
            about = {name: chain[name] for name in ("root", "expiration")}
            if self.chance.random() < 0.02:
                log.add(journal.RETRIED, **about, **journal.described(_ERRORS[0]), attempt=1, wait=1.0)
            log.add(
                journal.REQUEST,
                url=_url(date, **about),
                status=200,
                bytes=chain["rows"] * 190,
                seconds=chain["seconds"],
            )
            log.wait(chain["seconds"])
            size = chain["checkpoint"]["bytes"]
            contracts = chain["contracts_received"]
            log.add(journal.STAGED, **about, contracts=contracts, rows=chain["rows"], bytes=size, attempts=1)
        log.end(sum(chain["seconds"] for chain in document["chains"]))
        log.begin("merge")
        log.wait(document["merge_seconds"])
        log.add(journal.SEALED, rows=document["rows"], **document["parquet"])
        log.end(document["merge_seconds"])

    def _list(self, log: _Log, date: dt.date) -> None:
        for root in self.settings.roots:
            url = f"{_BASE_URL}/v3/option/list/contracts/quote?symbol={root}&date={date}"
            log.add(journal.REQUEST, url=url, status=200, bytes=420_000, seconds=0.9)

    def _failing_run(self, log: _Log, date: dt.date, error: SpxDataError) -> None:
        log.begin("download")
        chain = self.chance.choice(self.chains).chain
        about = {"root": chain.root, "expiration": chain.expiration.isoformat()}
        for attempt in range(1, 4):
            log.add(journal.REQUEST, url=_url(date, **about), status=500, bytes=120, seconds=0.4)
            log.add(journal.RETRIED, **about, **journal.described(error), attempt=attempt, wait=2.0**attempt)
            log.wait(2.0**attempt)
        log.add(journal.EXPIRATION_FAILED, **about, **journal.described(error))
        trace = "Traceback (most recent call last):\n" + "  File one, line 2, in three\n" * 30
        log.add(journal.FAILED, **journal.described(error), traceback=trace, seconds=17.5)

    def _close(self, date: dt.date, log: _Log) -> None:
        """Write the date's journal, and what Snakemake leaves of its jobs."""
        layout = self.settings.layout
        _write(layout.journal(date), log.text)
        for rule in STAGES:
            _write(layout.log(rule, date), f"{date} 20:00:00,000 INFO {date}: done\n" * 20)


class _Log:
    """The text of a journal, with a clock of its own."""

    def __init__(self, at: dt.datetime, chance: random.Random) -> None:
        self._at, self._chance, self._stage, self._run = at, chance, "", ""
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._lines)

    def begin(self, stage: str) -> None:
        """Begin a stage; a run is named after the hour in which it happens."""
        self._stage, self._run = stage, f"{self._at:%Y%m%dT%H}0000-4711"
        self.add(journal.STARTED)

    def end(self, seconds: float) -> None:
        peak = round(self._chance.uniform(90, 700), 1)
        self.add(journal.FINISHED, seconds=round(seconds, 3), memory_mb=peak)

    def wait(self, seconds: float) -> None:
        self._at += dt.timedelta(seconds=seconds)

    def add(self, event: str, **fields: Any) -> None:
        self._at += dt.timedelta(milliseconds=7)
        at = self._at.isoformat(timespec="milliseconds")
        line = {"at": at, "event": event, "stage": self._stage, "run": self._run, **fields}
        self._lines.append(json.dumps(line, default=str) + "\n")


def _chains(date: dt.date) -> Iterator[ListedChain]:
    """Seventy chains, one of SPX after four of SPXW."""
    for number in range(CHAINS):
        root, expiration = _listed(date, number)
        strikes = tuple(float(4000 + 5 * (number % 7) + 10 * step) for step in range(STRIKES))
        yield ListedChain(Chain(root, expiration, date, expiration), strikes, strikes)


def _listed(date: dt.date, number: int) -> tuple[str, dt.date]:
    """The root and the expiration of a date's chain of that *number*: every fourth day, whatever the date."""
    place = -(-date.toordinal() // 4) + number
    return "SPX" if place % 5 == 4 else "SPXW", dt.date.fromordinal(4 * place)


def _receipt(entry: ListedChain) -> Receipt:
    chain, rows = entry.chain, entry.contracts * STAMPS
    checksum = _sha256(chain)
    return Receipt(
        chain.root, chain.expiration, checksum[:16], entry.contracts, rows, rows * 230, checksum, 1, 4.2
    )


def _report(entry: ListedChain, session: Session) -> ChainReport:
    whole = Completeness(
        Balance(entry.contracts, entry.contracts), Balance(entry.contracts * STAMPS, entry.contracts * STAMPS)
    )
    receipt = _receipt(entry)
    return ChainReport(entry, receipt, whole, session.opens, session.closes, rows=receipt.rows)


def _hours(settings: Settings, session: Session, reports: Sequence[ChainReport]) -> HoursReports:
    """The hours of a session about which everybody agrees."""
    first, closes, later = (
        int(moment.timestamp()) * 1000
        for moment in (session.opens, session.closes, session.options_close(settings.product))
    )
    expirations = [report.key[1] for report in reports]
    seen = Observed.of(
        session.date, [(each, first, closes if each == session.date else later) for each in expirations]
    )
    return HoursReports(settings.product, settings.calendar, session, None, seen)


def _judgement(settings: Settings, reports: Sequence[ChainReport]) -> Judgement:
    """What every check found: facts of markets at every stamp, and here and there what costs points."""
    rules = Rules(settings.product, "latest", settings.window.step_ms, None, settings.quality.weights)
    first = int(reports[0].first_stamp.timestamp()) * 1000 if reports[0].first_stamp else 0
    stamps = first + 60_000 * np.arange(STAMPS, dtype=np.int64)
    counts = {report.key: [_count(check, stamps) for check in CHECKS] for report in reports}
    return Judge(reports[0].entry.chain.date, rules).finish(counts)


def _count(check: Check, stamps: Ints) -> Count:
    """A fact at every stamp; of some other checks a hit or two."""
    each = 20 if check.ruinous is None else int(check.code in {"crossed", "iv-kink", "missing"})
    by_stamp = np.full(len(stamps), each, dtype=np.int64)
    if check.ruinous is not None:
        by_stamp[2:] = 0
    hits = int(by_stamp.sum())
    named = "C 4700 at 09:30" if hits else None
    return Count(check, hits, 200 * STAMPS, named, stamps, by_stamp)


def _describe(document: dict[str, Any]) -> None:
    """Give the day and its chains the figures that records would have given them."""
    document["quality"]["figures"] = {
        "rows": document["rows"], "contracts": 14_000, "iv_level": 0.131234, "spread_median": 0.0214321,
        "rate": 0.05321, "greeks_convention": "time-left",
    }  # fmt: skip
    for chain, judged in zip(document["chains"], document[DETAILS]["chains"], strict=True):
        judged["quality"]["figures"] = {
            "contracts": 200, "records": chain["rows"], "forward": 4731.25, "discount": 0.997688,
            "parity_r_squared": 0.999999, "parity_residual": 0.0184199, "iv_atm": 0.12985,
            "spread_median": 0.015596, "spread_atm_dollars": 0.65,
        }  # fmt: skip


def _url(date: dt.date, root: str, expiration: str) -> str:
    window = "interval=1m&start_time=09%3A30%3A00&end_time=16%3A00%3A00&version=latest&format=csv"
    query = f"symbol={root}&expiration={expiration}&date={date}&{window}"
    return f"{_BASE_URL}/v3/option/history/greeks/first_order?{query}"


def _evening(date: dt.date) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(22, 30), dt.UTC)


def _sha256(*about: object) -> str:
    return hashlib.sha256(repr(about).encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def configure(folder: Path, start: dt.date) -> Settings:
    """Write the lake's config; returns its settings, with paths as they are seen from anywhere."""
    document = {
        "thetadata": {"base_url": _BASE_URL, "api": "v3"},
        "processing": {"start_date": start.isoformat(), "end_date": LAST.isoformat()},
        "report": {"day_pages": 0},  # its Parquet files have nothing to show
    }
    _write(folder / "config" / "config.yaml", yaml.safe_dump(document))
    resolved = resolve(load(folder / "config" / "config.yaml"), {})
    for key in ("output_directory", "temp_directory", "data_directory"):
        resolved["processing"][key] = str(folder / resolved["processing"][key])
    resolved["database"]["path"] = str(folder / resolved["database"]["path"])
    return Settings.of(resolved)


def make(folder: Path, days: int, failed: int) -> Settings:
    """Make a lake of *days* sealed dates and *failed* failed ones in *folder*, an empty one.

    The failed dates lie among the sealed ones; the last date of all is `LAST`.
    """
    back = dt.timedelta(days=(days + failed) * 2 + 30)
    wanted = sessions.between("NYSE", LAST - back, LAST)[-(days + failed) :]
    settings = configure(folder, wanted[0].date)
    modes.restrict(owner_only=settings.owner_only)
    maker = Maker.of(settings, wanted[-1])
    unlucky = set(random.Random(2).sample(range(len(wanted)), failed))
    flush, disk.flush = disk.flush, lambda _: None
    try:
        files.write_json(settings.layout.dataset, settings.identity("latest"))
        for number, session in enumerate(wanted):
            if number in unlucky:
                maker.failed(session.date, number)
            else:
                maker.sealed(session.date)
    finally:
        disk.flush = flush
    return settings


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make a big lake.")
    parser.add_argument("folder", type=Path, help="where; made if it is missing")
    parser.add_argument("--days", type=int, default=2500, help="sealed dates")
    parser.add_argument("--failed", type=int, default=50, help="failed dates")
    given = parser.parse_args()
    made = make(given.folder, given.days, given.failed)
    print(f"{given.days:,} sealed and {given.failed} failed dates from {made.start_date} to {made.end_date}")
    print(f"look at it with: cd {given.folder} && SPX_DATA_NOW={MOMENT} spx-data status")
