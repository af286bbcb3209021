"""Rule status: the SQLite status log, rebuilt from the file tree, and its summary."""

from typing import TYPE_CHECKING

from spx_data import sessions
from spx_data.cli.tables import print_outcome
from spx_data.settings import Settings
from spx_data.status import rebuild

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if "snakemake" in globals():
    settings = Settings.of(snakemake.config)
    moment = sessions.now()
    print_outcome(rebuild(settings, moment), settings, moment)
