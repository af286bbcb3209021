"""The calendar of the dashboard: a cell for every session, and what its card says."""

import datetime as dt
import json
import re
from collections import Counter
from pathlib import Path

from tests.report import lakes
from tests.report.elements import Tree, cells, shown, written
from tests.sealed_days import judged, seal

from spx_data import report, status
from spx_data.lake.session_states import Kind, State
from spx_data.market import sessions
from spx_data.ops import gaps
from spx_data.ops.health import Scene
from spx_data.report.dashboard.calendar import tones
from spx_data.report.dashboard.view import View
from spx_data.status import Facts, Summary
from spx_data.store import files

ASSETS = Path(report.__file__).parent / "assets"


def of_many(lake, count):
    """Return a view of so many sealed days of which no two are alike, without a file of theirs."""
    trading = sessions.between("NYSE", dt.date(2014, 11, 12), dt.date(2025, 2, 1))[:count]
    summaries = [_unlike(session.date, number) for number, session in enumerate(trading)]
    settings = lake.with_keys(start_date=trading[0].date.isoformat(), end_date=trading[-1].date.isoformat())
    moment = trading[-1].closes + dt.timedelta(days=1)
    return View(Scene(settings, moment, summaries), gaps.find(settings, moment, summaries=summaries))


def _unlike(date, number):
    lost = [["crossed", 1_000 + number, 5_474_000, "quotes with a bid and an ask", 97.5, "quotes", 1, 50]]
    quality = {
        "parts": {"quotes": 90 + number % 100 / 10},
        "lost": [*lost, ["missing", 10 + number, 5_474_000, "contract-stamps", 99.1, "completeness", 1, 50]],
        "contracts": [14_000, 14_000, 0, 0],
        "stamps": [5_474_000, 5_474_000, 0, 0],
        "complete": True,
        "rejects": [0, 0, 0],
        "spread_median": 0.02,
        "iv_level": 0.15,
        "rows": 5_474_000 + number,
        "minutes": 390,
        "findings": [],
        "expirations": "",
    }
    at = dt.datetime.combine(date, dt.time(23), dt.UTC) + dt.timedelta(minutes=number % 60)
    size = 76_000_000 + 100_000 * number
    facts = Facts(chains=70, rows=5_474_000 + number, bytes=size, sealed_at=at.isoformat(), quality=quality)
    return Summary(date, State(Kind.SEALED), facts)


def card(root, date):
    """Return what the card of *date* says, its state, its command and whether it leads to a page."""
    document = json.loads(root.one("script", id="calendar-data").contents[0])
    place = list(cells(root)).index(date)
    texts = [text.replace("\x1a", date.isoformat()) for text in document["texts"]]
    facts = {name: texts[column[place]] for name, column in document["facts"].items() if column[place]}
    state = document["tones"][document["tone"][place]][0]
    return {
        "state": state,
        "command": texts[document["command"][place]],
        "page": document["page"][place],
    } | facts


def test_every_session_is_one_cell_of_its_state(every_kind, tree):
    found = {date: cell.classes for date, cell in cells(tree).items()}

    known = status.summaries(every_kind.settings, lakes.MOMENT)
    assert {summary.state.kind for summary in known} == set(Kind)
    assert found.keys() == {summary.date for summary in known}
    assert all(f"state-{summary.state.kind}" in found[summary.date] for summary in known)
    assert all("verdict-warn" in found[date] for date in lakes.WARNED)
    assert all("verdict-fail" in found[date] for date in lakes.FAILING)
    assert "unjudged" in found[lakes.UNJUDGED]
    assert sum("verdict-warn" in classes or "verdict-fail" in classes for classes in found.values()) == 5


