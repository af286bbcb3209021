"""Rule verify: every sealed day against its checksum; damaged ones go to quarantine."""

import sys
from typing import TYPE_CHECKING

from spx_data.cli.verification import print_report, watching
from spx_data.errors import SpxDataError
from spx_data.integrity import verify
from spx_data.settings import Settings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if "snakemake" in globals():
    settings = Settings.of(snakemake.config)
    try:
        with watching() as observer:
            report = verify(settings, settings.dates, workers=snakemake.threads, observer=observer)
    except SpxDataError as error:
        sys.exit(f"spx-data: {error}")
    print_report(report)
    sys.exit(not report.all_is_well)
