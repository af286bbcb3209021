"""The dashboard in a real browser: what somebody sees who points, types, clicks and reads."""

import datetime as dt
import time

import pytest
from tests.browser.made import dashboard_of
from tests.report import lakes

from spx_data import status

FAILED = dt.date(2024, 12, 10)
REASON = "the answer breaks off after 1,204 of 9,384 rows"


def cell(shown, date=FAILED):
    return shown.page.locator(f'button.day[data-date="{date}"]')


def card(shown):
    return shown.page.locator("#card")


@pytest.fixture(scope="module")
def summaries(lake):
    """Return what the status says of each session, by date."""
    return {summary.date.isoformat(): summary for summary in status.summaries(lake.settings, lakes.MOMENT)}


def test_the_calendar_has_a_cell_for_each_session_in_the_colour_of_its_state(opened, dashboard, summaries):
    cells = opened(dashboard).page.evaluate(
        """[...document.querySelectorAll("button.day")].map(cell =>
            [cell.dataset.date, cell.className.match(/state-(\\S+)/)[1]])"""
    )

    assert len(cells) == len(summaries)
    assert dict(cells) == {date: summary.state.kind.value for date, summary in summaries.items()}
    assert {kind for _, kind in cells} >= {kind.value for kind in lakes.UNSEALED.values()}


def test_pointing_at_a_failed_date_says_why_how_often_and_what_to_type(opened, dashboard, summaries):
    shown, state = opened(dashboard), summaries[FAILED.isoformat()].state

    cell(shown).hover()

    told = card(shown).inner_text()
    assert REASON in told
    assert state.tries == 2
    assert f"{state.tries} failed runs" in told
    assert str(FAILED) in card(shown).locator(".command code").inner_text()


def test_the_keyboard_opens_the_same_card_and_escape_closes_it(opened, dashboard):
    shown = opened(dashboard)
    cell(shown).hover()
    pointed = card(shown).inner_text()
    shown.page.mouse.move(0, 0)
    card(shown).wait_for(state="hidden")

    shown.page.keyboard.press("Tab")
    cell(shown).focus()
    shown.page.keyboard.press("ArrowDown")
    shown.page.keyboard.press("ArrowUp")
    focused = card(shown).inner_text()
    shown.page.keyboard.press("Escape")

    assert focused == pointed
    assert card(shown).is_hidden()


def test_a_link_to_a_date_opens_its_card(opened, dashboard):
    shown = opened(dashboard)

    shown.page.evaluate(f"location.hash = '#{FAILED}'")
    card(shown).wait_for(state="visible")
    followed = card(shown).inner_text()
    shown.page.reload()

    assert REASON in followed
    assert card(shown).inner_text() == followed
    assert shown.complaints == []


@pytest.mark.parametrize("old", [False, True], ids=["new-clipboard", "old-clipboard"])
def test_the_pointer_enters_the_card_and_copies_its_command(opened, dashboard, old):
    shown = opened(dashboard, permissions=["clipboard-read", "clipboard-write"])
    shown.empty_clipboard(old=old)
    clock = shown.page.clock
    clock.install(time=0)
    clock.pause_at(3_600_000)  # later than it is by then, however busy the machine; so is the hand

    cell(shown).hover()
    clock.run_for(1)
    shown.walk(card(shown).locator("button.copy"))
    clock.run_for(400)  # longer than a card waits for a pointer on its way
    clock.resume()
    card(shown).locator("button.copy").click()

    assert card(shown).is_visible()
    assert shown.pasted() == card(shown).locator(".command code").inner_text()
    assert shown.pasted().endswith(str(FAILED))


def test_the_legend_dims_all_other_states(opened, dashboard):
    page = opened(dashboard).page
    dimmed = "[...document.querySelectorAll('button.day.dim')].length"
    failed = page.locator("button.day.state-failed")

    page.locator(".legend button", has_text="ailed").first.click()

    assert page.evaluate(dimmed) == page.locator("button.day").count() - failed.count()
    assert page.locator("button.day.state-failed.dim").count() == 0
    page.locator(".legend button", has_text="ailed").first.click()
    assert page.evaluate(dimmed) == 0


def test_hostile_words_are_shown_and_never_run(opened, dashboard):
    # Without the page's own policy, so that what is markup would run.
    shown = opened(dashboard, bypass_csp=True)
    asked = []
    shown.page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))

    cell(shown, lakes.HOSTILE_DATE).hover()
    told = card(shown).inner_text()
    shown.draw("#failures figure.chart")

    assert "<script>alert(1)</script>" in told
    assert "<img src=x onerror=alert(2)>" in told
    assert shown.page.locator("img").count() == 0
    assert asked == []
    assert shown.complaints == []
    assert shown.left == []


def test_a_card_fits_on_a_phone(opened, dashboard):
    shown = opened(dashboard, width=390, has_touch=True, is_mobile=True)

    cell(shown, lakes.HOSTILE_DATE).tap()

    box = card(shown).bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert shown.overflow() <= 0


def test_a_lake_of_more_than_a_year_opens_as_well(opened, tmp_path, capsys):
    days = 260  # a year has 252 sessions
    page = dashboard_of(lakes.long(tmp_path, days))

    begun = time.monotonic()
    shown = opened(page)
    shown.page.locator("button.day").first.wait_for()
    seconds = time.monotonic() - begun

    assert shown.page.locator("button.day.state-sealed").count() == days
    assert shown.complaints == []
    with capsys.disabled():
        print(f" {days} days: {page.stat().st_size / 1e6:.1f} MB, open after {seconds:.2f} s", end="")
