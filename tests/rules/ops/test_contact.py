"""The profile of a terminal: shown by `health`, offered where it may help, and used for plans."""

import datetime as dt
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner
from tests import profiled, sealed_days
from tests.profiled import AS_ASSUMED, FLOORED, LISTED, OTHERWISE, QUEUES

from spx_data import config, status
from spx_data.cli import commands
from spx_data.lake import calendar, session_states
from spx_data.lake.session_states import Kind, State
from spx_data.ops import gaps
from spx_data.ops.gaps import find, plan
from spx_data.ops.health import Answer, Level, Scene, look_at
from spx_data.settings import Settings
from spx_data.sources.profile import Floor, Speed, Volume
from spx_data.status import Facts, Summary

MOMENT = dt.datetime(2024, 12, 9, 17, 0, tzinfo=dt.UTC)  # a Monday's noon: the session is trading
FIRST, START = dt.date(2024, 12, 4), dt.date(2024, 12, 2)  # the floor, and the lake's first date
NOTHING = [dt.date(2024, 12, 2), dt.date(2024, 12, 3)]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return an empty lake of six sessions: its settings, and a caller of the command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPX_DATA_NOW", MOMENT.isoformat())
    (tmp_path / "config").mkdir()

    def configured(thetadata=None, **processing):
        sections = {"processing": {"start_date": START.isoformat(), **processing}}
        sections |= {"thetadata": {"base_url": "http://127.0.0.1:1", **(thetadata or {})}}
        (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(sections))
        return Settings.of(config.resolve(sections, {}))

    return SimpleNamespace(
        settings=configured(),
        configured=configured,
        call=lambda *arguments: CliRunner().invoke(commands, arguments),
    )


# health -------------------------------------------------------------------------------------------------


def check(project, name="profile", *, moment=MOMENT, answer=None, summaries=()):
    return look_at(name, Scene(project.settings, moment, summaries, answer=answer))


def test_a_profile_is_told_with_what_was_seen_otherwise(project):
    profiled.write(project.settings, probed_at=MOMENT)

    found = check(project)

    assert found.level is Level.OK
    assert found.found == (
        "probed 2024-12-09 17:00 UTC: API v3, jetty; 1 of 2 assumptions hold; "
        "differs: line-ends (\\r\\n <at the end>)"
    )


def test_many_things_seen_otherwise_are_told_by_the_first(project):
    rows = [OTHERWISE._replace(code=f"row-{number}", seen="long " * 60) for number in range(5)]
    profiled.write(project.settings, probed_at=MOMENT, table=[AS_ASSUMED, *rows])

    found = check(project)

    assert "row-0 (long" in found.found
    assert "row-3" not in found.found
    assert found.found.endswith(" and 2 more")
    assert len(found.found) < 350


@pytest.mark.parametrize(
    "others, api, said",
    [
        ({"whole": False}, "v3", "the probe was interrupted"),
        ({}, "v2", "the terminal that answers now speaks API v2"),
        ({"probed_at": MOMENT - dt.timedelta(181)}, "v3", "that was 181 days ago"),
        ({"probed_at": MOMENT - dt.timedelta(180)}, "v3", None),
        ({}, None, None),
    ],
)
def test_what_speaks_for_another_probe_is_a_notice(others, api, said, project):
    profiled.write(project.settings, **{"probed_at": MOMENT, **others})

    found = check(project, answer=Answer("connected", "http://127.0.0.1:1", api, 0.1))

    if said is None:
        assert found.level is Level.OK
    else:
        assert (found.level, found.cure) == (Level.NOTICE, "`spx-data probe`")
        assert found.found.endswith(said)


@pytest.mark.parametrize("content", ["", "{}\n", "damaged"])
def test_a_damaged_profile_is_a_warning(content, project):
    path = project.settings.layout.profile
    profiled.write(project.settings)
    path.write_text(path.read_text().replace("jetty", "jetti") if content == "damaged" else content)

    found = check(project)

    assert found.level is Level.WARN
    assert str(path) in found.found
    assert found.cure == "`spx-data probe` makes it anew"


def sealed(date, judged_by, *texts):
    return Summary(date, State(Kind.SEALED), Facts(quality={"profile": [judged_by, list(texts)]}))


