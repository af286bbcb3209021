"""What answers come in: types, lengths, packing, JSON, NDJSON and pages; and who says that it answers."""

from __future__ import annotations

import io
from codecs import BOM_UTF8

from spx_data.errors import ApiResponseInvalidError
from spx_data.ops.probe.findings import looking, peeking
from spx_data.ops.probe.findings.assumption import Assumption, Seen
from spx_data.ops.probe.heard import CHAINS, Heard, Raw, Story, Topic
from spx_data.ops.probe.scrubbing import scrubbed
from spx_data.sources.theta import layouts
from spx_data.sources.theta.usual import OBJECTS, ROWS, USUAL

_TYPES = {"csv": "text/csv", "json": "application/json", "ndjson": "application/x-ndjson"}
_NO_PAGE = ("", "null")
_HISTORIES = (*CHAINS, Topic.CONTRACT)


def _content_type(story: Story) -> Seen | None:
    found: dict[str, str] = {}
    for form in _TYPES:
        for heard in peeking.answered(story, form):
            found.setdefault(form, heard.raws[-1].headers.get("content-type", "none").lower())
    if not found:
        return None
    text = ", ".join(f"{form}: {kind}" for form, kind in found.items())
    usual = all(kind.partition(";")[0].strip() == _TYPES[form] for form, kind in found.items())
    return Seen(text, usual, "which format a body has, its first bytes tell, whatever it is called")


def _framing(story: Story) -> Seen | None:
    """How answers say where they end; one that does not is refused before it is kept."""
    found: dict[str, str] = {}
    for heard in story.heard:
        if not heard.raws and isinstance(heard.error, ApiResponseInvalidError):
            return Seen(f"{_about(heard)}: nothing says where it ends", False, "such an answer is refused")
    for heard in story.of(Topic.LISTING, Topic.ORDINARY, *_HISTORIES):
        for raw in heard.raws:
            if raw.status == peeking.OK:
                found.setdefault(_ends(raw), heard.topic.value)
    if not found:
        return None
    text = ", ".join(f"{how} ({what})" for how, what in found.items())
    return Seen(text, True, "an answer that breaks off is told from a whole one")


def _ends(raw: Raw) -> str:
    chunked = raw.headers.get("transfer-encoding", "").lower() == "chunked"
    return "in chunks" if chunked else "with its length"


def _compression(story: Story) -> Seen | None:
    answers = [(heard, raw) for heard in story.heard for raw in heard.raws if raw.status == peeking.OK]
    if not answers:
        return None
    for heard, raw in answers:
        coding = raw.headers.get("content-encoding", "identity")
        if peeking.is_packed(raw) or coding != "identity":
            text = f"{_about(heard)}: {peeking.quoted(raw.content(4))}, content-encoding {coding}"
            return Seen(text, False, "a body in gzip is unpacked, whatever its headers say")
    return Seen("no answer is packed", True, "none is asked for: identity is what requests say")


def _about(heard: Heard) -> str:
    return looking.said(heard) if heard.chain else heard.topic.value


def _json(story: Story) -> Seen | None:
    """The layout of a contract's JSON (docs/wire.md, 1.1 and 11.1)."""
    for heard in peeking.answered(story, "json"):
        if heard.topic is Topic.CONTRACT:
            body = peeking.plain(heard.raws[-1]).removeprefix(BOM_UTF8)
            layout = _layout(body)
            text = f"{layout}: {peeking.quoted(body)}"
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


def _ndjson(story: Story) -> Seen | None:
    for heard in peeking.answered(story, "ndjson"):
        begun, last = peeking.beginning(heard.raws[-1]), peeking.end(heard.raws[-1])
        text = f"{peeking.quoted(begun, 30)} to {peeking.ended(last)}"
        follows = "whether the last line has an end tells nothing: its object is whole or not"
        usual = heard.has_rows and begun.startswith(b"{") and last.endswith(b"\n")
        return Seen(text, usual, follows if heard.has_rows else _unread(heard))
    return None


def _unread(heard: Heard) -> str:
    return f"it cannot be read ({type(heard.error).__name__}): choose another thetadata.format"


def _pages(story: Story) -> Seen | None:
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


def _server(story: Story) -> Seen | None:
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


ASSUMPTIONS = (
    Assumption("server", "v3 calls itself Jetty, v2 nothing", _server),
    Assumption("content-type", "an answer is called what was asked for", _content_type),
    Assumption("framing", "an answer says where it ends: by its length, or in chunks", _framing),
    Assumption("compression", "no answer is packed", _compression),
    Assumption("json", "JSON has contracts with their rows (v3), or rows under a header (v2)", _json),
    Assumption("ndjson", "NDJSON has an object on each line, the last with an end", _ndjson),
    Assumption("pages", "a history comes in one page", _pages),
)
