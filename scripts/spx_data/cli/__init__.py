"""The `spx-data` command: presentation only. It reads the file tree, and starts Snakemake to change it."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from spx_data import __version__
from spx_data.cli.call import CONFIG_FILE, Call
from spx_data.cli.output import VERSION, go_on_unread, make_safe, say, unprinted, watch_streams
from spx_data.errors import SpxDataError
from spx_data.jobs import ending
from spx_data.text import commands as marked
from spx_data.text import printable

if TYPE_CHECKING:
    from spx_data.settings import Settings

# A command lives for a moment, and makes no cycles worth looking for: a quarter of its time otherwise.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
_NEEDS_YOU, _WRONG_CALL, _INTERRUPTED = 1, 2, 130

# Command → where it is: a module is imported when its command is called, so each pays for itself alone.
_COMMANDS = {
    "init": "spx_data.cli.init:init",
    "status": "spx_data.cli.overview:status",
    "health": "spx_data.cli.health:health",
    "list": "spx_data.cli.listing:list_",
    "gaps": "spx_data.cli.gaps:gaps",
    "plan": "spx_data.cli.plan:plan",
    "process": "spx_data.cli.process:process",
    "process-range": "spx_data.cli.process:process_range",
    "process-gaps": "spx_data.cli.process:process_gaps",
    "retry": "spx_data.cli.repair:retry",
    "stop": "spx_data.cli.process:stop",
    "errors": "spx_data.cli.listing:errors",
    "quality": "spx_data.cli.quality:quality",
    "metrics": "spx_data.cli.metrics:metrics",
    "report": "spx_data.cli.pages:report",
    "serve": "spx_data.cli.pages:serve",
    "publish": "spx_data.cli.publish:publish",
    "inventory": "spx_data.cli.listing:inventory",
    "ready": "spx_data.cli.reading:ready",
    "sql": "spx_data.cli.reading:sql",
    "views": "spx_data.cli.reading:views",
    "snapshot": "spx_data.cli.snapshot:snapshot",
    "export": "spx_data.cli.export:export",
    "verify": "spx_data.cli.verify:verify",
    "mend": "spx_data.cli.again:mend",
    "recheck": "spx_data.cli.again:recheck",
    "probe": "spx_data.cli.probe:probe",
    "accept": "spx_data.cli.repair:accept",
    "cleanup": "spx_data.cli.cleanup:cleanup",
    "config": "spx_data.cli.configuration:config",
    "database": "spx_data.cli.database:database",
    "completion": "spx_data.cli.itself:completion",
    "help": "spx_data.cli.itself:help_",
    "version": "spx_data.cli.itself:version",
}
_ALIASES = {"gap-analysis": "gaps"}
# Command → those of its own that change something; none where it does so itself.
CHANGING: dict[str, frozenset[str]] = {
    **dict.fromkeys(("process", "process-range", "process-gaps", "retry", "stop", "accept"), frozenset()),
    **dict.fromkeys(("mend", "recheck", "verify", "cleanup", "publish", "snapshot"), frozenset()),
    "config": frozenset({"set", "reset"}),
    "database": frozenset({"init", "grant", "revoke", "refresh"}),
}


class _Root(click.Group):
    """The whole command, whose parts are imported when they are called.

    A reader that goes away is no error, and Ctrl-C leaves no blank line.
    """

    def list_commands(self, _: click.Context) -> list[str]:
        """The names of all commands, aliases aside."""
        return list(_COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        place = _COMMANDS.get(_ALIASES.get(cmd_name, cmd_name))
        if place is None:
            return None
        module, name = place.split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        _mark_blocks(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that *args* begin with; where there is none, the error names those like it."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            known = [*_COMMANDS, *_ALIASES]
            raise click.NoSuchCommand(error.command_name, possibilities=known, ctx=ctx) from None

    def invoke(self, ctx: click.Context) -> object:
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _drop_the_rest()  # the reader has read enough
            return 0
        except KeyboardInterrupt:
            raise click.Abort from None
        return code


def _drop_the_rest() -> None:
    """Let nothing more be flushed to standard output on the way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _mark_blocks(command: click.Command) -> None:
    r"""Let the blocks of a help text, such as examples, stay as they are written.

    Click marks them with the character \b; a raw docstring has two characters instead.
    """
    if command.help:
        command.help = command.help.replace("\\b\n", "\b\n")
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _mark_blocks(inner)


