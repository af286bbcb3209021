"""Rule status: the SQLite status log, rebuilt from the file tree, and its summary."""

from spx_data.cli.output import say
from spx_data.cli.overview import print_outcome
from spx_data.jobs import process
from spx_data.market import sessions
from spx_data.settings import Settings
from spx_data.status import rebuild


def work(settings: Settings) -> bool:
    """Rebuild the log of one lake, and print what it says."""
    moment = sessions.now()
    print_outcome(rebuild(settings, moment), settings, moment)
    return True


if __name__ == "__main__":
    process.in_each_lake(work, say=say)
