"""Rule recheck: sealed dates fetched again and compared with what the source says today."""

import sys

from spx_data.cli.outcomes import print_rechecked
from spx_data.errors import SpxDataError
from spx_data.jobs import process
from spx_data.lake import runs
from spx_data.ops.recheck import recheck

if __name__ == "__main__":
    try:
        settings = process.settings()
        with runs.joined(settings.layout):
            outcomes = recheck(settings)
        if not print_rechecked(outcomes):
            sys.exit(1)
    except SpxDataError as error:
        process.refuse(error)
