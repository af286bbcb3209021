"""Rule report_days: a page for each of the sealed dates that were named."""

import sys
from typing import TYPE_CHECKING

from spx_data import sessions
from spx_data.cli.pages import make_days
from spx_data.errors import SpxDataError
from spx_data.settings import Settings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if "snakemake" in globals():
    settings = Settings.of(snakemake.config)
    try:
        _, well = make_days(settings, sessions.now(), settings.dates)
        sys.exit(not well)
    except SpxDataError as error:
        sys.exit(f"spx-data: {error}")
