"""What is done to an input: by its format, and byte by byte."""

import gzip
import re

from tests.fuzz import tokens, trees

_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")
_MOST = 4_000_000  # bytes of an input


def mutated(rng, seeds, form):
    """One of *seeds* with a few things done to it; now and then one as it is."""
    data = rng.choice(seeds)
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 2, 3, 5)) if rng.random() > 0.01 else 12):
        ways = _BY_FORM.get(form, ()) if rng.random() < 0.7 else ()
        way = rng.choice(ways or _OF_BYTES)
        data = way(rng, data, seeds)[:_MOST]
    return _dressed(rng, data) if rng.random() < 0.08 else data


def _dressed(rng, data):
    """The whole in another dress: packed, encoded or ended otherwise."""
    return rng.choice(
        (
            lambda: gzip.compress(data, 1),
            lambda: gzip.compress(data, 1)[: rng.randrange(1, 60)],
            lambda: gzip.compress(data, 1)[:-4] + b"\0\0\0\0",
            lambda: gzip.compress(data[: len(data) // 2], 1) + gzip.compress(data[len(data) // 2 :], 1),
            lambda: _BOM + data,
            lambda: _BOM + _BOM + data,
            lambda: data.decode("latin-1").encode("utf-16"),
            lambda: data.decode("latin-1").encode("utf-16-le"),
            lambda: data.decode("latin-1").encode("utf-32"),
            lambda: data.replace(b"\n", b"\r\n"),
            lambda: data.replace(b"\n", b"\r"),
            lambda: data.replace(b"\n", b"\n\r"),
            lambda: data.removesuffix(b"\n"),
            lambda: b"\n \n" + data,
            lambda: data + b"\0" * rng.randrange(1, 9),
            lambda: data + data,
            lambda: b"",
        )
    )()


# Lines and fields -----------------------------------------------------------------------------------------


def _line(rng, data, change):
    """*data* with one line changed."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    lines[at : at + 1] = change(lines[at])
    return b"\n".join(lines)


def _field(rng, data, _):
    """A field of a line becomes another thing."""

    def change(line):
        cells = line.split(b",")
        at = rng.randrange(len(cells))
        cells[at] = rng.choice((tokens.any_of(rng), tokens.around(rng, cells[at])))
        return [b",".join(cells)]

    return _line(rng, data, change)


def _fields_moved(rng, data, _):
    """A field of a line is removed, said twice or exchanged with another."""

    def change(line):
        cells = line.split(b",")
        one, other = rng.randrange(len(cells)), rng.randrange(len(cells))
        match rng.randrange(3):
            case 0:
                del cells[one]
            case 1:
                cells.insert(other, cells[one])
            case 2:
                cells[one], cells[other] = cells[other], cells[one]
        return [b",".join(cells)]

    return _line(rng, data, change)


def _lines_moved(rng, data, _):
    """Lines are removed, repeated, exchanged, split or joined."""

    def change(line):
        cut = rng.randrange(len(line) + 1)
        return rng.choice(
            (
                [],
                [line, line],
                [line] * rng.randrange(2, 30),
                [line[:cut], line[cut:]],
                [b"", line],
                [line[::-1]],
            )
        )

    return _line(rng, data, change)


def _quote(rng, data, _):
    """A quote is opened in a line, in a column more or in one that is there, and perhaps closed later."""

    def change(line):
        cells = line.split(b",")
        match rng.randrange(4):
            case 0:
                cells.append(b'"')
            case 1:
                cells[rng.randrange(len(cells))] += b'"'
            case 2:
                at = rng.randrange(len(cells))
                cells[at] = b'"' + cells[at]
            case 3:
                at = rng.randrange(len(cells))
                cells[at] = b'"' + cells[at] + rng.choice((b'"', b'\n"', b',"', b'""', b'\r"'))
        return [b",".join(cells)]

    return _line(rng, data, change)


def _column(rng, data, _):
    """A column is added, removed or repeated in every line."""
    way, at, word = rng.randrange(4), rng.randrange(20), tokens.any_of(rng)
    lines = []
    for line in data.split(b"\n"):
        cells = line.split(b",")
        if line and way == 0:
            cells.insert(at, word)
        elif line and way == 1 and at < len(cells):
            del cells[at]
        elif line and way == 2 and at < len(cells):
            cells.append(cells[at])
        elif line and way == 3:
            cells.append(b'"' if rng.random() < 0.1 else b"")
        lines.append(b",".join(cells))
    return b"\n".join(lines)


def _header(rng, data, _):
    """The first line is spelt otherwise."""
    first, end, rest = data.partition(b"\n")
    change = rng.choice(
        (bytes.upper, bytes.title, lambda text: text.replace(b",", b" , "), lambda text: text + b",",
         lambda text: b",".join(reversed(text.split(b","))), lambda text: text + b"," + text)
    )  # fmt: skip
    return change(first) + end + rest


def _number(rng, data, _):
    """A number becomes another thing."""
    found = list(_NUMBER.finditer(data[:200_000]))
    if not found:
        return data
    match = rng.choice(found)
    word = rng.choice((tokens.number(rng), tokens.any_of(rng)))
    return data[: match.start()] + word + data[match.end() :]


# Bytes ----------------------------------------------------------------------------------------------------


def _flip(rng, data, _):
    found = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 2, 8))):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _delete(rng, data, _):
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.choice((1, 1, 2, 10, 100)) :]


def _insert(rng, data, _):
    at = rng.randrange(len(data) + 1)
    word = rng.choice((tokens.any_of(rng), rng.randbytes(rng.randrange(1, 9))))
    return data[:at] + word + data[at:]


def _truncate(rng, data, _):
    return data[: rng.randrange(len(data) + 1)]


def _splice(rng, data, seeds):
    other = rng.choice(seeds)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _repeat(rng, data, _):
    at = rng.randrange(len(data) + 1)
    size = rng.choice((1, 10, 100, 1000))
    return data[:at] + data[at : at + size] * rng.randrange(2, 20) + data[at + size :]


def _replace(rng, data, _):
    """A byte of meaning becomes another one everywhere."""
    one, other = rng.sample(b'",:[]{}\n\r \t;.-', 2)
    return data.replace(bytes([one]), bytes([other]), rng.choice((1, 1, 3, -1)))


_OF_BYTES = (_flip, _delete, _insert, _truncate, _splice, _repeat, _replace, _number)
_OF_LINES = (_field, _field, _fields_moved, _lines_moved, _quote, _column, _header, _number)
_BY_FORM = {
    "csv": _OF_LINES,
    "json": (*[trees.changed] * 8, _number, _number, _lines_moved),
    "ndjson": (*[trees.line_changed] * 6, _number, _lines_moved, _field),
    "http": (_lines_moved, _number, _number, *[trees.head_changed] * 4),
    "yaml": (_lines_moved, _number, *[trees.yaml_changed] * 4),
    "words": (trees.word_changed,),
}
