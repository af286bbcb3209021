"""The dashboard's trends: their figures are those of the files, and too little to draw is said in words."""

import dataclasses
import datetime as dt
import html
import json
import math
import statistics
from collections import Counter

import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st
from tests.report import elements, lakes
from tests.report.elements import content
from tests.sealed_days import record, seal

from spx_data import config, status
from spx_data.lake.session_states import Kind, State
from spx_data.market import sessions
from spx_data.ops.gaps import Estimate, Gap, Points
from spx_data.ops.gaps.estimate import Room, forecast, usual_session
from spx_data.ops.health import Scene
from spx_data.report import page as pages
from spx_data.report.dashboard import disk, periods
from spx_data.report.dashboard.view import View, tables
from spx_data.report.drawing import DATES, specification
from spx_data.settings import Settings
from spx_data.status import Facts, Summary, Trouble, digest
from spx_data.status.quality import balances
from spx_data.status.summary import reach, states
from spx_data.store import files, journal

SECTIONS = ("coverage", "quality", "speed", "failures", "terminal", "disk")
MOMENT = dt.datetime(2024, 12, 31, 17, tzinfo=dt.UTC)
GB = 10**9


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return lakes.every_kind(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def view(lake):
    return View.of(lake.settings, lakes.MOMENT)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nothing")
    return Settings.of(
        config.resolve(
            {
                "processing": {
                    "start_date": "2014-11-12",
                    "output_directory": str(folder / "parquet"),
                    "temp_directory": str(folder / "temp"),
                    "data_directory": str(folder / "data"),
                },
                "database": {"path": str(folder / "status.db")},
            },
            {},
        )
    )


def seen(settings, summaries, gaps=()):
    return View(Scene(settings, MOMENT, summaries), list(gaps))


def made(view):
    return {name: content(view, name) for name in SECTIONS}


def specifications(sections):
    return {figure.name: specification(figure) for section in sections.values() for figure in section.figures}


def rows_of(figure):
    """The rows that a chart has of its own, of all its layers."""
    datasets = figure.chart.to_dict().get("datasets", {})
    return [row for rows in datasets.values() for row in rows]


def figure(section, name):
    (found,) = [one for one in section.figures if one.name == name]
    return found


def events(lake):
    return [
        json.loads(line)
        for path in sorted(lake.settings.layout.journals())
        for line in path.read_text().splitlines()
    ]


def sealed_summary(date, number, *, points=99.0, at=None, troubles=()):
    """A sealed date by hand: judged, timed, with requests and errors of its own."""
    at = at or f"{date}T22:36:{number % 60:02}.000+00:00"
    digest = {
        "parts": dict.fromkeys(("completeness", "quotes", "parity"), points),
        "lost": [["crossed", 40, 4_000, "quotes", points, "quotes", 1, 50]],
        "contracts": [14_000, 13_990, 8, 2],
        "stamps": [5_474_000, 5_473_000, 800, 200],
        "complete": False,
        "rejects": [0, 0, 0],
        "spread_median": 0.02 + 0.001 * math.sin(number),
        "iv_level": 0.15 + 0.03 * math.sin(number / 60),
        "rows": 5_473_000,
        "minutes": 390.0,
        "findings": [],
        "expirations": "SPXW 0 1 2",
    }
    facts = Facts(
        chains=70,
        rows=5_473_000,
        bytes=100_000_000 + 1000 * number,
        sealed_at=at,
        duration_ms=400_000 + number,
        memory_peak_mb=500.0 + number % 7,
        quality=digest,
        traffic=[[at[:10], 72, 1, 10**9, [[8, 60], [16, 11]]]],
        troubles=tuple(troubles),
    )
    return Summary(date, State(Kind.SEALED), facts)


def trouble(date, cause="the terminal answers 500", error="ApiConnectionError", at=None):
    at = at or f"{date}T22:31:00.000+00:00"
    return Trouble(str(date), at, "retried", error, cause, "download", "run", None, None, 1, None)


def weekdays(count):
    found, day = [], dt.date(2014, 11, 12)
    while len(found) < count:
        found += [day] if day.weekday() < 5 else []
        day += dt.timedelta(1)
    return found


@pytest.fixture(scope="module")
def ten_years(settings):
    """2,550 dates with every figure, one of which deserves a look in a hundred."""
    found = [
        sealed_summary(
            date, number, points=60.0 if number % 100 == 0 else 99.0, troubles=[trouble(date)] * (number % 3)
        )
        for number, date in enumerate(weekdays(2550))
    ]
    return seen(settings, found)


# Every chart --------------------------------------------------------------------------------------------


def drawn(view):
    """Draw each chart as a browser would; Vega raises where an expression or a field is none."""
    columns = tables(view)[DATES]
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    for name, spec in specifications(made(view)).items():
        spec["datasets"] = {**spec.get("datasets", {}), DATES: [dict(row) for row in rows]}
        svg = vl_convert.vegalite_to_svg(spec)
        yield name, svg


def test_every_chart_of_a_lake_of_all_kinds_is_drawn(view):
    found = dict(drawn(view))

    assert {name.partition("-")[0] for name in found} == {
        "coverage",
        "quality",
        "speed",
        "failures",
        "terminal",
        "disk",
    }
    assert all(
        "NaN" not in svg and "undefined" not in svg and "Infinity" not in svg for svg in found.values()
    )


def test_ten_years_fit_on_a_page(ten_years):
    found = made(ten_years)
    specs = sum(len(pages.embedded(spec)) for spec in specifications(found).values())

    assert specs < 300_000
    assert len(pages.embedded(tables(ten_years))) < 500_000
    assert sum(len(section.figures) for section in found.values()) == 18


def test_an_empty_lake_has_a_sentence_in_each_section(settings):
    found = made(seen(settings, []))

    assert not specifications(found)
    assert all(section.lead for section in found.values())


def test_of_one_sealed_date_nothing_is_drawn_over_time(settings):
    found = made(seen(settings, [sealed_summary(dt.date(2024, 3, 1), 0)]))

    assert not specifications(found)
    assert all(section.lead for section in found.values())
    assert "60.0" not in found["quality"].lead
    assert "99.0 of 100" in found["quality"].lead


def test_two_sealed_dates_are_drawn(settings):
    found = seen(settings, [sealed_summary(dt.date(2024, 3, day), day) for day in (1, 4)])

    assert {"quality-scores", "speed-seconds", "terminal-latency", "disk-growth"} <= dict(drawn(found)).keys()


# The shared dates ---------------------------------------------------------------------------------------


def test_the_shared_dates_are_columns_of_one_length_that_json_can_spell(view):
    columns = tables(view)[DATES]

    assert {len(values) for values in columns.values()} == {len(view.dates)}
    json.dumps(columns, allow_nan=False)


def test_the_shared_dates_say_what_the_files_say(lake, view):
    columns = tables(view)[DATES]
    at = {date: place for place, date in enumerate(columns["date"])}

    for summary in view.dates:
        place = at[summary.date.isoformat()]
        if summary.state.kind is not Kind.SEALED:
            assert columns["sealed"][place] is columns["mb"][place] is columns["score"][place] is None
            continue
        passport = json.loads(lake.settings.layout.passport(summary.date).read_text())
        assert columns["mb"][place] == pytest.approx(passport["parquet"]["bytes"] / 1e6, rel=1e-3)
        if passport["quality"]:
            spread = 100 * passport["quality"]["figures"]["spread_median"]
            assert columns["spread"][place] == pytest.approx(spread, rel=1e-3)
    verdicts = {date: columns["verdict"][at[date.isoformat()]] for date in (*lakes.WARNED, *lakes.FAILING)}
    assert list(verdicts.values()) == ["warn"] * 3 + ["fail"] * 2


# Coverage -----------------------------------------------------------------------------------------------


def test_the_sessions_of_the_weeks_are_those_of_the_states(view):
    rows = rows_of(figure(made(view)["coverage"], "coverage-sessions"))

    drawn = Counter()
    for row in rows:
        drawn[row["kind"]] += row["sessions"]
    known = Counter(summary.state.kind.value for summary in view.dates)
    assert drawn == known - Counter(pending=known["pending"])


@given(st.lists(st.sampled_from(list(Kind)), max_size=25))
def test_the_longest_stretch_is_found(kinds):
    days = [
        Summary(dt.date(2024, 1, 1) + dt.timedelta(n), State(kind), Facts()) for n, kind in enumerate(kinds)
    ]

    found = reach(days)

    quiet = {Kind.NO_DATA, Kind.ACCEPTED, Kind.PENDING}
    runs = "".join("s" if kind is Kind.SEALED else "" if kind in quiet else " " for kind in kinds).split()
    assert found.unbroken == max(map(len, runs), default=0)
    assert found.sealed == kinds.count(Kind.SEALED)
    assert found.sessions == len(kinds) - kinds.count(Kind.PENDING)


def test_what_is_expected_of_a_stretch_is_received_explained_or_missing(view):
    everything = balances(view.days, lambda _: "all")["all"]

    assert everything.expected == sum(day.stamps_expected for day in view.days)
    assert everything.received + everything.explained + everything.missing == everything.expected
    assert sum(states(view.dates, lambda _: "all")["all"].values()) == len(view.dates)


# Quality ------------------------------------------------------------------------------------------------


def test_days_that_deserve_a_look_come_worst_first(view):
    found = content(view, "quality").more["conspicuous"]

    named = [one.day.date for one in found]
    assert set(named) >= {*lakes.WARNED, *lakes.FAILING}
    assert {one.day.date for one in found[:2]} == set(lakes.FAILING)
    verdicts = [one.day.verdict for one in found]
    assert verdicts == sorted(verdicts, key=["fail", "warn", "good"].index)


def test_no_more_days_are_named_than_a_person_reads(settings):
    bad = [sealed_summary(date, number, points=50.0) for number, date in enumerate(weekdays(60))]

    context = content(seen(settings, bad), "quality").more

    assert len(context["conspicuous"]) == 50
    assert context["more"] == 10


def test_a_day_with_a_page_has_a_link_and_another_a_command(lake, view):
    with_page, without = lakes.FAILING
    files.write_text(lake.settings.layout.day_page(with_page), "a page")
    view = dataclasses.replace(view)  # which looks again

    found = {one.day.date: one.page for one in content(view, "quality").more["conspicuous"]}

    assert found[with_page] == f"days/{with_page}.html"
    assert found[without] is None
    text = written(view)
    assert f'href="days/{with_page}.html"' in text
    assert f"spx-data report {without}" in text


def test_the_map_of_parts_shows_the_worst_day(view):
    rows = rows_of(figure(content(view, "quality"), "quality-parts"))

    worst = {row["name"]: row["quotes"] for row in rows}
    for date in lakes.FAILING:
        year, week, _ = date.isocalendar()
        assert worst[f"{year}-W{week:02}"] == 22.0


def test_a_day_that_stands_out_is_marked_in_its_chart(settings):
    days = [sealed_summary(date, number) for number, date in enumerate(weekdays(40))]
    wild = dataclasses.replace(
        days[20].facts, quality={**days[20].facts.quality, "spread_median": 0.2, "iv_level": 0.15}
    )
    view = seen(settings, [*days[:20], dataclasses.replace(days[20], facts=wild), *days[21:]])

    far = tables(view)[DATES]["far"]

    assert [place for place, words in enumerate(far) if words and "spread" in words] == [20]
    layers = {
        name: len(spec["layer"]) for name, spec in specifications(made(view)).items() if "layer" in spec
    }
    assert layers["quality-spread"] == layers["quality-iv"] + 1


# Failures -----------------------------------------------------------------------------------------------


def test_every_error_and_retry_is_counted_once(lake, view):
    section = content(view, "failures")
    kinds = {journal.FAILED, journal.RETRIED, journal.EXPIRATION_FAILED}
    known = Counter(event["error"] for event in events(lake) if event["event"] in kinds)

    by_type = Counter()
    for row in rows_of(figure(section, "failures-time")):
        by_type[row["kind"]] += row["errors"]

    assert by_type == known
    for name in ("failures-hours", "failures-stages"):
        assert sum(row["errors"] for row in rows_of(figure(section, name))) == known.total()
    assert {pattern.group: pattern.count for pattern in section.more["types"]} == known


def test_types_beyond_the_colours_are_others(settings):
    troubles = [
        trouble("2024-03-01", error=f"Error{n}", at=f"2024-03-0{1 + n % 3}T10:00:00") for n in range(9)
    ]
    view = seen(settings, [sealed_summary(dt.date(2024, 3, 1), 0, troubles=troubles)])

    chart = figure(content(view, "failures"), "failures-time")

    assert list(chart.legend)[-1] == "others"
    assert sum(row["errors"] for row in rows_of(chart) if row["kind"] == "others") == 3


HOSTILE = (
    "</script><script>alert(1)</script> @sealed {{ 7 * 7 }} <img src=x onerror=alert(2)> " + "long" * 200
)


def written(view):
    """The page of these sections, without the library that draws them."""
    return elements.written(view, *SECTIONS)


def test_what_strangers_said_stays_text(settings):
    troubles = [
        trouble("2024-03-01", HOSTILE, HOSTILE, at=f"2024-03-0{day}T10:00:00.000+00:00") for day in (1, 2)
    ]
    view = seen(settings, [sealed_summary(dt.date(2024, 3, 1), 0, troubles=troubles)])

    text = written(view)

    assert "<script>alert" not in text
    assert "<img" not in text
    assert text.count(html.escape("<img src=x onerror=alert(2)>")) == 3  # the legend, the type, the last one
    assert text.count("{{ 7 * 7 }}") >= 3


# The terminal -------------------------------------------------------------------------------------------


def test_requests_are_those_of_the_journals(lake, view):
    requests = [event for event in events(lake) if event["event"] == journal.REQUEST]
    days = Counter(event["at"][:10] for event in requests)

    rows = rows_of(figure(content(view, "terminal"), "terminal-requests"))

    assert {row["name"]: row["requests"] for row in rows} == days
    failed = sum(event["status"] not in (200, 472) for event in requests)
    assert sum(row["failed"] for row in rows) == failed


def test_latencies_are_right_within_a_class(lake, view):
    answered = sorted(
        event["seconds"]
        for event in events(lake)
        if event["event"] == journal.REQUEST and event["status"] in (200, 472)
    )
    whole = digest.Traffic()
    for one in digest.by_day(summary.facts.traffic for summary in view.dates).values():
        whole.add(one)

    for share in (0.05, 0.5, 0.95, 1.0):
        exact = answered[math.ceil(share * len(answered)) - 1]
        assert whole.latency(share) == pytest.approx(exact, rel=0.1)


@given(st.lists(st.floats(0.001, 600), min_size=1, max_size=200), st.floats(0.01, 1))
def test_a_quantile_lies_in_the_class_of_the_true_one(seconds, share):
    requests = [{"at": "2024-01-02T10:00:00", "status": 200, "bytes": 1, "seconds": one} for one in seconds]
    facts = digest.traffic(requests)
    (one,) = digest.by_day([facts]).values()

    exact = sorted(seconds)[max(0, math.ceil(share * len(seconds) - 1e-9) - 1)]

    assert one.requests == len(seconds)
    assert one.latency(share) == pytest.approx(exact, rel=2 ** (1 / 8) - 1 + 1e-6)


def test_what_is_remembered_of_requests_is_what_was_read():
    requests = [
        {"at": f"2024-01-0{day}T10:00:00", "status": status, "bytes": 7, "seconds": 0.2 * day}
        for day in (1, 2)
        for status in (200, 472, 500, None)
    ]

    facts = digest.traffic([*requests, {"at": "2024-01-02T11:00:00", "status": 200}])

    assert json.loads(json.dumps(facts)) == facts
    assert [line[:4] for line in facts] == [["2024-01-01", 4, 2, 28], ["2024-01-02", 5, 2, 28]]


def test_requests_of_two_dates_on_one_day_are_taken_together(lake, tmp_path):
    settings = lakes.empty(tmp_path).settings
    at = "2024-12-20T10:00:00.000+00:00"
    for day, seconds in ((16, 1.0), (17, 4.0)):
        seal(settings, dt.date(2024, 12, day))
        record(settings, dt.date(2024, 12, day), journal.REQUEST, at=at, status=200, bytes=5, seconds=seconds)

    found = digest.by_day(summary.facts.traffic for summary in status.summaries(settings, MOMENT))

    assert list(found) == [dt.date(2024, 12, 20)]
    assert found[dt.date(2024, 12, 20)].requests == 2
    assert found[dt.date(2024, 12, 20)].latencies.total() == 2


# The disk -----------------------------------------------------------------------------------------------


def gap(number, size, kind=Kind.MISSING):
    date = dt.date(2024, 1, 1) + dt.timedelta(number)
    estimate = Estimate(rows=1, bytes=size, temp_bytes=1, seconds=None)
    return Gap(date, kind, True, "", None, 0, None, 0, Points(0, 0, 0), None, estimate)


TODAY = dt.date(2025, 1, 2)


def test_a_forecast_counts_the_gaps_and_then_a_session_each_trading_day():
    gaps = [gap(n, 100) for n in range(5)] + [gap(9, 10**9, Kind.NO_DATA), gap(8, 10**9, Kind.ACCEPTED)]

    found = forecast(10, [each.bytes_to_come for each in gaps], Room(free=500 + 2520, kept=1260), TODAY)

    assert (found.gaps, found.gaps_bytes) == (5, 500)
    # 126 and 252 sessions of ten bytes: half a year, and a year.
    assert abs(found.low_on - dt.date(2025, 7, 3)) <= dt.timedelta(1)
    assert abs(found.full_on - dt.date(2026, 1, 2)) <= dt.timedelta(1)


@given(st.integers(1, 10**6), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 30))
def test_more_room_lasts_longer_and_is_low_before_it_is_full(session, free, kept, count):
    gaps = [gap(n, session).bytes_to_come for n in range(count)]

    found = forecast(session, gaps, Room(free, kept), TODAY)
    larger = forecast(session, gaps, Room(2 * free + 1, kept), TODAY)

    def day(value):
        return value or dt.date.max

    assert TODAY <= day(found.low_on) <= day(found.full_on) <= day(larger.full_on)
    if found.full_on and found.full_on > TODAY:
        used = found.bytes_after((found.full_on - TODAY).days)
        assert used <= free * (1 + 1e-9) < used + session * 2


