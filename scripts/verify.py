"""Rule verify: every sealed day against its checksum; damaged ones go to quarantine."""

import sys
from typing import TYPE_CHECKING

from spx_data.cli.verification import print_report, watching
from spx_data.integrity import verify
from spx_data.settings import Settings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if "snakemake" in globals():
    settings = Settings.of(snakemake.config)
    with watching() as observer:
        report = verify(settings, settings.dates, workers=snakemake.threads, observer=observer)
    print_report(report)
    sys.exit(not report.all_is_well)
