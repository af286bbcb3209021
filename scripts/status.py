"""Rule status: the SQLite status log, rebuilt from the file tree, and its summary."""

from spx_data import jobs, sessions
from spx_data.cli.tables import print_outcome
from spx_data.status import rebuild

if __name__ == "__main__":
    settings, moment = jobs.settings(), sessions.now()
    print_outcome(rebuild(settings, moment), settings, moment)
