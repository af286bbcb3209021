"""Lakes to look at, made without a terminal: one with every kind of session, and one with nothing.

    PYTHONPATH=scripts:. python -m tests.report.lakes FOLDER

Passports, journals and receipts are those of `benchmarks/big_lake.py`, with fewer chains a date.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.util
import json
import math
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from spx_data.config import load, resolve
from spx_data.lake.session_states import Kind
from spx_data.market import sessions
from spx_data.market.sessions import Session
from spx_data.settings import Settings
from spx_data.store import disk, files, journal

START, END = dt.date(2024, 10, 14), dt.date(2024, 12, 31)
NOW = "2024-12-31T12:00:00-05:00"  # the last session still trades
MOMENT = dt.datetime.fromisoformat(NOW)
CHAINS = 6

# What a server might say, or somebody in its place: markup, names of our colours, an end of our JSON.
HOSTILE = (
    "<script>alert(1)</script> \"quoted\" 'twice' `thrice` @sealed {{ 7 * 7 }} </script><!-- "
    "<img src=x onerror=alert(2)> "
    + "endless" * 40
    + "\nnext line\ttab \u2028 naïve 東京 \U0001f600 \u202egnp"
)


def _day(month: int, day: int) -> dt.date:
    return dt.date(2024, month, day)


# Sessions that are not sealed, and sealed ones that are not good; all others are both.
UNSEALED: Mapping[dt.date, Kind] = {
    **{_day(10, day): Kind.MISSING for day in (14, 15, 16, 17)},
    _day(10, 22): Kind.PARTIAL,
    _day(10, 30): Kind.FAILED,  # for want of a terminal
    _day(11, 5): Kind.MISSING,
    _day(11, 12): Kind.FAILED,  # with hostile words
    _day(11, 19): Kind.PARKED,
    _day(11, 21): Kind.CORRUPT,
    _day(11, 29): Kind.ACCEPTED,
    _day(12, 10): Kind.FAILED,  # for the answer's sake
    _day(12, 24): Kind.NO_DATA,
    _day(12, 31): Kind.PENDING,
}
HOSTILE_DATE = _day(11, 12)
WARNED = (_day(10, 25), _day(11, 14), _day(12, 6))
FAILING = (_day(11, 7), _day(12, 18))
UNJUDGED = _day(10, 18)

_POINTS: Mapping[str, Mapping[str, float]] = {
    "warn": {"quotes": 71.5, "smile": 88.0},
    "fail": {"quotes": 22.0, "arbitrage": 41.5, "parity": 60.0, "completeness": 83.0},
}


@dataclass(frozen=True)
class Lake:
    """A lake in *folder*: `spx-data` and `snakemake` run there, at the time `NOW`."""

    folder: Path
    settings: Settings

    @property
    def environment(self) -> dict[str, str]:
        """The variables that set the clock of a process."""
        return {sessions.NOW_VARIABLE: NOW}

    def with_keys(self, **processing: Any) -> Settings:
        """Return the settings of the same lake with other keys of `processing`."""
        document = resolve(load(self.folder / "config" / "config.yaml"), {})
        layout = self.settings.layout
        document["processing"] |= {"output_directory": str(layout.output), "data_directory": str(layout.data)}
        document["processing"] |= {"temp_directory": str(layout.temp)} | processing
        return Settings.of(document)


def every_kind(folder: Path, *, judged: bool = True) -> Lake:
    """Make a lake whose sessions show every kind; of one not *judged*, no sealed day has a score."""
    big = _big_lake()
    settings = big.configure(folder, START)
    wanted = sessions.between("NYSE", START, END)
    flush, disk.flush = disk.flush, lambda _: None
    try:
        files.write_json(settings.layout.dataset, settings.identity("latest"))
        maker = _maker(big, settings, wanted, judged)
        for number, session in enumerate(wanted):
            kind = UNSEALED.get(session.date, Kind.SEALED)
            if kind is Kind.SEALED:
                maker.sealed(session.date)
            else:
                _UNSEAL[kind](maker, session.date, number)
    finally:
        disk.flush = flush
    return Lake(folder, settings)


def empty(folder: Path) -> Lake:
    """Make a lake in which nothing has happened yet."""
    return Lake(folder, _big_lake().configure(folder, START))


def long(folder: Path, days: int) -> Lake:
    """Make a lake of so many sealed days, and of some that failed, before `END`."""
    return Lake(folder, _big_lake().make(folder, days, days // 50))


def _big_lake() -> ModuleType:
    """The maker of big lakes, a copy of our own with dates of few chains."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "big_lake.py"
    spec = importlib.util.spec_from_file_location("big_lake_of_few_chains", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.CHAINS, module.LAST = CHAINS, END
    return module


def _maker(big: ModuleType, settings: Settings, wanted: list[Session], judged: bool) -> Any:
    """A maker of dates whose points, prices and rows are those of this lake."""

    class Maker(big.Maker):
        price = 5800.0

        def _passport(self, date: dt.date, at: dt.datetime) -> dict[str, Any]:
            document = super()._passport(date, at)
            document["underlying"] = self._prices()
            if not judged or date == UNJUDGED:
                document |= {"quality": None, "details": None}
            elif date in (*WARNED, *FAILING):
                _spoil(document["quality"], _POINTS["warn" if date in WARNED else "fail"])
            else:
                _spoil(document["quality"], {"quotes": round(self.chance.uniform(95, 99.5), 1)})
            return document

        def _prices(self) -> dict[str, float]:
            opens, width = self.price, self.price * self.chance.uniform(0.004, 0.02)
            closes = opens + width * self.chance.uniform(-0.5, 0.55)
            self.price = closes
            return {
                "open": round(opens, 2),
                "high": round(max(opens, closes) + width / 4, 2),
                "low": round(min(opens, closes) - width / 4, 2),
                "close": round(closes, 2),
            }

    maker = Maker.of(settings, wanted[-2])
    maker.chance = random.Random(7)
    return maker


def _spoil(quality: dict[str, Any], of_parts: Mapping[str, float]) -> None:
    """Take points from parts of a judgement, and say by which of their checks they were lost."""
    for part, points in of_parts.items():
        quality["parts"][part]["score"] = points
        check = next(check for check in quality["checks"] if check["part"] == part and check["of"])
        hits = math.ceil(check["of"] * (100 - points) / 2000)
        check |= {"hits": hits, "share": hits / check["of"], "score": points}


# What leaves a date as one of each kind ---------------------------------------------------------------------


def _record(maker: Any, date: dt.date, event: str, at: dt.datetime, **fields: Any) -> None:
    line = {"at": at.isoformat(timespec="milliseconds"), "event": event, "stage": "list", "run": "by-hand"}
    files.append_line(maker.settings.layout.journal(date), json.dumps(line | fields))


def _evening(date: dt.date) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(22, 30), dt.UTC)


