"""What answers come in: types, lengths, packing, JSON, NDJSON and pages; and who says that it answers."""

from __future__ import annotations

import io
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from spx_data.errors import ApiResponseInvalidError
from spx_data.market.columns import COLUMNS
from spx_data.market.second_opinion import READINGS
from spx_data.ops.probe import choosing, looking
from spx_data.ops.probe.heard import CHAINS, Heard, Raw, Story, Topic
from spx_data.ops.probe.looking import Seen, Table
from spx_data.ops.probe.scrubbing import scrubbed
from spx_data.sources.profile import Wire
from spx_data.sources.theta import layouts
from spx_data.sources.theta.usual import OBJECTS, ROWS, USUAL

if TYPE_CHECKING:
    pass


_TYPES = {"csv": "text/csv", "json": "application/json", "ndjson": "application/x-ndjson"}
_NO_PAGE = ("", "null")
_HISTORIES = (*CHAINS, Topic.CONTRACT)
_ALIKE = "it is read all the same; what that takes is in the row reading"
_STAMP = ("timestamp", "date", "ms_of_day")
_TAKES = {
    "typed": "all at once, as the usual spelling",
    "loose": "word by word, not all at once",
    "parted": "row by row, field by field",
}
_LISTED = 4  # columns that are named


def content_type(story: Story) -> Seen | None:
    """What answers in each format are called."""
    found: dict[str, str] = {}
    for form in _TYPES:
        for heard in looking.answered(story, form):
            found.setdefault(form, heard.raws[-1].headers.get("content-type", "none").lower())
    if not found:
        return None
    text = ", ".join(f"{form}: {kind}" for form, kind in found.items())
    usual = all(kind.partition(";")[0].strip() == _TYPES[form] for form, kind in found.items())
    return Seen(text, usual, "which format a body has, its first bytes tell, whatever it is called")


def framing(story: Story) -> Seen | None:
    """How answers say where they end; one that does not is refused before it is kept."""
    found: dict[str, str] = {}
    for heard in story.heard:
        if not heard.raws and isinstance(heard.error, ApiResponseInvalidError):
            return Seen(f"{_about(heard)}: nothing says where it ends", False, "such an answer is refused")
    for heard in story.of(Topic.LISTING, Topic.ORDINARY, *_HISTORIES):
        for raw in heard.raws:
            if raw.status == looking.OK:
                found.setdefault(_ends(raw), heard.topic.value)
    if not found:
        return None
    text = ", ".join(f"{how} ({what})" for how, what in found.items())
    return Seen(text, True, "an answer that breaks off is told from a whole one")


def _ends(raw: Raw) -> str:
    chunked = raw.headers.get("transfer-encoding", "").lower() == "chunked"
    return "in chunks" if chunked else "with its length"


def compression(story: Story) -> Seen | None:
    """Whether any body is packed."""
    answers = [(heard, raw) for heard in story.heard for raw in heard.raws if raw.status == looking.OK]
    if not answers:
        return None
    for heard, raw in answers:
        coding = raw.headers.get("content-encoding", "identity")
        if looking.is_packed(raw) or coding != "identity":
            text = f"{_about(heard)}: {looking.quoted(raw.content(4))}, content-encoding {coding}"
            return Seen(text, False, "a body in gzip is unpacked, whatever its headers say")
    return Seen("no answer is packed", True, "none is asked for: identity is what requests say")


def _about(heard: Heard) -> str:
    return heard.name if heard.chain else heard.topic.value


def json(story: Story) -> Seen | None:
    """The layout of a contract's JSON (docs/wire.md, 1.1 and 11.1)."""
    for heard in looking.answered(story, "json"):
        if heard.topic is Topic.CONTRACT:
            body = looking.plain(heard.raws[-1]).removeprefix(BOM_UTF8)
            layout = _layout(body)
            text = f"{layout}: {looking.quoted(body)}"
            follows = "each known layout is read" if heard.has_rows else _unread(heard)
            return Seen(text, layout == USUAL[story.api].layout and heard.has_rows, follows)
    return None


