"""The dashboard of lakes: leading figures, what needs somebody, and what is missing in its order."""

import datetime as dt
import os

from tests.report import lakes
from tests.report.elements import Tree, cells, shown, tiles
from tests.sealed_days import judged, seal

from spx_data import status
from spx_data.lake import runs
from spx_data.ops import gaps
from spx_data.report import dashboard
from spx_data.report import page as pages
from spx_data.report.dashboard.view import View
from spx_data.store import files, locks

# Gaps ---------------------------------------------------------------------------------------------------


def queue_rows(root):
    (table,) = root.all("table", "queue")
    return [row.children for row in table.one("tbody").children]


def test_gaps_stand_in_the_order_of_their_priority_each_with_its_command(every_kind, tree):
    found = gaps.find(every_kind.settings, lakes.MOMENT)

    rows = queue_rows(tree)

    assert [row[0].text for row in rows] == [gap.date.isoformat() for gap in found]
    assert [row[1].text for row in rows] == [gap.kind for gap in found]
    assert [float(row[2].attributes["data-sort"]) for row in rows] == [gap.priority for gap in found]
    commands = [[code.text for code in row[-1].all("code")] for row in rows]
    assert commands == [[gap.command] if gap.command else [] for gap in found]


def test_gaps_are_summed_up_above_them(every_kind, tree):
    plan = gaps.plan(every_kind.settings, lakes.MOMENT, None, cores=4)

    lead = tree.one("section", id="queue").one("p", **{"class": "lead"}).text

    assert lead.startswith(f"14 gaps; the next run fills {len(plan.gaps)} of them: about ")
    assert lead.endswith("dates in parallel.")


def test_of_many_gaps_the_first_are_shown_and_the_command_for_the_others(tmp_path):
    made = lakes.empty(tmp_path)

    found = View.of(made.with_keys(start_date="2023-10-16"), lakes.MOMENT)
    root = shown(found, "queue")

    assert len(found.gaps) == 305
    assert len(queue_rows(root)) == 200
    below = [paragraph.text for paragraph in root.all("p") if "spx-data gaps" in paragraph.text]
    assert below and below[0].startswith("105 more gaps with lower priority: spx-data gaps copy lists all.")


def test_a_lake_without_gaps_says_so(tmp_path):
    made = lakes.empty(tmp_path)
    settings = made.with_keys(start_date="2024-12-02", end_date="2024-12-03")
    for day in (2, 3):
        seal(settings, dt.date(2024, 12, day), quality=judged())
    found = View.of(settings, lakes.MOMENT)
    found.__dict__["alerts"] = []  # those of this machine's disk and memory are not the lake's

    root = shown(found, "overview", "queue")

    assert [each.text for each in root.all("p", "nothing")] == ["No gaps: every session is sealed."]
    assert [each.text for each in root.all("p", "calm")] == [
        "All clear: every session that can be sealed is sealed."
    ]
    assert tiles(root)["Next run"].startswith("nothing to do")


# Leading figures ----------------------------------------------------------------------------------------


def test_the_leading_figures_are_those_of_the_lake(view, tree):
    found = tiles(tree)

    known = status.overview(view.settings, lakes.MOMENT)
    assert found["Sealed"].split() == ["41", "of", "55", "sessions,", "74.5", "%"]
    assert found["Rows"].startswith(
        f"{known.rows / 1e6:.1f} million in {known.bytes / 1e6:.1f} MB of Parquet"
    )
    assert found["Median score"] == "99.9 5 days to check 2 below 80"
    assert found["Next run"].startswith("10 dates about ")
    assert found["Next run"].endswith("1 gap needs you")
    assert found["Last activity"].startswith("2024-12-30 22:3")


def test_sealed_dates_that_nobody_asks_for_are_counted_apart(tmp_path):
    made = lakes.empty(tmp_path)
    for date in (dt.date(2024, 10, 11), dt.date(2024, 10, 14), dt.date(2024, 10, 15)):
        seal(made.settings, date)

    found = tiles(shown(View.of(made.settings, lakes.MOMENT), "overview"))

    assert found["Sealed"] == "2 of 55 sessions, 3.6 % plus 1 sealed date out of range"


def test_alerts_come_with_commands_to_copy_and_the_worst_is_the_first(view):
    alert = next(alert for alert in view.alerts if alert.name == "parked")

    root = shown(view, "overview")

    found = list(root.all("li", "alert"))
    assert len(found) == len(view.alerts)
    levels = [each.attributes["data-level"] for each in found]
    assert levels == sorted(levels, key=["fail", "warn", "notice"].index)
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

    found = tiles(shown(View.of(made.settings, lakes.MOMENT), "overview"))
    job, now = layout.job_lock("run", 12), dt.datetime.now(dt.UTC)
    waits = locks.hold(job)
    files.write_json(job.with_suffix(".json"), dict.fromkeys(("since", "again", "until"), now.isoformat()))
    away = tiles(shown(View.of(made.settings, lakes.MOMENT), "overview"))
    os.close(waits)
    os.close(held)

    assert found["Run in progress"].startswith("1 of 4 dates since 2024-12-31 16:30 UTC")
    assert (
        f"terminal not answering since {now:%H:%M} UTC; asking again at {now:%H:%M:%S} UTC"
        in away["Run in progress"]
    )
    assert "left" not in away["Run in progress"]
    assert "Run in progress" not in tiles(shown(View.of(made.settings, lakes.MOMENT), "overview"))


# Much, little and nothing -------------------------------------------------------------------------------


def test_an_empty_lake_has_its_calendar_and_its_gaps(tmp_path):
    made = lakes.empty(tmp_path)

    root = Tree(pages.html(dashboard.page(made.settings, lakes.MOMENT))).root

    assert len(cells(root)) == 55
    assert tiles(root)["Sealed"].startswith("0 of 55 sessions, 0 %")
    assert tiles(root)["Median score"] == "– no judged days yet"
    lead = root.one("section", id="queue").one("p", **{"class": "lead"}).text
    assert lead == "55 gaps; the next run fills 54 of them; cost unknown until a day is sealed."


def test_a_lake_that_has_no_session_yet_says_so(tmp_path):
    made = lakes.empty(tmp_path)
    settings = made.with_keys(start_date="2025-06-02", end_date="2025-06-30")

    root = Tree(pages.html(dashboard.page(settings, lakes.MOMENT))).root

    assert not cells(root)
    assert root.one("section", id="calendar").one("p", **{"class": "nothing"})


def test_a_lake_that_nobody_judged_has_no_scores(tmp_path):
    made = lakes.every_kind(tmp_path, judged=False)

    root = Tree(pages.html(dashboard.page(made.settings, lakes.MOMENT))).root

    sealed = [cell for cell in cells(root).values() if "state-sealed" in cell.classes]
    assert len(sealed) == 41
    assert all("unjudged" in cell.classes for cell in sealed)
    assert tiles(root)["Median score"] == "– no judged days yet"
