"""Rule status: the status log, rebuilt from the file tree, a team's too, and its summary."""

from spx_data.cli.output import say
from spx_data.cli.overview import print_outcome
from spx_data.jobs import process
from spx_data.market import sessions
from spx_data.ops import team
from spx_data.settings import Settings
from spx_data.status import rebuild


def work(settings: Settings) -> bool:
    """Rebuild the log of one lake, and print what it says."""
    moment = sessions.now()
    print_outcome(rebuild(settings, moment), settings, moment)
    if said := team.after_a_run(settings):
        say(f"spx-data: {said}", err=True)
    return True


if __name__ == "__main__":
    process.in_each_lake(work, say=say)
