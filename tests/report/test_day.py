"""The page of a day: all that the passport and the journal say, in the numbers that they say it in."""

import contextlib
import dataclasses
import datetime as dt
import hashlib
import math
import re
import subprocess

import polars as pl
import pytest
import vl_convert
from tests.report.elements import Tree, content, shown, tiles
from tests.report.filled import filled

from spx_data.errors import DateValidationError
from spx_data.quality import catalogue
from spx_data.report import day, drawing, page
from spx_data.report.day import provenance, underlying
from spx_data.report.day.view import View
from spx_data.status import day_report, neighbours
from spx_data.store import files, journal
from spx_data.text import words

CLEAN, SPOILT, HALF = dt.date(2024, 1, 2), dt.date(2024, 1, 3), dt.date(2024, 11, 29)
NOW = dt.datetime(2024, 12, 30, 20, tzinfo=dt.UTC)
DEFECTS = ("crossed", "vertical", "parity-broken", "withheld-minutes", "withheld-contract")
DEFECTS += ("negative-price", "duplicate-rows", "underlying-frozen", "greeks-zeroed")
HOSTILE = (
    "</script><script>alert(1)</script> \"quoted\" 'twice' {{ 7 * 7 }} <img src=x onerror=alert(2)> @sealed"
)
OTHERS = ("verdict", "findings", "underlying", "provenance")


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Return a lake of two days: one is clean, the source of the other one has defects."""
    folder = tmp_path_factory.mktemp("lake")
    filled(folder, CLEAN)
    return filled(folder, SPOILT, start=CLEAN, blemishes=DEFECTS)


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """Return the page of a half day from the older API, of which strangers said hostile things."""
    settings = filled(tmp_path_factory.mktemp("half"), HALF, api="v2")
    log = journal.Journal(settings.layout.journal(HALF), "download")
    log.record(journal.RETRIED, error=HOSTILE, cause=HOSTILE, root=HOSTILE, expiration="", attempt=1)
    log.record(journal.REQUEST, url=f"http://{HOSTILE}/v2", status=HOSTILE, bytes=1, seconds=0.1)
    of_lake = journal.Journal(settings.layout.lake_journal, "recheck")
    of_lake.record(journal.RECHECKED, date=HALF.isoformat(), found=HOSTILE, folder=HOSTILE, action=HOSTILE)
    return tree(settings, HALF)


@pytest.fixture(scope="module")
def views(lake):
    return {date: View.of(lake, NOW, date) for date in (CLEAN, SPOILT)}


@pytest.fixture(scope="module")
def trees(lake):
    return {date: tree(lake, date) for date in (CLEAN, SPOILT)}


def tree(settings, date):
    return Tree(page.html(day.page(settings, NOW, date))).root


def part(root, name):
    return root.one("section", id=name)


def rows(element):
    """Return the lines of the tables within *element*, each by the table's headings."""
    for table in element.all("table"):
        titles = [heading.text for heading in table.all("th")]
        for line in table.all("tr"):
            if cells := [cell.text for cell in line.all("td")]:
                yield dict(zip(titles, cells, strict=False))


def facts(section, of_class="cards"):
    return {
        line.children[0].text: line.children[1].text
        for box in section.all("div", of_class)
        for table in box.all("dl", of_class="facts")
        for line in table.all("div")
    }


def drawn(section, name):
    """Return the data of the chart of that *name*, all of its layers' together."""
    figure = chart_of(section, name)
    datasets = drawing.specification(figure)["datasets"]
    return [row for dataset in datasets.values() for row in dataset]


def chart_of(section, name):
    return next(figure for figure in section.figures if figure.name == name)


def bars(section, name):
    """Return the bars that are really drawn, as the drawing tells who cannot see: check, minute, hits."""
    with contextlib.redirect_stderr(None):
        svg = vl_convert.vegalite_to_svg(drawing.specification(chart_of(section, name)))
    told = re.findall(r'aria-label="at: ([^;]+);[^"]* check: ([^;]+); hits: ([0-9,]+)"', svg)
    return [(code, clock, int(hits.replace(",", ""))) for clock, code, hits in told]


