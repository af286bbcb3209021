"""The dashboard of lakes: leading figures, a calendar of every session, and what is missing in its order."""

import datetime as dt
import html.parser
import json
import os
import re
from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest
from tests.report import lakes
from tests.sealed_days import judged, seal

from spx_data import files, gaps, locks, report, runs, sessions, status
from spx_data.health import Scene
from spx_data.ledger import Kind, State
from spx_data.report import cures, dashboard
from spx_data.report import page as pages
from spx_data.report.dashboard import calendar, overview, queue
from spx_data.report.dashboard.tones import tones
from spx_data.report.dashboard.view import View
from spx_data.report.page import Page
from spx_data.status import Facts, Summary

ASSETS = Path(report.__file__).parent / "assets"
EMPTY_ELEMENTS = {"meta", "input", "br", "img", "link", "hr", "source"}


class Element:
    """An element of a page with the text in it."""

    def __init__(self, name, attributes, above):
        self.name, self.attributes, self.above = name, dict(attributes), above
        self.contents = []

    @property
    def classes(self):
        return self.attributes.get("class", "").split()

    @property
    def children(self):
        return [each for each in self.contents if isinstance(each, Element)]

    @property
    def text(self):
        return " ".join(" ".join(self._all_texts()).split())

    def _all_texts(self):
        for each in self.contents:
            yield from each._all_texts() if isinstance(each, Element) else [each]

    def all(self, name=None, of_class=None):
        for child in self.children:
            if name in (None, child.name) and (of_class is None or of_class in child.classes):
                yield child
            yield from child.all(name, of_class)

    def one(self, name=None, **attributes):
        wanted = {key.replace("_", "-"): value for key, value in attributes.items()}
        (found,) = [each for each in self.all(name) if wanted.items() <= each.attributes.items()]
        return found


class Tree(html.parser.HTMLParser):
    """A page as a browser sees it before its scripts run."""

    def __init__(self, text):
        super().__init__()
        self.root = self._at = Element("", {}, None)
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        made = Element(tag, attrs, self._at)
        self._at.contents.append(made)
        if tag not in EMPTY_ELEMENTS:
            self._at = made

    def handle_endtag(self, tag):
        assert tag == self._at.name, f"<{self._at.name}> ends with </{tag}>"
        self._at = self._at.above

    def handle_data(self, data):
        self._at.contents.append(data)


def write_library(settings):
    """Put a short text where the charts' library is kept: making the real one takes a second."""
    files.write_text(settings.layout.charts_library(metadata.version("vl-convert-python")), "// charts")


def shown(view, *modules):
    """Return the page of these sections alone, as elements."""
    made = [module.section(view) for module in modules]
    write_library(view.settings)
    text = pages.html(Page("SPX", "", view.moment, made), view.settings.layout)
    return Tree(text).root


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return lakes.every_kind(tmp_path_factory.mktemp("every-kind"))


@pytest.fixture(scope="module")
def view(lake):
    return View.of(lake.settings, lakes.MOMENT)


@pytest.fixture(scope="module")
def text(lake):
    write_library(lake.settings)
    return pages.html(dashboard.page(lake.settings, lakes.MOMENT), lake.settings.layout)


@pytest.fixture(scope="module")
def tree(text):
    return Tree(text).root


def of_many(lake, count):
    """Return a view of so many sealed days of which no two are alike, without a file of theirs."""
    trading = sessions.between("NYSE", dt.date(2014, 11, 12), dt.date(2025, 2, 1))[:count]
    summaries = [_unlike(session.date, number) for number, session in enumerate(trading)]
    settings = lake(start_date=trading[0].date.isoformat(), end_date=trading[-1].date.isoformat())
    moment = trading[-1].closes + dt.timedelta(days=1)
    return View(Scene(settings, moment, summaries), gaps.find(settings, moment, summaries=summaries))


