"""Rule recheck: sealed dates fetched again and compared with what the source says today."""

from spx_data.cli.outcomes import print_rechecked
from spx_data.jobs import ending, process
from spx_data.lake import runs
from spx_data.ops.recheck import recheck

if __name__ == "__main__":
    with process.told():
        settings = process.settings()
        with runs.joined(settings.layout):
            outcomes = recheck(settings)
        ending.end(not print_rechecked(outcomes))
