"""Names for sets of sealed days: which days, and the digest of each, in a file that can be mailed and cited.

A snapshot holds no data. It says which bytes a result was made of, wherever the same lake, or a copy of it,
is; what differs from it is named day by day. The file vouches for its own bytes (`seals.write_document`).
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from spx_data.errors import (
    ConfigurationValidationError,
    DateValidationError,
    FileCorruptionError,
    MissingFileError,
)
from spx_data.lake.verify import root_of
from spx_data.market.dates import Dates
from spx_data.store import cores, dataset, names, reads, seals
from spx_data.store.layout import Layout

FORMAT = 1

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHOWN = 12  # digits of a digest
_NAMED = 20  # days in an error


@dataclass(frozen=True)
class Snapshot:
    """A name for *days*: the SHA-256 of each day's Parquet, by date."""

    name: str
    created_at: str
    dataset: Mapping[str, Any]  # the identity of the lake that it was made of
    days: Mapping[dt.date, str]

    @property
    def root(self) -> str:
        """The verification root of the days."""
        return root_of(self.days)

    def as_json(self) -> dict[str, Any]:
        """The snapshot as its file has it."""
        return {
            "format": FORMAT,
            "snapshot": self.name,
            "created_at": self.created_at,
            "dataset": dict(self.dataset),
            "root": self.root,
            "days": {date.isoformat(): self.days[date] for date in sorted(self.days)},
        }


class Drift(StrEnum):
    """How a day of a lake differs from a snapshot."""

    SEALED_ANEW = "sealed anew"
    NOT_SEALED = "not sealed"
    DAMAGED = "damaged"  # its sidecar is the same, its bytes are not


@dataclass(frozen=True)
class Standing:
    """One day of a snapshot beside the lake's: *found* is the digest there now, if any."""

    date: dt.date
    expected: str
    found: str | None
    drift: Drift | None

    def __str__(self) -> str:
        now = f", {self.found[:_SHOWN]}… now" if self.found else ""
        return f"{self.date} {self.drift or 'as it was'} ({self.expected[:_SHOWN]}… then{now})"


def create(layout: Layout, name: str, days: Mapping[dt.date, str]) -> Snapshot:
    """Write the snapshot *name* of these *days*; one of the same days that is there already stays.

    Raises:
        ConfigurationValidationError: the name is none, or is taken by other days.
    """
    path = layout.snapshot(_valid(name))
    identity = reads.read_json(layout.dataset) if reads.is_there(layout.dataset) else {}
    made = Snapshot(name, dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), identity, days)
    if not reads.is_there(path):
        seals.write_document(path, made.as_json())
        return made
    if (there := read(layout, name)).days == days:
        return there
    raise ConfigurationValidationError(
        f"{path} is a snapshot of other days: of {len(there.days):,}, with the root {there.root}",
        cure="Name another one, or remove the file if nobody has cited it",
        what="snapshot",
    )


def _valid(name: str) -> str:
    if names.SNAPSHOT.fullmatch(f"{name}.json"):
        return name
    raise ConfigurationValidationError(
        f"{name!r} cannot be the name of a snapshot",
        cure="Use letters, digits, dots, hyphens and underscores, with a letter or a digit first",
        what="snapshot",
    )


