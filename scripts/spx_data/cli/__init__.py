"""The `spx-data` command: presentation only. It reads the file tree and decides nothing by itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from spx_data import __version__, config, sessions
from spx_data.config import Settings
from spx_data.errors import SpxDataError


class _OneLine(click.Group):
    """A group whose expected errors are one line on stderr, with the cure, and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SpxDataError as error:
            click.echo(f"spx-data: {error}", err=True)
            sys.exit(1)


@click.group(cls=_OneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option(
    "--configfile",
    "overlays",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="Settings laid over config/config.yaml, as with snakemake --configfile.",
)
@click.pass_context
def main(ctx: click.Context, overlays: tuple[Path, ...]) -> None:
    """Every SPX options trading day as sealed, checked Parquet.

    Run it from the project's folder. `snakemake --cores 4` fills what is missing.
    """
    ctx.obj = overlays


@main.command()
@click.pass_obj
def status(overlays: tuple[Path, ...]) -> None:
    """Show what is sealed, what is missing and what needs you.

    Example: spx-data status
    """
    from spx_data.cli.tables import print_overview
    from spx_data.status import overview

    settings = Settings.of(config.resolve(config.load(config.FILE, *overlays)))
    print_overview(overview(settings, sessions.now()), settings)
