"""Every path of the tree is spelt here, once.

A date's files sit where a person would look for them and sort by name; the patterns that Snakemake
matches are made by the same functions as the paths, with wildcards in place of year, month and day.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from spx_data.market import products
from spx_data.store import names
from spx_data.store.names import Checkpoint


@dataclass(frozen=True)
class Layout:
    """The paths of one lake: *output* holds what is sealed, *temp* what is in flight, *data* the rest."""

    output: Path
    temp: Path
    data: Path
    database: Path
    of: Layout | None = None  # the lake that a lake aside belongs to
    stem: str = products.DEFAULT.stem  # of the names of sealed files

    @property
    def lake(self) -> Layout:
        """The lake itself, of which a lake aside asks the terminal and which has its days beside."""
        return self.of or self

    # Patterns for Snakemake, made once: a date's paths are these, filled in ---------------------------------

    @cached_property
    def parquet_pattern(self) -> Path:
        """The sealed Parquet of a date, with wildcards."""
        return self.output / names.FOLDER / f"{self.stem}-{names.DATED}.parquet"

    @cached_property
    def sidecar_pattern(self) -> Path:
        """The sidecar of a date, with wildcards."""
        return names.sidecar_of(self.parquet_pattern)

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
        return self.data / "logs" / names.FOLDER / f"{rule}.log"

    # A date's files -------------------------------------------------------------------------------------

    def parquet(self, date: dt.date) -> Path:
        """The sealed Parquet of *date*."""
        return names.fill(self.parquet_pattern, date)

    def sidecar(self, date: dt.date) -> Path:
        """The checksum that vouches for it; written last: its presence is the commit."""
        return names.fill(self.sidecar_pattern, date)

    def passport(self, date: dt.date) -> Path:
        """Where the day's data came from and what was found in it."""
        return names.fill(self.passport_pattern, date)

    def contracts(self, date: dt.date) -> Path:
        """The day's contracts, a row each; days sealed before there was such a file have none."""
        return names.contracts_of(self.parquet(date))

    def staging(self, date: dt.date) -> Path:
        """The folder of what is in flight for *date*."""
        return self.temp / date.isoformat()

    def listing(self, date: dt.date) -> Path:
        """The expirations the source lists for *date*."""
        return names.fill(self.listing_pattern, date)

    def manifest(self, date: dt.date) -> Path:
        """What was staged for *date*: written when nothing is left to fetch."""
        return names.fill(self.manifest_pattern, date)

    def checkpoint(self, date: dt.date, root: str, expiration: dt.date) -> Checkpoint:
        """The files of one staged expiration."""
        return Checkpoint.of(self.staging(date) / f"{root}-{expiration.isoformat()}")

    def receipts(self, date: dt.date) -> list[Path]:
        """The receipts of every staged expiration of *date*, by name."""
        return names.paths(self.staging(date), names.RECEIPT)

    def staged_files(self, date: dt.date) -> list[Path]:
        """What the fill has put into the folder of *date* in the temp directory, by name."""
        found = names.paths(self.staging(date), names.STAGED)
        return [path for path in found if path.is_symlink() or not path.is_dir()]

    def journal(self, date: dt.date) -> Path:
        """The append-only events of *date*."""
        return names.fill(self.journal_pattern, date)

    def rejects(self, date: dt.date) -> Path:
        """The bad records of *date*, with their reasons; absent where there are none."""
        return names.fill(self.rejects_pattern, date)

    def quarantine(self, date: dt.date) -> Path:
        """The folder of what was found damaged of *date*: a folder for each time, with a report."""
        return self.data / "quarantine" / date.isoformat()

    def restatements(self, date: dt.date) -> Path:
        """The folder of what the source restated of *date*: a folder for each time, with a report."""
        return self.data / "restatements" / date.isoformat()

    def log(self, rule: str, date: dt.date) -> Path:
        """The log of *rule* for *date*."""
        return names.fill(self.log_pattern(rule), date)

    # The lake's files -----------------------------------------------------------------------------------

    @property
    def dataset(self) -> Path:
        """What this lake holds; settings that change bytes must agree with it."""
        return self.output / names.DATASET

    @property
    def lake_journal(self) -> Path:
        """The append-only events of the lake as a whole."""
        return self.data / "journal" / "lake.jsonl"

    @property
    def run_note(self) -> Path:
        """What the run at work, or the last one, said about itself."""
        return self.data / "run.json"

    @property
    def told(self) -> Path:
        """What people were told last of how the lake is (`ops.notify`)."""
        return self.data / "told.json"

    @property
    def published(self) -> Path:
        """What was published when somebody looked last (`ops.publish`)."""
        return self.data / "published.json"

    @property
    def run_lock(self) -> Path:
        """Locked by the run at work for as long as its process lives."""
        return self.data / "run.lock"

    @property
    def jobs(self) -> Path:
        """The folder of the locks of jobs at work (`lake.runs`)."""
        return self.data / "jobs"

    def job_lock(self, run: str, pid: int) -> Path:
        """Locked by the job of *run* that is the process *pid* of this machine, for as long as it lives."""
        return self.jobs / run / f"{names.of_process(pid)}{names.LOCK}"

    def job_locks(self, run: str) -> list[Path]:
        """The locks of the jobs of *run*, those of killed ones included."""
        return names.paths(self.jobs / run, names.JOB_LOCK)

    def job_notes(self, run: str) -> list[Path]:
        """What jobs of *run* say of themselves, each beside the lock of its job."""
        return names.paths(self.jobs / run, names.JOB_NOTE)

    def runs_of_jobs(self) -> list[str]:
        """The runs that have a folder of locks of jobs."""
        return names.inside(str(self.jobs), names.ANY)

    @property
    def upkeep_lock(self) -> Path:
        """Locked, with the run's lock, by a clean-up, so that no run begins meanwhile."""
        return self.data / "upkeep.lock"

    def lock(self, name: str) -> Path:
        """Locked by the process that does what *name* stands for, one at a time."""
        return self.data / "locks" / f"{name}.lock"

    def day_lock(self, date: dt.date) -> Path:
        """Locked by what puts the sealed files of *date* in place, replaces them or moves them away."""
        return self.lock(date.isoformat())

    @property
    def slots(self) -> Path:
        """Where the locks of requests to a terminal are, if no folder of the user's can be used."""
        return self.lake.data / "slots"

    @property
    def lead(self) -> Path:
        """Locked by the job whose requests go before those of the lake's others (`sources.slots`)."""
        return self.lake.lock("lead")

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

    def remembered(self, what: str, year: int) -> Path:
        """What the passports of a *year* say, as a table: kept because to read them takes seconds."""
        return self.cache / f"{what}-{year}.arrow"

    def snapshot(self, name: str) -> Path:
        """A name for a set of sealed days, by their digests."""
        return self.data / "snapshots" / f"{name}.json"

    def snapshots(self) -> list[Path]:
        """Every such name, in order."""
        return names.paths(self.data / "snapshots", names.SNAPSHOT)

    @property
    def profile(self) -> Path:
        """What the terminal was seen to do when it was last probed."""
        return self.lake.data / "profile.json"

    @property
    def dashboard(self) -> Path:
        """The page that shows the lake."""
        return self.data / "report" / "dashboard.html"

    @property
    def symbols_page(self) -> Path:
        """The page of all symbols, of a lake beside those of others."""
        return self.data.parent / "report" / "symbols.html"

    def day_page(self, date: dt.date) -> Path:
        """The page that shows *date*."""
        return self.data / "report" / "days" / f"{date.isoformat()}.html"

    def day_pages(self) -> list[Path]:
        """The pages of dates that there are, oldest date first."""
        held = names.paths(self.dashboard.parent / "days", names.DAY_PAGE)
        return [path for path in held if names.iso_date(path.stem)]

    @property
    def strangers(self) -> Path:
        """Where what is no part of the lake may be moved."""
        return self.data / "strangers"

    @property
    def cache(self) -> Path:
        """What saves time and nothing else: delete it whenever you like."""
        return self.data / "cache"

    @property
    def terminal_down(self) -> Path:
        """Says that a job found the terminal down, and gave up: in which run, and since when it is down."""
        return self.temp / "terminal-down.json"

    def aside(self, name: str) -> Layout:
        """A lake of its own in `temp`, for work that must not touch this one; it locks in `data`."""
        folder, data = self.temp / name, self.data / name
        return Layout(folder / "parquet", folder / "temp", data, folder / "status.db", self, self.stem)

    def sealed_files(self, date: dt.date) -> tuple[Path, Path, Path]:
        """What a sealed date cannot be without, the commit first: sidecar, Parquet, passport."""
        return self.sidecar(date), self.parquet(date), self.passport(date)

    def day_files(self, date: dt.date) -> tuple[Path, ...]:
        """`sealed_files`, and what a seal writes beside them."""
        return (*self.sealed_files(date), self.contracts(date))

    @cached_property
    def _roots(self) -> list[tuple[Path, str]]:
        """The lake's directories with each name that the system has for them, the innermost first."""
        bases = sorted((self.output, self.temp, self.data), key=lambda base: -len(os.path.realpath(base)))
        return [(base, root(base)) for base in bases for root in (os.path.abspath, os.path.realpath)]

    def is_spelled(self, name: str) -> bool:
        """Whether *name* is a path into this lake as the rules spell it, as all of a run's own are."""
        return ".." not in name and name.startswith(tuple(f"{base}/" for base in (self.output, self.temp)))

    def spelled(self, name: str) -> str:
        """*name* as the rules spell it, where it is a path into this lake in any spelling; else as it is."""
        if self.is_spelled(name):
            return name
        folder, leaf = os.path.split(os.path.abspath(name))  # noqa: PTH100  # it takes `..` away
        for found in (folder, os.path.realpath(folder)):
            for base, root in self._roots:
                if found == root or found.startswith(f"{root.rstrip('/')}/"):
                    return str(base / os.path.relpath(found, root) / leaf)
        return name

    def made_date(self, name: str) -> dt.date | None:
        """The date that *name*, as the rules spell it, is a file of that a rule makes; None for any other."""
        path = Path(name)
        date = names.named_date(path) or names.iso_date(path.parent.name)
        made = (*self.sealed_files(date), self.listing(date), self.manifest(date)) if date else ()
        return date if path in made else None

    def sealed_names(self, date: dt.date) -> list[str]:
        """`sealed_files` as text: for a look at thousands of them."""
        found = self.sidecar_pattern, self.parquet_pattern, self.passport_pattern
        return names.filled(map(str, found), date)

    def journals(self) -> list[Path]:
        """Every date's journal, oldest first: where it is, or was before it was compressed."""
        root = f"{self.data}/journal"
        found = {
            f"{year}/{name.removesuffix(names.COMPRESSED)}"
            for year in names.inside(root, names.YEAR)
            for name in names.inside(f"{root}/{year}", names.JOURNAL)
            if name.startswith(year) and names.iso_date(name[:10])
        }
        return [Path(f"{root}/{name}") for name in sorted(found)]

    def staged_dates(self) -> list[dt.date]:
        """Every date that has a folder of its own in the temp directory, oldest first."""
        named = map(names.iso_date, names.inside(str(self.temp), names.DAY))
        return sorted(date for date in named if date and self.staging(date).is_dir())
