"""Rule mend: what incomplete sealed days lack, asked for again; also at the end of a run, within a budget."""

import sys

from spx_data.cli.outcomes import print_mended
from spx_data.errors import SpxDataError
from spx_data.jobs import process
from spx_data.lake import runs
from spx_data.market import sessions
from spx_data.ops import mend

if __name__ == "__main__":
    try:
        settings, moment = process.settings(), sessions.now()
        with runs.joined(settings.layout):
            do = mend.after_a_run if sys.argv[1:] == ["--after-a-run"] else mend.mend
            if not print_mended(do(settings, moment)):
                sys.exit(1)
    except SpxDataError as error:
        process.refuse(error)