# The verdict --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("date", [CLEAN, SPOILT])
def test_the_score_and_every_part_and_check_are_on_the_page_in_their_numbers(date, views, trees):
    found, section = views[date].dossier, part(trees[date], "verdict")

    lines = list(rows(section))
    parts = {line["part"]: line for line in lines if "weight" in line}
    checks = {line["check"].split()[0]: line for line in lines if "hits" in line}

    assert f"{words.points(found['score'])} of 100 {found['verdict']}" in section.text
    assert [(name, parts[name]["weight"]) for name in parts] == [
        (each["part"], f"{each['weight']:g}") for each in found["parts"]
    ]
    assert all(words.points(each["score"]) in parts[each["part"]].values() for each in found["parts"])
    assert (
        set(checks) == {each["check"] for each in found["checks"]} == {each.code for each in catalogue.CHECKS}
    )
    for each in found["checks"]:
        line = checks[each["check"]]
        assert line["part"] == each["part"]
        assert line["hits"] == f"{each['hits']:,}"
        why_not = each["does_not_apply"]
        nothing = "does not apply" if why_not else "no data"
        assert line["of"] == (f"{each['of']:,}" if each["of"] else nothing)
        assert line["first"] == (each["first"] or why_not or "")
        assert each["score"] is None or line["points"] == words.points(each["score"])


def test_what_cost_points_stands_first_and_every_check_says_what_it_means(views, trees):
    section = part(trees[SPOILT], "verdict")
    names = [line["check"].split()[0] for line in rows(section) if "hits" in line]
    points = {each["check"]: each["score"] for each in views[SPOILT].dossier["checks"]}
    hits = {each["check"]: each["hits"] for each in views[SPOILT].dossier["checks"]}

    habits = {each["check"] for each in views[SPOILT].dossier["checks"] if each["habit"]}
    costly = [
        name for name in points if points[name] is not None and points[name] < 100 and name not in habits
    ]
    told = names[: len(costly)]

    assert len(costly) > 3
    assert set(told) == set(costly)
    assert [points[name] for name in told] == sorted(points[name] for name in told)
    assert [bool(hits[name]) for name in names] == sorted((bool(hits[name]) for name in names), reverse=True)
    assert all(" ".join(check.meaning.split()) in section.text for check in catalogue.CHECKS)


def test_the_points_that_parts_lost_are_those_that_the_score_lacks(views):
    found = views[SPOILT].dossier

    lost = [each["lost"] for each in content(views[SPOILT], "verdict").more["parts"]]

    assert sum(lost) == pytest.approx(100 - found["score"], abs=0.01)


def test_leading_figures_are_those_of_the_passport(views, trees):
    found, shown = views[SPOILT].dossier, tiles(part(trees[SPOILT], "verdict"))

    balance = found["completeness"]
    assert balance["contracts_received"] < balance["contracts_expected"]
    assert shown["rows"].startswith(f"{found['provenance']['rows']:,} ")
    received, listed = (f"{balance[f'contracts_{name}']:,}" for name in ("received", "expected"))
    assert shown["contracts"].startswith(f"{received} of {listed} listed")
    assert shown["stamps"] == "391 every 1m"
    assert shown["Parquet"].startswith(words.size(found["provenance"]["parquet"]["bytes"]))


def test_a_day_without_neighbours_says_so(half):
    section = part(half, "verdict")

    assert not list(section.all("figure"))
    assert "Too few judged neighbours" in section.text


def test_a_day_among_neighbours_shows_how_far_from_them_it_is(views):
    view = views[SPOILT]
    (own,) = [each for each in view.others if each.date == SPOILT]
    dates = [SPOILT + dt.timedelta(offset) for offset in range(-6, 7)]
    others = [own if date == SPOILT else dataclasses.replace(own, date=date, score=100.0) for date in dates]
    distances = day_report.distances(others, 6, view.settings.quality.outlier_z)
    among = dataclasses.replace(view, others=others, dossier={**view.dossier, "outliers": distances})

    section = content(among, "verdict")
    scores, shown = drawn(section, "scores-around"), drawn(section, "distances")

    assert {(row["date"], row["score"]) for row in scores if "score" in row} == {
        (each.date.isoformat(), each.score) for each in others
    }
    assert [row["date"] for row in scores if row.get("is_it")] == [SPOILT.isoformat()]
    assert {(row["measure"], row["z"], row["stands_out"]) for row in shown if "z" in row} == {
        (each["measure"], each["z"], each["stands_out"]) for each in distances
    }
    assert any(row.get("stands_out") and row["figure"] == neighbours.WORDS["score"] for row in shown)


