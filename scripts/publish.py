"""Rule publish: sealed days that are not published yet, copied elsewhere; also at the end of a run."""

import sys

from spx_data.cli.output import say
from spx_data.cli.publish import published
from spx_data.jobs import process
from spx_data.ops.publish import place_of
from spx_data.settings import Settings

AFTER_A_RUN = sys.argv[1:2] == ["--after-a-run"]


def work(settings: Settings) -> bool:
    """Publish what is due of one lake; says whether nothing failed."""
    several = process.lakes().several
    place = place_of(settings, None, several=several)
    return published(settings, place, settings.dates, several=several, quiet=AFTER_A_RUN)


if __name__ == "__main__":
    process.in_each_lake(work, *sys.argv[2:], say=say)
