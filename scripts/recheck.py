"""Rule recheck: sealed dates fetched again and compared with what the source says today."""

from spx_data.cli.again import print_rechecked
from spx_data.cli.output import say
from spx_data.jobs import process
from spx_data.lake import runs
from spx_data.ops.recheck import recheck
from spx_data.settings import Settings


def work(settings: Settings) -> bool:
    """Recheck one lake; says whether nothing failed."""
    with runs.joined(settings.layout):
        outcomes = recheck(settings)
    return print_rechecked(outcomes)


if __name__ == "__main__":
    process.in_each_lake(work, say=say)
