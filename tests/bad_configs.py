"""Config files with something wrong in them, and what is said of each: kind, bytes, the words."""

from itertools import pairwise

_BASE = "processing:\n  start_date: 2024-01-02\n"
# Each name unfolds to nine of the one before.
_BOMB = "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in pairwise("abcdefghi")
)


def _inside(line: str) -> str:
    return f"{_BASE}  {line}\n"


def _terminal(line: str) -> str:
    return f"{_BASE}thetadata:\n  {line}\n"


_TEXTS = {
    "a key twice": (
        _inside("start_date: 2020-01-02"),
        "line 3: processing.start_date: it stands there once more",
    ),
    "a section twice": (
        f"{_BASE}processing:\n  interval: 5m\n",
        "line 3: processing: it stands there once more",
    ),
    "a section of comments": (
        "processing:\n  # start_date: 2024-01-02\n",
        "line 1: processing: nothing stands below",
    ),
    "not indented": ("processing:\nstart_date: 2024-01-02\n", "It belongs below 'processing:', indented"),
    "a time without seconds": (
        _inside("end_time: 16:00"),
        "line 3: processing.end_time: '16:00' is not allowed. Write \"16:00:00\"",
    ),
    "an octal": (
        _terminal("max_concurrent_requests: 010"),
        "line 4: thetadata.max_concurrent_requests: '010' is not allowed. Write 10.",
    ),
    "a hexadecimal": (_terminal("max_concurrent_requests: 0x10"), "'0x10' is not allowed"),
    "an underscore": (_terminal("timeout_seconds: 1_000"), "Write 1000."),
    "infinity": (_terminal("timeout_seconds: .inf"), "'.inf' is not allowed"),
    "no number": (_terminal("timeout_seconds: .nan"), "'.nan' is not allowed"),
    "a number in quotes": (_terminal('max_concurrent_requests: "4"'), "Write 4."),
    "a number for a name": (_terminal("greeks_version: 1"), 'Write "1", in quotes'),
    "y for yes": (_inside("keep_ndjson: y"), "Write true or false"),
    "on in a list": (_inside("roots: [ON]"), "line 3: processing.roots.0: true is not allowed"),
    "a list as text": (_inside("roots: SPX, SPXW"), "Write [SPX, SPXW]"),
    "a date in digits": ("processing: {start_date: 20240102}\n", "Write 2024-01-02"),
    "a date with short parts": ("processing: {start_date: 2024-1-2}\n", "Write 2024-01-02"),
    "a date that is none": (
        "processing: {start_date: 2024-02-30}\n",
        "line 1: that date is not in the calendar",
    ),
    "a tab": ("processing:\n\tstart_date: 2024-01-02\n", "line 2: it is indented with a tab"),
    "a tab among blanks": (f"{_BASE}\tinterval: 5m\n", "line 3: it is indented with a tab"),
    "a list": ("- a\n", "the file holds no keys: a list stands at the top"),
    "words": ("words\n", "the file holds no keys"),
    "nothing": ("", "processing.start_date: it is not set"),
    "two documents": (f"{_BASE}---\nprocessing: {{}}\n", "line 3: a second document begins"),
    "a tag of Python": (f"{_BASE}x: !!python/object/apply:os.system [x]\n", "line 3: a tag is there"),
    "a tag that does not fit": (_inside("max_dte: !!bool x"), "line 3: a tag is there"),
    "an integer of 5,000 digits": (_inside(f"max_dte: {'9' * 5000}"), "processing.max_dte: '999999"),
    "an integer of 5,000 digits by a tag": (
        _inside(f"max_dte: !!int '{'9' * 5000}'"),
        "line 3: a tag is there",
    ),
    "a tag": (_inside("interval: !env X"), "line 3: a tag is there"),
    "an alias of nothing": (_inside("interval: *x"), "line 3: a value begins with a star"),
    "what contains itself": (f"{_BASE}score: &a {{x: *a}}\n", "line 3: it contains itself"),
    "a bomb": (f"{_BASE}a: &a [x]\n{_BOMB}", "more than 50 aliases"),
    "brackets without end": (f"processing: {'[' * 100_000}", "line 1: it is nested deeper than 20 levels"),
    "brackets in brackets": (
        f"processing: {'[' * 100_000}{']' * 100_000}",
        "line 1: it is nested deeper than 20 levels",
    ),
    "keys in keys": (f"a: {'{b: ' * 100_000}", "line 1: it is nested deeper than 20 levels"),
    "lists in lists": ("- " * 100_000, "line 1: it is nested deeper than 20 levels"),
    "a bracket that is open": ("processing: [[[", "a bracket is not closed"),
    "a quote without end": (_inside('output_directory: "./x'), "line 3: a quote is opened and never closed"),
    "a second colon": (_inside("interval: a: b"), "line 3: a colon is there where none may be"),
    "no blank behind a colon": (
        _terminal("api:v3"),
        "line 3: thetadata: 'api:v3' is not allowed. Write its keys below it",
    ),
    "an escape": (_inside('output_directory: "C:\\xyz"'), "line 3: a backslash in double quotes"),
    "a path of Windows": (_inside("output_directory: 'C:\\me\\spx'"), "In WSL2 it is /mnt/c/me/spx"),
    "a variable": (
        _inside("output_directory: $HOME/spx"),
        "processing.output_directory: '$HOME/spx' has a variable",
    ),
    "null for a home": (_inside("output_directory: ~"), "YAML takes ~ alone for null"),
    "a path of one number": (_inside("output_directory: 2024"), 'Write "2024", in quotes'),
    "nested dates": (f"{_BASE}dates: [[[1]]]\n", "line 3: dates.0:"),
    "a key that is none": (f"{_BASE}procesing: {{}}\n", "line 3: procesing: there is no such key"),
    "a calendar that is none": (
        _inside("calendar: NYSEE"),
        "line 3: processing.calendar: there is no calendar",
    ),
    "a list as a key": (f"{_BASE}? [a]\n: b\n", "line 3: found unhashable key"),
    "a NUL": (f"{_BASE}#\0\n", "line 3: the character 0x00 stands there"),
    "no config at all": (f"{_BASE}{'#' * 1_100_000}", "which is no config"),
}

_BYTES = {
    "UTF-16": (
        _BASE.encode("utf-16"),
        "it is UTF-16, two bytes for each letter. Save it as UTF-8: iconv -f UTF-16",
    ),
    "UTF-16 unmarked": (_BASE.encode("utf-16-le"), "iconv -f UTF-16LE -t UTF-8"),
    "Latin-1": (_inside("output_directory: ./dépôt").encode("latin-1"), "line 3 has the byte 0xe9"),
    "of Windows": (f"{_BASE}# “x”\n".encode("cp1252"), "iconv -f WINDOWS-1252"),
}

BAD = {name: (text.encode(), says) for name, (text, says) in _TEXTS.items()} | _BYTES

GOOD = {
    "a mark of UTF-8": b"\xef\xbb\xbf" + _BASE.encode(),
    "lines of Windows": _BASE.replace("\n", "\r\n").encode(),
    "a time without quotes": _inside("end_time: 16:00:00").encode(),
    "yes": _inside("keep_ndjson: yes").encode(),
    "other numbers": _terminal("timeout_seconds: .5").encode() + b"  history_timeout_seconds: 1e3\n",
    "marks of a document": f"---\n{_BASE}...\n".encode(),
    "an alias": b"processing: {start_date: &a 2024-01-02, end_date: *a}\n",
    "a merge": b"recheck: &a {sample: 1}\nprocessing: {start_date: 2024-01-02}\n",
}
