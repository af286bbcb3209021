"""What every command is given: the settings, the clock, and the kinds of arguments they share.

A config may have several lakes, one for each symbol. Without `--symbol` a list shows all of them, and a
command that is marked `in_each_lake` does its work in each (`cli.lists`); of any other, `Call.settings` asks
which is meant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from spx_data import config
from spx_data.cli.output import say
from spx_data.config import paths
from spx_data.errors import DateValidationError, SpxDataError
from spx_data.market.dates import Dates
from spx_data.text import commands, printable

if TYPE_CHECKING:
    from spx_data.ops.health import Asking
    from spx_data.settings import Lakes, Settings, Terminal
    from spx_data.store.layout import Layout

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Call:
    """One call of `spx-data`: its config files, whether errors show their traceback, the *symbol* named."""

    overlays: tuple[Path, ...] = ()
    debug: bool = False
    symbol: str | None = None
    at: str | None = None  # the symbol at whose lake the work is, one after the other
    _asked: dict[Terminal, Asking] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """The config files, the lowest first."""
        return (*config.base(), *self.overlays)

    @cached_property
    def lakes(self) -> Lakes:
        """The lakes that the call is about; what this process writes from now on is as private as they say.

        Raises:
            SettingRefusedError: the config has none of the symbol that was named.
        """
        from spx_data.config import checking

        return self._chosen(checking.checked(self.files))

    def _chosen(self, document: config.Document) -> Lakes:
        from spx_data.settings import Lakes
        from spx_data.store import modes

        found = Lakes.of(document)
        if self.symbol is not None:
            found = found.only(self.symbol)
        modes.restrict(owner_only=next(iter(found.values())).owner_only)
        return found

    @property
    def several(self) -> bool:
        """Whether the call is about more lakes than one."""
        return len(self.lakes) > 1

    @property
    def settings(self) -> Settings:
        """The settings of the lake: the only one, or that at which the work is."""
        return self._one_of(self.lakes)

    def settings_from(self, start: dt.date) -> Settings:
        """The settings, with *start* where no start date is set."""
        from spx_data.config import checking

        return self._one_of(self._chosen(checking.checked_from(self.files, start)))

    def _one_of(self, lakes: Lakes) -> Settings:
        if self.at is None and len(lakes) > 1:
            known = ", ".join(lakes)
            raise click.UsageError(f"this is done for one symbol at a time: name it with --symbol ({known})")
        return lakes[self.at or next(iter(lakes))]

    @property
    def layouts(self) -> dict[str, Layout]:
        """The paths of each lake."""
        return {symbol: settings.layout for symbol, settings in self.lakes.items()}

    def in_each(self, work: Callable[[], object]) -> int:
        """Do *work* at each lake, one after the other; gives the worst exit code that it gives or ends with.

        What fails at one of several is said, and the others go on; a wrong call is wrong for all of them.
        """
        codes, wrong = [0], list[click.UsageError]()
        for symbol in self.lakes:
            try:
                with self.working_at(symbol):
                    codes.append(int(bool(work())))
            except click.exceptions.Exit as ended:
                codes.append(ended.exit_code)
            except (SpxDataError, click.ClickException) as error:
                if not self.several:
                    raise
                codes.append(1)
                wrong += [error] if isinstance(error, click.UsageError) else []
                if len(wrong) == len(self.lakes):
                    raise wrong[0] from None
                told = error.format_message() if isinstance(error, click.ClickException) else str(error)
                said = commands.of_symbol(told, symbol)
                say(f"spx-data: {symbol}: {printable.line(said)}", err=True)
        return max(codes)

    @contextmanager
    def working_at(self, symbol: str) -> Iterator[None]:
        """In the block, `settings` are those of *symbol*, and the commands in texts are about it."""
        before, self.at = self.at, symbol
        if self.lakes.several:
            commands.about(symbol)
        try:
            yield
        finally:
            self.at = before
            commands.about((self.symbol or "") if self.lakes.several else "")

    def ask(self, terminal: Terminal, seconds: float) -> Asking:
        """The question how *terminal* is, for so many *seconds*: asked once for all lakes that share it."""
        from spx_data.ops.health import Asking

        if terminal not in self._asked:
            self._asked[terminal] = Asking(terminal, seconds)
        return self._asked[terminal]

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


class Spelt(click.ParamType[Any]):
    """A value as a person spells it: *read* makes it of the text, and raises ValueError where it is none."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name, self._read = name, read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value of a text, a wrong call where it is none; what is no text is a default, and stays."""
        try:
            return self._read(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _dates(text: str) -> Dates:
    """Dates, words for the recent past included."""
    from spx_data.market import sessions

    try:
        return sessions.named(text, Call().moment)
    except DateValidationError as error:
        raise ValueError(f"{error.fields['reason']}. {error.cure}") from error


def _date(text: str) -> dt.date:
    found = _dates(text)
    if len(found.ranges) != 1 or found.first != found.last:
        raise ValueError(f"{text!r} is not one date. Write it like 2024-01-02, today or yesterday")
    return found.first


CONFIG_FILE = Spelt("file", lambda text: Path(paths.expanded(text)))  # `~` as in the file itself
DATES = Spelt("dates", _dates)
DATE = Spelt("date", _date)


class FolderType(click.Path):
    """A folder's path, `~` expanded as in a config file; gives `Path`."""

    def __init__(self) -> None:
        """Refuse what is a file."""
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path that *value* names; a wrong call where it cannot be meant as it stands."""
        return super().convert(CONFIG_FILE.convert(str(value), param, ctx), param, ctx)


FOLDER = FolderType()


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
