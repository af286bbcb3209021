"""Which lake is read, in a folder or published at a URL; and which days of it, by dates, bytes or a root."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

from spx_data.errors import DateValidationError, FileCorruptionError
from spx_data.lake import snapshots
from spx_data.lake.reader import days
from spx_data.lake.reader.days import Presence
from spx_data.lake.reader.mirror import Mirror
from spx_data.lake.verify import root_of
from spx_data.market import sessions
from spx_data.market.dates import RELATIVE_FORMS, Dates
from spx_data.sources import places
from spx_data.store import cores, dataset, reads, seals
from spx_data.store.layout import Layout
from spx_data.store.seals import Seal

Folder: TypeAlias = str | os.PathLike[str]
Selection: TypeAlias = str | dt.date | Iterable[str | dt.date] | None  # words, dates, or several of either

LAKE = "data/parquet"


class Place(Protocol):
    """A lake that is read; its files are where its *layout* has them, of days that were asked for."""

    @property
    def name(self) -> str:
        """Where it is, for people."""

    @property
    def layout(self) -> Layout:
        """Where its files are on this machine."""

    def look(self, within: Dates | None) -> Presence:
        """What is there of the sessions *within* (None: all), and what should be."""

    def is_sealed(self, date: dt.date) -> bool:
        """Whether *date* is there whole, by a cheap look."""

    def seals(self, dates: Iterable[dt.date]) -> dict[dt.date, Seal]:
        """What the sidecars of *dates*, which are sealed, vouch for."""

    def hold(
        self, sealed: Mapping[dt.date, Seal], *, verify: bool, rows: bool = False, contracts: bool = False
    ) -> None:
        """Have the files of *sealed* days here that are to be read; with *verify* hash the rows anew."""

    def held(self, snapshot: Folder, within: Dates | None) -> dict[dt.date, str]:
        """The days of a *snapshot* with their digests; raises as `snapshots.held`."""


Lake: TypeAlias = Folder | Place


class Local:
    """A lake in a folder."""

    def __init__(self, folder: Path, data: Path | None) -> None:
        """The lake whose sealed days are in *folder*, and its journals in *data*.

        Where nobody says where they are, they are looked for where the settings put them of themselves:
        around the lake. A folder of another name may be a copy, beside the journals of another lake.
        """
        around = folder.parent if folder.name == Path(LAKE).name else folder
        stem = dataset.stem(folder)
        self.layout = Layout(output=folder, temp=folder, data=data or around, database=folder, stem=stem)
        self.name = str(folder)

    def look(self, within: Dates | None) -> Presence:
        """What is there, by the tree and the journals."""
        return days.look(self.layout, within)

    def is_sealed(self, date: dt.date) -> bool:
        """Whether *date* is sealed."""
        return seals.is_sealed(self.layout.parquet(date))

    def seals(self, dates: Iterable[dt.date]) -> dict[dt.date, Seal]:
        """What the sidecars vouch for."""
        return {date: seals.read(self.layout.parquet(date)) for date in dates}

    def hold(
        self, sealed: Mapping[dt.date, Seal], *, verify: bool, rows: bool = False, contracts: bool = False
    ) -> None:
        """Check the rows; whoever reads contracts checks those."""
        del contracts
        if rows and verify:
            check_bytes(self.layout, {date: seal.parquet for date, seal in sealed.items()})

    def held(self, snapshot: Folder, within: Dates | None) -> dict[dt.date, str]:
        """The days of a *snapshot*."""
        return snapshots.held(self.layout, snapshot, within)


def opened(dates: Selection, lake: Lake, data: Folder | None) -> tuple[Place, Selection]:
    """The lake that is meant, and its days that are; *dates* may be the URL of a published lake: all of it.

    Raises:
        MachineError: it is published, and the extra `publish` is not installed.
        ConfigurationValidationError: there is no such place, it refuses, or no lake is published there.
        OtherVersionError: another version of spx-data wrote it.
    """
    if isinstance(dates, str) and places.is_url(dates):
        if lake != LAKE:
            raise DateValidationError(
                f"dates: {dates} is a place, and lake={lake} is another one",
                cure="Name one of them, with lake=…",
            )
        return opened(None, dates, data)
    return _at(lake, None if data is None else Path(data)), dates


def _at(lake: Lake, data: Path | None) -> Place:
    if isinstance(lake, str) and places.is_url(lake):
        return Mirror(lake, data)
    if isinstance(lake, str | os.PathLike):
        found = Local(Path(lake), data)
        dataset.check_version(found.layout)
        return found
    return lake


# Days -----------------------------------------------------------------------------------------------------


def parsed(dates: Selection) -> Dates | None:
    """The dates that are named; None is every day.

    Raises:
        DateValidationError: *dates* names no date.
    """
    if dates is None:
        return None
    words = [dates] if isinstance(dates, dt.date) else dates
    return sessions.named(words if isinstance(words, str) else map(_word, words), sessions.now())


def _word(word: object) -> str:
    """One date of a selection as text."""
    if isinstance(word, dt.datetime):
        return word.date().isoformat()
    if isinstance(word, dt.date):
        return word.isoformat()
    if isinstance(word, str):
        return word
    raise DateValidationError(f"dates: {word!r} is no date", cure=f"Give dates, or write {RELATIVE_FORMS}")


def check_bytes(layout: Layout, digests: dict[dt.date, str]) -> None:
    """Raise `FileCorruptionError` naming every day whose bytes are not those that were sealed."""
    found = cores.each_of(lambda date: reads.digest(layout.parquet(date)), digests)
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
