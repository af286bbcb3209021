"""`spx-data help`, `version`: what the command tells of itself."""

from __future__ import annotations

import click

from spx_data import __version__
from spx_data.cli.output import VERSION, say


def _known(ctx: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """The commands that begin with what is typed, for the shell to complete."""
    root = ctx.find_root()
    assert isinstance(root.command, click.Group)
    return [name for name in root.command.list_commands(root) if name.startswith(begun)]


@click.command("help", short_help="Show what a command does and how it is called.")
@click.argument("names", nargs=-1, metavar="[COMMAND]", shell_complete=_known)
@click.pass_context
def help_(ctx: click.Context, names: tuple[str, ...]) -> None:
    r"""Show what COMMAND does and how it is called, like its own --help; all commands without one.

    \b
    spx-data help
    spx-data help process
    spx-data help config set
    """
    shown = ctx.find_root()
    for name in names:
        if not isinstance(shown.command, click.Group):
            raise click.UsageError(f"{shown.command_path} has no commands of its own, so no {name!r}", shown)
        found = shown.command.resolve_command(shown, [name])[1]
        assert found is not None, "else there is an error"
        shown = click.Context(found, shown, info_name=name)
    say(shown.get_help())


@click.command(short_help="Show the version of spx-data.")
def version() -> None:
    r"""Show the version of spx-data, like --version and -V.

    \b
    spx-data version
    """
    say(VERSION % {"prog": "spx-data", "version": __version__})
