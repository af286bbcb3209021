"""Rule status: the SQLite status log, rebuilt from the file tree, and its summary."""

from spx_data.cli.overview import print_outcome
from spx_data.jobs import process
from spx_data.market import sessions
from spx_data.status import rebuild

if __name__ == "__main__":
    with process.told():
        settings, moment = process.settings(), sessions.now()
        print_outcome(rebuild(settings, moment), settings, moment)
