"""Rule merge_date: one trading date's checkpoints, sealed as Parquet."""

import datetime as dt
import sys

from spx_data import jobs, lean
from spx_data.sessions import Session

if __name__ == "__main__":
    settings, date = jobs.settings(), dt.date.fromisoformat(sys.argv[1])
    with jobs.at_work(settings), lean.without_pandas():
        with lean.loading("polars"):
            from spx_data.fill.merge import merge_date

        merge_date(
            settings,
            date=date,
            manifest=settings.layout.manifest(date),
            target=settings.layout.parquet(date),
            session=Session.of_hours(sys.argv[2:]),
        )
