"""What a list has no row for: said on stderr, so that a list stays a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spx_data.cli.output import say

if TYPE_CHECKING:
    from spx_data.store.layout import Layout
    from spx_data.store.tree import Tree


def on_a_missing_lake(layout: Layout) -> None:
    """Say that the lake is not there, where it was: a list of its dates would be misleading."""
    from spx_data.store import dataset

    if error := dataset.trouble(layout):
        say(f"spx-data: {error}", err=True)


def on_strangers(walked: Tree) -> None:
    """Say what stands in the output tree and is no part of the lake."""
    if walked.strangers:
        say(f"spx-data: {walked.words}", err=True)