def _layout(body: bytes) -> str:
    try:
        opened = layouts.opening(io.BytesIO(body))
        if opened.columns is not None:
            return "an array for each column"
        first = next(opened.elements(), [None])[0]
    except ValueError:
        return "no layout that is known"
    if isinstance(first, dict):
        return OBJECTS if "contract" in first else "rows with their own names"
    return ROWS if layouts.names(opened.header) else "rows without names"


def ndjson(story: Story) -> Seen | None:
    """How NDJSON begins and ends."""
    for heard in looking.answered(story, "ndjson"):
        begun, last = looking.beginning(heard.raws[-1]), looking.end(heard.raws[-1])
        text = f"{looking.quoted(begun, 30)} to {looking.ended(last)}"
        follows = "whether the last line has an end tells nothing: its object is whole or not"
        usual = heard.has_rows and begun.startswith(b"{") and last.endswith(b"\n")
        return Seen(text, usual, follows if heard.has_rows else _unread(heard))
    return None


def _unread(heard: Heard) -> str:
    return f"it cannot be read ({type(heard.error).__name__}): choose another thetadata.format"


def pages(story: Story) -> Seen | None:
    """Whether an answer is continued on another page, of which v3 knows nothing (docs/wire.md, 1.2)."""
    histories = [heard for heard in story.of(*_HISTORIES) if heard.has_rows]
    for heard in histories:
        for raw in heard.raws:
            if "/page/" in raw.target:
                place = raw.target.rpartition("/")[0]
                text = f"{_about(heard)} goes on at {scrubbed(place)}/…"
                follows = "pages are asked for one after the other, at once: the terminal soon forgets them"
                return Seen(text, False, follows)
    if not histories:
        return None
    told = histories[0].raws[-1].headers.get("next-page")
    text = "no answer names another page" + (f": next-page {told!r}" if told in _NO_PAGE else "")
    return Seen(text, True, "a history is one answer")


def server(story: Story) -> Seen | None:
    """Which server says that it answers."""
    status = story.one(Topic.STATUS)
    if status is None or not status.raws:
        return None
    name, usual = status.raws[-1].headers.get("server"), USUAL[story.api].server
    if name is None:
        return Seen("it tells no name, no version and no build", usual is None, "nothing hangs on it")
    told = scrubbed(name)
    return Seen(
        f"server {told[:40]!r}; no version, no build",
        told.startswith(usual or "Jetty"),
        "nothing hangs on it",
        "server",
    )


def wire(story: Story) -> Wire:
    """What it takes to read the histories of whole chains, and whether their last lines have no end."""
    chains = [heard for heard in story.of(*CHAINS) if heard.has_rows]
    ends = [looking.end(heard.raws[-1]) for heard in chains if heard.format == "csv" and heard.raws]
    return Wire(
        reading=max((heard.reading for heard in chains), key=READINGS.index, default="typed"),
        unended=bool(ends) and not any(end.endswith(b"\n") for end in ends),
    )


def _of_table(look: Callable[[str, Table], Seen]) -> Callable[[Story], Seen | None]:
    """A look at the history in CSV of a terminal of one API."""

    def seen(story: Story) -> Seen | None:
        found = looking.history(story)
        return look(story.api, found[1]) if found else None

    return seen


@_of_table
def quoting(api: str, table: Table) -> Seen:
    """Whether the first row has quotation marks."""
    marked = b'"' in table.row
    return Seen(looking.quoted(table.row, 44), marked == USUAL[api].quoted, _ALIKE)


@_of_table
def beginning(_: str, table: Table) -> Seen:
    """What stands before the names."""
    text = f"it begins {looking.quoted(table.before + table.header, 30)}"
    return Seen(text, not table.before, "a mark of UTF-8 and blank lines before the names are passed over")


