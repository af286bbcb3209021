"""What the source reports of all contracts of a date: asked for when its chains are staged.

Two requests a root: the end of day, which a chain without data is held against before, and open interest. A
day is sealed without what cannot be had of them: a report is asked for twice at the most, and why there is
none stands in the passport: it cannot be had, or it leaves out other rows each time. Only what would meet
every other request too (the terminal is down, the disk is full) holds the date.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from spx_data.errors import (
    ApiRateLimitError,
    ConfigurationValidationError,
    FileCorruptionError,
    SpxDataError,
    is_the_machines,
)
from spx_data.fill.listing import Listing, Reports
from spx_data.fill.witnesses import steady
from spx_data.market.contracts import Figures, Report
from spx_data.settings import Settings
from spx_data.store import files, names, reads
from spx_data.store.layout import Layout

if TYPE_CHECKING:
    import polars as pl

    from spx_data.sources.session import SourceSession

_log = logging.getLogger(__name__)
_TRIES = 2

Told = Figures | str  # a report, or why there is none


class DayReports:
    """The reports on a date as the source tells them: each is asked for once, whoever wants it first."""

    def __init__(self, line: SourceSession, date: dt.date) -> None:
        self._line, self._date = line, date
        self._told: dict[tuple[Report, str], Told] = {}

    def of(self, report: Report, root: str) -> Told:
        """A report on *root*; raises what would meet every other request too."""
        if (report, root) not in self._told:
            self._told[report, root] = _told(self._line, self._date, report, root)
        return self._told[report, root]

    def stage(self, settings: Settings, listed: Listing) -> Reports:
        """Stage what is told of each root of *listed*.

        Raises:
            SpxDataError: what would meet every other request too.
        """
        roots = sorted({entry.chain.root for entry in listed.chains})
        asked, most = list(itertools.product(Report, roots)), settings.terminal.max_concurrent_requests
        with ThreadPoolExecutor(most, thread_name_prefix="report") as pool:
            told = list(pool.map(lambda each: self.of(*each), asked))
        return _staged(settings.layout, self._date, dict(zip(asked, told, strict=True)))


def _told(line: SourceSession, date: dt.date, report: Report, root: str) -> Told:
    """What the source says to one question, or why it says nothing."""
    if not line.capabilities.has(report):
        return f"API {line.source.api} has no such report"
    ask = _briefly(lambda: line.source.figures(root, date, report))
    try:
        answers, is_believed = steady(line, lambda: line.ask(ask, root=root, about=report.value), _TRIES)
    except Exception as error:
        if isinstance(error, SpxDataError):
            if error.surroundings and not isinstance(error, ConfigurationValidationError):
                raise
        elif is_the_machines(error):
            raise
        _log.warning("%s: the day's contracts go without %s: %s", root, report.value, error)
        return _why(error)
    return answers[-1] if is_believed else "it leaves out other rows each time"


def _why(error: Exception) -> str:
    """Why there is no report, in words that are the same wherever the source listens."""
    fields = error.fields if isinstance(error, SpxDataError) else {}
    status = f", status {fields['status']}" if fields.get("status") else ""
    said = f": {fields['excerpt']}" if fields.get("excerpt") else ""
    return f"{type(error).__name__}{status}{said}"


def _briefly(ask: Callable[[], Figures]) -> Callable[[], Figures]:
    """*ask* that is not asked again for long: these figures are worth no more of a date's time."""
    failures = 0

    def once() -> Figures:
        nonlocal failures
        try:
            return ask()
        except ApiRateLimitError:
            raise  # our own doing
        except SpxDataError as error:
            failures += 1
            if failures >= _TRIES and not error.surroundings:
                raise error.final() from error
            raise

    return once


def _staged(layout: Layout, date: dt.date, found: dict[tuple[Report, str], Told]) -> Reports:
    """Stage the figures in *found*, and say what there is and what is not."""
    import polars as pl

    unknown = defaultdict[str, dict[str, str]](dict)
    left_out = defaultdict[str, dict[str, dict[str, int]]](dict)
    conflicts = defaultdict[str, dict[str, int]](dict)
    frames: list[pl.DataFrame] = []
    for (report, root), told in found.items():
        if isinstance(told, str):
            unknown[report.value][root] = told
            continue
        frames.append(
            told.rows.select(pl.lit(report.value).alias("report"), pl.lit(root).alias("root"), pl.all())
        )
        if told.left_out:
            left_out[report.value][root] = dict(told.left_out)
        if told.conflicts:
            conflicts[report.value][root] = told.conflicts
    return Reports(stage(layout, date, frames), dict(unknown), dict(left_out), dict(conflicts))


def stage(layout: Layout, date: dt.date, frames: Sequence[pl.DataFrame]) -> str | None:
    """Stage figures of reports (`report`, `contracts.KEY`, what it tells); the SHA-256, if there are any."""
    import polars as pl

    if not frames:
        return None
    figures, to = pl.concat(frames, how="diagonal"), io.BytesIO()
    figures.write_ipc(to, compression="zstd")
    with files.atomic(names.reports_beside(layout.manifest(date))) as stream:
        stream.write(to.getbuffer())
    return hashlib.sha256(to.getbuffer()).hexdigest()


def read(layout: Layout, date: dt.date, reports: Reports | None) -> dict[Report, pl.DataFrame]:
    """The figures that are staged, of each report that has any: `contracts.KEY` and what it tells.

    Raises:
        MissingFileError: they are gone.
        FileCorruptionError: they are not what was staged.
    """
    if reports is None or reports.sha256 is None:
        return {}
    import polars as pl

    path = names.reports_beside(layout.manifest(date))
    content = reads.content(path)
    if (found := hashlib.sha256(content).hexdigest()) != reports.sha256:
        raise FileCorruptionError(
            f"{path}: the manifest says {reports.sha256[:12]}…, the file is {found[:12]}…",
            cure="Run the workflow again: they are asked for anew",
            path=path,
            expected=reports.sha256,
            actual=found,
        )
    figures = pl.read_ipc(io.BytesIO(content), use_pyarrow=False)
    told = set(figures["report"])
    return {
        report: figures.filter(pl.col("report") == report.value).drop("report")
        for report in Report
        if report.value in told
    }
