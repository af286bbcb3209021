"""What happened to a Parquet of which nobody vouches for the bytes: what of it still reads, and where not.

Whatever the Parquet library raises is a finding. Some damaged footers end the process that asks it for their
statistics, by an exception of C++ that nobody catches there: so the file is read in a process of its own
(decision 8).
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from spx_data.lake.verify.content import Footer, another_day, bounds, line, opened
from spx_data.lake.verify.witnesses import Damage, Finding
from spx_data.store import parquet, reads
from spx_data.text.words import counted

BLOCK = 4096  # what file systems and devices lose at a time; a file's last one may be shorter
SECTOR = 512  # but not shorter than this: the odd byte is zero in any file

_READ = 256 * BLOCK
_ZEROS = bytes(BLOCK)
_MOST_NAMED = 5


def diagnose(path: Path, date: dt.date, size: int | None) -> list[Finding]:
    """What happened to the Parquet of *date*, which was sealed with *size* bytes (None where nobody says)."""
    surveyed = survey_apart(path)
    dates = surveyed.dates
    if date not in dates and (swapped := another_day(dates, date)):
        return [swapped]
    found = path.stat().st_size
    findings = [*_length(found, size), *_zeros(path, found)]
    return findings or [Finding(Damage.BYTES_CHANGED, surveyed.words)]


@dataclass(frozen=True)
class Survey:
    """What of a file does not read, and the dates of its rows where all of it does."""

    faults: list[str]
    readable: str = ""  # what of the other chains does
    dates: frozenset[dt.date] = frozenset()

    @property
    def words(self) -> str:
        """Where the bytes are not what they were, as far as the pages' checksums tell."""
        if not self.faults:
            return (
                "every page has its checksum: what changed is the footer, the page index, the header of a "
                "page, or how the file begins"
            )
        named, more = "; ".join(self.faults[:_MOST_NAMED]), len(self.faults) - _MOST_NAMED
        return f"{named}; and {more:,} more places{self.readable}" if more > 0 else named + self.readable


class _Apart:
    """A process for what may end the one that does it; started when it is needed, again when it has ended.

    It reads paths and writes what `survey` finds, each a line of JSON, until nobody writes any more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def survey(self, path: Path) -> Survey:
        with self._lock:
            told = self._answer(path)
        if told is None:
            return Survey(["footer: what it says of its columns is not that of any Parquet"])
        if "raised" in told:
            return survey(path)  # which raises it here
        dates = frozenset(map(dt.date.fromisoformat, told["dates"]))
        return Survey(told["faults"], told["readable"], dates)

    def _answer(self, path: Path) -> Any:
        """What the process says of *path*; None where it has ended over it."""
        process = self._process
        if process is None or process.poll() is not None:  # ended while it was idle: no fault of this file
            process = self._start()
        assert process.stdin and process.stdout, "they are pipes"
        with suppress(BrokenPipeError):
            process.stdin.write(f"{json.dumps(str(path.absolute()))}\n")
            process.stdin.flush()
        if answer := process.stdout.readline():
            return json.loads(answer)
        process.wait()
        self._process = None
        return None

    def _start(self) -> subprocess.Popen[str]:
        above = [str(Path(__file__).parents[3]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(above)},
            text=True,
        )
        return self._process


_APART = _Apart()


def survey_apart(path: Path) -> Survey:
    """The `survey` of *path*, in a process of its own."""
    return _APART.survey(path)


def _serve() -> None:
    """Be that process."""
    for asked in sys.stdin:
        try:
            found = survey(Path(json.loads(asked)))
            told = asdict(found) | {"dates": [date.isoformat() for date in found.dates]}
        except Exception as error:  # of any kind: it is raised where it was asked
            told = {"raised": str(error)}
        os.write(1, f"{json.dumps(told)}\n".encode())


def survey(path: Path) -> Survey:
    """Try every page of *path*, of which nobody vouches for the bytes."""
    found = dict[str, list[str]]()  # by chain, or by row group where the footer names none
    whole = set[str]()
    try:
        with opened(path) as file:
            dates = Footer.of(file).dates
            for group in range(file.num_row_groups):
                chain, wrong = _chain(file, group), _columns_amiss(file, group, path)
                if wrong:
                    found.setdefault(chain, []).extend(
                        f"{chain} (row group {group}), {word}" for word in wrong
                    )
                else:
                    whole.add(chain)
    except Exception as error:  # of any kind
        parquet.raise_if_the_systems(error, path)
        return Survey([f"footer: {line(error)}"])
    if not found:
        return Survey([], dates=dates)
    others = len(whole - found.keys())
    readable = f". {others:,} of {counted(others + len(found), 'chain')} can be read"
    return Survey([word for words in found.values() for word in words], readable)


def _chain(file: pq.ParquetFile, group: int) -> str:
    """The chain that a row group is of, as the footer tells."""
    root, expiration = ({*bounds(file, group, name)} for name in ("root", "expiration"))
    return f"{root.pop()} {expiration.pop()}" if len(root) == len(expiration) == 1 else "unknown chain"


def _columns_amiss(file: pq.ParquetFile, group: int, path: Path) -> list[str]:
    """The columns of a row group that do not read, each with why."""
    if _trouble(file, group, None, path) is None:
        return []
    found = {name: _trouble(file, group, [name], path) for name in file.schema_arrow.names}
    wrong = [f"column {name}: {why}" for name, why in found.items() if why]
    return wrong or ["its columns do not go together"]


def _trouble(file: pq.ParquetFile, group: int, columns: list[str] | None, path: Path) -> str | None:
    """Why *columns* (None: all) of a row group do not read; None where they do."""
    try:
        file.read_row_group(group, columns)
    except Exception as error:  # of any kind
        parquet.raise_if_the_systems(error, path)
        return "a page fails its checksum" if "CRC" in str(error) else line(error)
    return None


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


if __name__ == "__main__":
    _serve()
