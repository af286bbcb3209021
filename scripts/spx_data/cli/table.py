"""Tables as lines of styled text: which columns fit, where words wrap, and when rows are stacked instead.

No character is ever lost. Where a width is too small for all columns, headings and texts wrap at their words;
then the least important columns go (`Layout.left_out` names them); and where even those that never go do not
fit, each row becomes lines of `heading: value`. Figures, dates and names are broken nowhere. A word of a text
that is longer than its column breaks behind a slash, as in a path, and else only beyond 40 characters. A
command of the last column stays on one line, even where that is longer than the terminal: it can be copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spx_data.text import commands, printable

Row = Mapping[str, Any]
Piece = tuple[str, str]  # a text and its style, as Rich spells styles
Line = list[Piece]

GAP = 2  # blanks between two columns
_LONGEST_WORD = 40  # characters: no shorter word is broken
_BOLD = "bold"

# How the states of a date and the verdicts on a day look everywhere.
STATES = {
    "sealed": "green",
    "missing": "dim",
    "partial": "yellow",
    "failed": "bold red",
    "parked": "bold red",
    "no-data": "cyan",
    "pending": "dim",
    "corrupt": "bold red",
    "accepted": "cyan",
}
VERDICTS = {"good": "green", "warn": "yellow", "fail": "bold red"}


@dataclass(frozen=True)
class Column:
    """One column of a table: which field it shows, under which heading, and how."""

    field: str
    heading: str
    show: Callable[[Any], str] = str
    rank: int = 0  # where there is no room, the highest goes first; 0 stays whatever happens
    right: bool = False
    wraps: bool = False  # a text of words, which may take several lines
    narrowest: int = 24  # characters, of a text that wraps; one that is shorter takes what it needs
    style: Callable[[Row], str] | None = None
    of: Callable[[Row], Any] | None = None  # its value, where that is not the field's

    def text(self, row: Row) -> str:
        """What it says of *row*; a dash where nothing is known."""
        value = self.of(row) if self.of else row[self.field]
        if value is None or value == "":
            return "–"
        return commands.kept(printable.visible(self.show(value), keep="\n"))


@dataclass(frozen=True)
class Layout:
    """A table's lines, and the headings of the columns that there was no room for."""

    lines: list[Line]
    left_out: tuple[str, ...] = ()


def laid_out(rows: Sequence[Row], columns: Sequence[Column], width: int | None) -> Layout:
    """*rows* as lines of at most *width* characters; without one, as in a pipe, nothing wraps or goes."""
    texts = [[column.text(row) for column in columns] for row in rows]
    spans = [_Span.of(column, [each[place] for each in texts]) for place, column in enumerate(columns)]
    shown = list(range(len(columns)))
    if width is None:
        widths = [span.natural for span in spans]
    elif (found := _fitting(spans, columns, width)) is None:
        return Layout(list(_stacked(rows, columns, texts, width)))
    else:
        shown, widths = found
    kept = [columns[place] for place in shown]
    lines = _cells([column.heading for column in kept], kept, widths, [_BOLD] * len(kept))
    for row, cells in zip(rows, texts, strict=True):
        styles = [column.style(row) if column.style else "" for column in kept]
        lines += _cells([cells[place] for place in shown], kept, widths, styles)
    left_out = (column.heading for place, column in enumerate(columns) if place not in shown)
    return Layout(lines, tuple(dict.fromkeys(left_out)))


# Widths -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Span:
    """How wide a column is where there is room, and the least that it needs."""

    natural: int
    least: int

    @classmethod
    def of(cls, column: Column, texts: Sequence[str]) -> _Span:
        values = max((_line_width(text) for text in texts), default=0)
        natural = max(values, _width(column.heading))
        if column.wraps:
            values = min(values, max(column.narrowest, min(_longest_word(texts), _LONGEST_WORD)))
        return cls(natural, max(values, *map(_width, column.heading.split() or [""])))


