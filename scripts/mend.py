"""Rule mend: what incomplete sealed days lack, asked for again; also at the end of a run, within a budget."""

import sys

from spx_data.cli.again import print_mended
from spx_data.cli.output import say
from spx_data.jobs import process
from spx_data.lake import runs
from spx_data.market import sessions
from spx_data.ops import mend
from spx_data.settings import Settings


def work(settings: Settings) -> bool:
    """Mend one lake; says whether nothing failed."""
    do = mend.after_a_run if sys.argv[1:2] == ["--after-a-run"] else mend.mend
    with runs.joined(settings.layout):
        return print_mended(do(settings, sessions.now()))


if __name__ == "__main__":
    process.in_each_lake(work, *sys.argv[2:], say=say)
