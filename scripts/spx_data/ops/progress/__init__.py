"""How a run is getting on: read from its journals, its staging and its processes; nothing is written.

`Watcher` reads, `tally` hears one date's events, `figures` makes numbers of them: the latter two are given
everything they need, the clock included. A run need not know that it is watched, nor who started it.
"""

from spx_data.ops.progress.figures import DateProgress, Failed, Progress, Sealed, Speed, Summary
from spx_data.ops.progress.watcher import Watcher, summary_of

QUIET_VARIABLE = "SPX_DATA_QUIET"  # set by who shows the progress of a run itself
INTERVAL_VARIABLE = "SPX_DATA_PROGRESS_SECONDS"  # between two lines in a pipe or a log file

__all__ = [
    "INTERVAL_VARIABLE",
    "QUIET_VARIABLE",
    "DateProgress",
    "Failed",
    "Progress",
    "Sealed",
    "Speed",
    "Summary",
    "Watcher",
    "summary_of",
]
