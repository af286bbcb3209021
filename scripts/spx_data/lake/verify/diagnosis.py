"""Why a Parquet is not the one that was sealed: the cause, with figures, from bytes nobody vouches for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from spx_data.lake.verify import pages
from spx_data.lake.verify.content import another_day
from spx_data.lake.verify.damages import Damage, Finding
from spx_data.lake.verify.pages import Survey
from spx_data.store import reads

BLOCK = 4096  # what file systems and devices lose at a time; a file's last one may be shorter
SECTOR = 512  # but not shorter than this: the odd byte is zero in any file

_READ = 256 * BLOCK
_ZEROS = bytes(BLOCK)
_MOST_NAMED = 5


def diagnose(path: Path, date: dt.date, size: int | None) -> list[Finding]:
    """What happened to the Parquet of *date*, which was sealed with *size* bytes (None where nobody says)."""
    surveyed = pages.survey(path)
    if date not in surveyed.dates and (swapped := another_day(surveyed.dates, date)):
        return [swapped]
    found = path.stat().st_size
    findings = [*_length(found, size), *_zeros(path, found)]
    return findings or [Finding(Damage.BYTES_CHANGED, _place(surveyed))]


def _length(found: int, sealed: int | None) -> Iterator[Finding]:
    if sealed is not None and found < sealed:
        yield Finding(Damage.TRUNCATED, f"{found:,} of {sealed:,} bytes, {sealed - found:,} are gone")
    if sealed is not None and found > sealed:
        yield Finding(Damage.EXTENDED, f"{found:,} bytes instead of {sealed:,}, {found - sealed:,} too many")


def _zeros(path: Path, size: int) -> Iterator[Finding]:
    runs = list(zero_blocks(path))
    if not runs:
        return
    named = ", ".join(f"{first:,}–{last - 1:,}" for first, last in runs[:_MOST_NAMED])
    more = f" and {len(runs) - _MOST_NAMED:,} more places" if len(runs) > _MOST_NAMED else ""
    lost = sum(last - first for first, last in runs)
    yield Finding(Damage.ZERO_FILLED, f"{lost:,} of {size:,} bytes are blocks of zeros: bytes {named}{more}")


def zero_blocks(path: Path) -> Iterator[tuple[int, int]]:
    """The runs of aligned blocks of zeros in *path*, as byte ranges [first, last).

    No sealed Parquet has any: its pages are compressed, and it ends in PAR1.
    """
    run: tuple[int, int] | None = None
    with reads.reading(path, follow=True) as stream:
        at = 0
        while chunk := stream.read(_READ):
            for first, last in _zeros_in(chunk, at):
                if run and run[1] == first:
                    run = (run[0], last)
                    continue
                if run:
                    yield run
                run = (first, last)
            at += len(chunk)
    if run:
        yield run


def _zeros_in(chunk: bytes, at: int) -> Iterator[tuple[int, int]]:
    for start in range(0, len(chunk), BLOCK):
        block = chunk[start : start + BLOCK]
        if len(block) >= SECTOR and block == _ZEROS[: len(block)]:
            yield at + start, at + start + len(block)


def _place(surveyed: Survey) -> str:
    """Where the bytes are not what they were, as far as the pages' checksums tell."""
    if surveyed.faults:
        named = "; ".join(surveyed.faults[:_MOST_NAMED])
        more = len(surveyed.faults) - _MOST_NAMED
        return f"{named}; and {more:,} more places" if more > 0 else named
    return "every page has its checksum: it is the footer, the page index or a page header that changed"