def test_days_that_met_something_else_since_are_a_notice(project):
    sha256 = profiled.write(project.settings, probed_at=MOMENT).sha256
    days = [
        sealed(dt.date(2024, 12, 2), sha256),
        sealed(dt.date(2024, 12, 3), sha256, "the last line ends", "theta counts otherwise"),
        sealed(dt.date(2024, 12, 4), "another profile", "not told"),
        sealed(dt.date(2024, 12, 5), sha256, "the last line ends"),
        Summary(dt.date(2024, 12, 6), State(Kind.SEALED), Facts(quality={})),
        Summary(dt.date(2024, 12, 6), State(Kind.SEALED), Facts()),
    ]

    found = check(project, summaries=days)

    assert (found.level, found.cure) == (Level.NOTICE, "`spx-data probe`")
    assert found.found.endswith(
        "since then 2 days met something else, 2024-12-03, 2024-12-05: the last line ends (and 1 more)"
    )
    assert found.dates == (dt.date(2024, 12, 3), dt.date(2024, 12, 5))


@pytest.mark.parametrize("limit, table, told", [(4, [QUEUES], True), (2, [QUEUES], False), (4, [], False)])
def test_a_limit_above_what_the_terminal_serves_is_told(limit, table, told, project):
    project.settings = project.configured({"max_concurrent_requests": limit})
    profiled.write(project.settings, speed=Speed(at_once=2), table=table)

    found = check(project, "request-limit")

    if told:
        assert found.level is Level.NOTICE
        assert found.found.startswith("4 at once, and the terminal served 2 when it was probed")
        assert found.cure == "`spx-data config set thetadata.max_concurrent_requests 2`"
    else:
        assert found.level is Level.OK


# The floor ----------------------------------------------------------------------------------------------

BEFORE = (
    "2 sessions before 2024-12-04, of which this subscription has nothing (probed 2024-01-04: "
    "status 403 'not before 2024-12-04'); still asked for, after all others. "
    "spx-data config set processing.start_date 2024-12-04"
)


def test_what_lies_before_the_floor_is_told_and_comes_last(project):
    before = find(project.settings, MOMENT)
    assert [gap.date for gap in before if gap.due][-2:] == [dt.date(2024, 12, 3), START]
    profiled.write(project.settings, floor=FLOORED)

    wild = replace(project.settings, priority=project.settings.priority._replace(age=-60.0))
    shown = project.call("gaps")
    planned = plan(wild, MOMENT, None, cores=4)

    assert BEFORE in shown.stdout
    assert shown.exit_code == 0
    assert set(planned.dates[-2:]) == set(NOTHING)
    states = {
        session: summary.state
        for session, summary in zip(
            calendar.wanted(wild, MOMENT), status.summaries(wild, MOMENT), strict=True
        )
    }
    assert gaps.order(wild, MOMENT, states) == planned.dates
    assert set(session_states.missing_dates(states)) == set(planned.dates)


def test_a_plan_for_a_program_has_the_floor_among_its_conflicts(project):
    profiled.write(project.settings, floor=FLOORED)

    shown = project.call("process-gaps", "--dry-run", "--format", "json")

    (conflict,) = [one for one in json.loads(shown.stdout)["conflicts"] if one["what"] == "before-floor"]
    assert conflict["dates"] == [date.isoformat() for date in NOTHING]
    assert not conflict["blocking"]


@pytest.mark.parametrize(
    "floor, start, told",
    [
        (FLOORED, "2024-12-02", BEFORE),
        (FLOORED, "2024-12-04", None),
        (Floor(), "2024-12-02", None),
        (Floor(dt.date(2024, 12, 2)), "2024-12-02", None),
        (Floor(None, dt.date(2024, 12, 3)), "2024-12-02", "it had no data"),
    ],
)
def test_the_settings_are_valid_and_the_floor_is_a_remark(floor, start, told, project):
    profiled.write(project.configured(start_date=start), floor=floor)

    shown = project.call("config", "validate")

    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0].endswith("all settings are valid")
    assert len(lines) == (1 if told is None else 2)
    assert told is None or told in lines[1]


def test_what_lies_between_nothing_and_data_is_not_said_to_be_nothing(project):
    profiled.write(project.settings, floor=Floor(dt.date(2024, 12, 6), dt.date(2024, 12, 3)))

    assert "2 sessions before 2024-12-04" in project.call("config", "validate").stdout


def test_no_cure_of_a_floor_is_worse_than_none(project):
    """Where nothing at all was had, another start date helps nobody; nor where only a named date is early."""
    profiled.write(project.settings, floor=Floor(None, dt.date(2024, 12, 3)))
    assert project.call("config", "validate").stdout.splitlines()[1].endswith("spx-data probe looks again")

    profiled.write(project.configured(start_date="2024-12-05"), floor=FLOORED)
    shown = project.call("process", "2024-12-02", "--dry-run")
    assert "1 session before 2024-12-04" in shown.stdout
    assert "spx-data probe looks again" in shown.stdout


def test_a_start_date_before_the_floor_is_told_when_it_is_set(project):
    profiled.write(project.settings, floor=FLOORED)

    early = project.call("config", "set", "processing.start_date", "2024-12-03")
    late = project.call("config", "set", "processing.start_date", "2024-12-05")

    assert early.stdout.splitlines()[1].startswith("1 session before 2024-12-04")
    assert len(late.stdout.splitlines()) == 1


