"""Whether everything is ready, and what needs somebody.

Checks of the surroundings and alerts about the dates. They only look; one that breaks is a failed check and
hides no other. What each means by ok, warn and fail: `docs/output.md`.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from spx_data import config, status
from spx_data.config import checking
from spx_data.errors import SpxDataError
from spx_data.lake import runs
from spx_data.ops.health import dates, lake, machine, permissions
from spx_data.ops.health.lake import met_otherwise
from spx_data.ops.health.scene import Answer, Asking, Check, Level, Scene, fail, guarded, ok, worst
from spx_data.settings import Settings, Terminal, of_lake
from spx_data.status import Summary
from spx_data.store import modes, tree
from spx_data.store.tree import Tree

__all__ = [
    "Answer",
    "Asking",
    "Check",
    "Level",
    "Scene",
    "alerts",
    "examine",
    "look_at",
    "met_otherwise",
    "worst",
]

# The longest that anybody waits for the terminal's one word.
PATIENCE_SECONDS = 2.0

_Read = TypeVar("_Read")
_Look = Callable[[Scene], Check]
_ALERTS: Mapping[str, _Look] = {
    "outage": machine.outage,
    "failure-rate": dates.failure_rate,
    "consecutive-missing": dates.consecutive_missing,
    "holes": dates.holes,
    "connectivity": machine.connectivity,
    "parked": dates.parked,
    "corrupt": dates.corrupt,
    "completeness": dates.completeness,
    "quality": dates.quality,
    "habits": dates.habits,
    "rejects": dates.rejects,
    "outliers": dates.outliers,
}
# Told by `alerts` as well, though not about dates.
_OF_THE_LAKE: Mapping[str, _Look] = {"data-set": lake.there, "strangers": lake.strangers}


class _Needs(Enum):
    """What a check cannot do without, beside settings."""

    NOTHING = auto()
    DATES = auto()  # a start date, and a tree that can be read
    ANSWER = auto()  # the terminal's


def _memory(scene: Scene) -> Check:
    return machine.memory(scene.settings.alerts)


# In the order in which they are told.
_CHECKS: Mapping[str, tuple[_Needs, _Look]] = {
    "terminal": (_Needs.ANSWER, machine.terminal),
    "request-limit": (_Needs.ANSWER, machine.request_limit),
    "profile": (_Needs.ANSWER, lake.terminal_profile),
    "disk": (_Needs.NOTHING, machine.disk),
    "memory": (_Needs.NOTHING, _memory),
    "open-files": (_Needs.NOTHING, machine.open_files),
    "permissions": (_Needs.NOTHING, permissions.permissions),
    "volumes": (_Needs.NOTHING, machine.volumes),
    "data-set": (_Needs.ANSWER, lake.data_set),
    "strangers": (_Needs.NOTHING, lake.strangers),
    "database": (_Needs.NOTHING, lake.status_log),
    "calendar": (_Needs.DATES, lake.calendar),
    "tree": (_Needs.DATES, lake.tree),
    "run": (_Needs.NOTHING, machine.run),
    "staging": (_Needs.DATES, lake.staging),
    "logs": (_Needs.NOTHING, lake.logs),
    "journals": (_Needs.NOTHING, lake.journals),
    **{name: (_Needs.DATES, look) for name, look in _ALERTS.items()},
}


def examine(
    sources: Sequence[Path],
    moment: dt.datetime,
    symbol: str | None = None,
    ask: Callable[[Terminal, float], Asking] = Asking,
) -> list[Check]:
    """Every check there is, for the lake of the config files *sources*: that of *symbol*, where it is given.

    Wrong settings are a failed check; what can be looked at without them still is. Who looks at several lakes
    gives a way to *ask* a terminal that they share but once.
    """
    found, settings, dated = _settings(sources, symbol)
    if settings is None:
        return [found, guarded("memory", lambda: machine.memory(_defaults().alerts))]
    modes.restrict(owner_only=settings.owner_only)
    asking = ask(settings.terminal, PATIENCE_SECONDS)
    walked = _if_it_can(lambda: tree.walk(settings.layout))
    unreadable, summaries = _tree(settings, moment, walked) if dated else (None, ())
    scene = Scene(
        settings, moment, summaries, _if_it_can(lambda: runs.current(settings.layout)), walked=walked
    )
    checks = {"settings": found} | ({"tree": unreadable} if unreadable else {})
    checks |= _all(scene, _Needs.NOTHING)
    if dated and not unreadable:
        checks |= _all(scene, _Needs.DATES)
    # Everything else is done before the terminal is waited for.
    checks |= _all(replace(scene, answer=asking.answer()), _Needs.ANSWER)
    return [checks[name] for name in ("settings", *_CHECKS) if name in checks]


def alerts(scene: Scene) -> list[Check]:
    """What is not ok of what anybody should know: about the lake, the dates, the disk and the memory."""
    looks = {**_OF_THE_LAKE, **_ALERTS, "disk": machine.disk, "memory": _memory}
    found = (guarded(name, partial(look, scene)) for name, look in looks.items())
    return [check for check in found if check.level is not Level.OK]


def look_at(name: str, scene: Scene) -> Check:
    """The one check of that *name*."""
    _, look = _CHECKS[name]
    return guarded(name, partial(look, scene))


def _all(scene: Scene, needs: _Needs) -> dict[str, Check]:
    return {name: look_at(name, scene) for name, (need, _) in _CHECKS.items() if need is needs}


def _if_it_can(read: Callable[[], _Read]) -> _Read | None:
    """What *read* gives; None where it cannot: the checks that need it say so."""
    with suppress(SpxDataError):
        return read()
    return None


def _settings(sources: Sequence[Path], symbol: str | None) -> tuple[Check, Settings | None, bool]:
    """The check of the settings, the settings themselves, and whether their start date is one."""
    try:
        document = checking.checked(sources)
        settings = Settings.of(document) if symbol is None else of_lake(document, symbol)
    except SpxDataError as error:
        failed = fail(error.cause, error.cure, name="settings")
        return failed, _without_start_date(sources), False
    end = settings.end_date or "the last finished session"
    files_ = ", ".join(str(source) for source in sources)
    valid = f"{files_}: valid, {settings.start_date} to {end}"
    return ok(valid, name="settings"), settings, True


def _without_start_date(sources: Sequence[Path]) -> Settings | None:
    """The settings where only the start date is missing or wrong, with another in its place; else None."""
    with suppress(SpxDataError, TypeError):
        document = config.load(*sources)
        document["processing"] = {**document.get("processing", {}), "start_date": "2024-01-02"}
        document["processing"].pop("end_date", None)
        environment = {name: text for name, text in os.environ.items() if name != "PROCESSING_START_DATE"}
        return Settings.of(config.resolve(document, environment))
    return None


def _defaults() -> Settings:
    """The default settings, with a start date."""
    document: dict[str, Any] = {"processing": {"start_date": "2024-01-02"}}
    return Settings.of(config.resolve(document, {}))


def _tree(
    settings: Settings, moment: dt.datetime, walked: Tree | None
) -> tuple[Check | None, Sequence[Summary]]:
    """What the tree says of each date; a failed check where it cannot be read."""
    summaries: list[Summary] = []

    def read() -> Check:
        summaries.extend(status.summaries(settings, moment, walked))
        return ok("readable")

    check = guarded("tree", read)
    return (check if check.level is Level.FAIL else None), summaries
