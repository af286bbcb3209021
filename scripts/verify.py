"""Rule verify: every sealed day against its checksum; damaged ones go to quarantine."""

import sys

from spx_data.cli.output import say
from spx_data.cli.verify import print_report, watching
from spx_data.jobs import process
from spx_data.lake.verify import verify
from spx_data.settings import Settings


def work(settings: Settings) -> bool:
    """Verify one lake; says whether nothing is damaged."""
    with watching() as observer:
        report = verify(settings, settings.dates, workers=int(sys.argv[1]), observer=observer)
    print_report(report)
    return report.all_is_well


if __name__ == "__main__":
    process.in_each_lake(work, say=say)
