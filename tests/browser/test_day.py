"""A day's page in a real browser: its charts follow the minute that somebody chooses."""

import pytest

SMILES = "#smiles"


@pytest.fixture
def shown(opened, day):
    """Return the page with its smiles drawn."""
    shown = opened(day)
    shown.draw(SMILES)
    return shown


def test_the_slider_moves_the_smiles_to_its_minute(shown):
    before = shown.drawing(SMILES)
    slider, told = shown.page.locator("input[data-signal=minute]"), shown.page.locator("output[for=minute]")
    first = told.inner_text()

    slider.fill(slider.get_attribute("max"))

    shown.wait_for_other_drawing(SMILES, before)
    assert told.inner_text() == "16:00" != first
    assert shown.complaints == []
    assert shown.left == []


def test_the_slider_moves_by_the_keyboard_and_back(shown):
    before = shown.drawing(SMILES)
    told = shown.page.locator("output[for=minute]")
    first = told.inner_text()

    shown.page.locator("input[data-signal=minute]").focus()
    shown.page.keyboard.press("ArrowRight")
    shown.wait_for_other_drawing(SMILES, before)
    moved = told.inner_text()
    after = shown.drawing(SMILES)
    shown.page.keyboard.press("ArrowLeft")
    shown.wait_for_other_drawing(SMILES, after)

    assert moved != first
    assert told.inner_text() == first
    assert shown.drawing(SMILES) == before


def test_the_page_leads_back_to_the_dashboard(opened, day):
    assert opened(day).page.locator("a.home").get_attribute("href") == "../dashboard.html"