def test_after_the_end_of_the_range_nothing_fills_the_disk():
    room = Room(free=2520, kept=1260)
    without_end = forecast(10, [], room, TODAY)
    with_end = forecast(10, [], room, TODAY, end=dt.date(2025, 9, 1))

    assert without_end.full_on and without_end.low_on
    assert with_end.low_on == without_end.low_on
    assert with_end.full_on is None


def test_a_disk_that_outlives_everybody_has_no_date():
    assert forecast(1, [], Room(10**15, 0), TODAY).full_on is None


def test_a_usual_session_is_that_of_the_newest_ones_for_their_minutes(lake, view):
    trading = sessions.between("NYSE", lakes.START, lakes.END)
    sealed = {summary.date: summary for summary in view.scene.sealed}

    found = usual_session(trading, sealed)

    newest = sorted(sealed)[-20:]
    # The half day of 2024-12-24 has no data, that of 2024-11-29 is accepted: all of them are whole.
    assert found == round(statistics.median(sealed[date].facts.bytes for date in newest))
    assert usual_session(trading, {}) is None


def test_the_years_hold_the_bytes_of_the_passports(ten_years):
    rows = rows_of(figure(content(ten_years, "disk"), "disk-years"))

    known = sum(summary.facts.bytes for summary in ten_years.dates)
    assert sum(row["gb"] for row in rows) == pytest.approx(known / GB, rel=1e-3)
    assert sum(row["sessions"] for row in rows) == 2550


