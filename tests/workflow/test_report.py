"""Pages and Snakemake: made after runs and by rules of their own, shown by `snakemake --report`."""

import base64
import datetime as dt
import json
import re
import shutil
import subprocess
from dataclasses import dataclass

import pytest
from tests.loading import without
from tests.workflow.conftest import Lake

BLOCKED, END = "2024-11-29", "2024-12-02"

Ended = subprocess.CompletedProcess[str]


@dataclass
class Story:
    """One lake, and what was said at each call; what was there after it."""

    lake: Lake
    empty: Ended  # --report before anything else
    dry: Ended
    after_dry: list[str]
    failing: Ended  # a run in which one date fails
    after_failing: list[str]
    reported: Ended
    troubled: Ended  # a run after which no page can be written
    named: Ended  # both rules
    after_named: list[str]
    nothing: Ended


@pytest.fixture(scope="module")
def story(v3, new_lake):
    """Return what happened to a lake whose runs make pages; few calls, for each takes seconds."""
    lake = new_lake(v3, BLOCKED, END)
    lake.configure(**lake.sections(), report={"after_runs": True, "day_pages": 1})
    folder = lake.folder / "data" / "report"
    # Even root gives no file the name of a folder that holds something.
    obstacle = lake.folder / "data" / "temp" / BLOCKED / f"SPXW-{BLOCKED}.ndjson"
    (obstacle / "in the way").mkdir(parents=True)
    told = {"lake": lake, "empty": lake.snakemake("--report", "empty.html")}
    told |= {"dry": lake.snakemake("-n"), "after_dry": pages(lake)}
    told |= {"failing": lake.spx_data("process-gaps"), "after_failing": pages(lake)}
    told |= {"reported": lake.snakemake("--report", "lake.html")}
    shutil.rmtree(obstacle)
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("a file where a folder is needed")
    told |= {"troubled": lake.snakemake()}
    folder.unlink()
    told |= {"named": lake.snakemake("report_days", "report_dashboard", "--config", f"dates={BLOCKED}")}
    told |= {"after_named": pages(lake), "nothing": lake.snakemake()}
    return Story(**told)


def pages(lake):
    """The names of the pages that there are."""
    return sorted(path.name for path in (lake.folder / "data" / "report").rglob("*.html"))


def shown(lake, name):
    """What a report of Snakemake shows by path, and its categories."""
    text = (lake.folder / name).read_text()
    found = [
        json.loads(re.search(rf"^\s*var {variable} = (\{{.*\}});$", text, re.MULTILINE)[1])
        for variable in ("results", "categories")
    ]
    return found[0], found[1]


def test_a_run_makes_the_pages_and_says_where_they_are_though_a_date_failed(story):
    assert story.failing.returncode == 1
    assert story.after_failing == [f"{END}.html", "dashboard.html"]
    said = "Dashboard in data/report/dashboard.html\n"
    (log,) = (story.lake.folder / "data" / "logs" / "runs").glob("*.log")
    assert said in story.failing.stdout
    assert said in log.read_text()  # as Snakemake says it


def test_a_dry_run_makes_no_pages(story):
    assert story.dry.returncode == 0, story.dry.stdout
    assert story.after_dry == []


def test_a_run_whose_pages_cannot_be_written_has_done_its_work_all_the_same(story):
    assert story.troubled.returncode == 0, story.troubled.stdout
    assert BLOCKED in story.lake.sealed()
    assert "the dashboard is not that of this run: cannot " in story.troubled.stdout
    assert "Dashboard in" not in story.troubled.stdout


def test_rules_make_the_pages_that_were_named_and_nothing_else(story):
    assert story.named.returncode == 0, story.named.stdout
    # The newest one comes with the dashboard, which comes once.
    assert story.after_named == [f"{BLOCKED}.html", f"{END}.html", "dashboard.html"]
    assert story.named.stdout.count("data/report/dashboard.html") == 1


def test_pages_are_nothing_to_be_done(story):
    assert "Nothing to be done" in story.nothing.stdout
    assert story.nothing.returncode == 0


def test_a_report_before_there_is_a_page_has_none(story):
    assert story.empty.returncode == 0, story.empty.stdout
    assert shown(story.lake, "empty.html") == ({}, {})


def test_a_report_shows_the_pages_with_captions_in_categories_though_a_date_is_missing(story):
    assert story.reported.returncode == 0, story.reported.stdout
    results, categories = shown(story.lake, "lake.html")

    day, dashboard = f"data/report/days/{END}.html", "data/report/dashboard.html"
    assert categories == {"Lake": {"Other": [dashboard]}, "Days": {"2024": [day]}}
    assert "The lake at a glance" in results[dashboard]["caption"]
    assert "<em>docs/quality.md</em>" in results[day]["caption"]
    assert results[day]["labels"] == {"trading date": END}
    made = {
        path: base64.b64decode(result["data_uri"].partition("base64,")[2]).decode()
        for path, result in results.items()
    }
    assert all('<meta name="generator" content="spx-data ' in page for page in made.values())
    assert END in made[day]
    assert "Run in progress" not in made[dashboard]  # it ended with this page


def test_without_what_draws_charts_a_run_fills_and_says_in_one_line_that_it_makes_no_pages(
    v3, new_lake, tmp_path
):
    lake = new_lake(v3, END, END)
    lake.configure(**lake.sections(), report={"after_runs": True})
    lake.environment |= without(tmp_path, "altair", "vl_convert")

    run, asked = lake.snakemake(), lake.snakemake("report_dashboard")

    assert run.returncode == 0, run.stdout
    assert lake.settings.layout.sidecar(dt.date.fromisoformat(END)).exists()
    for ended in (run, asked):
        (line,) = [line for line in ended.stdout.splitlines() if "altair" in line]
        assert 'pip install "spx-data[report]"' in line
    assert asked.returncode == 1
    assert pages(lake) == []
