"""Rule report_days: a page for each of the sealed dates that were named."""

import sys

from spx_data.cli.pages import make_days
from spx_data.errors import SpxDataError
from spx_data.jobs import process
from spx_data.market import sessions

if __name__ == "__main__":
    settings = process.settings()
    try:
        _, well = make_days(settings, sessions.now(), settings.dates)
        sys.exit(not well)
    except SpxDataError as error:
        process.refuse(error)
