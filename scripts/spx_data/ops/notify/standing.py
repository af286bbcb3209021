"""How a lake stands, in a word and without figures; what is told when that changes, and what every day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from spx_data.errors import SpxDataError
from spx_data.lake.session_states import Kind
from spx_data.ops.health import Check, Level, Scene, alerts
from spx_data.settings import Settings
from spx_data.status import Summary, overview
from spx_data.status.failures import groups
from spx_data.text import commands
from spx_data.text.words import counted

Word = Literal["well", "failed", "needs you"]
WELL: Final = "well"
FAILED: Final = "failed"
NEEDS_YOU: Final = "needs you"
# What a fill may still bring: no data is an answer, and so is what a person has accepted.
_MISSING = frozenset({Kind.MISSING, Kind.PARTIAL, Kind.FAILED, Kind.PARKED, Kind.PENDING, Kind.CORRUPT})


class Standing(NamedTuple):
    """How a lake stands. What stays as it is, is told once."""

    word: Word = WELL
    about: tuple[str, ...] = ()  # the checks that need somebody, by name

    @classmethod
    def remembered(cls, document: Mapping[str, Any]) -> Standing:
        """The one in a *document* of `as_json`; that nothing is wrong, where it says anything else."""
        word, about = document.get("standing"), document.get("about")
        if word not in (FAILED, NEEDS_YOU) or not isinstance(about, list):
            return cls()
        return cls(word, tuple(map(str, about)))

    def as_json(self) -> dict[str, Any]:
        """The standing as a document."""
        return {"standing": self.word, "about": list(self.about)}


def look(settings: Settings, moment: dt.datetime, failure: str = "") -> Look:
    """Look at a lake; *failure* is why it took no part in a run."""
    try:
        dates = overview(settings, moment).dates
    except SpxDataError as error:
        return Look(settings, failure=failure or str(error))
    return Look(settings, dates, alerts(Scene(settings, moment, dates)), failure)


@dataclass(frozen=True)
class Look:
    """One lake as it is found: its dates, what is not ok, and why it took no part in a run, if so."""

    settings: Settings
    dates: Sequence[Summary] = ()
    alerts: Sequence[Check] = ()
    failure: str = ""

    @property
    def symbol(self) -> str:
        """Whose lake it is."""
        return self.settings.product.symbol

    @property
    def standing(self) -> Standing:
        """What its people have to know: the worst of what is so."""
        if names := sorted(check.name for check in self.alerts if check.level is Level.FAIL):
            return Standing(NEEDS_YOU, tuple(names))
        return Standing(FAILED if self.failure or self._failed else WELL)

    @property
    def _failed(self) -> list[Summary]:
        return [line for line in self.dates if line.state.kind is Kind.FAILED]

    def news(self, before: Standing) -> str:
        """What changed since it stood so, as a title; nothing where that is nothing to tell."""
        now = self.standing
        if now.word == before.word:
            return NEEDS_YOU if set(now.about) - set(before.about) else ""
        return "recovered" if now.word == WELL else now.word

    def why(self) -> list[str]:
        """Lines that say how it stands, each with what a person can do."""
        lines = [self.failure] if self.failure else []
        lines += [f"{check.found} → {check.cure}" for check in self.alerts if check.level is Level.FAIL]
        lines += [
            f"{counted(len(group.dates), 'date')}, the newest is {group.dates[-1]}: {group.state.words}"
            for group in groups(self._failed)
        ]
        return [commands.shown(line) for line in lines] or [self.figures()]

    def figures(self) -> str:
        """The lake in one line: how many days are sealed, the newest of them, and what is missing."""
        sealed = [line.date for line in self.dates if line.state.kind is Kind.SEALED]
        missing = sum(line.state.kind in _MISSING for line in self.dates)
        newest = f", the newest is {sealed[-1]}" if sealed else ""
        lacking = sum(line.is_incomplete for line in self.dates)
        return (
            f"{counted(len(sealed), 'day')} sealed{newest}; {missing:,} missing; {lacking:,} incomplete; "
            f"{counted(len(self.alerts), 'alert')}"
        )
