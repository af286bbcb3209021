"""Both pages in a real browser: they open from the disk, ask nobody for anything, and can be read."""

import itertools

import pytest
from tests.browser.shown import Shown

# Text and what it stands on, by the names of their colours; 4.5 is what WCAG 2 asks of text (AA).
TEXTS, GROUNDS = ("ink", "soft", "accent", "fail", "warn"), ("card", "paper", "hover")
ENOUGH = 4.5

CONTRAST = """([text, ground]) => {
    const probe = document.body.appendChild(document.createElement("span"));
    const luminance = (name) => {
        probe.style.color = `var(--${name})`;
        const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255);
        const [r, g, b] = parts.map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const [one, other] = [luminance(text), luminance(ground)];
    probe.remove();
    return (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
}"""

VIOLATIONS = """async () => {
    const refused = [];
    addEventListener("securitypolicyviolation", event => refused.push(event.effectiveDirective));
    const there = "https://example.org/";
    await fetch(there).catch(() => null);
    document.body.append(Object.assign(new Image(), { src: there }));
    document.body.append(Object.assign(document.createElement("iframe"), { src: there }));
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: there }));
    const script = document.createElement("script");
    script.textContent = "globalThis.ran = true";
    document.body.append(script);
    await new Promise(done => setTimeout(done, 100));
    return { refused: refused.sort(), ran: Boolean(globalThis.ran) };
}"""

# Later, by the page itself: what a test evaluates may do what a page may not.
FUNCTION_OF_TEXT = """() => new Promise((done) => setTimeout(() => {
    try { done(String(Function("return 1"))); } catch (error) { done(error.name); }
}))"""

# Every sortable column is clicked, and its cells read again. A number may have commas and a per cent sign.
UNSORTED = """async () => {
    const key = (row, at) => (row.cells[at].dataset.sort ?? row.cells[at].textContent).trim();
    const bare = (text) => text.replace(/[,%\\s]/g, "").replace("\u2212", "-");
    const wrong = [];
    for (const table of document.querySelectorAll("table.sortable")) {
        for (const head of table.tHead.querySelectorAll("th:not(.no-sort)")) {
            head.click();
            await new Promise(done => setTimeout(done, 20));
            const keys = [...table.tBodies[0].rows].map(row => key(row, head.cellIndex)).filter(Boolean);
            const isNumber = keys.every(each => bare(each) !== "" && !isNaN(bare(each)));
            const order = (one, other) => isNumber ? bare(one) - bare(other) : one.localeCompare(other);
            const way = head.getAttribute("aria-sort") === "ascending" ? 1 : -1;
            const at = keys.findIndex((each, n) => n && way * order(keys[n - 1], each) > 0);
            if (at > 0) wrong.push(`${head.textContent}: ${keys[at - 1]}, then ${keys[at]}`);
        }
    }
    return wrong;
}"""


@pytest.fixture(params=["dashboard", "day"])
def file(request):
    """Return the file of each page."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module", params=["dashboard", "day"])
def drawn(request, browser):
    """Return each page in the light, drawn once: no test undoes what another one asks of it."""
    file, allowed = request.getfixturevalue(request.param), ["clipboard-read", "clipboard-write"]
    with Shown.of(browser, file, permissions=allowed) as shown:
        shown.draw()
        yield shown


def test_a_page_draws_all_its_charts_without_a_complaint_and_asks_nobody(drawn):
    assert drawn.undrawn() == []
    assert drawn.complaints == []
    assert drawn.requests
    assert drawn.left == []


def test_it_does_so_in_the_dark(opened, file):
    shown = opened(file, theme="dark")

    shown.draw()

    assert shown.undrawn() == []
    assert shown.complaints == []
    assert shown.requests
    assert shown.left == []


def test_a_page_is_no_wider_than_a_phone(opened, file):
    shown = opened(file, width=390)

    shown.draw()

    assert shown.overflow() <= 0
    assert shown.complaints == []


def test_text_can_be_read_in_the_light_and_in_the_dark(drawn):
    pale, page = {}, drawn.page
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)
        for pair in itertools.product(TEXTS, GROUNDS):
            contrast = page.evaluate(CONTRAST, list(pair))
            if contrast < ENOUGH:
                pale[(theme, *pair)] = contrast

    assert pale == {}


def test_colours_follow_the_system_and_the_button(opened, file):
    shown = opened(file)
    shown.draw("#coverage figure.chart, #smiles")
    light = shown.colours()

    shown.page.emulate_media(color_scheme="dark")
    shown.settle(other_than=light)
    dark = shown.colours()
    shown.page.locator("#theme").click()
    shown.settle(other_than=dark)

    assert light["ground"] != dark["ground"]
    assert light["chart"] != dark["chart"]
    assert shown.colours() == light
    # What was chosen holds when the page is opened again, whatever the system says.
    shown.reopen("() => document.documentElement.dataset.theme === 'light'")
    shown.draw("#coverage figure.chart, #smiles")
    assert shown.colours() == light
    assert shown.complaints == []


def test_the_browser_lets_a_page_fetch_nothing_and_run_nothing_else(opened, file):
    page = opened(file).page

    found = page.evaluate(VIOLATIONS)

    assert found["ran"] is False
    assert {"connect-src", "img-src", "frame-src", "style-src-elem", "script-src-elem"} <= set(
        found["refused"]
    )


def test_charts_are_drawn_where_no_text_may_become_a_function(drawn):
    assert (drawn.undrawn(), drawn.complaints) == ([], [])

    assert drawn.page.evaluate(FUNCTION_OF_TEXT) == "EvalError"


def test_every_column_sorts_numbers_as_numbers(drawn):
    assert drawn.page.evaluate(UNSORTED) == []
    assert drawn.complaints == []


def test_a_table_is_sorted_from_the_keyboard(drawn):
    page = drawn.page
    head = page.locator("table.sortable th:not(.no-sort)").first

    head.focus()
    page.keyboard.press("Enter")
    first = head.get_attribute("aria-sort")
    page.keyboard.press("Enter")

    assert {first, head.get_attribute("aria-sort")} == {"ascending", "descending"}


@pytest.mark.parametrize("old", [False, True], ids=["new-clipboard", "old-clipboard"])
def test_a_command_is_copied(drawn, old):
    button = drawn.page.locator("button.copy[data-copy]:visible").first
    drawn.empty_clipboard(old=old)

    button.click()

    assert drawn.pasted() == button.get_attribute("data-copy")
