"""Rule download_expirations: every listed expiration of one trading date, staged as a checkpoint."""

import datetime as dt
import sys

from spx_data.jobs import process, startup
from spx_data.market.sessions import Session
from spx_data.sources import catalogue

if __name__ == "__main__":
    settings, date = process.settings(sys.argv[1]), dt.date.fromisoformat(sys.argv[2])
    with process.at_work(settings), startup.without_pandas():
        with startup.loading(*catalogue.modules(settings.terminal.api), "polars"):
            from spx_data.fill.download import download_expirations

        layout = settings.layout
        download_expirations(
            settings,
            date=date,
            listing=layout.listing(date),
            target=layout.manifest(date),
            session=Session.of_hours(sys.argv[3:]),
        )
