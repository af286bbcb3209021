"""The contracts of a sealed day, made again where it has none, lost them, or lacks what is reported of them.

Nothing that is sealed is asked for or written anew: the records say which contracts there are, the source
what it reports of them. The new file is put in place first, then the sidecar that vouches for it, so the day
is whole at every moment, and a stop leaves at most a file that nobody vouches for. What is reported is asked
for as a whole and taken only where it knows more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import polars as pl
import pyarrow as pa

from spx_data.errors import ApiDataNotFoundError, SpxDataError, SubscriptionError
from spx_data.fill.contracts import Contracts, quoted, section, table
from spx_data.fill.listing import Reports
from spx_data.fill.reports import DayReports, read, stage
from spx_data.market import schema
from spx_data.market.contracts import KEY, REPORTED, Report
from spx_data.ops.mend.sealed import SealedDay
from spx_data.settings import Settings
from spx_data.sources.session import SourceSession
from spx_data.store import contracts, locks, parquet, reads, seals
from spx_data.store.layout import Layout

Told = Mapping[str, Any]  # what the footer of the file says

ALL = "all of them"
_REFUSED, _NOTHING = SubscriptionError.__name__, ApiDataNotFoundError.__name__
_LATE = dt.timedelta(days=14)
_COLUMNS = ("strike", "right", "timestamp", "bid", "ask")


def told(layout: Layout, date: dt.date) -> Told | None:
    """What is known of the contracts of a sealed *date*; None where no sidecar vouches for any."""
    path, sealed = layout.contracts(date), seals.read(layout.parquet(date)).contracts
    if sealed is None:
        return None
    with suppress(SpxDataError):
        if reads.digest(path) == sealed:
            return contracts.told(path)
    return None


def lacking(found: Told | None) -> list[str]:
    """What is lacking of a day's contracts: like open_interest of SPXW; all of them, where there are none."""
    if found is None:
        return [ALL]
    reports = found["reports"]
    return [f"{report} of {root}" for report in reports for root in reports[report]["unknown"]]


def is_worth_asking(found: Told | None, date: dt.date, today: dt.date) -> bool:
    """Whether what is lacking may be had today, by what was said when it was asked for last.

    A subscription does not grow by itself, nor does what an old day has not; a new day's report comes late.
    """
    if found is None:
        return True
    settled = [_REFUSED, *([_NOTHING] if today - date > _LATE else [])]
    told_ = [why for report in found["reports"].values() for why in report["unknown"].values()]
    return any(not why.startswith(tuple(settled)) for why in told_)


def carried(layout: Layout, there: Layout, date: dt.date) -> Reports | None:
    """What was reported of the contracts of a sealed *date*, staged in the lake *there*; None for nothing.

    What was reported of contracts that had no row is not known any more.
    """
    if (found := told(layout, date)) is None:
        return None
    rows = pl.read_parquet(layout.contracts(date)).with_columns(pl.col("root", "right").cast(pl.String))
    frames = []
    for report, columns in REPORTED.items():
        names = [each.name for each in columns]
        known = rows.filter(pl.any_horizontal(pl.col(names).is_not_null()))
        if len(known):
            frames.append(known.select(pl.lit(report.value).alias("report"), *KEY, *names))
    parts = {
        name: {report: of[name] for report, of in found["reports"].items() if of[name]}
        for name in ("unknown", "left_out", "conflicts")
    }
    return Reports(stage(there, date, frames), **parts)


def add(settings: Settings, there: Settings, day: SealedDay) -> Told | None:
    """Make the contracts of *day* anew, with what the source reports of them.

    What is asked for is staged in the lake aside, *there*. Returns what is known of them now, where that is
    no less than before.

    Raises:
        SpxDataError: the source cannot be asked, or the disk did not allow it.
    """
    layout, before = settings.layout, told(settings.layout, day.date)
    with SourceSession.open(there, day.date, "download") as line:
        reports = DayReports(line, day.date).stage(there, day.listing)
    made = _Made(settings, day, read(there.layout, day.date, reports), reports)
    after = made.told
    if before is not None and (set(lacking(after)) - set(lacking(before)) or after == before):
        return None
    with locks.alone(layout.day_lock(day.date)):
        sealed = layout.parquet(day.date)
        digest = contracts.write(layout.contracts(day.date), table(made.rows), after)
        seals.write_sidecar(sealed, seals.read(sealed)._replace(contracts=digest))
    return after


class _Made:
    """The contracts of a sealed day, from its records and what is reported."""

    def __init__(
        self, settings: Settings, day: SealedDay, figures: dict[Report, pl.DataFrame], reports: Reports
    ) -> None:
        found = Contracts(settings.product, day.date)
        entries = {(entry.chain.root, entry.chain.expiration): entry for entry in day.listing.chains}
        chains = {chain.key: chain for chain in day.chains}
        with parquet.opened(settings.layout.parquet(day.date), page_checksum_verification=True) as file:
            for root, expiration, tables in parquet.chains(file, _COLUMNS):
                key = root, expiration
                explained = chains[key].proof["contracts_explained"]
                found.add(entries[key], [quoted(_records(rows)) for rows in tables], explained)
        for key, chain in chains.items():
            if not chain.has_data:
                found.add(entries[key], [], chain.proof["contracts_explained"])
        self.rows = found.rows(figures)
        self.told = section(self.rows, figures, reports)


def _records(rows: pa.Table) -> pl.DataFrame:
    """Rows of a sealed file as records."""
    return pl.DataFrame(rows.select(list(_COLUMNS)).cast(schema.records(_COLUMNS)))
