"""A command that is forked is as one that is started: the same words, on the same streams, the same code."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests import at_work, warm
from tests.workflow.conftest import BIN, REPOSITORY, wait_for

START = "2024-12-02"
pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="nothing is forked on a Mac")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("spx-data", ["list"]),
        ("spx-data", ["list", "--format", "xml"]),
        ("spx-data", ["process", "someday"]),
        ("spx-data", ["process-gaps"]),
        ("snakemake", ["--version"]),
        ("snakemake", ["--cores", "some"]),
    ],
)
def test_a_fork_says_what_a_process_of_its_own_says(name, words, new_lake):
    lake = new_lake(None, START, START, base_url="http://127.0.0.1:9")
    environment = os.environ | lake.environment

    started = subprocess.run(
        [BIN / name, *words], cwd=lake.folder, env=environment, capture_output=True, text=True
    )
    forked = warm.run(name, words, lake.folder, lake.environment, apart=True)

    assert (forked.returncode, forked.stdout, forked.stderr) == (
        started.returncode,
        started.stdout,
        started.stderr,
    )


def test_what_the_interpreter_is_told_is_told_to_the_process_that_forks(new_lake, tmp_path):
    lake = new_lake(None, START, START, base_url="http://127.0.0.1:9")
    (tmp_path / "sitecustomize.py").write_text("import spx_data\n\nspx_data.__version__ = 'another'\n")

    forked = warm.run("spx-data", ["version"], lake.folder, {"PYTHONPATH": str(tmp_path)}, apart=True)
    plain = warm.run("spx-data", ["version"], lake.folder, {}, apart=True)

    assert ("another" in forked.stdout, "another" in plain.stdout) == (True, False)


def test_what_is_asked_for_once_is_not_worth_its_while():
    assert [warm.fits({"PYTHONPATH": "elsewhere"}) for _ in range(3)] == [False, True, True]


def test_the_jobs_of_a_forked_run_are_forks(new_lake, holding):
    lake = new_lake(holding, START, START)
    words = ["--snakefile", REPOSITORY / "Snakefile", "--cores", "4"]
    with ThreadPoolExecutor() as beside:
        run = beside.submit(warm.run, "snakemake", words, lake.folder, lake.environment)

        wait_for(lambda: holding.asked or run.done())
        (job,) = (process.cmdline() for process, _, date in at_work.below(os.getpid()) if date == START)
        holding.let()

    assert run.result().returncode == 0, run.result().stdout
    assert job[-2:] == ["-m", "tests.warm"]
