"""One stage of one date, as its job does it but without Snakemake: for whoever measures it alone.

    PYTHONPATH=scripts python benchmarks/stages.py CONFIG list|download|merge DATE [--cores N]

CONFIG is a whole config in YAML. What a stage reads and writes is where the workflow has it.
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

from spx_data import config
from spx_data.jobs import startup
from spx_data.settings import Settings


def main() -> None:
    """Do the stage; libraries are imported by the stage that needs them, as in its job."""
    parser = argparse.ArgumentParser(description="One stage of one date.")
    parser.add_argument("config", type=Path)
    parser.add_argument("stage", choices=("list", "download", "merge"))
    parser.add_argument("date", type=dt.date.fromisoformat)
    parser.add_argument("--cores", type=int, help="of a merge: as many as there are, unless told")
    given = parser.parse_args()
    settings, date = Settings.of(config.resolve(config.load(given.config), {})), given.date
    layout = settings.layout
    with startup.without_pandas(), startup.loading("spx_data.market.schema"):
        pass  # as each job does
    if given.stage == "list":
        from spx_data.fill.survey import fetch_expirations

        fetch_expirations(settings, date, layout.listing(date))
    elif given.stage == "download":
        from spx_data.fill.download import download_expirations

        listing, manifest = layout.listing(date), layout.manifest(date)
        download_expirations(settings, date, listing, manifest)
    else:
        from spx_data.fill.merge import merge_date
        from spx_data.market import sessions
        from spx_data.store import cores

        (session,) = sessions.between(settings.calendar, date, date)
        merge_date(
            *(settings, date, layout.manifest(date), layout.parquet(date)),
            session=session,
            cores=given.cores or cores.usable(),
        )


if __name__ == "__main__":
    main()
