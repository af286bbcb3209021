"""Rule mend: what incomplete sealed days lack, asked for again; also at the end of a run, within a budget."""

import sys

from spx_data.cli.outcomes import print_mended
from spx_data.jobs import ending, process
from spx_data.lake import runs
from spx_data.market import sessions
from spx_data.ops import mend

if __name__ == "__main__":
    with process.told():
        settings, moment = process.settings(), sessions.now()
        with runs.joined(settings.layout):
            do = mend.after_a_run if sys.argv[1:] == ["--after-a-run"] else mend.mend
            well = print_mended(do(settings, moment))
        ending.end(not well)
