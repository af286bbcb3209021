"""Rule fetch_expirations: the expirations that had quotes on one trading date."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from spx_data import lean, rulelog, runs
from spx_data.settings import Settings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if "snakemake" in globals():
    with (
        rulelog.to(Path(snakemake.log[0])),
        lean.without_pandas(),
        runs.joined(Settings.of(snakemake.config).layout),
    ):
        with lean.loading("spx_data.theta.transport"):
            from spx_data.fill.listing import fetch_expirations

        fetch_expirations(
            Settings.of(snakemake.config),
            date=dt.date.fromisoformat("{year}-{month}-{day}".format(**snakemake.wildcards)),
            target=Path(snakemake.output.listing),
        )
