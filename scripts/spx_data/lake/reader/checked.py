"""Whether the days that are read are those that were sealed, byte for byte, or those of a root."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

from spx_data.errors import FileCorruptionError
from spx_data.lake.verify import root_of
from spx_data.store import cores, reads
from spx_data.store.layout import Layout


def check_bytes(layout: Layout, digests: dict[dt.date, str]) -> None:
    """Raise `FileCorruptionError` naming every day whose bytes are not those that were sealed."""
    with ThreadPoolExecutor(cores.usable(), thread_name_prefix="scan") as pool:
        found = dict(
            zip(digests, pool.map(lambda date: reads.digest(layout.parquet(date)), digests), strict=True)
        )
    changed = [date for date in digests if found[date] != digests[date]]
    if not changed:
        return
    named = ", ".join(date.isoformat() for date in changed)
    raise FileCorruptionError(
        f"{layout.output}: {len(changed)} of {len(digests)} days are not what was sealed: {named}",
        cure="Run `spx-data verify`, which moves them away, then `spx-data process-gaps` to fetch them again",
        path=layout.parquet(changed[0]),
        expected={date.isoformat(): digests[date] for date in changed},
        actual={date.isoformat(): found[date] for date in changed},
    )


def check_root(digests: dict[dt.date, str], root: str) -> None:
    """Raise `FileCorruptionError` unless *root* is that of these days."""
    if (found := root_of(digests)) == root.lower():
        return
    first, last = min(digests), max(digests)
    raise FileCorruptionError(
        f"the {len(digests)} selected days from {first} to {last} have the root {found}, not {root}",
        cure="Select exactly the days that root was made of; if they are, their data was sealed anew since",
        path=None,
        expected=root,
        actual=found,
    )
