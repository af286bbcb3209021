"""A page in a browser: opened from the disk, with all that it asked for and complained of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, TimeoutError

# Nothing of these leaves the page.
_INWARD = ("data:", "blob:")
_DRAWN = "figure.chart .plot :is(svg, canvas)"
_DRAWING = """(figure) => {
    const plot = document.querySelector(`${figure} .plot`);
    return plot.querySelector("canvas")?.toDataURL() ?? plot.querySelector("svg").outerHTML;
}"""
_COLOURS = """() => ({
    ground: getComputedStyle(document.body).backgroundColor,
    chart: document.querySelector("figure.chart .plot svg text[fill]")?.getAttribute("fill") ?? null,
})"""


@dataclass
class Shown:
    """A page in a window of its own, in a browser that has no network."""

    page: Page
    file: Path
    complaints: list[str] = field(default_factory=list)  # errors and warnings of the console
    requests: list[str] = field(default_factory=list)

    @classmethod
    def served(cls, page: Page, url: str) -> Shown:
        """Open the page at *url* in a window that may ask this machine."""
        shown = cls(page, Path(url))
        shown._listen()
        page.goto(url, wait_until="load")
        return shown

    def elsewhere(self, url: str) -> list[str]:
        """The requests for anything but *url*."""
        return [each for each in self.requests if each != url and not each.startswith(_INWARD)]

    def _listen(self) -> None:
        self.page.set_default_timeout(120_000)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    @classmethod
    @contextmanager
    def of(
        cls,
        browser: Browser,
        file: Path,
        width: int = 1280,
        height: int = 900,
        theme: str = "light",
        script: str = "",
        **context: Any,
    ) -> Iterator[Shown]:
        """Open *file* in a window of so many pixels, in the light or in the dark, after a *script*."""
        size = {"width": width, "height": height}
        window = browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce", **context)
        try:
            window.set_offline(True)
            window.add_init_script(script)
            shown = cls(window.new_page(), file)
            shown._listen()
            shown.page.goto(file.as_uri(), wait_until="load")
            yield shown
        finally:
            window.close()

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    @property
    def left(self) -> list[str]:
        """The requests that are for anything but the page itself."""
        return [url for url in self.requests if url != self.file.as_uri() and not url.startswith(_INWARD)]

    def draw(self, figures: str = "figure.chart") -> None:
        """Scroll to every chart, or to those of a selector, and wait until each of them is drawn.

        On a busy machine it was seen once that a window was not painted for half an hour: it is opened anew,
        once, and what was done to the page before is gone then.
        """
        try:
            self._draw(figures)
        except TimeoutError:
            self.page.reload()
            self._draw(figures)

    def _draw(self, figures: str) -> None:
        """Do it.

        Raises:
            TimeoutError: of Playwright; a chart is not drawn in time, or the window not painted.
        """
        # Not `evaluate`, which waits for ever for a window that is not painted.
        self._wait(
            """async (figures) => {
                const frame = () => new Promise(requestAnimationFrame);
                for (const figure of document.querySelectorAll(figures)) {
                    figure.scrollIntoView();
                    await frame();
                    await frame();  // who watches what is in view is told after the first
                }
                scrollTo(0, 0);
                return true;
            }""",
            figures,
        )
        self._wait(
            """([figures, drawn]) => [...document.querySelectorAll(figures)].every(
                figure => figure.querySelector(drawn))""",
            [figures, _DRAWN],
        )

    def _wait(self, function: str, argument: object) -> None:
        """Wait until a function of the page says true; it is asked by the clock, for frames may not come."""
        self.page.wait_for_function(function, arg=argument, polling=50)

    def reopen(self, remembering: str) -> None:
        """Open the page anew, until it does what it was told to remember: a function of it says so.

        A browser writes what a page asks it to remember when it comes to it, and on a busy machine a page
        that is opened before that, even twice, does not know of it. It is a failure where ten times do not
        help.
        """
        for _ in range(10):
            self.page.reload()
            if self.page.evaluate(remembering):
                return
            self.page.wait_for_timeout(200)
        raise AssertionError(f"{self.file.name} does not remember: {remembering}")

    def undrawn(self) -> list[str]:
        """The charts without a drawing."""
        return self.page.evaluate(
            f"""[...document.querySelectorAll("figure.chart")]
                .filter(figure => !figure.querySelector("{_DRAWN}")).map(figure => figure.id)"""
        )

    def colours(self) -> dict[str, str]:
        """What the page and the words of its charts are painted in."""
        return self.page.evaluate(_COLOURS)

    def settle(self, other_than: dict[str, str]) -> None:
        """Wait until all colours are others than those."""
        self._wait(
            f"before => Object.entries(({_COLOURS})()).every(([key, now]) => now && now !== before[key])",
            other_than,
        )

    def drawing(self, figure: str) -> str:
        """What the chart of a figure looks like, as text."""
        return self.page.evaluate(_DRAWING, figure)

    def wait_for_other_drawing(self, figure: str, before: str) -> None:
        """Wait until the chart of a figure does not look as it did *before*."""
        self._wait(f"([figure, before]) => ({_DRAWING})(figure) !== before", [figure, before])

    def walk(self, goal: Locator) -> None:
        """Move the pointer straight into another place as a hand does, over whatever is in between."""
        box = goal.bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=40)

    # The clipboard, which the window needs the permission to read -------------------------------------------

    def empty_clipboard(self, *, old: bool) -> None:
        """Forget what was copied before; an *old* browser lets no page from the disk write to it."""
        self.page.evaluate("delete navigator.clipboard.writeText && navigator.clipboard.writeText('')")
        if old:
            refused = "() => Promise.reject(new Error('not here'))"
            self.page.evaluate(f"() => {{ navigator.clipboard.writeText = {refused}; }}")

    def pasted(self) -> str:
        """What was copied last, once something was."""
        self.page.wait_for_function("navigator.clipboard.readText().then(Boolean)")
        return self.page.evaluate("navigator.clipboard.readText()")

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return self.page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