def test_previous_and_next_are_the_sealed_days_beside_whether_they_have_a_page_or_not(lake, views):
    # One of a date that is not sealed is about to be removed: nothing leads there.
    for date in (dt.date(2023, 12, 29), CLEAN):
        files.write_text(lake.layout.day_page(date), "<html>")

    root, after = tree(lake, CLEAN), tree(lake, SPOILT)
    together = Tree(page.html(day.page(lake, NOW, CLEAN, [CLEAN, SPOILT]))).root

    assert not [link for link in root.all("a") if link.attributes.get("rel") == "prev"]
    assert root.one("a", rel="next").attributes["href"] == f"../dashboard.html#{SPOILT}"
    assert together.one("a", rel="next").attributes["href"] == f"{SPOILT}.html"
    assert after.one("a", rel="prev").attributes["href"] == f"{CLEAN}.html"
    assert (
        lake.layout.day_page(CLEAN).parent / root.one("a", title="Dashboard").attributes["href"]
    ).resolve() == (lake.layout.dashboard.resolve())


# Findings -----------------------------------------------------------------------------------------------


def test_every_hit_of_the_passport_is_drawn_at_its_minute_and_in_its_chain(views):
    found, section = views[SPOILT].dossier, content(views[SPOILT], "findings")
    names = [figure.name for figure in section.figures]
    assert names[:4] == ["findings-by-minute", "findings-by-chain", "facts-by-minute", "facts-by-chain"]

    minutes = {*bars(section, "findings-by-minute"), *bars(section, "facts-by-minute")}
    chains = drawn(section, "findings-by-chain") + drawn(section, "facts-by-chain")

    stamps = [f"{at:%H:%M}" for at in day_report.stamps(found["minutes"])]
    assert (stamps[0], stamps[-1]) == ("09:30", "16:00")
    assert minutes == {
        (code, stamps[place], number)
        for code, line in found["minutes"]["hits"].items()
        for place, number in enumerate(line)
        if number
    }
    assert {(row["chain"], row["check"], row["hits"]) for row in chains} == {
        (f"{chain['expiration']} {chain['root']}", code, number)
        for chain in found["chains"]
        for code, number in chain["quality"]["hits"].items()
        if number
    }


def test_what_was_found_of_arbitrage_and_parity_is_said_in_words(trees):
    clean, spoilt = (part(trees[date], "findings").text for date in (CLEAN, SPOILT))

    assert "Arbitrage: no findings (vertical, butterfly" in clean
    assert "Parity: no findings (parity, parity-fit" in clean
    assert "no findings (vertical" not in spoilt
    assert "bids beside an ask of another strike (vertical)" in spoilt


def test_a_day_of_which_nothing_could_be_looked_at_says_that(views):
    blind = [{**check, "of": 0, "hits": 0, "score": None} for check in views[CLEAN].dossier["checks"]]
    nothing = {**views[CLEAN].dossier, "checks": blind, "minutes": None, "chains": [], "score": None}
    nothing |= {"verdict": None, "parts": [], "underlying": None, "session": None}
    view = dataclasses.replace(views[CLEAN], dossier=nothing)

    section = content(view, "findings")

    assert section.figures == []
    assert section.more["words"] == [
        "Arbitrage: no data to check.",
        "Parity: no data to check.",
    ]
    root = shown(view, *OTHERS, "chains")
    assert "– of 100 not judged Nothing could be judged." in part(root, "verdict").text
    assert "No record carries a price" in part(root, "underlying").text
    assert "Nothing listed for this date." in part(root, "chains").text
    assert facts(part(root, "provenance"))["hours"] == "no calendar has this date"


def test_the_rate_is_what_the_discount_factors_of_distant_expirations_say(views):
    days = (3, 29, 30, 365, 1000)
    chains = [
        {
            "root": "SPX",
            "expiration": (CLEAN + dt.timedelta(each)).isoformat(),
            "rows": 1,
            "quality": {"hits": {}, "figures": {"discount": math.exp(-0.05 * each / 365)}},
        }
        for each in days
    ]
    view = dataclasses.replace(views[CLEAN], dossier={**views[CLEAN].dossier, "chains": chains})

    rates = [row for row in drawn(content(view, "findings"), "parity-rate") if "days" in row]

    assert [row["days"] for row in rates] == [30, 365, 1000]
    assert [row["rate"] for row in rates] == pytest.approx([0.05] * 3, abs=1e-6)


