"""The proof of jobs that die sees what would be wrong; tests/workflow/test_deaths.py has a share of it."""

import datetime as dt
import shutil
import signal

from tests.dying import Death
from tests.proof.jobs import ROOT, Lake

import theta_simulator
from spx_data.store import journal

DATE = dt.date(2024, 12, 2)


def test_an_engine_that_clears_away_what_a_failed_job_made_is_found_out(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(ROOT / "Snakefile", project)
    shutil.copytree(ROOT / "rules", project / "rules")
    shutil.copytree(ROOT / "config", project / "config")
    (project / "scripts").symlink_to(ROOT / "scripts")
    common = project / "rules" / "common.smk"
    common.write_text(common.read_text().replace("keep_incomplete = True", "keep_incomplete = False"))
    death = Death(str(DATE), "merge_date", signal.SIGKILL, journal.SEALED)

    market = theta_simulator.Settings(size="tiny", today=dt.date(2024, 12, 31))
    with theta_simulator.running(market) as terminal:
        lake = Lake(tmp_path, terminal, [DATE], project)
        with lake.watched() as found:
            found.kills = lake.dying([death])

    assert list(found.findings()) == [f"{DATE} was sealed, and is lost or changed"]
