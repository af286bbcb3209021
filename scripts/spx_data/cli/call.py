"""What every command is given: the settings, the clock, and the kinds of arguments they share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from spx_data import config
from spx_data.config import paths
from spx_data.errors import DateValidationError
from spx_data.market.dates import Dates

if TYPE_CHECKING:
    from spx_data.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Call:
    """One call of `spx-data`: its config files, and whether errors show their traceback."""

    overlays: tuple[Path, ...] = ()
    debug: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """The config files, the lowest first."""
        return (*config.base(), *self.overlays)

    @cached_property
    def settings(self) -> Settings:
        """The settings of the lake; what this process writes from now on is as private as they say."""
        return self.settings_from(None)

    def settings_from(self, start: dt.date | None) -> Settings:
        """The settings, with *start* where no start date is set."""
        from spx_data.config import checking
        from spx_data.settings import Settings
        from spx_data.store import files

        read = checking.checked(self.files) if start is None else checking.checked_from(self.files, start)
        settings = Settings.of(read)
        files.restrict(owner_only=settings.owner_only)
        return settings

    @cached_property
    def moment(self) -> dt.datetime:
        """Now, once for the whole command."""
        from spx_data.market import sessions

        return sessions.now()

    @cached_property
    def today(self) -> dt.date:
        """The date in New York."""
        from spx_data.market import sessions

        return sessions.today(self.moment)


class DatesType(click.ParamType[Any]):
    """Dates as a person names them, words for the recent past included; gives `Dates`."""

    name = "dates"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Dates:
        """The dates that *value* names; a wrong call where it names none."""
        try:
            return value if isinstance(value, Dates) else _named(value)
        except DateValidationError as error:
            self.fail(f"{error.fields['reason']}. {error.cure}", param, ctx)


def _named(value: str) -> Dates:
    from spx_data.market import sessions

    return sessions.named(value, Call().moment)


class DateType(click.ParamType[Any]):
    """One date, `today` and `yesterday` included; gives `datetime.date`."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.date:
        """The date that *value* names; a wrong call where it names none, or more than one."""
        if isinstance(value, dt.date):
            return value
        found = DatesType().convert(value, param, ctx)
        if len(found.ranges) != 1 or found.first != found.last:
            self.fail(f"{value!r} is not one date. Write it like 2024-01-02, today or yesterday", param, ctx)
        return found.first


class ConfigFileType(click.ParamType[Any]):
    """A config file's path, `~` expanded as in the file itself; gives `Path`."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path that *value* names; a wrong call where it cannot be meant as it stands."""
        try:
            return Path(paths.expanded(str(value)))
        except paths.PathRefusedError as error:
            self.fail(str(error), param, ctx)


class FolderType(click.Path):
    """A folder's path, `~` expanded as in a config file; gives `Path`."""

    def __init__(self) -> None:
        """Refuse what is a file."""
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path that *value* names; a wrong call where it cannot be meant as it stands."""
        return super().convert(CONFIG_FILE.convert(value, param, ctx), param, ctx)


CONFIG_FILE = ConfigFileType()
FOLDER = FolderType()
DATES = DatesType()
DATE = DateType()


def dates_argument(*, required: bool = False) -> Callable[[F], F]:
    """The argument `dates` of what takes one or several `DATES`: `Dates`, or None where there is none."""

    def together(_: click.Context, __: click.Parameter, found: tuple[Dates, ...]) -> Dates | None:
        return Dates.together(found) if found else None

    metavar = "DATES..." if required else "[DATES...]"
    return click.argument(
        "dates", type=DATES, nargs=-1, required=required, metavar=metavar, callback=together
    )


def ends(
    start: Dates | None, end: Dates | None, start_option: str, end_option: str
) -> tuple[dt.date | None, dt.date | None]:
    """The first and the last date that two options name; a wrong call where the last one is before."""
    first, last = start.first if start else None, end.last if end else None
    if first and last and first > last:
        raise click.BadParameter(f"{last} is before {start_option} {first}", param_hint=repr(end_option))
    return first, last


def cores_option(command: F) -> F:
    """The option `--cores` of what starts Snakemake."""
    return click.option(
        "--cores",
        type=click.IntRange(min=1),
        default=4,
        show_default=True,
        help="Jobs at a time, as with snakemake --cores.",
    )(command)
