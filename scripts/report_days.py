"""Rule report_days: a page for each of the sealed dates that were named."""

from spx_data.cli.pages import make_days
from spx_data.jobs import ending, process
from spx_data.market import sessions

if __name__ == "__main__":
    with process.told():
        settings = process.settings()
        _, well = make_days(settings, sessions.now(), settings.dates)
        ending.end(not well)
