"""How the files of the tree are named, and which file a name is: the words that `layout` makes paths of."""

from __future__ import annotations

import datetime as dt
import errno
import functools
import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

DATASET = "dataset.json"
COMPRESSED = ".gz"
# Where Snakemake keeps its books and its locks, in the folder it is called from.
SNAKEMAKE = Path(".snakemake")
SNAKEMAKE_LOCKS = SNAKEMAKE / "locks"
LOCK, NOTE = ".lock", ".json"
DATED = "{year}-{month}-{day}"
FOLDER = "{year}/{month}/{day}"
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_STEM = r"[a-z]+-options"  # of whichever product: a folder has one
_PARQUET_NAME = re.compile(rf"{_STEM}-({_ISO})\.parquet")
YEAR, DAY = re.compile(r"[0-9]{4}"), re.compile(_ISO)
JOURNAL, DAY_PAGE = re.compile(rf"{_ISO}\.jsonl(\.gz)?"), re.compile(rf"{_ISO}\.html")
ANY = re.compile(r".+")
SNAPSHOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.json")
JOB_LOCK, JOB_NOTE = re.compile(r"[0-9]+@[^/]*\.lock"), re.compile(r"[0-9]+@[^/]*\.json")
# A sealed date's own files, and what stands beside them.
_NAME = re.compile(rf"[a-z]+-(?:options|contracts)-({_ISO})\.(parquet|parquet\.sha256|json)")
RECEIPT = re.compile(rf"[A-Z]+-{_ISO}\.receipt\.json")
STAGED = re.compile(
    rf"(expirations\.json|manifest\.json|reports\.arrow|[A-Z]+-{_ISO}\.(ndjson|rejects\.ndjson|receipt\.json))(\.part)?"
)

_LONGEST = 100  # characters of a machine's name

# One trading date is three wildcards, so that a file cannot stand in another date's folder.
WILDCARDS = {"year": "[0-9]{4}", "month": "[0-9]{2}", "day": "[0-9]{2}"}


@functools.cache
def machine() -> str:
    """What this machine, or this container, calls itself: while a process lives, one name."""
    return platform.node() or "localhost"


def of_process(pid: int) -> str:
    """The name of the process *pid* of this machine: others, and other containers, have the same numbers."""
    return f"{pid}@{quote(machine(), safe='')[:_LONGEST]}"


def process_of(path: Path) -> tuple[int, str]:
    """The number of the process that *path*, a lock or a note, is named for, and its machine."""
    number, _, where = path.stem.partition("@")
    return int(number), unquote(where)


def fill(pattern: Path, date: dt.date) -> Path:
    """*pattern* filled in for *date*."""
    (found,) = filled([str(pattern)], date)
    return Path(found)


def filled(patterns: Iterable[str], date: dt.date) -> list[str]:
    """*patterns*, as text, filled in for *date*: for those who only ask how thousands of files are."""
    year, month, day = date.isoformat().split("-")
    # Not `format`: other braces are part of a folder's name.
    return [
        pattern.replace("{year}", year).replace("{month}", month).replace("{day}", day)
        for pattern in patterns
    ]


def date_of(parquet: Path) -> dt.date | None:
    """The trading date a sealed Parquet's name stands for; None when it is not such a name."""
    return _date(_PARQUET_NAME.fullmatch(parquet.name))


def inside(folder: str, form: re.Pattern[str]) -> list[str]:
    """The names of that *form* in *folder*; none where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if form.fullmatch(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself
            return []
        raise


def paths(folder: Path, form: re.Pattern[str]) -> list[Path]:
    """What of that *form* is in *folder*, by name."""
    return [folder / name for name in sorted(inside(str(folder), form))]


def _date(match: re.Match[str] | None) -> dt.date | None:
    return iso_date(match[1]) if match else None


def iso_date(text: str) -> dt.date | None:
    """The date that *text* is, as ISO 8601 has it; None where it is none."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def sidecar_of(parquet: Path) -> Path:
    """The checksum file beside *parquet*."""
    return parquet.with_name(sidecar_name(parquet.name))


def sidecar_name(parquet: str) -> str:
    """`sidecar_of` for a name, or for a path as text."""
    return f"{parquet}.sha256"


def passport_of(parquet: Path) -> Path:
    """The passport beside *parquet*."""
    return parquet.with_suffix(".json")


def contracts_of(parquet: Path) -> Path:
    """The file of the day's contracts beside *parquet*."""
    return parquet.with_name(contracts_name(parquet.name))


def contracts_name(parquet: str) -> str:
    """`contracts_of` for a name, or for a path as text."""
    folder, slash, name = parquet.rpartition("/")
    return f"{folder}{slash}{name.replace('-options-', '-contracts-', 1)}"


def reports_beside(manifest: Path) -> Path:
    """What the source reports of a date's contracts, staged beside the *manifest* that tells its checksum."""
    return manifest.with_name("reports.arrow")


def compressed_of(path: Path) -> Path:
    """Where a log, or the older part of a journal, is compressed."""
    return path.with_name(path.name + COMPRESSED)


def named_date(path: Path) -> dt.date | None:
    """The trading date that one of a sealed date's files is named for; None for any other name."""
    return _date(_NAME.fullmatch(path.name))


def is_staged(name: str) -> bool:
    """Whether the fill gives files of that *name* to a date's folder in the temp directory."""
    return STAGED.fullmatch(name) is not None


class Checkpoint(NamedTuple):
    """The files of one staged expiration: its records and the receipt that vouches for them.

    Beside them, where there are any, the bad rows that are no records.
    """

    records: Path
    receipt: Path

    @property
    def rejects(self) -> Path:
        """The bad rows of the expiration's answers."""
        return self.records.with_suffix(".rejects.ndjson")

    @classmethod
    def of(cls, path: Path) -> Checkpoint:
        """The checkpoint that a file in a date's staging folder belongs to."""
        stem = path.name.partition(".")[0]
        return cls(path.with_name(f"{stem}.ndjson"), path.with_name(f"{stem}.receipt.json"))
