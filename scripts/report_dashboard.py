"""Rule report_dashboard: the page that shows the lake, and those of its newest days."""

from spx_data.cli.pages import make_dashboard
from spx_data.jobs import ending, process
from spx_data.market import sessions

if __name__ == "__main__":
    with process.told():
        _, well = make_dashboard(process.settings(), sessions.now())
        ending.end(not well)