def _untouched(maker: Any, date: dt.date, number: int) -> None:
    """Leave a date as it was before anybody tried."""


def _begun(maker: Any, date: dt.date, number: int) -> None:
    """Stage half of a date, in a run that somebody stopped."""
    maker.failed(date, number)
    _record(maker, date, journal.REOPENED, _evening(date) + dt.timedelta(4), reason="tried anew")
    _record(maker, date, journal.STARTED, _evening(date) + dt.timedelta(4))
    _record(maker, date, journal.STOPPED, _evening(date) + dt.timedelta(4))


def _failed(maker: Any, date: dt.date, number: int) -> None:
    """Fail a date three times for want of a terminal, or twice for its own sake."""
    if date.month == 10:
        maker.failed(date, 2)
        return
    words = HOSTILE if date == HOSTILE_DATE else "the answer breaks off after 1,204 of 9,384 rows"
    error = {"error": "ApiResponseInvalidError", "cause": words, "cure": words, "traceback": words}
    for attempt in range(2):
        at = _evening(date) + dt.timedelta(attempt)
        _record(maker, date, journal.STARTED, at, run=f"run-{attempt}")
        _record(maker, date, journal.FAILED, at, **error, run=f"run-{attempt}", seconds=3.5)


def _parked(maker: Any, date: dt.date, number: int) -> None:
    maker.failed(date, 1)


def _without_data(maker: Any, date: dt.date, number: int) -> None:
    cause = f"the source has no contracts with quotes on {date}"
    for run in range(5):  # after so many answers it is asked again after a week
        at = MOMENT.astimezone(dt.UTC) - dt.timedelta(days=2, hours=5 - run)
        _record(maker, date, journal.NO_DATA, at, cause=cause, run=f"run-{run}")


def _corrupt(maker: Any, date: dt.date, number: int) -> None:
    """Seal a date and let a verification find it damaged."""
    maker.sealed(date)
    layout = maker.settings.layout
    folder = layout.quarantine(date) / "20241223T090000"
    files.make_directory(folder)
    for path in layout.sealed_files(date):
        path.rename(folder / path.name)
    damages = ["checksum: the sidecar says 1a2b3c, the file is 4d5e6f"]
    at = dt.datetime(2024, 12, 23, 9, tzinfo=dt.UTC)
    _record(maker, date, journal.QUARANTINED, at, damages=damages, folder=str(folder))


def _accepted(maker: Any, date: dt.date, number: int) -> None:
    maker.failed(date, 1)
    at = _evening(date) + dt.timedelta(5)
    _record(maker, date, journal.ACCEPTED, at, reason="the vendor lost that afternoon")


_UNSEAL = {
    Kind.MISSING: _untouched,
    Kind.PENDING: _untouched,
    Kind.PARTIAL: _begun,
    Kind.FAILED: _failed,
    Kind.PARKED: _parked,
    Kind.NO_DATA: _without_data,
    Kind.CORRUPT: _corrupt,
    Kind.ACCEPTED: _accepted,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make a lake with every kind of session.")
    parser.add_argument("folder", type=Path, help="where; made if it is missing")
    given = parser.parse_args()
    every_kind(given.folder)
    print(f"look at it with: cd {given.folder} && SPX_DATA_NOW={NOW} spx-data status")
