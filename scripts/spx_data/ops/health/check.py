"""One look at one thing: what was found, whether it will do, and the cure where it will not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from spx_data.errors import SpxDataError
from spx_data.store import faults

_NAMED = 3


class Level(StrEnum):
    """How bad it is, the best first."""

    OK = "ok"
    NOTICE = "notice"  # how this lake's source is: told, and nobody has to do anything
    WARN = "warn"  # worth knowing: nothing is lost, and the work goes on
    FAIL = "fail"  # needs somebody


@dataclass(frozen=True)
class Check:
    """The result of one check; *value* is its leading number in *unit*, *limit* what it is held against."""

    name: str
    level: Level
    found: str
    cure: str = ""
    value: float | None = None
    limit: float | None = None
    unit: str | None = None
    dates: tuple[dt.date, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """The check as a flat document, for JSON and CSV."""
        return {
            "check": self.name,
            "level": self.level.value,
            "found": self.found,
            "cure": self.cure or None,
            "value": self.value,
            "limit": self.limit,
            "unit": self.unit,
            "dates": [date.isoformat() for date in self.dates],
        }


def ok(name: str, found: str, **numbers: Any) -> Check:
    """A check that found nothing to mend."""
    return Check(name, Level.OK, found, **numbers)


def notice(name: str, found: str, cure: str, **numbers: Any) -> Check:
    """A check that found how things are, which is nobody's to mend."""
    return Check(name, Level.NOTICE, found, cure, **numbers)


def warn(name: str, found: str, cure: str, **numbers: Any) -> Check:
    """A check that found something worth knowing."""
    return Check(name, Level.WARN, found, cure, **numbers)


def fail(name: str, found: str, cure: str, **numbers: Any) -> Check:
    """A check that found something that needs somebody."""
    return Check(name, Level.FAIL, found, cure, **numbers)


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """What *look* finds; an error in it is a failed check, so that it hides no other one."""
    try:
        return look()
    except SpxDataError as error:
        return fail(name, error.cause, error.cure)
    except Exception as error:
        if isinstance(told := faults.of(error), SpxDataError):
            return fail(name, told.cause, told.cure)
        found = f"could not be looked at: {type(error).__name__}: {' '.join(str(error).split())}"
        return fail(name, found, "If you cannot tell why, please report this line")


def worst(checks: Sequence[Check]) -> Level:
    """The worst level among *checks*."""
    return max((check.level for check in checks), key=list(Level).index, default=Level.OK)


def named(dates: Sequence[dt.date]) -> str:
    """*dates* in words: the first few by name, the others as a number."""
    shown = ", ".join(date.isoformat() for date in dates[:_NAMED])
    return f"{shown} and {len(dates) - _NAMED:,} more" if len(dates) > _NAMED else shown


def of_these(dates: Sequence[dt.date], command: str) -> str:
    """*command* for each of *dates* (where it has DATE), written out for the first."""
    told = command.replace("DATE", dates[0].isoformat())
    return f"{told} (and so for the other {len(dates) - 1:,})" if len(dates) > 1 else told


def gigabytes(count: float) -> str:
    """Bytes as a person reads them on a disk."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
