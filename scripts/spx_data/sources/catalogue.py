"""What sources can do, and which there are: a folder of this room for each, found by its `capabilities`.

That module has the folder's `APIS` (`Capabilities`, each with a name that no other source has) and `MODULES`,
what a job loads for it. Beside it `access` has `sight`, `check` and `connect`.
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from spx_data import sources
from spx_data.errors import ConfigurationValidationError
from spx_data.market.contracts import Report

if TYPE_CHECKING:
    from spx_data.market.sessions import Window

AUTO = "auto"  # whatever is found at a usual address


class Capabilities(NamedTuple):
    """What a source can do by one of its APIs, for code that must know before it is asked.

    *tiers* are subscriptions by the requests that they let through at once; *greeks_versions* the models that
    can be asked for, and where that is one, it is the source's only one.
    """

    api: str
    address: str | None  # where it is looked for unless told otherwise; None where it must be told
    formats: tuple[str, ...]  # of histories: csv, json, ndjson
    greeks_versions: tuple[str, ...]
    tiers: Mapping[int, str]
    calendar: bool  # whether it has a stock market's calendar (`Source.hours`)
    from_the_open: bool  # whether there are records at the opening, before the underlying's first price
    eod: bool = True  # whether it has an end-of-day report
    open_interest: bool = False  # whether it has that of the morning
    single_contracts: bool = True  # whether a contract can be asked for by itself
    # Kinds of records of which all chains of a date come in one answer (`Source.whole_date`), and at which
    # stamps: so many ms apart, or more.
    whole_dates: tuple[str, ...] = ()
    whole_dates_step_ms: int = 60_000
    quotes_since: dt.date | None = None  # the first session with quotes, of whatever symbol

    @property
    def has_one_greeks_version(self) -> bool:
        """Whether it has one model, whatever is asked for."""
        return len(self.greeks_versions) == 1

    def answers_whole_dates(self, records: str, window: Window) -> bool:
        """Whether all chains of a date can be asked for at once."""
        return records in self.whole_dates and window.step_ms >= self.whole_dates_step_ms

    def has(self, report: Report) -> bool:
        """Whether there is such a *report* on a date's contracts (`Source.figures`)."""
        return self.eod if report is Report.END_OF_DAY else self.open_interest

    def greeks_version(self, asked: str) -> str:
        """The model that histories have where *asked* is what the settings say."""
        return self.greeks_versions[0] if self.has_one_greeks_version else asked


@functools.cache
def _folders() -> Mapping[str, ModuleType]:
    """The modules `capabilities` of the sources, by the names of their folders."""
    names = sorted(found.name for found in pkgutil.iter_modules(sources.__path__) if found.ispkg)
    return {name: importlib.import_module(f"{sources.__name__}.{name}.capabilities") for name in names}


def every() -> Mapping[str, Capabilities]:
    """What each API of each source can do, by its name."""
    return {known.api: known for folder in _folders().values() for known in folder.APIS}


def capabilities(api: str) -> Capabilities:
    """What the source that speaks *api* can do; raises ConfigurationValidationError where none does."""
    known = every()
    if api not in known:
        raise ConfigurationValidationError(
            f"no source speaks the API {api!r}", cure=f"There are {', '.join(known)}", what="thetadata.api"
        )
    return known[api]


def likely(api: str) -> Capabilities:
    """Those of *api*; of `auto`, those of the first API that is looked for."""
    return looked_for(api)[0]


def looked_for(api: str) -> list[Capabilities]:
    """The APIs that may be found where the settings name *api*; for `auto`, all that have an address."""
    if api != AUTO:
        return [capabilities(api)]
    return [known for known in every().values() if known.address is not None]


def first_of_each(api: str) -> list[str]:
    """One API of each source that may be found where the settings name *api*: it looks for all of its own."""
    found = {known.api for known in looked_for(api)}
    own = ([known.api for known in module.APIS if known.api in found] for module in _folders().values())
    return [apis[0] for apis in own if apis]


def access(api: str) -> ModuleType:
    """The module that connects to the source that speaks *api*."""
    return importlib.import_module(f"{sources.__name__}.{_folder_of(api)}.access")


def modules(api: str) -> tuple[str, ...]:
    """The modules that a job which asks a source of *api* loads in any case."""
    return tuple(_folders()[folder(api)].MODULES)


def folder(api: str) -> str:
    """The name of the folder of the source that speaks *api*; of `auto`, of the first that is looked for."""
    return _folder_of(likely(api).api)


def _folder_of(api: str) -> str:
    """The name of the folder of the source that speaks *api*."""
    known = capabilities(api)
    return next(name for name, module in _folders().items() if known in module.APIS)
