"""Every path of the tree is spelt here, once.

A date's files sit where a person would look for them and sort by name; the patterns that Snakemake
matches are made by the same functions as the paths, with wildcards in place of year, month and day.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

DATASET = "dataset.json"
COMPRESSED = ".gz"
# Where Snakemake keeps its books and its locks, in the folder it is called from.
SNAKEMAKE = Path(".snakemake")
SNAKEMAKE_LOCKS = SNAKEMAKE / "locks"
_LOCK = ".lock"
_STEM = "spx-options-{year}-{month}-{day}"
_FOLDER = "{year}/{month}/{day}"
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_PARQUET_NAME = re.compile(rf"spx-options-({_ISO})\.parquet")
_YEAR, _DAY = re.compile(r"[0-9]{4}"), re.compile(_ISO)
_JOURNAL, _DAY_PAGE = re.compile(rf"{_ISO}\.jsonl(\.gz)?"), re.compile(rf"{_ISO}\.html")
_ANY, _JOB_LOCK = re.compile(r".+"), re.compile(r"[0-9]+\.lock")
_NAME = re.compile(rf"spx-options-({_ISO})\.(parquet|parquet\.sha256|json)")
_RECEIPT = re.compile(rf"[A-Z]+-{_ISO}\.receipt\.json")
_STAGED = re.compile(
    rf"(expirations\.json|manifest\.json|[A-Z]+-{_ISO}\.(ndjson|rejects\.ndjson|receipt\.json))(\.part)?"
)

# One trading date is three wildcards, so that a file cannot stand in another date's folder.
WILDCARDS = {"year": r"\d{4}", "month": r"\d{2}", "day": r"\d{2}"}


def _fill(pattern: Path, date: dt.date) -> Path:
    (found,) = names([str(pattern)], date)
    return Path(found)


def names(patterns: Iterable[str], date: dt.date) -> list[str]:
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


def _names(folder: str, form: re.Pattern[str]) -> list[str]:
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


def _date(match: re.Match[str] | None) -> dt.date | None:
    return _iso_date(match[1]) if match else None


def _iso_date(text: str) -> dt.date | None:
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


def compressed_of(path: Path) -> Path:
    """Where a log, or the older part of a journal, is compressed."""
    return path.with_name(path.name + COMPRESSED)


def named_date(path: Path) -> dt.date | None:
    """The trading date that one of a sealed date's files is named for; None for any other name."""
    return _date(_NAME.fullmatch(path.name))


def is_staged(name: str) -> bool:
    """Whether the fill gives files of that *name* to a date's folder in the temp directory."""
    return _STAGED.fullmatch(name) is not None


@dataclass(frozen=True)
class Checkpoint:
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


