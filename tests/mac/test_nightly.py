"""contrib/nightly as cron, systemd and launchd start it: awake, findable, never silent about a failure."""

import os
import plistlib
import re
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from tests import newborn, pages
from tests.workflow.conftest import PATIENCE, wait_for

ROOT = Path(__file__).resolve().parents[2]
CONTRIB = ROOT / "contrib"
SHELLS = [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)]


def script(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


class Machine:
    """A home with a project in it, and programs that a Mac or Linux would have."""

    def __init__(self, folder, mac):
        self.home, self.bin, self.project = (
            folder / "home",
            folder / "bin",
            folder / "One Drive - D&esk" / "spx",
        )
        (self.project / "contrib").mkdir(parents=True)
        (self.project / "Snakefile").touch()
        shutil.copy(CONTRIB / "nightly", self.project / "contrib")
        self.home.mkdir()
        (self.home / ".spx-data").symlink_to(self.project)
        self.bin.mkdir()
        if mac:
            (self.home / "Library" / "Logs").mkdir(parents=True)
            script(
                self.bin / "caffeinate",
                f'echo "$@" >>"{folder}/awake"',
                'while kill -0 "$3"; do sleep 0.1; done',
            )
            script(self.bin / "osascript", f'for last; do :; done; echo "$last" >>"{folder}/notified"')
        self.folder = folder

    def fill(self, *lines):
        """Let `spx-data` be a script of these lines."""
        script(self.project / ".venv" / "bin" / "spx-data", *lines)

    @property
    def environment(self):
        return {"HOME": str(self.home), "PATH": f"{self.bin}:{os.environ['PATH']}"}

    def start(self, *command):
        return subprocess.Popen(
            command,
            cwd="/",
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command):
        """Run *command* to its end; returns its exit code and what it printed."""
        process = self.start(*command)
        said, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, said

    def said(self, name):
        path = self.folder / name
        return path.read_text() if path.exists() else ""


@pytest.fixture
def mac(tmp_path):
    """A Mac with a project in a path with a blank."""
    return Machine(tmp_path, mac=True)


def launchd():
    return plistlib.loads((CONTRIB / "spx-data.plist").read_bytes())["ProgramArguments"]


def log_of(machine):
    return machine.home / "Library" / "Logs" / "spx-data.log"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_good_night_says_nothing_and_the_mac_stays_awake_for_it(shell, mac):
    mac.fill('echo "$PWD $*"', f'until [ -s "{mac.folder}/awake" ]; do sleep 0.05; done')

    code, said = mac.run(shell, mac.home / ".spx-data" / "contrib" / "nightly")

    assert (code, said) == (0, "")
    assert f"{mac.project} process-gaps" in log_of(mac).read_text()
    assert mac.said("awake").split()[:2] == ["-i", "-w"]
    assert mac.said("notified") == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_bad_night_is_printed_for_cron_and_shown_on_a_mac(shell, mac):
    mac.fill("echo some line", 'echo "spx-data: the terminal is down. Start it" >&2', "exit 3")

    code, said = mac.run(shell, mac.home / ".spx-data" / "contrib" / "nightly")

    assert code == 3
    assert "some line\nspx-data: the terminal is down. Start it\n" in said
    assert mac.said("notified").startswith("the terminal is down. Start it All of it: ")


def test_launchd_starts_it_and_a_night_that_fails_is_told(mac):
    mac.fill("echo filled")
    assert mac.run(*launchd()) == (0, "")

    mac.fill("exit 1")
    code, _ = mac.run(*launchd())

    assert code == 1
    assert "A date needs you." in mac.said("notified")
    assert "filled" in log_of(mac).read_text()


def test_launchd_tells_of_a_project_that_moved_and_the_cure_works(mac):
    moved = mac.project.rename(mac.project.with_name("moved"))

    code, _ = mac.run(*launchd())

    assert code == 1
    (line,) = log_of(mac).read_text().splitlines()
    assert line.endswith('In the project\'s folder: ln -sfn "$PWD" ~/.spx-data')
    assert 'ln -sfn "$PWD" ~/.spx-data' in mac.said("notified")

    mac.project = moved
    mac.fill("echo filled")
    cured = subprocess.run(
        ["sh", "-c", line.partition("folder: ")[2]], cwd=moved, env=os.environ | {"HOME": str(mac.home)}
    )
    assert cured.returncode == 0
    assert mac.run(*launchd()) == (0, "")


@pytest.mark.parametrize(
    ("wanting", "told"), [("Snakefile", "is not the project's folder"), (".venv", "There: make env")]
)
def test_a_folder_that_wants_something_is_one_line(wanting, told, mac):
    mac.fill("echo filled")
    there = mac.project / wanting
    shutil.rmtree(there) if there.is_dir() else there.unlink()

    code, said = mac.run(mac.home / ".spx-data" / "contrib" / "nightly")

    assert code == 1
    (line,) = [line for line in said.splitlines() if line.startswith("spx-data: ")]
    assert told in line
    assert told in mac.said("notified")


def test_a_stop_reaches_the_fill_and_is_no_failure(mac):
    begun = mac.folder / "begun"
    mac.fill("trap 'echo asked to stop; exit 130' TERM", f'touch "{begun}"', "while :; do sleep 0.1; done")
    night = mac.start(mac.home / ".spx-data" / "contrib" / "nightly")
    wait_for(begun.exists)

    night.send_signal(signal.SIGTERM)
    said, _ = night.communicate(timeout=PATIENCE)

    assert (night.returncode, said) == (130, "")
    assert "asked to stop" in log_of(mac).read_text()
    assert mac.said("notified") == ""


def test_a_stop_that_comes_as_the_fill_begins_reaches_it_too(mac):
    # Whoever stops it may be quicker than it goes on, and than the fill hears what is meant for it.
    mac.fill('kill -TERM "$PPID"', "trap 'exit 130' TERM", "while :; do sleep 0.1; done")

    ends = {mac.run(mac.home / ".spx-data" / "contrib" / "nightly") for _ in range(8)}

    assert ends <= {(130, ""), (128 + signal.SIGTERM, "Terminated\n"), (128 + signal.SIGTERM, "")}


@newborn.needed
@pytest.mark.parametrize("shell", newborn.SHELLS)
def test_a_stop_while_the_fill_still_has_the_shells_own_traps_reaches_it(shell, mac):
    mac.fill("exec sleep 600")
    nightly = [shell, mac.home / ".spx-data" / "contrib" / "nightly"]

    def fill_is_next():
        return "==" in mac.said(log_of(mac))

    ended = newborn.told_to_stop(nightly, mac.environment, mac.folder, fill_is_next)

    assert ended == 128 + signal.SIGTERM


def test_the_log_does_not_grow_for_ever(mac):
    mac.fill("head -c 600000 /dev/zero | tr '\\0' x")
    for _ in range(5):
        assert mac.run(mac.home / ".spx-data" / "contrib" / "nightly") == (0, "")

    logs = list(log_of(mac).parent.iterdir())

    assert sorted(path.name for path in logs) == ["spx-data.log", "spx-data.log.1"]
    assert all(path.stat().st_size < 1_700_000 for path in logs)


def test_without_a_macs_programs_it_runs_as_well_with_its_log_in_the_home(tmp_path):
    linux = Machine(tmp_path, mac=False)
    linux.fill('echo "called with $*"')

    code, said = linux.run(linux.home / ".spx-data" / "contrib" / "nightly", "verify", "--depth", "bytes")

    assert (code, said) == (0, "")
    assert "called with verify --depth bytes" in (linux.home / ".local/state/spx-data.log").read_text()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_log_is_for_its_owner_alone_and_the_fill_keeps_its_own_mask(shell, tmp_path):
    linux = Machine(tmp_path, mac=False)
    linux.fill("umask", f"touch {tmp_path}/made")
    before = linux.home / ".local/state/spx-data.log"
    before.parent.mkdir(parents=True)
    before.touch(mode=0o644)

    code, _ = linux.run(shell, linux.home / ".spx-data" / "contrib" / "nightly")

    assert code == 0
    assert "0022\n" in before.read_text()
    assert stat.S_IMODE(before.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o644


@pytest.mark.parametrize("shell", SHELLS)
def test_a_home_that_takes_no_log_is_no_way_to_write_through_the_link_of_another(shell, tmp_path):
    linux = Machine(tmp_path, mac=False)
    linux.fill('echo "filled"')
    (linux.home / ".local").touch()  # no folder
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    (tmp_path / "precious").write_text("precious")
    (scratch / f"spx-data-{os.getuid()}.log").symlink_to(tmp_path / "precious")

    nightly = linux.home / ".spx-data" / "contrib" / "nightly"
    code, said = linux.run("env", f"TMPDIR={scratch}", shell, nightly)

    assert (code, said) == (0, "")
    assert (tmp_path / "precious").read_text() == "precious"
    (log,) = scratch.glob("spx-data.*/spx-data.log")
    assert "filled" in log.read_text()
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_where_no_log_can_be_written_it_says_so_and_fails(tmp_path):
    linux = Machine(tmp_path, mac=False)
    linux.fill('echo "filled"')
    (linux.home / ".local").touch()

    code, said = linux.run("env", "TMPDIR=/nowhere", linux.home / ".spx-data" / "contrib" / "nightly")

    assert code == 1
    assert "spx-data: no log can be written, neither in" in said


def test_a_line_of_the_crontab_speaks_only_when_something_needs_you(mac):
    line = (CONTRIB / "crontab").read_text().splitlines()[-1].split(maxsplit=5)[5]

    mac.fill("echo looked")
    assert mac.run("/bin/sh", "-c", line) == (0, "")

    mac.fill("echo looked at $1", "exit 1")
    code, said = mac.run("/bin/sh", "-c", line)
    assert code == 1
    assert said.endswith("looked at verify\n")


def test_where_the_link_leads_nowhere_cron_has_something_to_mail(mac):
    (mac.home / ".spx-data").unlink()
    line = (CONTRIB / "crontab").read_text().splitlines()[-1].split(maxsplit=5)[5]

    code, said = mac.run("/bin/sh", "-c", line)

    assert code == 127
    assert "nightly" in said


def pasted(machine):
    """Paste what the page on nights says into a shell, in the project's folder; returns what it printed."""
    lines = pages.pasted(ROOT / "docs" / "how-to" / "every-night.md")
    # As a new Mac's shell takes it: there a # begins no comment.
    assert not any(re.search(r"(^|\s)#", line) for line in lines)
    done = subprocess.run(
        ["sh"],
        input="\n".join(lines),
        cwd=machine.project,
        env={"HOME": str(machine.home), "PATH": f"{machine.bin}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_lines_of_the_page_work_when_they_are_pasted_once_and_again(mac):
    shutil.rmtree(mac.project / "contrib")
    shutil.copytree(CONTRIB, mac.project / "contrib")
    (mac.home / ".spx-data").unlink()
    for name in ("launchctl", "systemctl"):
        script(mac.bin / name, f'echo "{name} $*" >>"{mac.folder}/called"')
    table = mac.folder / "crontab"
    table.write_text("0 1 * * * somebody elses\n")
    script(
        mac.bin / "crontab",
        f'if [ "$1" = -l ]; then cat "{table}"; else new=$(cat); echo "$new" >"{table}"; fi',
    )

    assert pasted(mac) == pasted(mac) == (0, "")

    assert (mac.home / ".spx-data").resolve() == mac.project
    lines = [line for line in table.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 3
    assert lines[0] == "0 1 * * * somebody elses"
    assert (mac.home / "Library" / "LaunchAgents" / "spx-data.plist").exists()
    units = {path.name for path in (mac.home / ".config" / "systemd" / "user").iterdir()}
    assert units == {"spx-data.service", "spx-data.timer", "spx-data-failed.service"}
    assert f"launchctl bootstrap gui/{os.getuid()} {mac.home}" in mac.said("called")