def _unlike(date, number):
    lost = [["crossed", 1_000 + number, 5_474_000, "quotes with a bid and an ask", 97.5]]
    quality = {
        "parts": {"quotes": 90 + number % 100 / 10},
        "lost": [*lost, ["missing", 10 + number, 5_474_000, "contract-stamps", 99.1]],
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


# The calendar -------------------------------------------------------------------------------------------


def cells(root):
    """Return the cells of the calendar by their dates, and make sure that no date has two."""
    found = list(root.all("button", "day"))
    by_date = {dt.date.fromisoformat(cell.attributes["data-date"]): cell for cell in found}
    assert len(by_date) == len(found)
    return by_date


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


def test_every_session_is_one_cell_of_its_state(lake, tree):
    found = {date: cell.classes for date, cell in cells(tree).items()}

    known = status.summaries(lake.settings, lakes.MOMENT)
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


def test_the_newest_year_comes_first_and_months_stand_below_each_other(lake):
    view = of_many(lambda **keys: lakes_settings(lake, **keys), 300)
    root = shown(view, calendar)

    years = list(root.all("div", "year"))
    assert [year.one("strong").text for year in years] == ["2016", "2015", "2014"]
    assert {len(list(year.all("div", "month"))) for year in years} == {12}
    dates = list(cells(root))
    assert {date: dates.count(date) for date in dates} == dict.fromkeys([s.date for s in view.dates], 1)


def test_trading_on_weekends_takes_two_more_rows(tmp_path):
    made = lakes.empty(tmp_path)
    saturday = dt.date(2024, 11, 30)
    seal(made.settings, saturday)

    root = shown(View.of(made.settings, lakes.MOMENT), calendar)

    november = next(each for each in root.all("div", "month") if each.children[0].text == "Nov")
    places = [each.attributes.get("data-date") for each in november.children[1:]]
    assert places.index("2024-11-30") % 7 == 5
    assert "--rows: 7" in next(root.all("div", "calendar")).attributes["style"]


def test_a_card_says_what_a_gap_is_and_gives_the_command_that_mends_it(lake, tree):
    found = {gap.date: gap for gap in gaps.find(lake.settings, lakes.MOMENT)}

    for date, gap in found.items():
        told = card(tree, date)
        assert told["state"] == gap.kind
        assert told["command"] == (gap.command or "")
        assert told["why"] == gap.why or told["why"].removesuffix(" …") in gap.why
    parked = next(date for date, kind in lakes.UNSEALED.items() if kind is Kind.PARKED)
    assert card(tree, parked)["command"] == f"spx-data retry {parked} --force"
    assert card(tree, parked)["tries"] == "3 failing runs"
    assert card(tree, parked)["next run"] == "leaves it alone until you ask for it"
    turns = [card(tree, gap.date)["next run"] for gap in found.values() if gap.due]
    assert turns == [f"takes it, number {place} of {len(turns)}" for place in range(1, len(turns) + 1)]
    missing = card(tree, dt.date(2024, 11, 5))
    assert missing["command"] == "spx-data process 2024-11-05"
    assert re.fullmatch(r"about [\d,]+ rows, [\d.]+ MB, \d+ s", missing["it takes"])
    assert "command" not in found and card(tree, dt.date(2024, 12, 31))["command"] == ""


def test_a_card_says_what_a_sealed_day_is_worth_and_what_cost_it_points(tree):
    poor = card(tree, lakes.FAILING[1])

    assert poor["state"] == "sealed-fail"
    assert poor["score"] == "72.3 of 100, fail"
    lost = poor["points lost by"].split("\n")
    assert lost[0].startswith("crossed: 18,299 of 469,200 quotes") and len(lost) == 4
    assert lost[-1] == "and 1 more"
    assert poor["stands out"].startswith("score -2")
    assert poor["expirations"] == "6"
    assert poor["sealed"].startswith("2024-12-18 22:3")
    assert card(tree, lakes.UNJUDGED)["score"] == "not judged"


def test_a_sealed_day_leads_to_its_page_where_there_is_one(tmp_path):
    made = lakes.empty(tmp_path)
    with_page, without = dt.date(2024, 11, 4), dt.date(2024, 11, 5)
    for date in (with_page, without):
        seal(made.settings, date, quality=judged())
    files.write_text(made.settings.layout.day_page(with_page), "<html>")

    root = shown(View.of(made.settings, lakes.MOMENT), calendar)

    assert card(root, with_page)["page"] == 1
    assert card(root, with_page)["command"] == ""
    assert card(root, without)["page"] == 0
    assert card(root, without)["command"] == "spx-data report 2024-11-05"


def test_every_state_has_a_colour_and_a_legend_with_its_count(lake, tree):
    css = (ASSETS / "dashboard.css").read_text()
    colours = re.findall(r"--([\w-]+): light-dark", (ASSETS / "page.css").read_text())
    known = tones(lake.settings)

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


# What strangers said ------------------------------------------------------------------------------------


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


# Gaps ---------------------------------------------------------------------------------------------------


def queue_rows(root):
    (table,) = root.all("table", "queue")
    return [row.children for row in table.one("tbody").children]


def test_gaps_stand_in_the_order_of_their_priority_each_with_its_command(lake, tree):
    found = gaps.find(lake.settings, lakes.MOMENT)

    rows = queue_rows(tree)

    assert [row[0].text for row in rows] == [gap.date.isoformat() for gap in found]
    assert [row[1].text for row in rows] == [gap.kind for gap in found]
    assert [float(row[2].attributes["data-sort"]) for row in rows] == [gap.priority for gap in found]
    commands = [[code.text for code in row[-1].all("code")] for row in rows]
    assert commands == [[gap.command] if gap.command else [] for gap in found]


def test_gaps_are_summed_up_above_them(lake, tree):
    plan = gaps.plan(lake.settings, lakes.MOMENT, None, cores=4)

    lead = tree.one("section", id="queue").one("p", **{"class": "lead"}).text

    assert lead.startswith(f"14 gaps; the next run takes {len(plan.gaps)} of them: about ")
    assert lead.endswith("dates side by side.")


def test_of_many_gaps_the_first_are_shown_and_the_command_for_the_others(tmp_path):
    made = lakes.empty(tmp_path)
    config = tmp_path / "config" / "config.yaml"
    files.write_text(config, config.read_text().replace("2024-10-14", "2023-10-16"))

    found = View.of(lakes_settings(made, start_date="2023-10-16"), lakes.MOMENT)
    root = shown(found, queue)

    assert len(found.gaps) == 305
    assert len(queue_rows(root)) == 200
    below = [paragraph.text for paragraph in root.all("p") if "spx-data gaps" in paragraph.text]
    assert below and below[0].startswith(
        "105 more gaps of lower priority: spx-data gaps copy lists them all."
    )


def test_a_lake_without_gaps_says_so(tmp_path):
    made = lakes.empty(tmp_path)
    settings = lakes_settings(made, start_date="2024-12-02", end_date="2024-12-03")
    for day in (2, 3):
        seal(settings, dt.date(2024, 12, day), quality=judged())
    found = View.of(settings, lakes.MOMENT)
    found.__dict__["alerts"] = []  # those of this machine's disk and memory are not the lake's

    root = shown(found, overview, queue)

    assert [each.text for each in root.all("p", "nothing")] == ["There are no gaps: every session is sealed."]
    assert [each.text for each in root.all("p", "calm")] == [
        "All is well: every session is sealed that can be, and none needs you."
    ]
    assert tiles(root)["Next run"].startswith("nothing to do")


# Leading figures ----------------------------------------------------------------------------------------


def tiles(root):
    """Return the texts of the tiles by their names."""
    texts = ([child.text for child in tile.children] for tile in root.all(of_class="tile"))
    return {name: " ".join(filter(None, others)) for name, *others in texts}


def test_the_leading_figures_are_those_of_the_lake(view, tree):
    found = tiles(tree)

    known = status.overview(view.settings, lakes.MOMENT)
    assert found["Sealed"].split() == ["41", "of", "55", "sessions,", "74.5", "%"]
    assert found["Rows"].startswith(
        f"{known.rows / 1e6:.1f} million in {known.bytes / 1e6:.1f} MB of Parquet"
    )
    assert found["Median score"] == "99.6 5 days to look at 2 of them below 80"
    assert found["Next run"].startswith("10 dates about ")
    assert found["Next run"].endswith("1 gap waits for you")
    assert found["Last activity"].startswith("2024-12-30 22:3")


def test_alerts_come_with_commands_to_copy_and_the_worst_is_the_first(view):
    alert = next(alert for alert in view.alerts if alert.name == "parked")

    root = shown(view, overview)

    found = list(root.all("li", "alert"))
    assert len(found) == len(view.alerts)
    levels = [each.attributes["data-level"] for each in found]
    assert levels == sorted(levels)  # fail, then warn
    (parked,) = [each for each in found if alert.found in each.text]
    commands = [button.attributes["data-copy"] for button in parked.all("button", "copy")]
    assert commands == ["spx-data retry 2024-11-19 --force", 'spx-data accept 2024-11-19 --reason "…"']


def test_a_run_at_work_is_shown_with_its_progress(tmp_path):
    made = lakes.empty(tmp_path)
    layout, begun = made.settings.layout, dt.datetime(2024, 12, 31, 16, 30, tzinfo=dt.UTC)
    dates = tuple(dt.date(2024, 12, day) for day in (2, 3, 4, 5))
    files.write_json(
        layout.run_note, runs.Run("run", os.getpid(), begun, "folder", "snakemake", dates).as_json()
    )
    seal(made.settings, dates[0])
    held = locks.hold(layout.run_lock)

    found = tiles(shown(View.of(made.settings, lakes.MOMENT), overview))
    os.close(held)

    assert found["Run at work"].startswith("1 of 4 dates are through since 2024-12-31 16:30 UTC")
    assert "Run at work" not in tiles(shown(View.of(made.settings, lakes.MOMENT), overview))


@pytest.mark.parametrize(
    "cure",
    [
        "[spx-data errors] shows why; then [spx-data retry --all-failed]",
        "[snakemake --cores 4 recheck --config dates=2024-11-07] asks the source again",
        '[spx-data retry 2024-11-19 --force], or: [spx-data accept 2024-11-19 --reason "…"]',
        "[spx-data process 2024-11-21], and look at the disk's health",
        "Stop other programs, or [spx-data config set thetadata.max_concurrent_requests 4]",
        "[spx-data stop] takes it away where nothing runs; so does [snakemake --unlock]",
        "[spx-data status --watch] shows it; [spx-data stop --now] ends it, and the next run resumes",
        "Make room: [spx-data cleanup --dry-run] shows what can go",
        "Close other programs, or give Snakemake fewer cores",
    ],
)
def test_commands_are_told_from_the_words_around_them(cure):
    found = cures.parts(re.sub(r"[\[\]]", "", cure))

    assert "".join(f"[{part.text}]" if part.is_command else part.text for part in found) == cure


# Much, little and nothing -------------------------------------------------------------------------------


def lakes_settings(made, **processing):
    """Return the settings of a lake with other keys of `processing`."""
    from spx_data.config import load, resolve
    from spx_data.settings import Settings

    document = resolve(load(made.folder / "config" / "config.yaml"), {})
    layout = made.settings.layout
    document["processing"] |= {"output_directory": str(layout.output), "temp_directory": str(layout.temp)}
    document["processing"] |= {"data_directory": str(layout.data)} | processing
    return Settings.of(document)


def test_an_empty_lake_has_its_calendar_and_its_gaps(tmp_path):
    made = lakes.empty(tmp_path)
    write_library(made.settings)

    root = Tree(pages.html(dashboard.page(made.settings, lakes.MOMENT), made.settings.layout)).root

    assert len(cells(root)) == 55
    assert tiles(root)["Sealed"].startswith("0 of 55 sessions, 0 %")
    assert tiles(root)["Median score"] == "– no day is judged yet"
    lead = root.one("section", id="queue").one("p", **{"class": "lead"}).text
    assert (
        lead
        == "55 gaps; the next run takes 54 of them; what that will take is unknown until a day is sealed."
    )


def test_a_lake_that_has_no_session_yet_says_so(tmp_path):
    made = lakes.empty(tmp_path)
    settings = lakes_settings(made, start_date="2025-06-02", end_date="2025-06-30")
    write_library(settings)

    root = Tree(pages.html(dashboard.page(settings, lakes.MOMENT), settings.layout)).root

    assert not cells(root)
    assert root.one("section", id="calendar").one("p", **{"class": "nothing"})


def test_a_lake_that_nobody_judged_has_no_scores(tmp_path):
    made = lakes.every_kind(tmp_path, judged=False)
    write_library(made.settings)

    root = Tree(pages.html(dashboard.page(made.settings, lakes.MOMENT), made.settings.layout)).root

    sealed = [cell for cell in cells(root).values() if "state-sealed" in cell.classes]
    assert len(sealed) == 41
    assert all("unjudged" in cell.classes for cell in sealed)
    assert tiles(root)["Median score"] == "– no day is judged yet"


def test_ten_years_of_which_no_two_days_are_alike_are_a_page_of_modest_size(lake):
    many = of_many(lambda **keys: lakes_settings(lake, **keys), 2_550)
    write_library(many.settings)

    sections = [calendar.section(many), queue.section(many)]
    text = pages.html(Page("SPX", "", many.moment, sections), many.settings.layout)

    assert len(cells(Tree(text).root)) == 2_550
    assert len(text.encode()) < 700_000
