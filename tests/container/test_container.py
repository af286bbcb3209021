"""The image of the Containerfile, built and run by `make test-container`, and what compose.yaml promises."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests import newborn
from tests.container.image import ROOT, Image, NoBaseError, why_not
from tests.workflow.conftest import filled_lake, new_lake, v3, wait_for

from theta_simulator import Settings as Simulated
from theta_simulator import running

__all__ = ["filled_lake", "new_lake", "v3"]

WANTED = "SPX_DATA_CONTAINER"  # set by `make test-container`
DATE = "2024-12-02"
OWNER = "4711:4712"  # nobody whom the image knows: a NAS has users of its own
NOW = "SPX_DATA_NOW=2024-12-20T08:00:00-05:00"


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """The image, built anew."""
    if WANTED not in os.environ:
        pytest.skip("an image is built by `make test-container` alone")
    if why := why_not():
        pytest.skip(f"CONTAINER: NOT TESTED, {why}")
    # On a disk: an overlay in memory has no room for it.
    built = Image(Path(tempfile.mkdtemp(dir="/var/tmp")))
    try:
        try:
            built.build("fill")
        except NoBaseError as error:
            pytest.skip(f"CONTAINER: NOT TESTED, {error}")
        yield built
    finally:
        built.remove()


@pytest.fixture
def folder(tmp_path):
    """An empty folder for a lake, which belongs to OWNER."""
    lake = tmp_path / "lake"
    lake.mkdir(mode=0o700)
    os.chown(lake, *map(int, OWNER.split(":")))
    return lake


def test_it_runs_as_nobody_who_may_write_into_it_and_its_lake_is_its_own(image):
    version = image.run("spx-data", "--version")
    who = image.run("sh", "-c", "id -u; touch /usr/x /opt/spx-data/x /etc/x; touch /lake/x && echo written")
    without = image.run("sh", "-c", image.config["Healthcheck"]["Test"][1])

    assert (version.returncode, version.stdout.startswith("spx-data, version ")) == (0, True), version.stderr
    assert who.stdout.split() == ["10001", "written"]
    assert who.stderr.count("Permission denied") == 3
    assert without.returncode == 1  # there is no lake: no 2, which is Docker's own
    assert image.config["User"] == "10001:10001"
    assert image.config["Volumes"] == {"/lake": {}}


def test_a_lake_is_begun_filled_and_proved_with_a_root_that_is_for_reading_alone(
    image, folder, new_lake, v3, filled_lake
):
    def run(*command):
        return image.run_read_only(folder, "env", NOW, *command, owner=OWNER)

    health = image.config["Healthcheck"]["Test"][1]
    with running(Simulated(size="tiny", today=filled_lake.__globals__["TODAY"])) as terminal:
        begun = run("spx-data", "init", "--start", DATE, "--terminal", terminal.url, "--no-demo")
        until = run("spx-data", "config", "set", "processing.end_date", DATE)
        filled = run("spx-data", "process-gaps")
        well = run("sh", "-c", health)
        refused = run("touch", "/usr/x")
    gone = run("sh", "-c", health)

    for done in (begun, until, filled):
        assert done.returncode == 0, done.stdout + done.stderr
    found = {path.name: path.read_bytes() for path in folder.rglob("*-options-*.parquet")}
    assert found == filled_lake(DATE, DATE).bytes_of_all()
    assert run("spx-data", "verify", "--all").returncode == 0
    assert well.returncode == 0, well.stdout
    assert gone.returncode == 1, gone.stdout
    assert terminal.url in gone.stdout
    assert "Read-only file system" in refused.stderr
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in folder.rglob("*")}
    assert owners == {tuple(map(int, OWNER.split(":")))}


# Without an image ---------------------------------------------------------------------------------------


def again(log, work, usual=1):
    """Start it with a shell's *work*, which writes to *log*."""
    word = [ROOT / "contrib" / "again", "sh", "-c", work]
    return subprocess.Popen(word, env=os.environ | {"SPX_DATA_AGAIN": str(usual), "LOG": str(log)})


@pytest.mark.parametrize("code", [0, 1])
def test_what_the_container_does_is_done_again_until_it_is_told_to_stop(tmp_path, code):
    log = tmp_path / "log"
    work = 'trap "echo told >> $LOG; exit 0" TERM; echo began >> $LOG; sleep 0.1 & wait; echo ended >> $LOG'
    running_again = again(log, f"{work}; exit {code}")
    wait_for(lambda: log.exists() and log.read_text().count("ended") >= 2)
    running_again.terminate()

    assert running_again.wait(60) == 0
    words = log.read_text().split()
    assert words.count("began") == words.count("ended") + words.count("told")


def test_a_stop_is_handed_on_and_waited_for(tmp_path):
    log = tmp_path / "log"
    last = "echo told >> $LOG; sleep 0.5; echo finished >> $LOG; exit 0"
    running_again = again(log, f'trap "{last}" TERM; echo began >> $LOG; sleep 60 & wait')
    wait_for(lambda: log.exists() and "began" in log.read_text())
    running_again.terminate()

    assert running_again.wait(60) == 0
    assert log.read_text().split() == ["began", "told", "finished"]


def test_a_stop_that_comes_at_the_very_beginning_is_handed_on():
    # On one core who is started says so, and stops the shell, before that has noted whom it has started.
    alone = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if shutil.which("taskset") else []
    word = [*alone, ROOT / "contrib" / "again", "sh", "-c", "kill -TERM $PPID; exec sleep 600"]
    ended = [subprocess.run(word, timeout=120, check=False).returncode for _ in range(100)]

    assert set(ended) == {0}


@newborn.needed
@pytest.mark.parametrize("shell", newborn.SHELLS)
def test_a_stop_while_who_is_started_still_has_the_shells_own_traps_is_handed_on(shell, tmp_path):
    again = [shell, ROOT / "contrib" / "again", "sleep", "600"]

    assert newborn.told_to_stop(again, dict(os.environ), tmp_path) == 0


def test_the_terminal_and_the_fill_share_a_network_that_nobody_else_is_in():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    fill, terminal = services["fill"], services["terminal"]

    assert fill["network_mode"] == "service:terminal"
    assert not {"ports", "expose"} & (fill.keys() | terminal.keys())
    assert fill["read_only"] is True
    for service in (fill, terminal):
        assert service["cap_drop"] == ["ALL"]
        assert service["init"] is True


def test_a_pod_has_what_compose_has():
    claim, job = yaml.safe_load_all((ROOT / "profiles" / "kubernetes" / "fill.yaml").read_text())
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (terminal,), (fill,) = pod["initContainers"], pod["containers"]

    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert pod["securityContext"]["runAsUser"] == 10001
    assert terminal["restartPolicy"] == "Always"  # beside the fill, not before it
    assert not any("ports" in each for each in (terminal, fill))
    assert fill["securityContext"]["readOnlyRootFilesystem"] is True
    assert all(each["securityContext"]["capabilities"] == {"drop": ["ALL"]} for each in (terminal, fill))
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes["lake"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert {mount["name"] for each in (terminal, fill) for mount in each["volumeMounts"]} == volumes.keys()


def test_what_is_not_the_projects_is_not_sent_to_a_build():
    words = (ROOT / ".dockerignore").read_text().split()

    assert words[0] == "*"
    assert all(word.startswith(("!", "**/")) for word in words[1:])
    assert all((ROOT / word[1:]).exists() for word in words if word.startswith("!"))
