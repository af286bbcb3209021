"""Rule report_dashboard: the page that shows the lake, and those of its newest days."""

import sys
from typing import TYPE_CHECKING

from spx_data import sessions
from spx_data.cli.pages import make_dashboard
from spx_data.errors import SpxDataError
from spx_data.settings import Settings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if "snakemake" in globals():
    settings = Settings.of(snakemake.config)
    try:
        _, well = make_dashboard(settings, sessions.now())
        sys.exit(not well)
    except SpxDataError as error:
        sys.exit(f"spx-data: {error}")
