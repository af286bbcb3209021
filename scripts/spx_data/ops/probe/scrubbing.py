"""What a terminal said, without what may identify somebody: words are kept by a list, and nothing else is.

No pattern finds every name, path or key that a sentence may hold, so the list is of what may stay: what
terminals are known to say (docs/wire.md), words of HTTP and of options, short numbers, dates and times.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from spx_data.errors import NEVER, SpxDataError
from spx_data.ops.probe import pieces
from spx_data.text.printable import excerpt

GONE = "[…]"
_PLAIN_GONE = "[...]"  # in a header, which may hold ASCII alone

_WORDS = """
a aapl about above accepted access account account_disconnected accounts after again aiohttp akka all
all_greeks allowed alone already also am america an and another any apache api application are argument
arguments articles as ascii ask ask_condition ask_exchange ask_size asked at available bad be because been
before begin below between bid bid_condition bid_exchange bid_size binary body both br bulk bulk_hist busy
but by bytes c calendar call calls cannot cause cboe center chain chains change changed charm charset
chunked close closed cloudflare code column columns complete concurrent conflict connect connected
connecting connection connection_lost consult contact contain contains content-length content-type
contract contracts could count created csv cta current d1 d2 data date date_time dates day days default
delta denied deprecated dia did different disconnected div djx do docs doctype documentation documented
does done down dual_delta dual_gamma each earlier earliest early early_close edt either empty end end_date
end_time ended endpoint endpoints entity eod epsilon error error_msg error_type errors est et etc exactly
exceed exceeded exceeds exchange exist exists exp expected expiration expirations expired expires explicit
failed failure false fetch few field fields file first first_order follow following for forbidden format
found fpss free from full full_close further future gamma gateway general get given gmt go gone greater
greek greeks greeks_version gzip h1 h2 h3 half has have head header headers here high higher hist history
holiday host hour hours how hr html http http-docs https identity if implementation implemented implied
implied_vol in include included includes incomplete index indices inf infinity information instead
interest internal interval intervals into invalid invalid_params ip is iso-8859-1 it its iv_error ivl iwm
jetty json jsonl kb keep keep-alive ktor lambda large large_request larger last last_trade late latency
latency_ms later latest least length less level limit limited limits line lines list listed listing load
localhost logged login longer lost low lower make many max max_dte maximum may mb mdds message method
midnight midpoint milliseconds min minimum minute minutes missing month months more most ms_of_day
ms_of_day2 much must name named names nan ndjson ndx ndxp need needs net netty new new_york next next-page
next_page nginx no no_data no_page_found none not nothing null octet-stream oex of off offset ohlc ok old
on on_date once one only open opra option options or order os other out outstanding over p page pages
parameter parameters parquet parse parsed path paths per permission permitted plain plan please post
previous price prices problem process processed put puts python qqq qqqx queries query queue queued quote
quotes range ranges rate read reading reason received record records redirect refused reject rejected
report reports request requested requesting requests require required requires requiring reset resource
response result results retry rho right root roots row rows rut rutw same second second_order seconds see
send sent server server_starting service session sessions set should shut shutdown since single sip
snapshot so sofr some span specific specified specify specifying split spx spxpm spxw spy stamp standard
start start_date start_time started starting status still stock stocks stop stopped strike strike_range
strikes subscription subscriptions such support supported symbol symbols system temporarily temporary
terminal text than that the their them then there these theta thetadata they third_order this those
through tick ticks tier time timed timeframe timeout times timestamp title to today tomcat tomorrow too
total trade trades transfer true try type ultima unable unauthorized unavailable uncaught uncaught_error
under underlying underlying_price underlying_timestamp undertow unexpected unknown unsupported
unsupported_media_type until unverified up update updated upgrade upgraded upstream url urls us usa usd
use use_csv used user users uses using utc utf-8 utf8 utp v1 v2 v3 valid value values vanna vega vera
verification verified version vert veta vix vixw volatility volume vomma wait waiting was way we week
weekend were werkzeug what when where whether which while whole wildcard will with within without word
words would wrong www x-ndjson xeo xsp year_holidays yes yesterday yet york you your zero zip zomma zstd
"""
_LEXICON = frozenset(_WORDS.split())

_PUNCTUATION = frozenset(".,:;!?()[]{}<>'\"=&/+-*%_#|$~^`…→–—·≤≥")
_SPACES = re.compile(r"(\s+)")
_PIECE = re.compile(r"[^.,:;!?()\[\]{}<>'\"=&/+*%#|$~^`…→–—·≤≥]+")
_NUMBER = re.compile(
    r"\d{1,5}|\d{2,4}[05]00"  # the latter a strike in thousandths of a dollar
    r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|(?:19|20)\d\d-\d\d-\d\d(?:T\d\d)?|\d{1,9}Z|[vT]?\d\d?"
    r"|\d{1,4}(?:ms|s|m|min|h|d|kb|mb|gb|k|th|st|nd|rd)",
    re.IGNORECASE,
)
_JOINED_DIGITS = 4  # at most, where dashes join them: an offset from UTC has as many, a telephone more
_STAMP = re.compile(r"\d{4}-?\d\d-?\d\dT\d\d:?\d\d:?\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?(?![\w.-])")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_HERE = "127.0.0.1"
_PLACE = re.compile(
    r"/(?:home|users|root|var|tmp|opt|mnt|media|volumes|private|usr|etc|srv|run)/", re.IGNORECASE
)
_FIELD = re.compile(
    rb'[ \t]*"?[ \t]*(?:[+-]?(?:\d{1,17}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?'
    rb"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    rb"|\d{8}[T ]\d\d:?\d\d:?\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?|\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"
    rb"|[+-]?(?:NaN|nan|Infinity|inf)|null|true|false|CALL|PUT|Call|Put|call|put|[CP]"
    rb')?[ \t]*"?[ \t]*'
)
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?')
MOST_OPAQUE = 64_000  # characters that are kept of what is no table
_BINARY = 256  # bytes that are kept of what is no text
_LETTERS = re.compile(rb"[0-9A-Za-z]")
_WORD = re.compile(rb"[^\s\[\]{}:,]+")
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET, _SHORTEST_NAME = 6, 3
_LONG_NUMBER = 9  # digits: more than a date has
_PATTERNS = {
    "an e-mail address": re.compile(rb"[\w.+-]+@[\w-]+\.\w+"),
    "a path of a machine": re.compile(rb"(?:/home/|/Users/|/root/|\b[A-Za-z]:\\)"),
}
_LONG_WORD = re.compile(r"[^\W_]{4,}")


def scrubbed(text: str) -> str:
    """*text* with `[…]` in place of what may identify somebody; what was scrubbed stays as it is.

    Kept are words that terminals are known to say, short numbers, dates, times, and the punctuation around
    them. Whatever else stands between two spaces goes as a whole: of a path no piece stays.
    """
    parts = _SPACES.split(text.replace(_PLAIN_GONE, GONE))
    return "".join(
        part if number % 2 or _is_known(part) else emptied(part) for number, part in enumerate(parts)
    )


def header(value: str) -> str:
    """*value* of a header, scrubbed; in ASCII, which is all that a header can hold."""
    return scrubbed(value).replace(GONE, _PLAIN_GONE)


def emptied(chunk: str) -> str:
    """*chunk* without what is between its first letter and its last."""
    odd = [number for number, one in enumerate(chunk) if one not in _PUNCTUATION]
    return chunk[: odd[0]] + GONE + chunk[odd[-1] + 1 :] if odd else chunk


@lru_cache(maxsize=4096)
def _is_known(chunk: str) -> bool:
    if _PLACE.search(chunk) or any(address != _HERE for address in _ADDRESS.findall(chunk)):
        return False
    return all(map(_is_known_piece, _PIECE.findall(_STAMP.sub("", chunk))))


def _is_known_piece(piece: str) -> bool:
    """Whether a piece is a word or a number, or some of them joined by dashes."""
    if _is_word_or_number(piece):
        return True
    parts = re.split("[-_]", piece)
    digits = sum(len(part) for part in parts if part.isdigit())
    return digits <= _JOINED_DIGITS and all(map(_is_word_or_number, parts))


def _is_word_or_number(piece: str) -> bool:
    return not piece or piece.lower() in _LEXICON or _NUMBER.fullmatch(piece) is not None


def unknown(*texts: str) -> frozenset[str]:
    """What `scrubbed` takes out of *texts*."""
    chunks = {chunk for text in texts for chunk in _SPACES.split(text)[::2]}
    return frozenset(chunk for chunk in chunks if not _is_known(chunk))


def is_word(word: str) -> bool:
    """Whether *word* is one of those that are kept wherever they stand."""
    return word.lower() in _LEXICON


# Tables, and what is none -------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 16)
def _field(text: bytes) -> bytes:
    """A field of a table: byte for byte where it is a number, a date, a stamp, a right, or nothing."""
    return text if _FIELD.fullmatch(text) else scrubbed(text.decode(errors="replace")).encode()


def csv(text: bytes) -> bytes:
    """Lines of a CSV table, each field scrubbed."""
    ends = re.split(rb"([,\r\n]+)", text)
    return b"".join(part if number % 2 else _field(part) for number, part in enumerate(ends))


def json(text: bytes) -> bytes:
    """JSON with its strings scrubbed; what stands between them is numbers and punctuation, or gone too."""
    parts, at = [], 0
    for found in _STRING.finditer(text):
        parts += [_between(text[at : found.start()]), _field(found[0])]
        at = found.end()
    return b"".join([*parts, _between(text[at:])])


@lru_cache(maxsize=1 << 16)
def _between(text: bytes) -> bytes:
    return _WORD.sub(lambda found: _field(found[0]), text)


def opaque(body: bytes, most: int = MOST_OPAQUE) -> bytes:
    """*body* where it is no table: its first *most* characters as sentences; no text, without any letter."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _LETTERS.sub(b"x", body[:_BINARY])
    found = scrubbed(text[: 2 * most])
    return (found if len(found) <= most else found[:most].rpartition(" ")[0]).encode()


