"""Rule merge_date: one trading date's checkpoints, sealed as Parquet."""

import datetime as dt
import sys

from spx_data.jobs import process, startup
from spx_data.market.sessions import Session
from spx_data.store import cores

if __name__ == "__main__":
    settings, date = process.settings(sys.argv[1]), dt.date.fromisoformat(sys.argv[2])
    with process.at_work(settings), startup.without_pandas():
        with startup.loading("polars"):
            from spx_data.fill.merge import merge_date

        layout = settings.layout
        merge_date(
            settings,
            date=date,
            manifest=layout.manifest(date),
            target=layout.parquet(date),
            session=Session.of_hours(sys.argv[4:]),
            cores=min(int(sys.argv[3]), cores.usable()),
            # Outputs of other rules are Snakemake's to remove: it misses what a job of a group took away.
            stays=(layout.listing(date), layout.manifest(date)),
        )
