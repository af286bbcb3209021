"""Rule verify: every sealed day against its checksum; damaged ones go to quarantine."""

import sys

from spx_data import jobs
from spx_data.cli.verification import print_report, watching
from spx_data.integrity import verify

if __name__ == "__main__":
    settings = jobs.settings()
    with watching() as observer:
        report = verify(settings, settings.dates, workers=int(sys.argv[1]), observer=observer)
    print_report(report)
    sys.exit(not report.all_is_well)