def read(layout: Layout, named: str | os.PathLike[str]) -> Snapshot:
    """The snapshot of that name in the data directory, or in the file that *named* is the path of.

    Raises:
        MissingFileError: there is none.
        FileCorruptionError: it is not what was written.
    """
    text = os.fspath(named)
    path = Path(text) if text.endswith(".json") else layout.snapshot(_valid(text))
    try:
        document = seals.read_document(path)
    except MissingFileError:
        known = ", ".join(each.stem for each in layout.snapshots()) or "none"
        raise MissingFileError(
            f"there is no snapshot {text!r}: {path} is not there, and the data directory has {known}",
            cure="`spx-data snapshot list` shows them; one that was sent to you is named by its path",
            path=path,
        ) from None
    dataset.check_format(path, document.get("format"), FORMAT, path)
    try:
        days = {dt.date.fromisoformat(date): _digest(told) for date, told in document["days"].items()}
        name, at = document["snapshot"], dt.datetime.fromisoformat(document["created_at"])
        found = Snapshot(name, at.isoformat(), document["dataset"], days)
        sound = isinstance(name, str) and found.as_json()["root"] == document["root"] and bool(days)
    except (AttributeError, LookupError, TypeError, ValueError):
        sound = False
    if sound:
        return found
    raise FileCorruptionError(
        f"{path} is no snapshot",
        cure="Have it sent again, or make it anew",
        path=path,
        expected="dates and their digests",
        actual="a document of another shape",
    )


def _digest(told: str) -> str:
    if _SHA256.fullmatch(told):
        return told
    raise ValueError(told)


def compare(layout: Layout, snapshot: Snapshot, *, verify: bool) -> Sequence[Standing]:
    """Each day of *snapshot*, oldest first, beside the lake's, by its sidecar; with *verify* by its bytes."""
    days = snapshot.days
    return [*cores.each_of(lambda date: _standing(layout, date, days[date], verify), sorted(days)).values()]


def _standing(layout: Layout, date: dt.date, expected: str, verify: bool) -> Standing:
    path = layout.parquet(date)
    if not seals.is_sealed(path):
        return Standing(date, expected, None, Drift.NOT_SEALED)
    beside = _beside(date, expected, seals.read(path).parquet)
    if beside.drift is None and verify and (found := reads.digest(path)) != expected:
        return Standing(date, expected, found, Drift.DAMAGED)
    return beside


def _beside(date: dt.date, expected: str, found: str | None) -> Standing:
    """How a day whose sidecar vouches for *found* stands; None where there is none."""
    if found is None:
        return Standing(date, expected, None, Drift.NOT_SEALED)
    return Standing(date, expected, found, None if found == expected else Drift.SEALED_ANEW)


def held(
    layout: Layout,
    named: str | os.PathLike[str],
    within: Dates | None,
    there: Mapping[dt.date, str] | None = None,
) -> dict[dt.date, str]:
    """The days of a snapshot with their digests, all of which the lake's sidecars have, too.

    *there* is what those have of the snapshot's days, where it is known already.

    Raises:
        FileCorruptionError: some differ; each is named.
    """
    snapshot = read(layout, named)
    if there is None:
        found = compare(layout, snapshot, verify=False)
    else:
        found = [_beside(date, snapshot.days[date], there.get(date)) for date in sorted(snapshot.days)]
    drifted = [each for each in found if each.drift]
    if not drifted:
        return _within(snapshot, within)
    more = f" and {len(drifted) - _NAMED:,} more" if len(drifted) > _NAMED else ""
    raise FileCorruptionError(
        f"{layout.output}: {len(drifted):,} of the {len(snapshot.days):,} days of the snapshot "
        f"{snapshot.name} are not as they were: {'; '.join(map(str, drifted[:_NAMED]))}{more}",
        cure="A day that a mend or a recheck replaced has its version before in the restatements of the data "
        f"directory; `spx-data snapshot verify {snapshot.name}` lists them",
        path=layout.parquet(drifted[0].date),
        expected={str(each.date): each.expected for each in drifted},
        actual={str(each.date): each.found for each in drifted},
    )


def _within(snapshot: Snapshot, within: Dates | None) -> dict[dt.date, str]:
    chosen = {date: snapshot.days[date] for date in sorted(snapshot.days) if not within or date in within}
    if chosen:
        return chosen
    what = f"the snapshot {snapshot.name} has none of the dates that are asked for"
    raise DateValidationError(what, cure=f"It has {min(snapshot.days)} to {max(snapshot.days)}")
