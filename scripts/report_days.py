"""Rule report_days: a page for each of the sealed dates that were named."""

from spx_data.cli.output import say
from spx_data.cli.pages import make_days
from spx_data.jobs import process
from spx_data.market import sessions

if __name__ == "__main__":
    process.in_each_lake(lambda settings: make_days(settings, sessions.now(), settings.dates)[1], say=say)
