"""Rule recheck: sealed dates fetched again and compared with what the source says today."""

import sys
from typing import TYPE_CHECKING

from spx_data import runs
from spx_data.cli.restatements import print_outcomes
from spx_data.errors import SpxDataError
from spx_data.recheck import recheck
from spx_data.settings import Settings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if "snakemake" in globals():
    settings = Settings.of(snakemake.config)
    try:
        with runs.joined(settings.layout):
            outcomes = recheck(settings)
        if not print_outcomes(outcomes):
            sys.exit(1)
    except SpxDataError as error:
        sys.exit(f"spx-data: {error}")
