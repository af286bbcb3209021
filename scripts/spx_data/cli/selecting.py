"""What commands share that read sealed days as `spx_data.scan` does: which days, and what is told of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

from spx_data.cli.output import Choice, F, say
from spx_data.market.dates import Dates


def missing_option(command: F) -> F:
    """The option `--missing`."""
    return click.option(
        "--missing",
        type=Choice(["raise", "warn", "ignore"]),
        default="raise",
        show_default=True,
        help="What to do about sessions in this range that are not sealed.",
    )(command)


def ranges(dates: Dates | None) -> list[str] | None:
    """*dates* as the reader takes them."""
    return dates.words if dates else None


@contextmanager
def warnings_told() -> Iterator[None]:
    """Say on stderr what the reader warns of."""
    from spx_data.lake.reader import DaysWarning

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", DaysWarning)
        yield
    for warning in told:
        if issubclass(warning.category, DaysWarning):
            say(f"spx-data: {warning.message}", err=True)
