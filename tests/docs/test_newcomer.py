"""The commands of README, tutorial and how-to pages, typed into a real shell from the first to the last."""

import datetime as dt
import os
import re
import shutil
import subprocess
import sys

import pytest
from docs import transcript
from tests import pages

from theta_simulator import Settings, running

ROOT = pages.ROOT
PATIENCE = 900  # seconds: how busy a machine is decides no test
pytestmark = pytest.mark.timeout(2 * PATIENCE)
EVENING = "2024-01-04T20:00-05:00"
# What a page cannot have here: another machine, and somebody who ends what goes on for ever.
NOT_HERE = ("ssh ", "other:", "status --watch")
# With the environment on, and with what not every machine has.
SHELL = """. .venv/bin/activate
rsync() { mkdir -p "$3" && cp -R "$2." "$3"; }
command -v sha256sum >/dev/null || sha256sum() { shasum -a 256 "$@"; }
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Return a clone of the repository, which shares the environment of the tests."""
    whole = [sys.executable, "-I", "-S", "envs/environment.py", "whole", "--venv", sys.prefix]
    if subprocess.run([*whole, "--lock", "envs/requirements.lock"], cwd=ROOT, capture_output=True).returncode:
        pytest.skip("the tests run in another environment than that of make env")
    folder = tmp_path_factory.mktemp("newcomer") / "spx-data"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).splitlines():
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="module")
def terminal():
    """Return a simulated terminal of the first days of 2024."""
    with running(Settings(size="tiny", today=dt.date(2024, 1, 4))) as terminal:
        yield {"THETADATA_BASE_URL": terminal.url, "SPX_DATA_NOW": EVENING}


def typed(folder, steps, first="", **environment):
    """Do the *steps* in one shell; returns the exit code of each and what was printed.

    Blocks of sh are pasted; Python that names its file is saved in it, any other is run; *first* is ours.
    """
    script = [first]
    for language, code in steps:
        name = re.match(r"(?:#|--) ([\w/-]+\.\w+)\n", code)
        if language in ("python", "yaml") and name:
            (folder / name[1]).write_text(code)
        elif language == "python":
            script.append(f"python - <<'EOF'\n{code}EOF\necho \"<exit $?>\"")
        elif language == "sh":
            script += [f'{line}\necho "<exit $?>"' for line in code.splitlines()]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env=os.environ | {"BROWSER": "true", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    return [int(code) for code in re.findall(r"<exit (\d+)>", done.stdout)], done.stdout


@pytest.fixture(scope="module")
def newcomer(checkout, terminal):
    """Return the folder of somebody who typed all that the README shows, and what came of it."""
    folder = checkout
    before, after = (ROOT / "README.md").read_text().split("## Your own terminal")
    codes, said = typed(folder, pages.blocks(before))
    more, said_then = typed(folder, pages.blocks(after), SHELL, **terminal)
    return folder, codes + more, said + said_then


def test_the_readme_works_from_top_to_bottom(newcomer):
    folder, codes, said = newcomer

    assert set(codes) == {0}, said
    assert len(codes) > 10
    sealed = sorted(path.name for path in (folder / "data" / "parquet").rglob("*.sha256"))
    assert sealed == [f"spx-options-2024-01-0{day}.parquet.sha256" for day in (2, 3, 4)]
    assert "shape: (" in said and "2024-01-02" in said


def test_the_demo_prints_what_the_readme_shows(newcomer):
    printed = newcomer[2].partition("<exit")[0]

    assert transcript.difference(printed) == []


def test_the_tutorial_leads_to_its_chart_and_a_repaired_day(newcomer, tmp_path):
    # The demo is filled there.
    folder = shutil.copytree(newcomer[0], tmp_path / "spx-data", symlinks=True)
    text = (ROOT / "docs" / "tutorial.md").read_text()
    steps = pages.blocks(text)

    codes, said = typed(folder, steps)

    lines = [line for language, code in steps if language == "sh" for line in code.splitlines()]
    wrong = [line for line, code in zip(lines, codes, strict=True) if code]
    assert wrong == ["spx-data --configfile config/demo.yaml verify"], said  # the one that finds the damage
    shown = [line for language, code in steps if language == "text" for line in code.splitlines()]
    assert len(shown) > 5
    assert [line for line in shown if line not in said.splitlines()] == []
    chart, picture = ((path / "smile.png").read_bytes() for path in (folder, ROOT / "docs"))
    assert chart[:24] == picture[:24]  # a PNG of that size


# Pages that need more than a lake and a terminal → what tries them.
ELSEWHERE = {"every-night": "tests/mac/test_nightly.py", "unmounted-disk": "tests/workflow/test_mount.py"}


HERE = [page for page in pages.HOW_TO if page.stem not in ELSEWHERE and pages.pasted(page)]


@pytest.mark.parametrize("page", HERE, ids=lambda page: page.stem)
def test_the_how_to_pages_work_on_the_newcomers_lake(page, newcomer, terminal, tmp_path):
    folder = shutil.copytree(newcomer[0], tmp_path / "spx-data", symlinks=True)
    text = page.read_text().replace("/mnt/large", str(tmp_path / "large"))
    steps = [
        (language, _possible(code)) for language, code in pages.blocks(text) if "module spx:" not in code
    ]

    codes, said = typed(folder, steps, SHELL, **terminal)

    assert set(codes) == {0}, said


def _possible(code):
    """Of what a page shows the lines that this machine can do."""
    return "".join(f"{line}\n" for line in code.splitlines() if not any(word in line for word in NOT_HERE))


def test_pages_that_are_tried_elsewhere_are_tried_there():
    assert {name for name in ELSEWHERE if not (ROOT / "docs" / "how-to" / f"{name}.md").exists()} == set()
    assert {path for path in ELSEWHERE.values() if not (ROOT / path).exists()} == set()
