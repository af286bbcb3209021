"""The log of a job says how it ended; the settings come from the run that started it."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spx_data import config
from spx_data.errors import ApiConnectionError
from spx_data.jobs import process
from spx_data.text import commands

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


@pytest.fixture(autouse=True)
def same_logging(monkeypatch):
    """Close the handlers of a test, so that the next one logs where it says."""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    yield
    logging.basicConfig(force=True)


@pytest.fixture(autouse=True)
def ends(monkeypatch):
    """What would end the process is an exception here, with its status."""
    monkeypatch.setattr(os, "_exit", sys.exit)


def test_what_a_job_says_is_in_its_log(capsys):
    with pytest.raises(SystemExit) as caught, process.logged():
        logging.getLogger("spx_data.fill").info("2024-01-02: %d chains listed", 42)

    assert "INFO 2024-01-02: 42 chains listed" in capsys.readouterr().err
    assert caught.value.code == 0


def test_an_error_of_ours_is_one_line_with_its_cure(capsys):
    with pytest.raises(SystemExit) as caught, process.logged():
        raise ApiConnectionError("the line is dead", cure="Mend it")

    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("ERROR the line is dead. Mend it")
    assert caught.value.code == 1


def test_any_other_error_is_logged_with_its_traceback(capsys):
    with pytest.raises(SystemExit) as caught, process.logged():
        1 / 0  # noqa: B018

    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "ZeroDivisionError" in text
    assert caught.value.code == 1


def test_a_log_that_takes_nothing_buries_no_error():
    program = (
        "from spx_data import errors\nfrom spx_data.jobs import process\n"
        "with process.logged(): raise errors.DeviceError('the disk is gone')"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=SCRIPTS, stderr=full, stdout=subprocess.PIPE, text=True
        )

    assert done.returncode == 1
    assert done.stdout == ""


def test_settings_travel_from_the_workflow_to_its_jobs(lake, monkeypatch):
    settings = lake("http://127.0.0.1:1")
    for name, text in process.environment(settings.document).items():
        monkeypatch.setenv(name, text)

    assert process.settings("SPX") == settings


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_a_script_started_by_hand_says_who_starts_it(script):
    done = subprocess.run(
        [sys.executable, script, "SPX", "2024-01-02"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "spx-data: the scripts of the rules are started by Snakemake: snakemake --cores 4"
    ]


def test_a_job_shows_commands_as_the_caller_of_its_run_types_them(monkeypatch):
    commands.called_by(["a.yaml"], Path("/lakes"))
    handed = process.environment({**config.resolve({"processing": {"start_date": "2024-01-02"}}, {})})
    commands.called_by([])
    for name, value in handed.items():
        monkeypatch.setenv(name, value)

    process.settings("SPX")

    assert commands.shown("`spx-data gaps`") == "cd /lakes && spx-data --configfile a.yaml gaps"
    commands.called_by([])
