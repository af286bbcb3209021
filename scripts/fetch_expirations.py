"""Rule fetch_expirations: the expirations that had quotes on one trading date."""

import datetime as dt
import sys

from spx_data.jobs import process, startup
from spx_data.sources import catalogue

if __name__ == "__main__":
    settings, date = process.settings(sys.argv[1]), dt.date.fromisoformat(sys.argv[2])
    with process.at_work(settings), startup.without_pandas():
        with startup.loading(*catalogue.modules(settings.terminal.api)):
            from spx_data.fill.survey import fetch_expirations

        fetch_expirations(settings, date=date, target=settings.layout.listing(date))
