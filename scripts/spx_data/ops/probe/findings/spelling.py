"""How histories are spelt in CSV: marks, lines, names, stamps and numbers; and what it takes to read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from operator import attrgetter

from spx_data.market.readings import READINGS
from spx_data.ops.probe.findings import looking, peeking
from spx_data.ops.probe.findings.assumption import Assumption, Seen
from spx_data.ops.probe.findings.peeking import Table
from spx_data.ops.probe.heard import CHAINS, Story
from spx_data.sources.profile import Wire
from spx_data.sources.theta.usual import USUAL, Usual

_ALIKE = "it is read all the same; what that takes is in the row reading"
_STAMP = ("timestamp", "date", "ms_of_day")
_TAKES = {
    "typed": "all at once, as the usual spelling",
    "loose": "word by word, not all at once",
    "parted": "row by row, field by field",
}


def wire(story: Story) -> Wire:
    """What it takes to read the histories of whole chains, and whether their last lines have no end."""
    chains = [heard for heard in story.of(*CHAINS) if heard.has_rows]
    ends = [peeking.end(heard.raws[-1]) for heard in chains if heard.format == "csv" and heard.raws]
    return Wire(
        reading=max((heard.reading for heard in chains), key=READINGS.index, default="typed"),
        unended=bool(ends) and not any(end.endswith(b"\n") for end in ends),
    )


def _of_table(look: Callable[[str, Table], Seen]) -> Callable[[Story], Seen | None]:
    """A look at the history in CSV of a terminal of one API."""

    def seen(story: Story) -> Seen | None:
        found = peeking.history(story)
        return look(story.api, found[1]) if found else None

    return seen


def _quoting(api: str, table: Table) -> Seen:
    marked = b'"' in table.row
    return Seen(peeking.quoted(table.row, 44), marked == USUAL[api].quoted, _ALIKE)


def _beginning(_: str, table: Table) -> Seen:
    text = f"it begins {peeking.quoted(table.before + table.header, 30)}"
    return Seen(text, not table.before, "a mark of UTF-8 and blank lines before the names are passed over")


def _header(api: str, table: Table) -> Seen:
    line, expected = table.header.rstrip(b"\r\n"), USUAL[api].columns
    if line.decode(errors="replace").rstrip(",").split(",") == list(expected):
        return Seen(peeking.quoted(line), True, "columns are found by their names")
    names = [name for name in table.names if name]
    lacks = [name for name in expected if name not in names]
    more = [name for name in names if name not in expected]
    told = [
        *([f"lacks {', '.join(lacks)}"] if lacks else []),
        *([f"has {', '.join(map(ascii, more))} besides"] if more else []),
    ]
    text = f"{peeking.quoted(line)} {', '.join(told)}".rstrip()
    follows = "columns are found by their names, in any order and case, with blanks or without"
    if lacks:
        follows = "what may be blank is null then; without a column of the others an answer is refused"
    return Seen(text, False, follows)


def _line_ends(_: str, table: Table) -> Seen:
    ends = [line[len(line.rstrip(b"\r\n")) :] for line in (table.header, table.row, table.last)]
    found = list(dict.fromkeys(end for end in ends if end))
    text = " and ".join(map(peeking.quoted, found))
    return Seen(f"lines end in {text}", found == [b"\r\n"], "CR LF and LF are read alike")


def _last_line(_: str, table: Table) -> Seen:
    text = f"it ends {peeking.ended(table.last)}"
    if table.last.endswith(b"\n"):
        return Seen(text, True, "an answer without an end of its last line was cut, or comes twice alike")
    return Seen(text, False, "the profile spares the second request that would confirm it", "wire.unended")


def _trailing_comma(_: str, table: Table) -> Seen:
    row = table.row.rstrip(b"\r\n")
    text = f"a row ends {peeking.ended(table.row)}"
    return Seen(text, not row.endswith(b","), "a comma after the last value is no value")


def _spelt(of: Callable[[Usual], Mapping[str, str]]) -> Callable[[Story], Seen | None]:
    """A look at some fields of the first row, and whether they are spelt as expected."""

    def look(api: str, table: Table) -> Seen:
        cells, expected = table.cells, of(USUAL[api])
        names = _there(cells.keys(), expected)
        text = ", ".join(f"{name} {cells[name]!r}" for name in names)
        usual = all(
            name in cells and re.fullmatch(pattern, cells[name]) for name, pattern in expected.items()
        )
        return Seen(text or f"no column {' nor '.join(expected)}", bool(usual), _ALIKE)

    return _of_table(look)


def _there(there: Collection[str], expected: Mapping[str, str]) -> list[str]:
    """Those of the *expected* names that are there, or for a stamp what stands in its place."""
    instead = expected.keys() & set(_STAMP) and not expected.keys() <= set(there)
    return [name for name in (_STAMP if instead else expected) if name in there]


def _reading(story: Story) -> Seen | None:
    if not any(looking.chains(story)):
        return None
    reading = wire(story).reading
    follows = "nothing is tried in vain" if reading == "typed" else "the profile spares the attempts before"
    return Seen(f"histories are read {_TAKES[reading]}", reading == "typed", follows, "wire.reading")


ASSUMPTIONS = (
    Assumption("quoting", "CSV has words in quotation marks (v3), or bare (v2)", _of_table(_quoting)),
    Assumption("line-ends", "lines of CSV end in CR LF", _of_table(_line_ends)),
    Assumption("last-line", "the last line of CSV has an end", _of_table(_last_line)),
    Assumption("beginning", "CSV begins with the names of its columns", _of_table(_beginning)),
    Assumption("header", "columns have their known names, in their known order", _of_table(_header)),
    Assumption("trailing-comma", "a row ends with its last value", _of_table(_trailing_comma)),
    Assumption(
        "stamps",
        "stamps are text with milliseconds and no zone (v3), or ms and a date",
        _spelt(attrgetter("stamps")),
    ),
    Assumption("dates", "expirations are ISO dates (v3), or eight digits (v2)", _spelt(attrgetter("dates"))),
    Assumption("rights", "the right is CALL or PUT (v3), or C or P (v2)", _spelt(attrgetter("rights"))),
    Assumption(
        "numbers",
        "strikes have three decimals (v3) or are thousandths (v2); values have four",
        _spelt(attrgetter("numbers")),
    ),
    Assumption("reading", "a history is read all at once", _reading),
)
