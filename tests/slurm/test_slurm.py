"""A fill on a real Slurm of one node, by the profile: `make test-slurm`."""

import contextlib
import datetime as dt
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
from tests import pages
from tests.slurm.cluster import Cluster, of_jobs
from tests.slurm.conftest import WANTED
from tests.workflow.conftest import PATIENCE, REPOSITORY, Lake

from spx_data.store import journal, locks

PAGE = pages.ROOT / "docs" / "how-to" / "cluster.md"
MADE = "make slurm-env && . .venv-slurm/bin/activate"
START, DATE = "2024-11-29", "2024-12-02"
PROFILE = ("--workflow-profile", str(REPOSITORY / "profiles" / "slurm"))
# No line of the profile but these: a test asks sooner how its jobs are.
SOON = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5", "--slurm-no-account")
# Both dates' merges are one job of the cluster.
GROUPED = ("--groups", "merge_date=a", "--group-components", "a=2")


def on_the_cluster(lake: Lake, *arguments: str) -> subprocess.Popen[str]:
    """Start a run by the profile."""
    python = Path(os.environ[WANTED]) / "bin" / "python"
    return lake.start(*PROFILE, *SOON, *arguments, cores=None, python=python)


def ended(run: subprocess.Popen[str]) -> tuple[int, str]:
    """How a run ended, and what it said."""
    output, _ = run.communicate(timeout=PATIENCE)
    return run.returncode, output


def sent(lake: Lake) -> list[str]:
    """The rules whose jobs went to the cluster, by the logs that it wrote."""
    logs = (lake.folder / ".snakemake" / "slurm_logs").glob("*/**/*.log")
    return sorted({path.relative_to(lake.folder / ".snakemake" / "slurm_logs").parts[0] for path in logs})


def held(lake: Lake, date: str) -> int:
    """What keeps any merge of *date* waiting until it is closed."""
    descriptor = locks.hold(lake.settings.layout.day_lock(dt.date.fromisoformat(date)))
    assert descriptor is not None
    return descriptor


def merges(date: str) -> list[int]:
    """The processes on the cluster that merge *date* now."""
    found = []
    for job in of_jobs():
        with contextlib.suppress(psutil.Error):
            words = job.cmdline()
            if words[1:] and words[1].endswith("/merge_date.py") and date in words:
                found.append(job.pid)
    return found


def asked(terminal) -> int:
    """How many histories were asked for."""
    return sum(entry["path"].endswith("first_order") for entry in terminal.requests())


def test_merges_verify_and_pages_go_to_the_cluster_and_days_are_the_same_bit_for_bit(
    slurm, v3, new_lake, filled_lake
):
    lake = new_lake(v3, DATE, DATE)

    code, output = ended(on_the_cluster(lake))
    looked, said = ended(on_the_cluster(lake, "verify", "report_dashboard"))

    assert code == 0, output
    assert lake.bytes_of_all() == filled_lake(DATE, DATE).bytes_of_all()
    assert looked == 0, said
    assert sent(lake) == ["group_report_dashboard_report_dashboard", "group_verify_verify", "rule_merge_date"]
    assert (lake.folder / "data" / "report" / "dashboard.html").exists()


def test_what_the_page_has_people_type_works(slurm, filled_lake):
    lake = filled_lake(DATE, DATE)
    for name in ("Snakefile", "rules", "scripts"):
        (lake.folder / name).symlink_to(REPOSITORY / name)
    (lake.folder / "config" / "schemas").symlink_to(REPOSITORY / "config" / "schemas")
    shutil.copytree(REPOSITORY / "profiles", lake.folder / "profiles")
    first, *lines = pages.pasted(PAGE)
    activate = f". '{os.environ[WANTED]}/bin/activate'"

    done = subprocess.run(
        ["bash", "-ec", "\n".join([first.replace(MADE, activate), *lines])],
        cwd=lake.folder,
        env=os.environ | lake.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert MADE in first
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Nothing to be done") == 2


def test_a_node_that_dies_during_a_merge_is_told_and_the_next_run_goes_on_from_what_is_staged(
    slurm: Cluster, v3, new_lake, filled_lake
):
    lake = new_lake(v3, DATE, DATE)
    lock = held(lake, DATE)

    run = on_the_cluster(lake)
    slurm.wait_for(lambda: merges(DATE))
    slurm.kill_node()
    code, output = ended(run)
    os.close(lock)
    before = asked(v3)
    events = journal.read(lake.settings.layout.journal(dt.date.fromisoformat(DATE)))
    (failed,) = [event for event in events if event["event"] == journal.FAILED]
    slurm.start_node()
    again = lake.snakemake("--rerun-incomplete")

    assert code == 1, output
    assert failed["error"] == "JobDiedError"
    assert "node failure" in failed["cause"]
    assert "node failure" in output
    assert again.returncode == 0, again.stdout
    assert lake.bytes_of_all() == filled_lake(DATE, DATE).bytes_of_all()
    assert asked(v3) == before


def test_a_group_that_fails_leaves_the_day_that_it_has_sealed(slurm: Cluster, v3, new_lake, filled_lake):
    lake = new_lake(v3, START, DATE)
    lock = held(lake, START)

    run = on_the_cluster(lake, *GROUPED)
    slurm.wait_for(lambda: lake.sealed() == [DATE] and merges(START))
    for pid in merges(START):
        os.kill(pid, signal.SIGKILL)
    code, output = ended(run)
    os.close(lock)
    sealed = lake.bytes_of_all()
    again = lake.snakemake()

    assert code == 1, output
    assert [*sealed] == [f"spx-options-{DATE}.parquet"]
    assert again.returncode == 0, again.stdout
    assert lake.bytes_of_all() == filled_lake(START, DATE).bytes_of_all()