@dataclass(frozen=True)
class Layout:
    """The paths of one lake: *output* holds what is sealed, *temp* what is in flight, *data* the rest."""

    output: Path
    temp: Path
    data: Path
    database: Path
    of: Layout | None = None  # the lake that a lake aside belongs to

    @property
    def lake(self) -> Layout:
        """The lake itself, of which a lake aside asks the terminal and which has its days beside."""
        return self.of or self

    # Patterns for Snakemake, made once: a date's paths are these, filled in ---------------------------------

    @cached_property
    def parquet_pattern(self) -> Path:
        """The sealed Parquet of a date, with wildcards."""
        return self.output / _FOLDER / f"{_STEM}.parquet"

    @cached_property
    def sidecar_pattern(self) -> Path:
        """The sidecar of a date, with wildcards."""
        return sidecar_of(self.parquet_pattern)

    @cached_property
    def passport_pattern(self) -> Path:
        """The passport of a date, with wildcards."""
        return self.parquet_pattern.with_suffix(".json")

    @cached_property
    def listing_pattern(self) -> Path:
        """The expirations listed for a date, with wildcards."""
        return self.temp / "{year}-{month}-{day}" / "expirations.json"

    @cached_property
    def manifest_pattern(self) -> Path:
        """What was staged for a date, with wildcards."""
        return self.temp / "{year}-{month}-{day}" / "manifest.json"

    @cached_property
    def journal_pattern(self) -> Path:
        """The append-only events of a date, with wildcards."""
        return self.data / "journal" / "{year}" / "{year}-{month}-{day}.jsonl"

    @cached_property
    def rejects_pattern(self) -> Path:
        """The bad records of a date, with wildcards."""
        return self.data / "rejects" / "{year}" / "{year}-{month}-{day}.ndjson"

    def log_pattern(self, rule: str) -> Path:
        """The log of *rule* for a date, with wildcards."""
        return self.data / "logs" / _FOLDER / f"{rule}.log"

    # A date's files -------------------------------------------------------------------------------------

    def parquet(self, date: dt.date) -> Path:
        """The sealed Parquet of *date*."""
        return _fill(self.parquet_pattern, date)

    def sidecar(self, date: dt.date) -> Path:
        """The checksum that vouches for it; written last: its presence is the commit."""
        return _fill(self.sidecar_pattern, date)

    def passport(self, date: dt.date) -> Path:
        """Where the day's data came from and what was found in it."""
        return _fill(self.passport_pattern, date)

    def staging(self, date: dt.date) -> Path:
        """The folder of what is in flight for *date*."""
        return self.temp / date.isoformat()

    def listing(self, date: dt.date) -> Path:
        """The expirations the source lists for *date*."""
        return _fill(self.listing_pattern, date)

    def manifest(self, date: dt.date) -> Path:
        """What was staged for *date*: written when nothing is left to fetch."""
        return _fill(self.manifest_pattern, date)

    def checkpoint(self, date: dt.date, root: str, expiration: dt.date) -> Checkpoint:
        """The files of one staged expiration."""
        return Checkpoint.of(self.staging(date) / f"{root}-{expiration.isoformat()}")

    def receipts(self, date: dt.date) -> list[Path]:
        """The receipts of every staged expiration of *date*, by name."""
        folder = self.staging(date)
        return [folder / name for name in sorted(_names(str(folder), _RECEIPT))]

    def staged_files(self, date: dt.date) -> list[Path]:
        """What the fill has put into the folder of *date* in the temp directory, by name."""
        folder = self.staging(date)
        found = (folder / name for name in sorted(_names(str(folder), _STAGED)))
        return [path for path in found if path.is_symlink() or not path.is_dir()]

    def journal(self, date: dt.date) -> Path:
        """The append-only events of *date*."""
        return _fill(self.journal_pattern, date)

    def rejects(self, date: dt.date) -> Path:
        """The bad records of *date*, with their reasons; absent where there are none."""
        return _fill(self.rejects_pattern, date)

    def quarantine(self, date: dt.date) -> Path:
        """The folder of what was found damaged of *date*: a folder for each time, with a report."""
        return self.data / "quarantine" / date.isoformat()

    def restatements(self, date: dt.date) -> Path:
        """The folder of what the source restated of *date*: a folder for each time, with a report."""
        return self.data / "restatements" / date.isoformat()

    def log(self, rule: str, date: dt.date) -> Path:
        """The log of *rule* for *date*."""
        return _fill(self.log_pattern(rule), date)

    # The lake's files -----------------------------------------------------------------------------------

    @property
    def dataset(self) -> Path:
        """What this lake holds; settings that change bytes must agree with it."""
        return self.output / DATASET

    @property
    def lake_journal(self) -> Path:
        """The append-only events of the lake as a whole."""
        return self.data / "journal" / "lake.jsonl"

    @property
    def run_note(self) -> Path:
        """What the run at work, or the last one, said about itself."""
        return self.data / "run.json"

    @property
    def run_lock(self) -> Path:
        """Locked by the run at work for as long as its process lives."""
        return self.data / "run.lock"

    @property
    def jobs(self) -> Path:
        """The folder of the locks of jobs at work (`spx_data.runs`)."""
        return self.data / "jobs"

    def job_lock(self, run: str, pid: int) -> Path:
        """Locked by the job of *run* that is the process *pid*, for as long as it lives."""
        return self.jobs / run / f"{pid}{_LOCK}"

    def job_locks(self, run: str) -> list[Path]:
        """The locks of the jobs of *run*, those of killed ones included."""
        folder = self.jobs / run
        return [folder / name for name in sorted(_names(str(folder), _JOB_LOCK))]

    def runs_of_jobs(self) -> list[str]:
        """The runs that have a folder of locks of jobs."""
        return _names(str(self.jobs), _ANY)

    @property
    def upkeep_lock(self) -> Path:
        """Locked, with the run's lock, by whoever cleans up, so that no run begins meanwhile."""
        return self.data / "upkeep.lock"

    def lock(self, name: str) -> Path:
        """Locked by whoever does what *name* stands for, one at a time."""
        return self.data / "locks" / f"{name}.lock"

    @property
    def slots(self) -> Path:
        """The folder of the locks of whoever asks the terminal (`spx_data.slots`)."""
        return self.lake.data / "slots"

    def slot(self, number: int) -> Path:
        """Locked during one request, as one of those that may be in flight; from 1 on."""
        return self.slots / f"request-{number}.lock"

    def turn(self, name: str) -> Path:
        """Locked by whoever is next to get a slot in the queue of that *name*."""
        return self.slots / f"turn-{name}.lock"

    @property
    def lead(self) -> Path:
        """Locked by the job whose requests go before those of others."""
        return self.slots / "lead.lock"

    @property
    def logs(self) -> Path:
        """The folder of all logs."""
        return self.data / "logs"

    @property
    def stop_note(self) -> Path:
        """Which run was last asked to stop."""
        return self.data / "stop.json"

    def run_log(self, run: str) -> Path:
        """What Snakemake said during a run that `spx-data` started."""
        return self.data / "logs" / "runs" / f"{run}.log"

    def calendar(self, name: str) -> Path:
        """The sessions of an exchange calendar, kept because loading the calendar takes long."""
        return self.cache / f"calendar-{name.replace('/', '-')}.json"

    def expirations_cache(self, root: str) -> Path:
        """The terminal's list of the expirations of *root*, kept because it changes once a day."""
        return self.cache / f"expirations-{root}.json"

    @property
    def dashboard(self) -> Path:
        """The page that shows the lake."""
        return self.data / "report" / "dashboard.html"

    def day_page(self, date: dt.date) -> Path:
        """The page that shows *date*."""
        return self.data / "report" / "days" / f"{date.isoformat()}.html"

    def day_pages(self) -> list[Path]:
        """The pages of dates that there are, oldest date first."""
        folder = self.dashboard.parent / "days"
        found = (folder / name for name in _names(str(folder), _DAY_PAGE))
        return sorted(path for path in found if _iso_date(path.stem))

    def charts_library(self, version: str) -> Path:
        """The script that draws charts, kept because putting it together takes long."""
        return self.cache / f"charts-{version}.js"

    @property
    def summaries(self) -> Path:
        """What sealed dates' files said when they were last read."""
        return self.cache / "summaries.json"

    @property
    def strangers(self) -> Path:
        """Where whoever wants may move what is no part of the lake."""
        return self.data / "strangers"

    @property
    def cache(self) -> Path:
        """What saves time and nothing else: delete it whenever you like."""
        return self.data / "cache"

    @property
    def terminal_down(self) -> Path:
        """Says that a job of the present run found the terminal down."""
        return self.temp / "terminal-down.json"

    def aside(self, name: str) -> Layout:
        """A lake of its own inside the temp directory, for work that must not touch this one.

        What it locks is inside of the data directory: only there locks must work.
        """
        folder = self.temp / name
        return Layout(folder / "parquet", folder / "temp", self.data / name, folder / "status.db", of=self)

    def sealed_files(self, date: dt.date) -> tuple[Path, Path, Path]:
        """What a sealed date consists of, the commit first: sidecar, Parquet, passport."""
        return self.sidecar(date), self.parquet(date), self.passport(date)

    @cached_property
    def _roots(self) -> list[tuple[Path, str]]:
        """The lake's directories with each name that the system has for them, the innermost first."""
        bases = sorted((self.output, self.temp, self.data), key=lambda base: -len(os.path.realpath(base)))
        return [(base, root(base)) for base in bases for root in (os.path.abspath, os.path.realpath)]

    def spelled(self, name: str) -> str:
        """*name* as the rules spell it, where it is a path into this lake in any spelling; else as it is."""
        if ".." not in name and name.startswith(tuple(f"{base}/" for base in (self.output, self.temp))):
            return name  # as in all of a run's own thousands
        folder, leaf = os.path.split(os.path.abspath(name))  # noqa: PTH100  # it takes `..` away
        for found in (folder, os.path.realpath(folder)):
            for base, root in self._roots:
                if found == root or found.startswith(f"{root.rstrip('/')}/"):
                    return str(base / os.path.relpath(found, root) / leaf)
        return name

    def made_date(self, name: str) -> dt.date | None:
        """The date that *name*, as the rules spell it, is a file of that a rule makes; None for any other."""
        path = Path(name)
        date = named_date(path) or _iso_date(path.parent.name)
        made = (*self.sealed_files(date), self.listing(date), self.manifest(date)) if date else ()
        return date if path in made else None

    def sealed_names(self, date: dt.date) -> list[str]:
        """`sealed_files` as text: for who looks at thousands of them."""
        found = (self.sidecar_pattern, self.parquet_pattern, self.passport_pattern)
        return names(map(str, found), date)

    def journals(self) -> list[Path]:
        """Every date's journal, oldest first: where it is, or was before it was compressed."""
        root = f"{self.data}/journal"
        found = {
            f"{year}/{name.removesuffix(COMPRESSED)}"
            for year in _names(root, _YEAR)
            for name in _names(f"{root}/{year}", _JOURNAL)
            if name.startswith(year) and _iso_date(name[:10])
        }
        return [Path(f"{root}/{name}") for name in sorted(found)]

    def staged_dates(self) -> list[dt.date]:
        """Every date that has a folder of its own in the temp directory, oldest first."""
        named = (_iso_date(name) for name in _names(str(self.temp), _DAY))
        return sorted(date for date in named if date and self.staging(date).is_dir())