def _fitting(
    spans: Sequence[_Span], columns: Sequence[Column], width: int
) -> tuple[list[int], list[int]] | None:
    """The places of the columns that fit into *width*, and their widths; None where not even those do."""
    shown = list(range(len(columns)))
    dispensable = sorted((place for place in shown if columns[place].rank), key=lambda p: columns[p].rank)
    while (room := width - GAP * (len(shown) - 1)) < sum(spans[place].least for place in shown):
        if not dispensable:
            return None
        shown.remove(dispensable.pop())
    widths = {place: spans[place].least for place in shown}
    left = room - sum(widths.values())
    while left and (hungry := [place for place in shown if widths[place] < spans[place].natural]):
        for place in hungry:
            more = min(max(left // len(hungry), 1), spans[place].natural - widths[place], left)
            widths[place], left = widths[place] + more, left - more
    return shown, list(widths.values())


def _width(text: str) -> int:
    """The columns of a terminal that a line takes: letters of some scripts take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _line_width(text: str) -> int:
    return max(map(_width, text.split("\n"))) if "\n" in text else _width(text)


def _longest_word(texts: Sequence[str]) -> int:
    """The longest piece that `_wrapped` leaves whole where it can."""
    return max(
        (_width(piece) for text in texts for word in text.split() for piece in _pieces(word)), default=0
    )


def _pieces(word: str) -> list[str]:
    """A word's parts, each up to its slash."""
    *heads, last = word.split("/")
    return [*(f"{head}/" for head in heads), last]


# Lines ------------------------------------------------------------------------------------------------------


def _cells(
    cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], styles: Sequence[str]
) -> list[Line]:
    """The lines of one row: as many as its highest cell takes."""
    last = len(cells) - 1
    wrapped = [
        _wrapped(text if place == last else _loose(text), width)
        for place, (text, width) in enumerate(zip(cells, widths, strict=True))
    ]
    height = max(map(len, wrapped))
    lines = []
    for number in range(height):
        line: Line = []
        for column, own, width, style in zip(columns, wrapped, widths, styles, strict=True):
            text = _loose(own[number]) if number < len(own) else ""
            blanks = " " * (width - _width(text))
            before, behind = (blanks, "") if column.right else ("", blanks)
            line += [(before, ""), (text, style), (behind + " " * GAP, "")]
        lines.append(_joined(line))
    return lines


def _joined(line: Line) -> Line:
    """*line* in as few pieces as its styles allow, without blanks at its end."""
    while line and not line[-1][0].strip():
        line.pop()
    pieces: Line = []
    for text, style in line:
        if pieces and pieces[-1][1] == style:
            pieces[-1] = (pieces[-1][0] + text, style)
        elif text:
            pieces.append((text, style))
    return pieces


def _stacked(
    rows: Sequence[Row], columns: Sequence[Column], texts: Sequence[Sequence[str]], width: int
) -> Iterator[Line]:
    """Each row as lines of `heading: value`; an empty line parts two rows."""
    for number, (row, cells) in enumerate(zip(rows, texts, strict=True)):
        if number:
            yield []
        for column, text in zip(columns, cells, strict=True):
            heading, style = f"{column.heading or column.field}: ", column.style(row) if column.style else ""
            whole = " ".join(text.split("\n")) if column.wraps else text
            first, *others = map(
                _loose, _wrapped(heading + whole, width) if column.wraps else [heading + whole]
            )
            yield [(heading, _BOLD), (first[len(heading) :], style)]
            yield from ([(line, style)] for line in others)


def _wrapped(text: str, width: int) -> list[str]:
    """*text* in lines of *width*: its words whole where they fit, and its commands in any case."""
    if len(text) <= width and text.isascii() and "\n" not in text:
        return [text]
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if _width(longer) > width and line:
                lines.append(line)
                longer = word
            *whole, line = [longer] if commands.KEPT in word else _broken(longer, width)
            lines += whole
        lines.append(line)
    return lines


def _loose(text: str) -> str:
    """*text* whose commands are words again, as they are typed."""
    return text.replace(commands.KEPT, " ")


def _broken(word: str, width: int) -> Iterator[str]:
    """*word* in parts that fit: behind a slash where there is one, else wherever it must."""
    while _width(word) > width:
        end = next(
            end for end in range(min(width, len(word)), 0, -1) if end == 1 or _width(word[:end]) <= width
        )
        slash = word.rfind("/", 0, end) + 1
        if slash and _width(_pieces(word[slash:])[0]) <= width:  # else it breaks behind the slash, too
            end = slash
        yield word[:end]
        word = word[end:]
    yield word
