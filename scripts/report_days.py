"""Rule report_days: a page for each of the sealed dates that were named."""

import sys
from typing import TYPE_CHECKING

from spx_data import ledger, sessions
from spx_data.errors import SpxDataError
from spx_data.report import write_day
from spx_data.settings import Settings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if "snakemake" in globals():
    settings, moment = Settings.of(snakemake.config), sessions.now()
    try:
        for date in ledger.sealed_dates(settings.layout, settings.dates):
            print(write_day(settings, moment, date))
    except SpxDataError as error:
        sys.exit(f"spx-data: {error}")
