"""Rule report_dashboard: the page that shows the lake, those of its newest days, and that of all symbols."""

from spx_data.cli.output import say
from spx_data.cli.pages import make_dashboard
from spx_data.jobs import process
from spx_data.market import sessions
from spx_data.report import write_symbols
from spx_data.settings import Settings


def work(settings: Settings) -> bool:
    """Make the pages of one lake; says whether all of them could be made."""
    lakes, moment = process.lakes(), sessions.now()
    if settings.product.symbol == list(lakes)[-1] and lakes.several:
        say(str(write_symbols(lakes, moment)))
    return make_dashboard(settings, moment, lakes)[1]


if __name__ == "__main__":
    process.in_each_lake(work, say=say)
