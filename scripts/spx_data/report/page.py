"""One HTML page that needs nothing but itself: text, tables, charts, styles and scripts in one file.

A page is a list of sections, each declared by its name, its title, what makes it and what it needs; the
template walks them. Charts are Vega-Lite, declared with Altair and drawn in the browser; what several of them
show stands in the page once, by columns. Whatever is put into a template is escaped: errors hold what
strangers' servers said.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Generic, Literal, TypeVar

import jinja2
import markupsafe
from markupsafe import Markup

from spx_data import __version__
from spx_data.report.drawing import Figure, specification
from spx_data.text import printable, words
from spx_data.text.commands import shown
from spx_data.text.printable import visible

# Columns of one length: names to values that JSON can spell.
Columns = Mapping[str, Sequence[Any]]
V = TypeVar("V")  # what a page shows, read once for all of its sections

_ROOM = resources.files(__package__)
_STYLES, _SCRIPTS, _FIRST_SCRIPT = ("page.css",), ("sortable.js", "page.js"), "theme.js"
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_HEAD = 4096  # characters, in which a page names its policy


Mark = Literal["", "work", "warn", "fail"]
# A figure, or the sentence that stands where there is too little for one.
Part = Figure | str


class Tile:
    """A leading figure with what puts it in proportion; *share*, from 0 to 1, fills a bar below it."""

    def __init__(
        self,
        name: str,
        figure: str,
        *notes: str,
        share: float | None = None,
        href: str | None = None,
        level: Mark = "",
    ) -> None:
        """Keep those of its *notes* that say something; *href* is the section that has more."""
        self.name, self.figure, self.notes = name, figure, tuple(filter(None, notes))
        self.share, self.href, self.level = share, href, level


@dataclass(frozen=True)
class Content:
    """What a section holds: its *lead* in a sentence, its charts, and more for its template to show."""

    lead: str = ""
    parts: Sequence[Part] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def figures(self) -> list[Figure]:
        """The charts."""
        return [part for part in self.parts if isinstance(part, Figure)]

    @property
    def sentences(self) -> list[str]:
        """What is said in the place of a chart."""
        return [part for part in self.parts if isinstance(part, str)]


@dataclass(frozen=True)
class Section(Generic[V]):
    """A part of a page, declared: `sections/<template>.html.j2` shows what *make* finds in a view."""

    name: str  # of its element on the page, and in the page's contents
    title: str
    make: Callable[[V], Content]
    template: str = "figures"
    needs: Sequence[str] = ()  # of the page's tables, those that its charts share


@dataclass(frozen=True)
class Switch:
    """Another page of the same kind, of another symbol; the one that is looked at has no *href*."""

    name: str
    href: str | None


@dataclass(frozen=True)
class Page(Generic[V]):
    """A page: its *sections* are made of the *view*, *styles* and *scripts* are assets of its own."""

    title: str
    subtitle: str
    made_at: dt.datetime
    view: V
    sections: Sequence[Section[V]]
    tables: Callable[[V], Mapping[str, Columns]] = lambda _: {}
    styles: Sequence[str] = ()
    scripts: Sequence[str] = ()
    home: str | None = None  # where the dashboard is, seen from the page
    refresh_seconds: int | None = None  # how often a page that is served loads itself anew
    rules: str = ""  # those that its days were judged by (`report.rules_digest`)
    notice: str = ""  # what is to be known before anything else
    switch: Sequence[Switch] = ()  # to the pages of other symbols

    @property
    def contents(self) -> Iterator[tuple[Section[V], Content]]:
        """Each section with what it holds."""
        return ((section, section.make(self.view)) for section in self.sections)

    @property
    def data(self) -> Mapping[str, Columns]:
        """The tables that charts of these sections share."""
        needed = {name for section in self.sections for name in section.needs}
        tables = self.tables(self.view) if needed else {}
        return {name: table for name, table in tables.items() if name in needed}


def html(page: Page[Any]) -> str:
    """The whole text of *page*."""
    scripts = [chart_library(), *map(_asset, (*_SCRIPTS, *page.scripts))]
    template = _templates().get_template("page.html.j2")
    return template.render(
        page=page,
        version=__version__,
        style=Markup("\n".join(map(_asset, (*_STYLES, *page.styles)))),
        first_script=Markup(_asset(_FIRST_SCRIPT)),
        scripts=[Markup(script) for script in scripts],
        policy=policy(),
    )


@functools.cache
def chart_library() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, as vl-convert bundles them.

    Putting it together takes a second of each process, and it is kept in no file: anyone who can write to the
    lake could write what every page runs.
    """
    import vl_convert

    return _inside(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


@functools.cache
def policy() -> str:
    """What a browser lets any page of ours do: run these scripts, and ask nobody for anything.

    Expressions of charts are interpreted, so no text is ever made a function (`ast` in `page.js`).
    """
    assets = sorted(each.name for each in (_ROOM / "assets").iterdir() if each.name.endswith(".js"))
    scripts = [chart_library(), *map(_asset, assets)]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    rules = (
        "default-src 'none'",
        "script-src " + " ".join(f"'sha256-{each}'" for each in hashes),
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(rules)


def has_policy(text: str) -> bool:
    """Whether *text* begins as a page does that this very process could have made."""
    return f'content="{markupsafe.escape(policy())}"' in text[:_HEAD]


def embedded(value: Any) -> Markup:
    """*value* as JSON that can stand in a `<script>`: whatever it holds, the element ends after it."""
    text = _json(value)
    if "`" in text:
        text = _json(printable.inside(value, shown))
    # Beyond ASCII there are texts alone, in which a mark of direction is as misleading as in a template.
    text = _BEYOND_ASCII.sub(lambda found: visible(found[0]).replace("\\", "\\\\"), text)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_spelt)


def _shown(value: Any) -> Any:
    """What a template is given, with commands as typed, and with what would mislead as characters."""
    return shown(visible(value)) if isinstance(value, str) and not isinstance(value, Markup) else value


def _spelt(value: Any) -> str:
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place on a page")


@functools.cache
def _asset(name: str) -> str:
    return _inside((_ROOM / "assets" / name).read_text(encoding="utf-8"))


def _inside(script: str) -> str:
    """*script* such that an HTML parser does not find its end within it."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


@functools.cache
def _templates() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
    )
    found.filters |= {name: getattr(words, name) for name in words.__all__}
    found.filters |= {"embedded": embedded, "specification": specification}
    found.filters["typed"] = lambda command: shown(f"`{command}`")
    return found
