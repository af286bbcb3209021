"""The gaps as the installed commands have them: listed, and filled in their order by the real Snakemake."""

import datetime as dt
import json
import re

import pytest
from tests import sealed_days

from spx_data.store import journal

START, END = "2024-12-02", "2024-12-13"
OLDER, NEWER = "2024-12-04", "2024-12-12"
WILD, CALM = (6000.0, 6300.0, 5900.0, 6000.0), (6000.0, 6010.0, 5995.0, 6000.0)


@pytest.fixture
def two_gaps(new_lake):
    """A lake with two gaps: the older one in a wild market, the newer one in a calm one."""
    lake = new_lake(None, START, END)
    for day in (2, 3, 5, 6, 9, 10, 11, 13):
        sealed_days.seal(lake.settings, dt.date(2024, 12, day), WILD if day < 9 else CALM)
    return lake


def jobs(dry_run):
    """Return the priority of each planned job, by rule and date."""
    found = re.findall(
        r"rule (\w+):\n(?:    .*\n)*?    wildcards: (.*)\n(?:    .*\n)*?    priority: (\d+)", dry_run
    )
    return {
        (rule, "-".join(re.findall(r"\d+", wildcards))): int(priority) for rule, wildcards, priority in found
    }


def order(lake, *arguments):
    """Return the dates of a dry run, the first one first, after a look at each date's jobs."""
    dry = lake.snakemake("-n", *arguments)
    assert dry.returncode == 0, dry.stdout
    found = jobs(dry.stdout)
    priorities = {date: {found[each] for each in found if each[1] == date} for _, date in found}
    assert all(len(each) == 1 for each in priorities.values()), priorities
    assert len(found) == 3 * len(priorities)
    return sorted(priorities, key=lambda date: max(priorities[date]), reverse=True)


def test_an_empty_lake_is_filled_newest_first(new_lake):
    assert order(new_lake(None, "2024-12-09", END)) == [f"2024-12-{day:02}" for day in (13, 12, 11, 10, 9)]


def test_the_fill_follows_the_priority_of_the_gaps(two_gaps):
    assert order(two_gaps) == [NEWER, OLDER]

    two_gaps.configure(**two_gaps.sections(), priority={"age": 10, "volatility": 80, "tries": 10})

    assert order(two_gaps) == [OLDER, NEWER]
    listed = json.loads(two_gaps.spx_data("gaps", "--format", "json").stdout)
    assert [gap["date"] for gap in listed] == [OLDER, NEWER]
    assert listed[0]["volatility"] > listed[1]["volatility"] > 0


def test_a_parked_date_that_is_named_comes_before_the_gaps(two_gaps):
    sealed_days.fail(two_gaps.settings, dt.date.fromisoformat(OLDER), runs=3)
    parked, newer = two_gaps.parquet(OLDER), two_gaps.parquet(NEWER)

    assert order(two_gaps, "--until", parked, newer) == [OLDER, NEWER]


def test_gaps_that_need_nobody_are_no_trouble(two_gaps):
    listed = two_gaps.spx_data("gaps")

    assert (listed.returncode, listed.stderr) == (0, "")
    assert "2 gaps, the next run takes 2" in listed.stdout
    assert "2 dates to fill: about 8,000 rows, 80 kB of Parquet" in listed.stdout


def test_a_parked_date_needs_a_person_and_the_command_is_named(two_gaps):
    sealed_days.fail(two_gaps.settings, dt.date.fromisoformat(OLDER), runs=3)

    listed = two_gaps.spx_data("gap-analysis", "--format", "csv")

    assert listed.returncode == 1
    assert listed.stderr == f"spx-data: {OLDER} needs you (parked): spx-data retry {OLDER} --force\n"
    header, *lines = listed.stdout.splitlines()
    assert header.startswith("date,kind,due,needs_you,why,cure,tries,error")
    assert [line.split(",")[:4] for line in lines] == [
        [NEWER, "missing", "true", "false"],
        [OLDER, "parked", "false", "true"],
    ]


def test_looking_at_gaps_changes_nothing_but_what_can_be_made_again(two_gaps):
    sealed_days.record(two_gaps.settings, dt.date(2024, 12, 12), journal.STARTED, at="2024-12-19T00:00:00Z")
    data = two_gaps.folder / "data"
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}

    assert two_gaps.spx_data("gaps").returncode == 0

    after = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    layout = two_gaps.settings.layout
    made = {path for path in after if layout.cache in path.parents} | {data / "spx-pipeline.db"}
    assert after.keys() - before.keys() <= {*made, data / "locks" / "status.lock"}
    assert {path: after[path] for path in before} == before