# The underlying -----------------------------------------------------------------------------------------


def test_the_prices_are_those_that_the_records_carry(lake, views):
    found = views[CLEAN].dossier
    path = lake.layout.parquet(CLEAN)
    sealed = (
        pl.read_parquet(path)
        .filter(pl.col("underlying_price") > 0)
        .group_by(pl.col("timestamp").dt.replace_time_zone(None))
        .agg(pl.col("underlying_price").unique())
        .sort("timestamp")
    )

    series = underlying.prices(path, found["chains"])

    assert [[price] for _, price in series] == sealed["underlying_price"].to_list()
    assert [at for at, _ in series] == sealed["timestamp"].to_list()
    values = [price for _, price in series]
    told = found["underlying"]
    assert [values[0], max(values), min(values), values[-1]] == [
        told[name] for name in ("open", "high", "low", "close")
    ]


def test_prices_are_told_with_what_they_moved_by(views, trees):
    shown, found = tiles(part(trees[SPOILT], "underlying")), views[SPOILT].dossier["underlying"]
    before = views[CLEAN].dossier["underlying"]["close"]

    moved = f"{100 * (found['close'] / before - 1):+.2f} %".replace("-", "−")
    assert shown["close"].startswith(f"{found['close']:,.2f} ")
    assert shown["change"] == f"{moved} from {before:,.2f} on {CLEAN}"
    assert "change" not in tiles(part(trees[CLEAN], "underlying"))


# Chains -------------------------------------------------------------------------------------------------


def test_every_chain_is_a_line_in_its_numbers(views, trees):
    found = views[SPOILT].dossier["chains"]

    lines = list(rows(part(trees[SPOILT], "chains")))

    assert [int(line["days"]) for line in lines] == sorted(int(line["days"]) for line in lines)
    by_name = {(line["expiration"].split()[0], line["expiration"].split()[-1]): line for line in lines}
    assert set(by_name) == {(chain["expiration"], chain["root"]) for chain in found}
    for chain in found:
        line = by_name[chain["expiration"], chain["root"]]
        assert line["received"] == f"{chain['contracts_received']:,}"
        assert line["listed"] == f"{chain['contracts_listed']:,}"
        assert line["rows"] == f"{chain['rows']:,}"
        assert line["holes"] == f"{chain['stamps_missing']:,}"
        assert line["rejected"] == f"{chain['rejected']:,}"
        assert line["duplicates"] == f"{chain['duplicates_dropped']:,}"
        forward = chain["quality"]["figures"]["forward"]
        assert line["forward"] == ("–" if forward is None else f"{forward:,.2f}")
        assert line["checkpoint"] == words.size(chain["checkpoint"]["bytes"])
    assert any(line["rejected"] != "0" for line in lines)


# Provenance ---------------------------------------------------------------------------------------------


def test_the_hashes_are_those_of_the_files_and_the_commands_find_them_right(lake, trees):
    section = part(trees[SPOILT], "provenance")
    known = facts(section, "vouchers")
    copied = [button.attributes["data-copy"] for button in section.all("button")]

    for name, path in (("Parquet", lake.layout.parquet(SPOILT)), ("passport", lake.layout.passport(SPOILT))):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert known[name].split()[0] == digest
        assert digest in copied
    (command,) = [words for words in copied if "sha256sum" in words]
    told = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    of_a_day = (lake.layout.parquet, lake.layout.passport, lake.layout.contracts)
    sealed = {path(SPOILT).name for path in of_a_day}
    assert set(told.splitlines()) == {f"{name}: OK" for name in sealed}
    assert f"spx-data verify {SPOILT}" in copied


