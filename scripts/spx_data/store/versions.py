"""What in a lake was written by another version of spx-data than this one."""

from __future__ import annotations

import shlex
from pathlib import Path

from spx_data.errors import OtherVersionError


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
        cure=f"mv {shlex.quote(str(lake))} {shlex.quote(str(aside))} && "
        'spx-data accept --lost --reason "of an earlier version"',
        what=str(path),
        expected=known,
        actual=found,
    )
