"""Rule verify: every sealed day against its checksum; damaged ones go to quarantine."""

import sys

from spx_data.cli.verify import print_report, watching
from spx_data.errors import SpxDataError
from spx_data.jobs import process
from spx_data.lake.verify import verify

if __name__ == "__main__":
    settings = process.settings()
    try:
        with watching() as observer:
            report = verify(settings, settings.dates, workers=int(sys.argv[1]), observer=observer)
    except SpxDataError as error:
        process.refuse(error)
    print_report(report)
    sys.exit(not report.all_is_well)
