"""Two versions of a trading date on disk: kept side by side, or the new one put in the old one's place.

Nothing is deleted that is not there a second time. Both versions stand whole in the report's folder before
the sealed day is touched; then its sidecar is taken out, the new files are put in place, the new sidecar
last. A crash in between leaves a date that is not sealed, which the next run fills, and both versions in the
folder. Each step is on the device before the next begins.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from spx_data.errors import FileCorruptionError
from spx_data.store import files, reads, seals
from spx_data.store.layout import Layout

BEFORE, AFTER = "before", "after"


def keep(lake: Layout, date: dt.date, folder: Path) -> None:
    """Copy what *lake* holds of *date* to *folder*: its bad records, Parquet, passport, and last the sidecar.

    Raises:
        FileCorruptionError: the copy is not what the sidecar vouches for.
    """
    _copy_rejects(lake.rejects(date), folder / lake.rejects(date).name)
    _publish(lake.sealed_files(date), folder)


def replace(lake: Layout, date: dt.date, folder: Path) -> None:
    """Put the version in *folder*/after in place of the sealed *date*, which goes to *folder*/before."""
    keep(lake, date, folder / BEFORE)
    _move_checkpoints(lake, date, folder / BEFORE / "checkpoints")
    sidecar, parquet, passport = lake.sealed_files(date)
    files.move(sidecar, folder / BEFORE / sidecar.name)  # onto its copy: from here on the date is not sealed
    _copy_rejects(folder / AFTER / lake.rejects(date).name, lake.rejects(date))
    new = [folder / AFTER / path.name for path in (sidecar, parquet, passport)]
    _publish((new[0], new[1], new[2]), parquet.parent)


def _copy_rejects(source: Path, target: Path) -> None:
    """Let *target* hold the bad records that *source* holds; none where there are none."""
    if source.exists():
        files.copy(source, target)
    else:
        files.remove(target)


def _move_checkpoints(lake: Layout, date: dt.date, folder: Path) -> None:
    """Move what `keep_ndjson` kept of the old version: else a later fill would seal it again."""
    staging = lake.staging(date)
    for path in lake.staged_files(date):
        files.move(path, folder / path.name)
    files.remove_empty(staging, lake.temp)


def _publish(version: tuple[Path, Path, Path], folder: Path) -> None:
    """Copy a sidecar, its Parquet and passport to *folder*, in the order of a seal: the sidecar last."""
    sidecar, parquet, passport = version
    expected = seals.sealed_checksum(parquet)
    target = folder / parquet.name
    files.copy(parquet, target)
    if (found := reads.digest(target)) != expected:
        raise FileCorruptionError(
            f"{target} is not the copy it should be: the sidecar of {parquet} says {expected[:12]}…, "
            f"the copy is {found[:12]}…",
            cure="Check the disk; snakemake verify says whether the original is whole",
            path=target,
            expected=expected,
            actual=found,
        )
    files.copy(passport, folder / passport.name)
    files.copy(sidecar, folder / sidecar.name)