# Estimates of an empty lake -----------------------------------------------------------------------------


def test_an_empty_lake_is_estimated_by_its_profile(project):
    speed = Speed(rows_per_second=10_000.0)
    profiled.write(project.settings, volume=LISTED, speed=speed)

    planned = plan(project.settings, MOMENT, None, cores=4)
    shown = project.call("gaps")

    rows = 5 * 400 * project.settings.window.stamps
    assert planned.rows == rows == 782_000
    assert planned.bytes == pytest.approx(18.7 * rows, abs=5)
    assert planned.temp_bytes == pytest.approx(68 * rows / 5 * planned.side_by_side, abs=5)
    assert planned.seconds == pytest.approx(rows / 10_000 / 4, abs=0.01)
    assert (
        "5 dates to fill: about 782,000 rows, 14.6 MB of Parquet, up to 31.9 MB of checkpoints, about 20 s, "
        "3 side by side (from the listing of 2024-11-15 that a probe saw, as no day is sealed yet)"
    ) in shown.stdout


def test_half_a_day_has_the_stamps_until_its_close(project):
    profiled.write(project.settings, volume=LISTED)

    (half,) = find(project.settings, MOMENT, dt.date(2024, 11, 29), dt.date(2024, 11, 29))

    assert half.estimate.rows == 400 * 211


def test_roots_that_were_not_asked_for_make_it_at_least(project):
    volume = Volume(LISTED.date, {"SPXW": 16}, {"SPXW": 300})
    profiled.write(project.settings, volume=volume, speed=Speed())

    totals = json.loads(project.call("process-gaps", "--dry-run", "--format", "json").stdout)["totals"]
    shown = project.call("gaps")

    assert (totals["rows"], totals["at_least"], totals["seconds"]) == (5 * 300 * 391, True, None)
    assert totals["guessed"].startswith("from the listing of 2024-11-15")
    assert "at least 586,500 rows" in shown.stdout
    assert "time unknown" in shown.stdout


@pytest.mark.parametrize("table, limit, in_flight", [([QUEUES], 4, 2), ([QUEUES], 1, 1), ([], 4, 4)])
def test_no_more_requests_count_than_the_terminal_serves_at_once(table, limit, in_flight, project):
    settings = project.configured({"max_concurrent_requests": limit})
    profiled.write(settings, volume=LISTED, speed=Speed(rows_per_second=1_000.0, at_once=2), table=table)

    planned = plan(settings, MOMENT, None, cores=4)

    assert planned.seconds == pytest.approx(782_000 / 1_000 / in_flight, abs=0.01)


def test_sealed_days_know_better(project):
    profiled.write(project.settings, volume=LISTED)
    sealed_days.seal(project.settings, START, (6000.0, 6010.0, 5995.0, 6000.0))

    planned = plan(project.settings, MOMENT, None, cores=4)

    assert planned.guessed == ""
    assert planned.rows == 4 * 4_000


@pytest.mark.parametrize(
    "volume, asked", [(None, {}), (LISTED, {"max_dte": 7}), (LISTED, {"roots": ("XSP",)})]
)
def test_what_nothing_tells_stays_unknown(volume, asked, project):
    settings = replace(project.configured(), **asked)
    profiled.write(settings, volume=volume)

    assert plan(settings, MOMENT, None, cores=4).rows is None


# Offers -------------------------------------------------------------------------------------------------

OFFER = "→ spx-data probe looks at this terminal: at most 15 requests, about a minute"


@pytest.mark.parametrize(
    "arguments, offered",
    [
        (("set", "thetadata.base_url", "http://127.0.0.1:25510"), True),
        (("set", "thetadata.base_url", "http://127.0.0.1:1"), False),  # as it is already
        (("set", "processing.batch_size", "5"), False),
        (("reset", "thetadata.base_url", "--yes"), True),
        (("reset", "processing.start_date", "--yes"), False),
    ],
)
def test_another_terminal_is_offered_a_probe(arguments, offered, project):
    shown = project.call("config", *arguments)

    assert shown.exit_code == 0
    assert (shown.stdout.splitlines()[-1] == OFFER) is offered
    assert ("spx-data probe" in shown.stdout) is offered


def test_the_offer_is_for_the_config_files_of_the_call(project, tmp_path):
    (tmp_path / "mine.yaml").write_text("thetadata: {}\n")

    shown = project.call("--configfile", "mine.yaml", "config", "set", "thetadata.api", "v2")

    assert shown.stdout.splitlines()[-1].startswith("→ spx-data --configfile mine.yaml probe looks")