def sentence(content: bytes, size: int) -> str:
    """The beginning of an answer's *content* that is no table, as one line; *size* is the whole answer's.

    It is scrubbed before it is cut short: a recording keeps it so, and says the same.
    """
    return excerpt(opaque(content), size)


class PersonalError(SpxDataError, retry=NEVER):
    """What may identify somebody is in a recording, which is not written."""


def check_nothing_personal(
    bodies: Mapping[str, bytes], exchanges: Sequence[Mapping[str, Any]], table: Sequence[Mapping[str, Any]]
) -> None:
    """Raise PersonalError where what may identify somebody is in what is about to be written."""
    said = [str(value) for row in table for value in row.values()]
    said += [
        text for each in exchanges for text in (each["request"], *(value for _, value in each["headers"]))
    ]
    named = {**bodies, "manifest.json": "\n".join(said).encode()}
    sought = [*_PATTERNS.items(), *((what, _pattern(text)) for what, text in _of_this_machine())]
    for name, content in named.items():
        plain = pieces.unpacked(content) or content
        for what, pattern in sought:
            if pattern.search(plain):
                raise PersonalError(
                    f"the recording would hold {what} in {name}: it is not written",
                    cure="Please report this line: what is kept of answers is too much",
                    expected="nothing of an account or a machine",
                    actual=f"{what} in {name}",
                )


