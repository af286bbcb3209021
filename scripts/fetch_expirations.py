"""Rule fetch_expirations: the expirations that had quotes on one trading date."""

import datetime as dt
import sys

from spx_data import jobs, lean

if __name__ == "__main__":
    settings, date = jobs.settings(), dt.date.fromisoformat(sys.argv[1])
    with jobs.at_work(settings), lean.without_pandas():
        with lean.loading("spx_data.theta.transport"):
            from spx_data.fill.listing import fetch_expirations

        fetch_expirations(settings, date=date, target=settings.layout.listing(date))