@click.group(
    cls=_Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, "-V", "--version", prog_name="spx-data", message=VERSION)
@click.option(
    "--configfile",
    "overlays",
    type=CONFIG_FILE,
    multiple=True,
    help="A config file that overrides those of this folder, as with snakemake --configfile.",
)
@click.option("--symbol", metavar="SYMBOL", help="Of the config's symbols, this one alone.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def commands(ctx: click.Context, overlays: tuple[Path, ...], symbol: str | None, debug: bool) -> None:
    r"""Every SPX options trading day as sealed, checked Parquet.

    Run it from the folder of your lake. The exit code is 0 when all is well, 1 when something needs you, 2
    when the call was wrong.

    \b
    spx-data init            begin a lake
    spx-data health          is everything ready?
    spx-data process-gaps    fill what is missing
    spx-data status --watch  look at the run at work
    """
    ctx.obj = Call(overlays, debug, symbol)
    marked.called_by(overlays, symbol=symbol or "")
    if ctx.invoked_subcommand in CHANGING:
        go_on_unread()  # who has read enough may still want it done
    note(ctx, ctx.invoked_subcommand)


_mark_blocks(commands)


def main() -> NoReturn:
    """Run the command, and end the process with its exit code."""
    ending.end(run())


def run() -> int:
    """Run the command and return its exit code; whatever goes wrong is one line on stderr."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    make_safe()
    watch_streams()
    try:
        code = commands.main(prog_name="spx-data", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message(), err=True)
        code = _WRONG_CALL
    except click.UsageError as error:
        code = _said(error.format_message().rstrip("."), _WRONG_CALL)
    except click.ClickException as error:
        code = _said(error.format_message(), _NEEDS_YOU)
    except SpxDataError as error:
        code = _said(_located(str(error)), _NEEDS_YOU)
    except SystemExit as ended:
        code = ended.code
    except (click.Abort, KeyboardInterrupt):
        code = _said("interrupted", _INTERRUPTED)
    except Exception as error:
        code = _said(_surprise(error), _NEEDS_YOU)
    return code if isinstance(code, int) else 0


def _surprise(error: Exception) -> str:
    """What nobody has put in words on its way here."""
    from spx_data.store import faults

    if error is unprinted():
        _drop_the_rest()
        return f"not all could be printed: {error}"
    told = faults.of(error)
    if isinstance(told, SpxDataError):
        return str(told)
    return f"unexpected {type(error).__name__}: {error}. Add --debug to see where"


def _said(message: str, code: int) -> int:
    if "--debug" in sys.argv:
        say(traceback.format_exc(), err=True)
    say(f"spx-data: {printable.line(message)}", err=True)
    return code


def _located(message: str) -> str:
    """*message* with the config file and the line that it is about, if it is about one."""
    if not message.startswith("config: "):
        return message
    from spx_data.config import checking

    return checking.located(message, Call(tuple(map(Path, marked.caller().configfiles))).files)


# Commands that change something, for the audit of a team ----------------------------------------------------


def note(ctx: click.Context, command: str | None, words: Sequence[str] | None = None) -> None:
    """Note in the journal the *command* that is about to be done, of the call *words*.

    The audit gets it afterwards. Where the lake has no team's database nothing is noted, and nothing loaded.
    """
    words = sys.argv[1:] if words is None else words
    own = CHANGING.get(command or "")
    if own is None or {"-h", "--help"} & {*words} or (own and not own & {*words}):
        return
    call: Call = ctx.obj
    with suppress(SpxDataError, OSError, click.ClickException):  # the command itself says what is wrong
        lakes = [settings for settings in call.lakes.values() if settings.database.url]
        if lakes:
            _note(lakes, words)
            ctx.call_on_close(lambda: _hand_on(lakes))


def _note(lakes: Sequence[Settings], words: Sequence[str]) -> None:
    from spx_data.ops import team

    for settings in lakes:
        team.note(settings, ["spx-data", *words])


def _hand_on(lakes: Sequence[Settings]) -> None:
    from spx_data.ops import team

    for said in dict.fromkeys(team.after_a_command(settings) for settings in lakes):
        if said:
            say(f"spx-data: {said}", err=True)
