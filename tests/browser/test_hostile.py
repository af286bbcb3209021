"""Hostile text in every field that a page shows, drawings and what they say when pointed at included.

It is shown as text and nothing of it runs, neither from the disk nor served, nor where the page's own policy
is switched off: the policy is the second line of defence, and escaping the first.
"""

import contextlib
import socket
import threading

import pytest
from tests.browser import hostile
from tests.browser.shown import Shown
from tests.report import lakes

from spx_data import report
from spx_data.ops.serving import Server
from spx_data.report import live
from spx_data.report.live import Pages

# What no page of ours has, wherever text was taken for markup; and links that lead anywhere else.
FOREIGN = """(own) => {
    const found = [];
    for (const each of document.querySelectorAll("*")) {
        const name = each.localName, is = (names) => names.split(" ").includes(name);
        if (each.matches("form.vega-bindings:empty")) continue;  // each chart has one, for inputs
        if (is("img iframe object embed link base form frame video audio source image foreignObject b"))
            found.push(each.outerHTML.slice(0, 200));
        if (name === "script" && !own.includes(each.textContent) && each.type !== "application/json")
            found.push(each.outerHTML.slice(0, 200));
        if (name === "style" && each.textContent.includes("display:none}"))
            found.push(each.outerHTML.slice(0, 200));
        if (name === "meta" && each.httpEquiv.toLowerCase() === "refresh" && !/^\\d+$/.test(each.content))
            found.push(each.outerHTML);
        for (const { name: attribute, value } of each.attributes) {
            if (/^on|^src$|^srcdoc$|^action$|^formaction$|^ping$/.test(attribute))
                found.push(`${name} ${attribute}`);
            if (/href$/.test(attribute) &&
                !/^(#[a-z-]*|(days\\/|\\.\\.\\/)?(dashboard|\\d{4}-\\d{2}-\\d{2})\\.html(#[\\d-]+)?)$/.test(value))
                found.push(`${name} ${attribute}=${value.slice(0, 80)}`);
        }
    }
    if (globalThis.hit) found.push("it ran");
    if (Object.hasOwn(Object.prototype, "hit") || ({}).hit) found.push("prototypes were changed");
    return found;
}"""
# Seconds until a page that is served asks for itself again: long after a slow machine has looked through it.
NEVER = 86_400
OWN = "() => [...document.querySelectorAll('script:not([type])')].map(each => each.textContent)"
# Every mark of every chart is pointed at, as far as there are so many; what tooltips said is returned.
POINTED = """async () => {
    const said = new Set();
    const see = () => {
        const tip = document.getElementById("vg-tooltip-element");
        if (tip?.textContent) said.add(tip.textContent);
    };
    for (const plot of document.querySelectorAll("figure.chart .plot")) {
        const surface = plot.querySelector("svg, canvas");
        plot.scrollIntoView({ block: "center" });
        const { left, top, width, height } = surface.getBoundingClientRect();
        const at = [];
        const marks = plot.querySelectorAll(".mark-rect path, .mark-symbol path, .mark-rule line");
        for (const mark of [...marks].slice(0, 40)) {
            const box = mark.getBoundingClientRect();
            at.push([box.left + box.width / 2, box.top + box.height / 2, mark]);
        }
        for (let x = 0.02; x < 1; x += 0.07) for (let y = 0.05; y < 1; y += 0.12)
            at.push([left + x * width, top + y * height, null]);
        for (const [clientX, clientY, mark] of at) {
            const target = mark ?? document.elementFromPoint(clientX, clientY) ?? surface;
            for (const type of ["pointermove", "mousemove", "mouseover"])
                target.dispatchEvent(new MouseEvent(type, { clientX, clientY, bubbles: true, view: window }));
            see();
        }
        await new Promise(requestAnimationFrame);
        see();
    }
    return [...said];
}"""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    """Return the dashboard of a hostile lake, and its settings."""
    made = hostile.lake(tmp_path_factory.mktemp("hostile"))
    return report.write_dashboard(made.settings, lakes.MOMENT), made.settings


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """Return the page of a hostile day, and its settings."""
    settings = hostile.day(tmp_path_factory.mktemp("hostile-day"))
    (made,) = report.write_days(settings, lakes.MOMENT, [hostile.made.DAY])
    return made.path, settings


@pytest.fixture(scope="module")
def day_dashboard(day):
    """Return the dashboard of the lake in a folder named like markup."""
    return report.write_dashboard(day[1], lakes.MOMENT), day[1]


@pytest.fixture(params=["dashboard", "day", "day_dashboard"])
def page(request):
    """Return each page's file, and the settings of its lake."""
    return request.getfixturevalue(request.param)