def test_the_disk_is_said_in_a_sentence(ten_years, monkeypatch):
    free, total = 100 * GB, 1000 * GB

    def room(*, free):
        one = disk.machine.Disk(("output", "temp", "data"), ten_years.settings.layout.output, free, total)
        monkeypatch.setattr(disk.machine, "disks", lambda _: [one])
        return content(ten_years, "disk")

    crowded, roomy, endless = room(free=free), room(free=800 * GB), room(free=10**6 * GB)

    assert "less than 20 % of it is free now" in crowded.lead
    assert "the disk lasts until" in roomy.lead
    assert "for more than a century" in endless.lead
    # A full disk is drawn where the forecast reaches it.
    drawn = [row.get("words") for row in rows_of(figure(crowded, "disk-growth"))]
    assert "disk full" in drawn
    assert not [row for row in rows_of(figure(endless, "disk-growth")) if "words" in row]


# Stretches of time --------------------------------------------------------------------------------------

DAYS = st.dates(dt.date(2000, 1, 1), dt.date(2060, 12, 31))


@given(DAYS, st.sampled_from(["day", "week", "month"]))
def test_a_day_lies_in_its_stretch_and_stretches_follow_each_other(day, step):
    found = periods.stretch(day, step)

    assert found.begin <= day < found.end
    assert periods.stretch(found.begin, step) == found
    assert periods.stretch(found.end, step).begin == found.end
    if step != "day":
        assert periods.named(found.name) == found


@given(DAYS, st.integers(0, 10_000))
def test_a_chart_is_never_a_comb(first, days):
    last = first + dt.timedelta(days)
    step = periods.fitting(first, last)

    found = {periods.stretch(first + dt.timedelta(n), step).name for n in range(0, days + 1, 7)}

    assert len(found) <= 160 or step == "month"
