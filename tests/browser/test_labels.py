"""No word of a page lies on another one, whatever the shape of the lake, in a wide window and on a phone."""

import datetime as dt
from dataclasses import replace

import pytest
from tests.browser import labels, made
from tests.report import lakes
from tests.report.test_calendar import of_many
from tests.sealed_days import judged, seal

from spx_data.market import sessions
from spx_data.report import dashboard, page
from spx_data.store import files

LOOKS = [(1280, "light"), (390, "dark")]
HALF_DAY = dt.date(2024, 11, 29)
OVERLAP = """() => {
    for (const words of ["one", "other"]) {
        const label = document.createElement("span");
        Object.assign(label, { textContent: words, style: "position: absolute; left: 40px; top: 40px" });
        document.body.append(label);
    }
    const text = document.querySelector("figure.chart svg text");
    text.setAttribute("transform", "translate(-200, 0)");
}"""


def shown_in(folder, view):
    """Return the dashboard that shows *view*, as a file."""
    found = replace(dashboard.page(view.settings, view.moment), view=view)
    target = folder / "dashboard.html"
    files.write_text(target, page.html(found))
    return target


@pytest.fixture(scope="module")
def two_dates(tmp_path_factory):
    return made.dashboard_of(lakes.long(tmp_path_factory.mktemp("two"), 2))


@pytest.fixture(scope="module")
def ten_years(tmp_path_factory):
    folder = tmp_path_factory.mktemp("years")
    return shown_in(folder, of_many(lakes.empty(folder), 2500))


@pytest.fixture(scope="module")
def months_apart(tmp_path_factory):
    """Return the dashboard of a lake with days of February and of late in the year, half days among them."""
    folder = tmp_path_factory.mktemp("apart")
    lake = lakes.empty(folder)
    settings = lake.with_keys(start_date="2023-02-01")
    for first, last in (("2023-02-06", "2023-02-17"), ("2024-11-25", "2024-12-06")):
        for session in sessions.between("NYSE", dt.date.fromisoformat(first), dt.date.fromisoformat(last)):
            seal(settings, session.date, quality=judged())
    return shown_in(folder, dashboard.View.of(settings, lakes.MOMENT))


@pytest.fixture(scope="module")
def half_day(tmp_path_factory):
    return made.day_page(tmp_path_factory.mktemp("half"), HALF_DAY)


@pytest.mark.parametrize("width, theme", LOOKS)
@pytest.mark.parametrize("shape", ["two_dates", "months_apart", "ten_years", "dashboard", "day", "half_day"])
def test_no_label_lies_on_another_one_or_leaves_its_chart(opened, request, shape, width, theme):
    shown = opened(request.getfixturevalue(shape), width=width, theme=theme, script=labels.AS_ELEMENTS)

    shown.draw()

    assert labels.colliding(shown.page) == []
    assert shown.complaints == []


def test_labels_that_collide_are_found(opened, day):
    shown = opened(day, script=labels.AS_ELEMENTS)
    shown.draw("#scores-around, #contracts")
    assert labels.colliding(shown.page) == []

    shown.page.evaluate(OVERLAP)

    found = labels.colliding(shown.page)
    assert any('"one" on "other"' in each for each in found)
    assert any("leaves its chart" in each for each in found)
