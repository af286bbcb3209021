"""`spx-data plan`: what a lake's own fills tell, and what is said where they tell nothing."""

import datetime as dt
import json
import time

import pytest
import yaml
from click.testing import CliRunner
from tests.sealed_days import record, seal

from spx_data import config
from spx_data.cli import commands
from spx_data.market import sessions
from spx_data.settings import Settings
from spx_data.sources import slots
from spx_data.sources.pace import Pace
from spx_data.store import journal

NOW = "2024-03-01T15:00:00-05:00"
URL = "http://127.0.0.1:1"


@pytest.fixture
def on_utc():
    """Set this machine's clock to UTC for a test."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def project(tmp_path, monkeypatch, on_utc):
    """Return a maker of a lake with so many sealed dates, each filled in the night after it."""
    (tmp_path / "config").mkdir()
    sections = {"processing": {"start_date": "2024-01-02"}, "thetadata": {"base_url": URL}}
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(sections))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPX_DATA_NOW", NOW)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv(slots.VARIABLE, str(tmp_path / "slots"))
    settings = Settings.of(config.resolve(config.load(config.FILE)))

    def make(dates):
        trading = sessions.between("NYSE", dt.date(2024, 1, 2), dt.date(2024, 2, 29))
        for number, session in enumerate(trading[:dates]):
            fill(settings, session.date, number)
        return settings

    return make


def fill(settings, date, number):
    """Seal *date* as a run in the night after it does: it takes five minutes, or a little more or less."""
    begun = dt.datetime.combine(date + dt.timedelta(1), dt.time(2, 10), dt.UTC)
    run, seconds = f"run-{date}", 300 + 20 * (number % 4)
    ended = (begun + dt.timedelta(seconds=seconds)).isoformat()
    record(settings, date, journal.STARTED, at=begun.isoformat(), run=run, stage="list")
    for flying, status in ((4, 200), (4, 429), (3, 200)):
        told = {"status": status, "bytes": 1_000_000, "seconds": 2.0, "in_flight": flying}
        record(settings, date, journal.REQUEST, at=begun.isoformat(), run=run, **told)
    record(settings, date, journal.STAGED, at=ended, run=run, rows=4_000)
    record(settings, date, journal.SEALED, at=ended, run=run, rows=4_000)
    seal(settings, date, rows=4_000)


def call(*words, code=0):
    result = CliRunner().invoke(commands, words)
    assert result.exit_code == code, result.output
    return result.output


def planned(*words):
    return json.loads(call("plan", "--format", "json", *words))


def test_tonight_has_a_date_more_than_now_and_an_interval(project):
    project(40)  # one is missing before today, whose session trades until the evening

    now, tonight = planned()

    assert now["why"] == "now"
    assert tonight["why"] == "when runs usually begin"
    assert tonight["begins"] == "2024-03-02T02:10+00:00"
    assert (now["dates"], tonight["dates"]) == (1, 2)
    assert now["rows"] == 4_000
    assert 0 < tonight["seconds_p10"] < tonight["seconds"] < tonight["seconds_p90"]
    assert tonight["seconds"] == pytest.approx(2 * 330, rel=0.1)


def test_a_person_reads_it_in_a_sentence(project):
    project(40)

    said = call("plan")

    assert "tonight at 02:10 the backlog of 2 dates takes about 11 min (" in said
    assert "by 40 fills; eight of ten such runs lie within the interval" in said
    assert "a session) it is full on " in said or "there is room for all" in said


def test_where_nothing_is_to_fill_no_run_is_planned(project, monkeypatch):
    project(41)
    monkeypatch.setenv("SPX_DATA_NOW", "2024-03-01T02:00:00-05:00")  # a Friday, before it opens

    printed = call("plan", "--at", "11:00")

    assert printed.startswith("nothing to fill\n")
    assert "begins" not in printed and " free; " in printed


def test_a_lake_without_a_fill_has_no_interval_and_says_so(project):
    project(0)

    (now,) = planned()

    assert now["dates"] > 30
    assert [now[name] for name in ("rows", "seconds", "seconds_p10", "seconds_p90")] == [None] * 4
    said = call("plan")
    assert "how far off that may be is not known: no fill is on record yet, and an interval needs 10" in said
    assert "disk of" not in said


def test_a_few_fills_give_a_time_and_no_interval(project):
    project(5)

    now, *_ = planned()

    assert now["seconds"] > 0
    assert now["seconds_p10"] is None
    assert "5 fills on record, and an interval needs 10" in call("plan")


@pytest.mark.parametrize(
    ("at", "begins"),
    [
        ("02:30", "2024-03-02T02:30+00:00"),
        ("21:00", "2024-03-01T21:00+00:00"),
        ("2024-03-05T01:00", "2024-03-05T01:00+00:00"),
    ],
)
def test_a_time_may_be_named(project, at, begins):
    project(40)

    (asked,) = planned("--at", at)

    assert asked["begins"] == begins
    assert asked["why"] == "as asked"


@pytest.mark.parametrize(("at", "says"), [("25:00", "is no time"), ("2024-02-01T01:00", "is over")])
def test_a_time_that_is_none_or_over_is_refused(project, at, says):
    project(0)

    result = CliRunner().invoke(commands, ["plan", "--at", at])

    assert result.exit_code == 2
    assert says in result.output


def test_what_it_rests_on_is_shown(project):
    project(40)

    hours = planned("--by", "hour")
    days = planned("--by", "weekday")
    sizes = planned("--by", "size")
    flight = planned("--by", "flight")

    assert [(row["group"], row["fills"]) for row in hours] == [("02:00", 40)]
    assert sum(row["fills"] for row in days) == 40
    assert [(row["contracts"], row["chains"]) for row in sizes] == [(32, 160)]
    assert [(row["in_flight"], row["requests"], row["refused"]) for row in flight] == [
        (3, 40, 0),
        (4, 80, 40),
    ]
    assert flight[0]["mb_per_second"] == 0.5


def test_what_the_terminal_was_seen_to_bear_is_told(project):
    settings = project(10)
    place = slots.of_terminal(URL, settings.layout.slots)
    place.folder.mkdir(parents=True)
    place.pace.write_text(Pace(window=2, refused_at=3, refused=7).as_text())

    assert f"terminal {URL}: 2 of 4 requests in flight; it has refused 7 requests so far" in call("plan")


def test_gaps_and_a_dry_run_have_the_interval_too(project):
    project(39)

    said = call("gaps")
    told = json.loads(call("process-gaps", "--dry-run", "--format", "json", code=1))["totals"]  # no terminal

    assert "about 11 min (" in said
    assert 0 < told["seconds_p10"] < told["seconds"] < told["seconds_p90"]


def test_lakes_of_two_symbols_are_planned_as_one_run(project, tmp_path):
    document = {
        "processing": {"start_date": "2024-02-20"},
        "thetadata": {"base_url": URL},
        "symbols": {"SPX": {}, "SPY": {}},
    }
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(document))

    (now,) = planned()

    assert now["dates"] == 2 * 8
