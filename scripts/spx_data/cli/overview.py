"""`spx-data status`: what stands where."""

from __future__ import annotations

import click

from spx_data.cli.call import Call


@click.command()
@click.pass_obj
def status(call: Call) -> None:
    """Show what is sealed, what is missing and what needs you.

    Example: spx-data status
    """
    from spx_data.cli.tables import print_overview
    from spx_data.status import overview

    print_overview(overview(call.settings, call.moment), call.settings)