def _of_this_machine() -> Iterator[tuple[str, str]]:
    """What names this machine and its user, and what they keep secret, with what it is called."""
    for what, text in (("the name of the user", _user()), ("the name of the machine", platform.node())):
        # What answers may say anyway tells nothing.
        if len(text) >= _SHORTEST_NAME and not text.isdigit() and not is_word(text):
            yield what, text
    with suppress(RuntimeError):
        yield "the home folder", str(Path.home())
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= _SHORTEST_SECRET and not is_word(value):
            yield f"the value of {name}", value


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _pattern(text: str) -> re.Pattern[bytes]:
    """*text* as a word by itself, in whatever case."""
    return re.compile(rb"(?<!\w)" + re.escape(text.encode()) + rb"(?!\w)", re.IGNORECASE)


def masked(text: str, removed: Iterable[str]) -> str:
    """*text*, which may quote answers, without what was *removed* from them, nor names of this machine.

    A quotation may be cut short, so beginnings of words count; and what stands between two spaces goes as a
    whole.
    """
    names = (name for _, name in _of_this_machine())
    gone = tuple({word.lower() for each in (*removed, *names) for word in _LONG_WORD.findall(each)})

    def tells(word: str) -> bool:
        plain = word.lower()
        if is_word(plain) or (plain.isdigit() and len(plain) < _LONG_NUMBER):
            return False
        return any(each.startswith(plain) for each in gone)

    def is_odd(chunk: str) -> bool:
        plain = chunk.encode(errors="replace")
        return any(pattern.search(plain) for pattern in _PATTERNS.values()) or any(
            map(tells, _LONG_WORD.findall(chunk))
        )

    return "".join(emptied(chunk) if is_odd(chunk) else chunk for chunk in _SPACES.split(text))
