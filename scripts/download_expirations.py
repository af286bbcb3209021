"""Rule download_expirations: every listed expiration of one trading date, staged as a checkpoint."""

import datetime as dt
import sys

from spx_data import jobs, lean
from spx_data.sessions import Session

if __name__ == "__main__":
    settings, date = jobs.settings(), dt.date.fromisoformat(sys.argv[1])
    with jobs.at_work(settings), lean.without_pandas():
        with lean.loading("spx_data.theta.transport", "polars"):
            from spx_data.fill.download import download_expirations

        layout = settings.layout
        download_expirations(
            settings,
            date=date,
            listing=layout.listing(date),
            target=layout.manifest(date),
            session=Session.of_hours(sys.argv[2:]),
        )
