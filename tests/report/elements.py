"""Pages as a browser sees them before their scripts run: whole ones, and sections alone."""

import datetime as dt
import html.parser

from spx_data.report import dashboard, day
from spx_data.report import page as pages
from spx_data.report.page import Page

_EMPTY = {"meta", "input", "br", "img", "link", "hr", "source"}


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
    """The elements of a page, each of which is closed; `root` holds them all."""

    def __init__(self, text):
        super().__init__()
        self.root = self._at = Element("", {}, None)
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        made = Element(tag, attrs, self._at)
        self._at.contents.append(made)
        if tag not in _EMPTY:
            self._at = made

    def handle_endtag(self, tag):
        assert tag == self._at.name, f"<{self._at.name}> ends with </{tag}>"
        self._at = self._at.above

    def handle_data(self, data):
        self._at.contents.append(data)


def content(view, name):
    """Return what the section of that *name* holds."""
    (section,) = page_of(view, name).sections
    return section.make(view)


def page_of(view, *names):
    """Return the page of these sections alone."""
    of_day = isinstance(view, day.View)
    sections = [each for each in (day if of_day else dashboard).SECTIONS if each.name in names]
    tables = (lambda view: view.market.data) if of_day else dashboard.tables
    return Page("SPX", "", dt.datetime(2024, 12, 31, tzinfo=dt.UTC), view, sections, tables)


def written(view, *names):
    """Return the page of these sections alone, without the library that draws them."""
    return without_library(page_of(view, *names))


def without_library(page):
    """Return the text of *page* without the library that draws its charts."""
    return pages.html(page).replace(pages.chart_library(), "// charts")


def shown(view, *names):
    """Return the page of these sections alone, as elements."""
    return Tree(written(view, *names)).root


def cells(root):
    """Return the cells of the calendar by their dates, and make sure that no date has two."""
    found = list(root.all("button", "day"))
    by_date = {dt.date.fromisoformat(cell.attributes["data-date"]): cell for cell in found}
    assert len(by_date) == len(found)
    return by_date


def tiles(root):
    """Return what tiles say by their names."""
    texts = ([child.text for child in tile.children] for tile in root.all(of_class="tile"))
    return {name: " ".join(filter(None, others)) for name, *others in texts}
