"""The wheel by itself: installed beside no checkout, it begins a lake, fills it, shows it and reads it.

It is installed beside this environment's own libraries. `make wheel-test` has a fresh environment instead,
with what a registry gives, and says what that pulls and takes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from pathlib import Path

import pytest
from tests.loading import without

ROOT = Path(__file__).resolve().parents[2]
FRESH = bool(os.environ.get("SPX_DATA_FRESH"))
# Sessions of the demo: all that it ships with, or its last ones, from a date on.
SESSIONS, FROM = (5, "2024-11-25") if FRESH else (2, "2024-11-29")
PATIENCE = 280  # seconds: how busy a machine is decides no test
MOST_BYTES = 2_000_000
MOST_BYTES_OF_A_READER = 150_000_000
MANUAL = "share/man/man1"
COMPLETION = {
    "bash": "share/bash-completion/completions/spx-data",
    "zsh": "share/zsh/site-functions/_spx-data",
    "fish": "share/fish/vendor_completions.d/spx-data.fish",
}


def run(command, folder, *, code=0, **environment):
    """Run *command* in *folder* without anything that this environment says of a checkout."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ended = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=None if FRESH else PATIENCE,
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended


class Installed:
    """An environment that has the wheel, and commands in it."""

    def __init__(self, place):
        self.place = place
        self.python = place / "bin" / "python"
        self.command = place / "bin" / "spx-data"

    def pip(self, *arguments):
        run([sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", *arguments], ROOT)

    def spx_data(self, folder, *arguments, **options):
        return run([self.command, *arguments], folder, **options)

    def snakemake(self, folder, *arguments):
        ran = run([self.python, "-m", "snakemake", "--cores", "2", *arguments], folder)
        return ran.stdout + ran.stderr

    def told(self, folder, statement):
        """What a program says that a user of the data writes."""
        return json.loads(run([self.python, "-c", f"import json\n{statement}"], folder).stdout)

    def workflow(self):
        (found,) = self.place.glob("lib/*/site-packages/spx_data/workflow")
        return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the source archive as a release is."""
    folder = tmp_path_factory.mktemp("dist")
    uv, isolated = Path(sysconfig.get_path("scripts")) / "uv", [] if FRESH else ["--no-build-isolation"]
    run([uv, "build", "--quiet", *isolated, "--python", sys.executable, "--out-dir", folder], ROOT)
    (found,) = folder.glob("*.whl")
    return found


def environment(place):
    run([sys.executable, "-m", "venv", "--without-pip", place], ROOT)
    return Installed(place)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    made = environment(tmp_path_factory.mktemp("the wheel's") / "a venv")
    if FRESH:
        made.pip(f"{wheel}[report,simulator]")
    else:
        made.pip("--no-deps", "--no-index", wheel)
        (packages,) = made.place.glob("lib/*/site-packages")
        (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    week = made.workflow() / "config" / "demo.yaml"
    told = week.read_text()
    week.write_text(told.replace("start_date: 2024-11-25", f"start_date: {FROM}"))
    assert (week.read_text() == told) is FRESH
    return made


@pytest.fixture(scope="module")
def home(installed, tmp_path_factory):
    """A folder with a lake begun, and the demo in it."""
    folder, begun = tmp_path_factory.mktemp("a user's"), time.monotonic()
    told = installed.spx_data(folder, "init", "my lake", "--start", "2024-01-02", "--demo")
    (folder / "told").write_text(told.stdout)
    print(f"init and demo: {time.monotonic() - begun:.0f} s")
    return folder


@pytest.fixture
def demo(home):
    return home / "my lake" / "demo"


def test_the_wheel_is_small_and_has_what_a_checkout_has_for_a_fill(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    laid_in = {name.partition("/workflow/")[2] for name in names if "/workflow/" in name}
    expected = {
        str(path.relative_to(ROOT))
        for pattern in (
            "Snakefile",
            "rules/*",
            "scripts/*.py",
            "config/**/*",
            "profiles/**/*",
            "docs/captions/*",
        )
        for path in ROOT.glob(pattern)
        if path.is_file()
    }

    assert wheel.stat().st_size <= MOST_BYTES
    assert laid_in == expected
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "docs", "envs"))]


def test_modules_and_files_are_those_of_the_wheel(installed, tmp_path):
    found = installed.told(
        tmp_path,
        "import spx_data, theta_simulator\nfrom spx_data.config import shipped\n"
        "print(json.dumps([spx_data.__file__, theta_simulator.__file__, str(shipped.SNAKEFILE)]))",
    )

    assert [path for path in found if not Path(path).is_relative_to(installed.place)] == []
    assert Path(found[2]).is_file()


def test_it_begins_a_lake_and_says_what_it_took_and_what_is_next(home):
    told = (home / "told").read_text()
    settings = (home / "my lake" / "spx-data.yaml").read_text()

    assert "Cannot ask here (not a TTY): options and defaults are taken" in told
    assert "Settings in my lake/spx-data.yaml" in told
    assert re.search(
        r"^Terminal: no Theta Terminal answers at .+\. Start the Theta Terminal", told, re.MULTILINE
    )
    assert "start_date: 2024-01-02" in settings
    assert re.search(r"^Fill what is missing: cd 'my lake' && .*spx-data'? process-gaps$", told, re.MULTILINE)


def test_the_demo_is_filled_and_shown(installed, demo):
    rows = json.loads(installed.spx_data(demo, "list", "--format", "json").stdout)
    shown = installed.spx_data(demo, "status", "--offline").stdout

    assert {row["kind"] for row in rows} == {"sealed"}
    assert len(rows) == SESSIONS
    assert f"{SESSIONS} sealed" in shown
    assert (demo / "data" / "report" / "dashboard.html").is_file()


def test_pages_are_made_and_every_byte_is_checked(installed, demo):
    installed.spx_data(demo, "report", "2024-11-29")
    verified = installed.spx_data(demo, "verify").stdout

    assert (demo / "data" / "report" / "days" / "2024-11-29.html").is_file()
    assert f"{SESSIONS} days as sealed" in verified


def test_the_days_are_read(installed, demo):
    height = installed.told(demo, "import spx_data\nprint(json.dumps(spx_data.scan().collect().height))")

    assert height > 75_000 * SESSIONS  # one of them is half a day


def test_a_second_fill_does_nothing_whatever_was_edited_since(installed, demo):
    script = installed.workflow() / "scripts" / "merge_date.py"
    script.write_text(script.read_text() + "\n# edited\n")
    rules = installed.workflow() / "rules" / "fill.smk"
    rules.write_text(rules.read_text().replace("hours=market_hours", 'hours=market_hours, more="edited"'))

    by_hand, by_command = installed.snakemake(demo), installed.spx_data(demo, "process-gaps").stdout

    assert "Nothing to be done" in by_hand
    assert "nothing to do: no session is due" in by_command


def test_settings_are_changed_in_the_users_own_file_alone(installed, home):
    folder, shipped = home / "my lake", installed.workflow() / "config" / "config.yaml"
    before = shipped.read_bytes()

    told = installed.spx_data(folder, "config", "set", "processing.interval", "5m").stdout

    assert told == "processing.interval: 1m → 5m (in spx-data.yaml)\n"
    assert "interval: 5m" in (folder / "spx-data.yaml").read_text()
    assert shipped.read_bytes() == before


def test_without_what_fills_a_lake_is_read_and_fills_say_what_adds_it(installed, home, demo, tmp_path):
    absent = without(tmp_path, "snakemake", "altair", "vl_convert", "aiohttp", "scipy")

    refused = installed.spx_data(home / "my lake", "process-gaps", code=1, **absent)
    shown = installed.spx_data(demo, "status", "--offline", **absent)
    read = run(
        [installed.python, "-c", "import spx_data; print(spx_data.scan().collect().width)"], demo, **absent
    )

    assert "there is no snakemake here" in refused.stderr
    assert re.search(r'pip install "spx-data\[fill\]" adds it', refused.stderr.replace("'", ""))
    assert f"{SESSIONS} sealed" in shown.stdout
    assert int(read.stdout) > 10


def test_every_command_has_a_page_that_man_shows(installed, tmp_path):
    pages = {page.stem for page in (installed.place / MANUAL).glob("*.1")}
    help_text = installed.spx_data(tmp_path, "--help").stdout
    commands = re.findall(r"^  ([a-z-]+)  ", help_text.partition("Commands:")[2], re.MULTILINE)

    assert {"spx-data", "spx-data-config-set", *(f"spx-data-{name}" for name in commands)} <= pages
    assert len(commands) > 20
    if shutil.which("man") and shutil.which("groff"):
        path = f"{installed.place / 'bin'}{os.pathsep}{os.environ['PATH']}"
        found = run(["man", "-w", "spx-data-process-gaps"], tmp_path, PATH=path, MANPATH="").stdout.strip()
        page = run(["man", "spx-data-process-gaps"], tmp_path, PATH=path, MANPATH="", MANWIDTH="80").stdout
        assert Path(found).parent == installed.place / MANUAL
        assert "spx-data process-gaps --batch-size 20" in page


@pytest.mark.parametrize("shell", COMPLETION)
def test_completion_is_installed_and_is_what_the_command_prints(shell, installed, tmp_path):
    script = installed.place / COMPLETION[shell]

    assert script.read_text().strip() == installed.spx_data(tmp_path, "completion", shell).stdout.strip()
    if shutil.which(shell):
        run([shell, "-n", script], tmp_path)


@pytest.mark.parametrize("knows_nosort", [True, False])
def test_bash_completes_commands_options_and_choices_also_that_of_a_mac(knows_nosort, installed, tmp_path):
    program = r"""
complete() { case "$*" in *nosort*) $KNOWS || return 2 ;; esac; builtin complete "$@"; }
$KNOWS || enable -n compopt
. "$SCRIPT"
complete -p spx-data >/dev/null || exit 3
try() { COMP_WORDS=(spx-data "$@"); COMP_CWORD=$#; _spx_data_completion spx-data; echo "${COMPREPLY[*]}"; }
try proc
try config va
try list --form
try list --format j
try nothing-like-it
"""
    path = f"{installed.place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    told = {
        "SCRIPT": str(installed.place / COMPLETION["bash"]),
        "KNOWS": str(knows_nosort).lower(),
        "PATH": path,
    }

    completed = run(["bash", "-c", program], tmp_path, **told).stdout.splitlines()

    assert completed == ["process process-range process-gaps", "validate", "--format", "json", ""]


@pytest.mark.skipif(not FRESH, reason="it downloads what a reader needs: make wheel-test")
@pytest.mark.timeout(3600)
def test_reading_pulls_little(wheel, tmp_path):
    run([sys.executable, "-m", "pip", "download", "--quiet", "--dest", tmp_path / "pulled", wheel], ROOT)
    pulled = sum(file.stat().st_size for file in (tmp_path / "pulled").iterdir())
    reader = environment(tmp_path / "reader")

    reader.pip("--no-index", "--find-links", tmp_path / "pulled", wheel)

    on_disk = sum(file.stat().st_size for file in reader.place.rglob("*") if file.is_file())
    print(f"wheel: {wheel.stat().st_size / 1e6:.2f} MB")
    print(f"a reader pulls {pulled / 1e6:.0f} MB, which are {on_disk / 1e6:.0f} MB on the disk")
    assert pulled <= MOST_BYTES_OF_A_READER
    assert reader.told(tmp_path, "import spx_data\nprint(json.dumps(callable(spx_data.scan)))")
