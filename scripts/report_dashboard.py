"""Rule report_dashboard: the page that shows the lake, and those of its newest days."""

import sys
from typing import TYPE_CHECKING

from spx_data import sessions
from spx_data.errors import SpxDataError
from spx_data.report import write_dashboard, write_newest_days
from spx_data.settings import Settings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if "snakemake" in globals():
    settings, moment = Settings.of(snakemake.config), sessions.now()
    try:
        # The dashboard leads to the pages that are there.
        for page in [*write_newest_days(settings, moment), write_dashboard(settings, moment)]:
            print(page)
    except SpxDataError as error:
        sys.exit(f"spx-data: {error}")
