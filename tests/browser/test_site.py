"""The documentation in a real browser: from the disk, wide and on a phone, in the light and the dark."""

import pytest
from tests import pages

PAGES = (
    *("index", "tutorial", "how-it-works", "data", "quality", "glossary", "how-to/which-command"),
    *("reference/commands", "reference/config", "reference/python", "decisions/index"),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the folder of the site."""
    folder = tmp_path_factory.mktemp("site")
    pages.site(folder)
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_ask_nobody_and_say_nothing_on_the_console(scheme, built, browser):
    page = browser.new_page(color_scheme=scheme)
    said, asked, wide = [], [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))

    for name in PAGES:
        for width in (1280, 390):  # which a page is made, and which it becomes
            page.set_viewport_size({"width": width, "height": 900})
            if width == 1280:
                page.goto((built / f"{name}.html").as_uri(), wait_until="load")
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wide.append((name, width))
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3)")
        assert (sum(map(int, ground)) < 3 * 128) == (scheme == "dark")
    page.close()

    assert (said, wide) == ([], [])
    assert {address.split(":")[0] for address in asked} <= {"file", "data", "blob"}


def test_the_search_finds_a_page_from_the_disk(built, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((built / "index.html").as_uri())

    page.locator("input.md-search__input").fill("quarantine")
    page.locator(".md-search-result__item a").first.wait_for()

    found = [each.get_attribute("href") for each in page.locator(".md-search-result__item a").all()]
    assert any("glossary.html#quarantine" in link for link in found)
    page.close()
