"""What a list has no row for: said on stderr, so that a list stays a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from spx_data.layout import Layout
    from spx_data.tree import Tree


def on_a_missing_lake(layout: Layout) -> None:
    """Say that the lake is not there, where it was: a list of its dates would be misleading."""
    from spx_data import dataset

    if error := dataset.missing(layout):
        click.echo(f"spx-data: {error}", err=True)


def on_strangers(walked: Tree) -> None:
    """Say what stands in the output tree and is no part of the lake."""
    if walked.strangers:
        click.echo(f"spx-data: {walked.words}", err=True)