def test_a_day_stands_in_the_row_of_its_weekday_and_the_column_of_its_week(tree):
    for month in tree.all("div", "month"):
        places = {place: each for place, each in enumerate(month.children[1:]) if each.name == "button"}
        dates = {place: dt.date.fromisoformat(each.attributes["data-date"]) for place, each in places.items()}
        assert all(place % 5 == date.weekday() for place, date in dates.items())
        first = dates[min(dates)].replace(day=1)
        skipped = first.weekday() - 7 if first.weekday() > 4 else first.weekday()  # a weekend before the grid
        assert all(place // 5 == (date.day - 1 + skipped) // 7 for place, date in dates.items())


def test_the_newest_year_comes_first_and_months_stand_below_each_other(every_kind):
    view = of_many(every_kind, 300)
    root = shown(view, "calendar")

    years = list(root.all("div", "year"))
    assert [year.one("strong").text for year in years] == ["2016", "2015", "2014"]
    assert {len(list(year.all("div", "month"))) for year in years} == {12}
    dates = list(cells(root))
    assert {date: dates.count(date) for date in dates} == dict.fromkeys([s.date for s in view.dates], 1)


def test_trading_on_weekends_takes_two_more_rows(tmp_path):
    made = lakes.empty(tmp_path)
    saturday = dt.date(2024, 11, 30)
    seal(made.settings, saturday)

    root = shown(View.of(made.settings, lakes.MOMENT), "calendar")

    november = next(each for each in root.all("div", "month") if each.children[0].text == "Nov")
    places = [each.attributes.get("data-date") for each in november.children[1:]]
    assert places.index("2024-11-30") % 7 == 5
    assert "--rows: 7" in next(root.all("div", "calendar")).attributes["style"]


def test_a_card_says_what_a_gap_is_and_gives_the_command_that_mends_it(every_kind, tree):
    found = {gap.date: gap for gap in gaps.find(every_kind.settings, lakes.MOMENT)}

    for date, gap in found.items():
        told = card(tree, date)
        assert told["state"] == gap.kind
        assert told["command"] == (gap.command or "")
        assert told["why"] == gap.why or told["why"].removesuffix(" …") in gap.why
    parked = next(date for date, kind in lakes.UNSEALED.items() if kind is Kind.PARKED)
    assert card(tree, parked)["command"] == f"spx-data retry {parked} --force"
    assert card(tree, parked)["tries"] == "3 failed runs"
    assert card(tree, parked)["next run"] == "skipped until you retry it"
    turns = [card(tree, gap.date)["next run"] for gap in found.values() if gap.due]
    assert turns == [f"queued, number {place} of {len(turns)}" for place in range(1, len(turns) + 1)]
    missing = card(tree, dt.date(2024, 11, 5))
    assert missing["command"] == "spx-data process 2024-11-05"
    assert re.fullmatch(r"about [\d,]+ rows, [\d.]+ MB, \d+ s", missing["estimate"])
    assert "command" not in found and card(tree, dt.date(2024, 12, 31))["command"] == ""


def test_a_card_says_what_a_sealed_day_is_worth_and_what_cost_it_points(tree):
    poor = card(tree, lakes.FAILING[1])

    assert poor["state"] == "sealed-fail"
    assert poor["score"] == "72.3 of 100, fail"
    lost = poor["points lost by"].split("\n")
    assert lost[0].startswith("crossed: 18,299 of 469,200 quotes") and len(lost) == 4
    assert lost[-1] == "and 1 more"
    assert poor["outlier in"].startswith("score -2")
    assert poor["expirations"] == "6"
    assert poor["sealed"].startswith("2024-12-18 22:3")
    assert card(tree, lakes.UNJUDGED)["score"] == "not judged"


def test_a_sealed_day_leads_to_its_page_where_there_is_one(tmp_path):
    made = lakes.empty(tmp_path)
    with_page, without = dt.date(2024, 11, 4), dt.date(2024, 11, 5)
    for date in (with_page, without):
        seal(made.settings, date, quality=judged())
    files.write_text(made.settings.layout.day_page(with_page), "<html>")

    root = shown(View.of(made.settings, lakes.MOMENT), "calendar")

    assert card(root, with_page)["page"] == 1
    assert card(root, with_page)["command"] == ""
    assert card(root, without)["page"] == 0
    assert card(root, without)["command"] == "spx-data report 2024-11-05"


def test_every_state_has_a_colour_and_a_legend_with_its_count(every_kind, tree):
    css = (ASSETS / "dashboard.css").read_text()
    colours = re.findall(r"--([\w-]+): light-dark", (ASSETS / "page.css").read_text())
    known = tones(every_kind.settings)

    assert set(Kind) <= known.keys()
    for tone in known.values():
        value = re.search(rf"^\.{tone.classes.split()[-1]} {{ --tone: var\(--([\w-]+)\)", css, re.MULTILINE)
        assert value and value[1] in colours, tone
    document = json.loads(tree.one("script", id="calendar-data").contents[0])
    names = [name for name, _ in document["tones"]]
    counts = Counter(names[place] for place in document["tone"])
    legend = {
        entry.attributes["data-tone"]: entry
        for entry in tree.all("button")
        if "data-tone" in entry.attributes
    }
    assert legend.keys() == known.keys()
    for name, entry in legend.items():
        assert f"{known[name].title} {counts[name]} {known[name].meaning}" == entry.text
        assert ("disabled" in entry.attributes) == (counts[name] == 0)


def test_what_needs_somebody_has_a_sign_beside_its_colour():
    css = (ASSETS / "dashboard.css").read_text()

    for name in ("state-failed", "state-parked", "state-corrupt", "verdict-fail", "verdict-warn"):
        assert re.search(rf'^\.{name} {{ .*--sign: "\S"', css, re.MULTILINE), name


def test_what_servers_said_stays_text(text, tree):
    assert "<script>alert" not in text
    assert not list(tree.all("img"))
    assert not [each for each in tree.all() if any(name.startswith("on") for name in each.attributes)]
    told = card(tree, lakes.HOSTILE_DATE)["why"]
    assert told.startswith(f"ApiResponseInvalidError: {lakes.HOSTILE[:120]}")
    row = next(row for row in tree.all("tr") if row.children[0].text == lakes.HOSTILE_DATE.isoformat())
    assert "<script>alert(1)</script>" in row.text


def test_a_reason_that_nobody_would_read_is_cut(tree):
    assert len(lakes.HOSTILE) > 300
    assert len(card(tree, lakes.HOSTILE_DATE)["why"]) <= 302


def test_ten_years_of_which_no_two_days_are_alike_are_a_page_of_modest_size(every_kind):
    text = written(of_many(every_kind, 2_550), "calendar", "queue")

    assert len(cells(Tree(text).root)) == 2_550
    assert len(text.encode()) < 700_000


def test_a_date_outside_of_the_range_changes_neither_the_axis_nor_the_coverage(tmp_path):
    made = lakes.empty(tmp_path)
    for date in (dt.date(2024, 10, 15), dt.date(2024, 10, 16)):
        seal(made.settings, date, quality=judged())
    before = View.of(made.settings, lakes.MOMENT)
    axis, coverage = list(cells(shown(before, "calendar"))), written(before, "coverage")

    seal(made.settings, dt.date(2023, 1, 3), quality=judged())
    after = View.of(made.settings, lakes.MOMENT)

    calendar = shown(after, "calendar")
    assert list(cells(calendar)) == axis
    assert "Not shown: 1 date outside of the configured range." in calendar.text
    assert written(after, "coverage") == coverage