def test_what_was_asked_and_set_aside_is_counted(views, trees):
    section, found = part(trees[SPOILT], "provenance"), views[SPOILT].dossier
    known, events = facts(section), views[SPOILT].events

    asked = [event for event in events if event["event"] == journal.REQUEST]
    assert known["requests"].startswith(f"{len(asked)}: ")
    assert known["received"] == words.size(sum(event["bytes"] for event in asked))
    assert known["longest"] == f"{max(event['seconds'] for event in asked):,.3f} s"
    assert known["rejected"].startswith(f"{found['rejects']['rows']} (1 negative-price")
    assert str(views[SPOILT].layout.rejects(SPOILT)) in section.text
    stages = [(line["stage"], line["ended"]) for line in rows(section) if "ended" in line]
    assert stages == [("list", "finished"), ("download", "finished"), ("merge", "sealed")]
    retried = [line for line in rows(section) if line.get("event") == "retried"]
    assert len(retried) == sum(event["event"] == journal.RETRIED for event in events) > 0


def test_a_half_day_of_the_older_api_tells_its_hours_and_that_no_vendor_did(half):
    known = facts(part(half, "provenance"))

    assert known["API"] == "v2"
    assert known["vendor"].startswith("not given")
    assert known["hours"] == "09:30 to 13:00, early close"
    assert "09:30 to 13:00 New York, early close" in half.text


def test_a_stage_that_was_killed_is_told_as_interrupted_and_nonsense_is_left_out():
    at = "2024-01-03T01:00:00.000+00:00"
    common = {"at": at, "run": "one"}
    events = [
        {**common, "stage": "download", "event": journal.STARTED},
        {**common, "stage": "download", "event": journal.REQUEST, "url": "http://[", "bytes": "many"},
        {**common, "stage": "download", "event": journal.REQUEST, "url": 7, "bytes": 10, "seconds": 0.5},
        {**common, "stage": "download", "event": journal.STARTED, "run": "two"},
        {**common, "stage": "download", "event": journal.FINISHED, "run": "two", "seconds": 3.0},
    ]

    first, second = provenance.stages(events)
    requests, hosts = dict(provenance.requests(events, failed=0)), provenance.hosts(events)

    assert (first["end"], first["seconds"], first["bytes"]) == ("interrupted", None, 10)
    assert (second["end"], second["seconds"]) == ("finished", 3.0)
    assert (requests["requests"], requests["received"]) == ("2: 2 × none", "10 bytes")
    assert (requests["median"], requests["longest"], hosts) == ("0.500 s", "0.500 s", [])


# The page -----------------------------------------------------------------------------------------------


def test_what_strangers_said_stays_text(half):
    section = part(half, "provenance")

    (line,) = [line for line in rows(section) if line.get("event") == "retried"]
    (look,) = [line for line in rows(section) if "rows added" in line]

    assert (line["error"], line["cause"]) == (HOSTILE, HOSTILE)
    assert (look["found"], look["report"]) == (HOSTILE, HOSTILE)
    assert HOSTILE in facts(section)["requests"]
    of_page = 5  # the data, and four that run
    assert len(list(half.all("script"))) == len(list(half.all("figure"))) + of_page
    assert not list(half.all("img"))


def test_a_date_that_is_not_sealed_has_no_page(lake):
    with pytest.raises(DateValidationError, match="2024-01-04 has no page: after the end date") as caught:
        day.page(lake, NOW, dt.date(2024, 1, 4))

    assert "spx-data process 2024-01-04" in caught.value.cure


@pytest.mark.parametrize("date", [CLEAN, SPOILT])
def test_every_chart_can_be_drawn(date, views):
    figures = [figure for name in OTHERS for figure in content(views[date], name).figures]
    assert len(figures) >= 6

    for figure in figures:
        with contextlib.redirect_stderr(None):
            svg = vl_convert.vegalite_to_svg(drawing.specification(figure))
        marks = set(re.findall(r'aria-roledescription="([^"]+)"', svg)) - {"axis", "legend", "title"}
        assert {mark for mark in marks if not mark.endswith("container")}, figure.name


def test_the_page_is_of_its_day(trees):
    root = trees[SPOILT]

    assert next(root.all("h1")).text.endswith("SPX 2024-01-03")
    assert "Wednesday, 09:30 to 16:00 New York" in root.text
    names = [section.attributes["id"] for section in root.all("section")]
    assert names[0] == "verdict"
    assert {"findings", "underlying", "chains", "provenance"} < set(names)
