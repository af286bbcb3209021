"""Rule merge_date: one trading date's checkpoints, sealed as Parquet."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from spx_data import lean, rulelog, runs
from spx_data.sessions import Session
from spx_data.settings import Settings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if "snakemake" in globals():
    with (
        rulelog.to(Path(snakemake.log[0])),
        lean.without_pandas(),
        runs.joined(Settings.of(snakemake.config).layout),
    ):
        with lean.loading("polars"):
            from spx_data.fill.merge import merge_date

        merge_date(
            Settings.of(snakemake.config),
            date=dt.date.fromisoformat("{year}-{month}-{day}".format(**snakemake.wildcards)),
            manifest=Path(snakemake.input.manifest),
            target=Path(snakemake.output.parquet),
            session=Session.of_hours(snakemake.params.hours),
        )
