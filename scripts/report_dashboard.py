"""Rule report_dashboard: the page that shows the lake, and those of its newest days."""

import sys

from spx_data.cli.pages import make_dashboard
from spx_data.errors import SpxDataError
from spx_data.jobs import process
from spx_data.market import sessions

if __name__ == "__main__":
    try:
        _, well = make_dashboard(process.settings(), sessions.now())
        sys.exit(not well)
    except SpxDataError as error:
        process.refuse(error)