@_of_table
def header(api: str, table: Table) -> Seen:
    """The names of the columns."""
    line, expected = table.header.rstrip(b"\r\n"), USUAL[api].columns(table.names)
    if line.decode(errors="replace").rstrip(",").split(",") == list(expected):
        return Seen(looking.quoted(line), True, "columns are found by their names")
    names = [name for name in table.names if name]
    lacks = [name for name in expected if name not in names]
    more = [name for name in names if name not in expected]
    told = [
        *([f"lacks {', '.join(lacks)}"] if lacks else []),
        *([f"has {', '.join(map(ascii, more))} besides"] if more else []),
    ]
    text = f"{looking.quoted(line)} {', '.join(told)}".rstrip()
    follows = "columns are found by their names, in any order and case, with blanks or without"
    if lacks:
        follows = "what may be blank is null then; without a column of the others an answer is refused"
    return Seen(text, False, follows)


@_of_table
def line_ends(_: str, table: Table) -> Seen:
    """What lines end in."""
    ends = [line[len(line.rstrip(b"\r\n")) :] for line in (table.header, table.row, table.last)]
    found = list(dict.fromkeys(end for end in ends if end))
    text = " and ".join(map(looking.quoted, found))
    return Seen(f"lines end in {text}", found == [b"\r\n"], "CR LF and LF are read alike")


@_of_table
def last_line(_: str, table: Table) -> Seen:
    """How the body ends."""
    text = f"it ends {looking.ended(table.last)}"
    if table.last.endswith(b"\n"):
        return Seen(text, True, "an answer without an end of its last line was cut, or comes twice alike")
    return Seen(text, False, "the profile spares the second request that would confirm it", "wire.unended")


@_of_table
def trailing_comma(_: str, table: Table) -> Seen:
    """How the first row ends."""
    row = table.row.rstrip(b"\r\n")
    text = f"a row ends {looking.ended(table.row)}"
    return Seen(text, not row.endswith(b","), "a comma after the last value is no value")


def spelt(what: str) -> Callable[[Story], Seen | None]:
    """A look at fields of the first row, and whether they are spelt as `Usual` has *what*."""

    @_of_table
    def look(api: str, table: Table) -> Seen:
        cells, columns = table.cells, USUAL[api].columns(table.names)
        expected = {name: like for name, like in getattr(USUAL[api], what).items() if name in columns}
        names = _there(cells.keys(), expected)
        text = ", ".join(f"{name} {cells[name]!r}" for name in names)
        usual = all(
            name in cells and re.fullmatch(pattern, cells[name]) for name, pattern in expected.items()
        )
        return Seen(text or f"no column {' nor '.join(expected)}", usual, _ALIKE)

    return look


def _there(there: Collection[str], expected: Mapping[str, str]) -> list[str]:
    """Those of the *expected* names that are there, or for a stamp what stands in its place."""
    instead = expected.keys() & set(_STAMP) and not expected.keys() <= set(there)
    return [name for name in (_STAMP if instead else expected) if name in there]


def reading(story: Story) -> Seen | None:
    """What it takes to read histories."""
    if not any(looking.chains(story)):
        return None
    took = wire(story).reading
    follows = "nothing is tried in vain" if took == "typed" else "the profile spares the attempts before"
    return Seen(f"histories are read {_TAKES[took]}", took == "typed", follows, "wire.reading")


def blanks(story: Story) -> Seen | None:
    """Columns without a value in some row, with the cells as they came."""
    heard = [each for each in story.heard if each.records is not None and len(each.records)]
    if not heard:
        return None
    for each in heard:
        lacking = [name for name in COLUMNS if each.nulls.get(name)]
        if lacking:
            return _of_columns(each, lacking)
    return Seen(
        "no cell of any history is blank, null or NaN", True, "such a value would be null in its record"
    )


def _of_columns(heard: Heard, columns: list[str]) -> Seen:
    where = heard.name
    row = (
        choosing.first_odd(heard.records, f"{choosing.BLANK}{columns[0]}")
        if heard.records is not None
        else None
    )
    spelt = sorted({cell for raw in heard.raws[-1:] for cell in looking.cells(raw, columns)})
    named = ", ".join(columns[:_LISTED]) + (" and others" if len(columns) > _LISTED else "")
    example = f", like {looking.named(row)}" if row else ""
    cells = f": {', '.join(map(repr, spelt))}" if spelt else ""
    text = f"{where}, in {heard.format}: no value in {named}{example}{cells}"
    return Seen(text, False, "the value is null in its record, and the passport counts it")
