"""Rule verify: every sealed day against its checksum; damaged ones go to quarantine."""

import sys

from spx_data.cli.verify import print_report, watching
from spx_data.jobs import ending, process
from spx_data.lake.verify import verify

if __name__ == "__main__":
    with process.told():
        settings = process.settings()
        with watching() as observer:
            report = verify(settings, settings.dates, workers=int(sys.argv[1]), observer=observer)
        print_report(report)
        ending.end(not report.all_is_well)