@pytest.fixture(autouse=True)
def asked_once(monkeypatch):
    """Let no page that is served ask for itself again, though a run is at work."""
    monkeypatch.setattr(live, "_AT_WORK_SECONDS", NEVER)


@pytest.fixture
def stack():
    """Return what closes things after the test."""
    with contextlib.ExitStack() as stack:
        yield stack


def looked_through(shown):
    """Look at all that a page shows: draw, point, open cards and details, sort; return its texts."""
    dialogs = []
    shown.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    own = shown.page.evaluate(OWN)
    shown.page.evaluate(
        "() => { for (const each of document.querySelectorAll('details')) each.open = true; }"
    )
    shown.draw()
    pointed = shown.page.evaluate(POINTED)
    charts = shown.page.evaluate(CHARTS)
    texts = [*pointed, *shown.page.evaluate(CARDS)]
    shown.page.evaluate("() => { for (const each of document.querySelectorAll('th, #theme')) each.click(); }")
    texts.append(shown.page.evaluate("document.body.innerText"))
    texts += shown.page.evaluate("[...document.querySelectorAll('svg text')].map(each => each.textContent)")
    shown.page.wait_for_timeout(300)  # for what would run late

    assert shown.page.evaluate(FOREIGN, own) == []
    assert dialogs == []
    assert shown.undrawn() == []
    # Charts say it too.
    assert pointed
    assert any("window.hit" in text for text in (*pointed, *charts))
    return texts


CHARTS = "() => [...document.querySelectorAll('figure.chart')].map(each => each.innerText + each.textContent)"
CARDS = """async () => {
    const said = [];
    for (const cell of document.querySelectorAll("button.day")) {
        cell.click();
        said.push(document.getElementById("card").innerText);
        cell.click();
    }
    return said;
}"""


@pytest.mark.parametrize("bypass", [False, True], ids=["with-its-policy", "without"])
def test_hostile_text_is_text_on_a_page_from_the_disk(page, opened, bypass):
    file, _ = page
    shown = opened(file, bypass_csp=bypass)

    texts = looked_through(shown)

    assert any(hostile.SEEN in text for text in texts)
    assert any('<img src=x onerror="window.hit=1">' in text for text in texts)
    assert not any("49" in text and "{{7*7}}" not in text for text in texts if "7*7" in text)
    assert not any("\u202e" in text or "\x9b" in text for text in texts)
    assert any(r"\u202egnp" in text for text in texts)
    assert shown.complaints == []
    assert shown.left == []


@pytest.mark.parametrize("name", ["dashboard", "day"])
def test_hostile_text_is_text_on_a_page_that_is_served(name, request, browser):
    _, settings = request.getfixturevalue(name)
    path = "/" if name == "dashboard" else f"/days/{hostile.made.DAY}.html"
    with Server("127.0.0.1", 0, Pages(settings, NEVER)) as there:
        threading.Thread(target=there.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        window = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        try:
            url = f"http://127.0.0.1:{there.server_port}{path}"
            shown = Shown.served(window.new_page(), url)
            looked_through(shown)

            assert shown.complaints == []
            assert shown.elsewhere(url) == []
        finally:
            window.close()
            there.shutdown()


def test_a_page_of_somebody_else_runs_nothing_where_it_is_served(browser, day, stack):
    file, settings = day
    kept = file.read_text()
    policy = kept[kept.index("<meta http-equiv") : kept.index('<meta name="viewport')]
    stranger = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    stranger.setblocking(False)
    markup = f"<script>window.hit=1</script><img src=http://127.0.0.1:{stranger.getsockname()[1]}/>"
    markup += "<img src=data:nothing onerror=window.hit=1>"
    # What the server looks for is there, and the browser takes no heed of it.
    forged = kept.replace(policy, f"<!--{policy}-->", 1).replace("<main>", f"<main>{markup}", 1)
    file.write_text(forged)
    try:
        with Server("127.0.0.1", 0, Pages(settings, NEVER)) as there:
            threading.Thread(target=there.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            window = browser.new_context()
            url = f"http://127.0.0.1:{there.server_port}/days/{hostile.made.DAY}.html"
            shown = Shown.served(window.new_page(), url)
            shown.page.wait_for_timeout(300)
            ran, shown_text = shown.page.evaluate("window.hit"), shown.page.content()
            window.close()
            there.shutdown()
    finally:
        file.write_text(kept)

    assert "window.hit" in shown_text
    assert ran is None
    with pytest.raises(BlockingIOError):
        stranger.accept()
