"""What a lake holds, written down once, so that no day of other making ever joins it.

Settings that change the bytes of a day are the data set's identity. The first sealed day writes it to
`dataset.json`; every later run must agree with it or is refused before it touches anything. The version of
the schema in it is that of new days: older days stay as they are, and it is raised with the first new one.
What another version of spx-data wrote, here or in a single day, is told in one line and left as it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from spx_data.errors import (
    DatasetMismatchError,
    LakeMissingError,
    MissingFileError,
    OtherVersionError,
    SpxDataError,
)
from spx_data.market import columns, products
from spx_data.market.products import Product
from spx_data.store import files, journal, locks, reads, seals, tree
from spx_data.store.journal import Journal
from spx_data.store.layout import Layout
from spx_data.store.names import DATASET
from spx_data.text.words import quoted

FORMAT = 4
Identity = dict[str, Any]
_SCHEMA = "schema_version"


def check(layout: Layout, wanted: Identity) -> Identity | None:
    """The identity of the lake on disk, which is not to be another one than *wanted*; None where it has none.

    Raises:
        DatasetMismatchError: it is another one.
        OtherVersionError: it was written by another version of spx-data.
    """
    path = layout.dataset
    held = _held(path)
    if finding := differing(held, wanted):
        raise DatasetMismatchError(
            f"{path.parent} holds another data set: {finding}",
            cure="Set these keys back, or choose another processing.output_directory and temp_directory",
            what=str(path),
        )
    return held


def differences(path: Path, wanted: Mapping[str, Any]) -> str:
    """How the lake that *path* tells of differs from *wanted*, in words; empty where it does not.

    Raises:
        OtherVersionError: it was written by another version of spx-data.
    """
    return differing(_held(path), wanted)


def differing(there: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> str:
    """How an identity differs from *wanted*, in words; empty where it does not, or there is none."""
    if there is None:
        return ""
    keys = [key for key in wanted if key != _SCHEMA and there.get(key) != wanted[key]]
    return "; ".join(f"{key} is {there.get(key)} there and {wanted[key]} now" for key in keys)


def _held(path: Path) -> Identity | None:
    """The identity at *path*, empty where that is none; None where there is no file."""
    try:
        found = reads.read_json(path)
    except MissingFileError:
        return None
    held: Identity = found if isinstance(found, dict) else {}
    check_format(path, held.get("format"), FORMAT, path.parent)
    newest = columns.KINDS.get(str(held.get("records")), columns.KINDS[columns.DEFAULT]).version
    if isinstance(version := held.get(_SCHEMA), int) and version > newest:
        raise newer(path, "schema version", version, newest)
    return held


def claim(layout: Layout, wanted: Identity) -> None:
    """Check, and write the identity where the lake has none yet, and never had.

    Raises:
        DatasetMismatchError: the lake on disk is another one than *wanted*.
        LakeMissingError: it was there once, and is not: its disk may have gone since the run began.
    """
    held = check(layout, wanted)
    if held is None:
        check_there(layout)
        locks.claim_json(layout.dataset, wanted, layout.lock("data-set"))
    elif held.get(_SCHEMA) != wanted[_SCHEMA]:
        _raise_version(layout, wanted)


def _raise_version(layout: Layout, wanted: Identity) -> None:
    """Let the lake's identity have the schema's version of the days that are sealed from now on."""
    with locks.locked(layout.lock("data-set")):
        held = _held(layout.dataset) or {}
        if (before := held.get(_SCHEMA)) != wanted[_SCHEMA]:
            files.write_json(layout.dataset, held | {_SCHEMA: wanted[_SCHEMA]})
            log = Journal(layout.lake_journal, "data-set")
            log.mention(journal.SCHEMA_RAISED, before=before, after=wanted[_SCHEMA])


def check_there(layout: Layout) -> None:
    """Raise what `trouble` finds."""
    if error := trouble(layout):
        raise error


def trouble(layout: Layout) -> LakeMissingError | OtherVersionError | None:
    """Why no lake can be read here, though one was filled: it is gone, or of another version of spx-data."""
    try:
        check_version(layout)
    except OtherVersionError as error:
        return error
    except SpxDataError:  # what is wrong with its file, is said where settings are compared with it
        return None
    return missing(layout)


def stem(output: Path) -> str:
    """How the names of sealed files in the folder *output* begin, by the symbol of its data set."""
    return products.stem_of(_symbol(output))


def product(output: Path) -> Product:
    """What the lake in the folder *output* is of, by the symbol of its data set.

    Raises:
        ConfigurationValidationError: its symbol is one that only a config can tell of.
    """
    return products.of(_symbol(output), {})


def _symbol(output: Path) -> str:
    held: Identity = {}
    with suppress(SpxDataError):
        held = _held(output / DATASET) or {}
    return str(held.get("symbol", products.DEFAULT.symbol))


def check_version(layout: Layout) -> None:
    """Raise `OtherVersionError` where another version of spx-data wrote what the lake holds."""
    _held(layout.dataset)


def missing(layout: Layout) -> LakeMissingError | None:
    """That days were sealed here and their whole lake is gone; None where it is there, new, or given up.

    On an empty mount point a lake looks as if it had never been filled. A few days that are gone are gaps.
    While the data set's own file is there, this costs nothing.
    """
    if reads.is_there(layout.dataset):
        return None
    with reads.explained(layout.lake_journal.parent, "read"):
        date = last_sealed(layout)
    if date is None or any(seals.is_sealed(layout.parquet(there)) for there in tree.dates(layout)):
        return None
    return LakeMissingError(
        f"Is the disk mounted? The journal has {date} as sealed, and {layout.output} holds neither a sealed "
        f"day nor {layout.dataset.name}",
        cure="Mount it and try again. A lake that has moved: "
        "`spx-data config set processing.output_directory FOLDER` "
        f"with the folder it is in now. Days that are gone for good: `{GIVE_UP}`",
        what=str(layout.output),
    )


# What a person types; any reason will do.
GIVE_UP = 'spx-data accept --lost --reason "they are gone for good"'


def give_up(layout: Layout, reason: str) -> None:
    """Note that a person says: what was sealed up to now is gone for good, and may be fetched anew."""
    Journal(layout.lake_journal, "ledger").record(journal.GIVEN_UP, reason=reason, by=journal.user())


def given_up(layout: Layout) -> dt.datetime | None:
    """When what had been sealed was last given up for good; None where it never was."""
    events = journal.read(layout.lake_journal)
    said = (event["at"] for event in reversed(events) if event["event"] == journal.GIVEN_UP)
    return next(map(dt.datetime.fromisoformat, said), None)


def last_sealed(layout: Layout) -> dt.date | None:
    """The newest date that its journal leaves sealed; None where there is none.

    Journals are read until one is found.
    """
    paths = layout.journals()
    since = given_up(layout) if paths else None
    for path in reversed(paths):
        if journal.was_sealed(journal.read(path), since):
            return dt.date.fromisoformat(path.stem)
    return None


def check_format(path: Path, found: object, known: int, lake: Path) -> None:
    """Raise `OtherVersionError` where *path*, in *lake*, says that it is of a format that is not *known*."""
    if not isinstance(found, int) or found < 1 or found == known:
        return
    raise newer(path, "format", found, known) if found > known else _older(path, found, known, lake)


def newer(path: Path, what: str, found: int, known: int) -> OtherVersionError:
    """The error that *what* (its schema, its format) *path* has is one that this code does not know yet."""
    return OtherVersionError(
        f"{path} was written by a newer spx-data: its {what} is {found}, and this one knows up to {known}; "
        "it is left as it is",
        cure="Update spx-data to the version that wrote it",
        what=str(path),
        expected=known,
        actual=found,
    )


def _older(path: Path, found: int, known: int, lake: Path) -> OtherVersionError:
    """The error that *path* is of before, of which no code is kept: its whole *lake* is to stand aside."""
    aside = lake.with_name(f"{lake.name}.before")
    return OtherVersionError(
        f"{path} is of an earlier version of spx-data: its format is {found}, and today's is {known}. Its "
        "days are not taken over: they are fetched anew once their folder stands aside; nothing is deleted",
        cure=f"`mv {quoted(lake)} {quoted(aside)}`, then "
        '`spx-data accept --lost --reason "of an earlier version"`',
        what=str(path),
        expected=known,
        actual=found,
    )
