"""How a fault changes an answer, before anybody sends it.

Faults of delivery change nothing here: the answer carries its fault, and
`delivery` does the rest.
"""

import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from theta_simulator import answers, rows
from theta_simulator.answers import Answer
from theta_simulator.faults import Fault, Kind
from theta_simulator.pages import PATH, Page
from theta_simulator.rows import Table

# Nobody listens there, and a client has no business going to look.
ELSEWHERE = "127.0.0.2:9"
EVIL_NAMES = ("../../../evil", "SPX/..")
SENTENCE = "No data for the specified request"
_HTML = "<!DOCTYPE html>\n<html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>\n"
_ROOTS = {"SPX": "SPXW", "SPXW": "SPX"}
_NUMBERS = ("strike", "bid", "ask", "delta", "vega", "implied_vol", "underlying_price")
_DATE = re.compile(r"\d{4}(-?)\d\d\1\d\d")

# The sentences are ours: no source shows the terminal's.
_REFUSALS = {
    Kind.RATE_LIMIT: (429, "Too many requests"),
    Kind.RETRY_AFTER: (429, "Too many requests"),
    Kind.GENERAL: (470, "General error"),
    Kind.DISCONNECTED: (474, answers.DISCONNECTED),
    Kind.SERVER_ERROR: (500, "Internal server error"),
    Kind.STARTING: (571, "The server is starting"),
    Kind.UNCAUGHT: (572, "Uncaught error"),
    Kind.PAGE_EXPIRED: (477, "No page found"),
    Kind.PAGE_NO_DATA: (472, answers.V2_NO_DATA),
    Kind.PAGE_TOO_LARGE: (570, answers.TOO_MUCH),
    Kind.REFUSED_TIER: (403, "Your subscription does not include this request"),
    Kind.REDIRECT: (302, "Moved"),
    Kind.LARGE: (570, answers.TOO_MUCH),
    Kind.OUTAGE_DISCONNECTED: (474, answers.DISCONNECTED),
    Kind.OUTAGE_STARTING: (571, "The server is starting"),
    # Nobody will read it: the connection closes first.
    Kind.OUTAGE_CLOSED: (503, ""),
}
_STATUS_WORDS = {Kind.OUTAGE_DISCONNECTED: "DISCONNECTED", Kind.OUTAGE_STARTING: "UNVERIFIED"}


def refuses(kind: Kind) -> bool:
    """Say whether a fault needs no answer to be worked on; a refused page keeps waiting."""
    return kind in _REFUSALS


def refusal(fault: Fault, api: str, retry_after: int) -> Answer:
    """Return the status and the sentence that come instead of data."""
    status, sentence = _REFUSALS[fault.kind]
    headers: tuple[tuple[str, str], ...] = ()
    if fault.kind is Kind.RETRY_AFTER:
        headers = (("retry-after", str(retry_after)),)
    elif fault.kind is Kind.REDIRECT:
        headers = (("location", f"http://{ELSEWHERE}/{api}/moved"),)
    elif fault.kind is Kind.REFUSED_TIER and api == "v2":
        status = 471
    return replace(answers.text(sentence, status), headers=headers, fault=fault)


def status(fault: Fault) -> Answer:
    """Return what the status endpoints say in an outage."""
    return replace(answers.text(_STATUS_WORDS.get(fault.kind, "")), fault=fault)


def twisted(page: Page, fault: Fault) -> Page:
    """Return the page to hand out: for `page-twice` one that is followed by itself."""
    if fault.kind is not Kind.PAGE_TWICE:
        return page
    pages, place = page.answer.pages, page.place
    again = (*pages[: place + 1], pages[place], *pages[place + 2 :])
    return replace(page, answer=replace(page.answer, pages=again))


def next_page(page: Page, fault: Fault, base_url: str) -> str | None:
    """Return the address a page is made to name as the next one, None for the true one.

    A loop leads to the answer's first page or to the page just served, which must still be there.
    """
    if fault.kind is Kind.PAGE_ELSEWHERE:
        return f"http://user:secret@{ELSEWHERE}/v2/page/3"
    if fault.kind is Kind.PAGE_LOOP:
        just_served = f"{PATH}{page.number}" if page.number else page.request
        return base_url + fault.dice().choice((page.request, just_served))
    return None


def spoilt(answer: Answer, fault: Fault) -> Answer:
    """Return the answer with its fault."""
    if fault.kind in _OTHER_BODIES:
        content_type, body = _OTHER_BODIES[fault.kind]
        return Answer(200, content_type, (body.encode(),), fault=fault)
    answer = replace(answer, fault=fault)
    dice = fault.dice()
    if fault.kind in _EDITS:
        table = rows.read(answer)
        _EDITS[fault.kind](table, dice)
        return replace(answer, body=(rows.write(answer, table),))
    if fault.kind is Kind.EMPTY:
        return replace(answer, body=())
    if fault.kind is Kind.GARBAGE:
        return replace(answer, body=(dice.randbytes(dice.randint(100, 2000)),))
    if fault.kind is Kind.HALF_WRITTEN:
        return replace(answer, body=(_half(b"".join(answer.body), dice),))
    return answer


def _half(body: bytes, dice: random.Random) -> bytes:
    """Return the body up to somewhere inside a line, so that it is no table of fewer rows.

    Often that is in the last digits of a line, where what is left looks most like a whole row.
    """
    cut = dice.randrange(1, len(body))
    start = body.rfind(b"\n", 0, cut) + 1
    line = body[start:].partition(b"\n")[0].rstrip()
    if dice.random() < 0.5:
        cut = start + len(line) - dice.randint(1, 4)
    return body[:cut] if start < cut < start + len(line) else body[: start + len(line) // 2]


def _wrong_contract(table: Table, dice: random.Random) -> None:
    root = "root" if "root" in table.names else "symbol"
    # A listing may name any expiration; only the root of its contracts can be wrong.
    listing = not {"timestamp", "ms_of_day"} & set(table.names)
    other_root = listing or dice.random() < 0.5
    for row in _some(table, dice):
        if other_root:
            row[root] = re.sub(r"\w+", lambda found: _ROOTS.get(found[0], "SPX"), row[root])
        else:
            row["expiration"] = _moved(row["expiration"], 7)


def _wrong_date(table: Table, dice: random.Random) -> None:
    name = "date" if "date" in table.names else "timestamp"
    days = dice.choice((-1, 1))
    for row in _some(table, dice):
        row[name] = _moved(row[name], days)


def _not_a_number(table: Table, dice: random.Random) -> None:
    row, name = dice.choice(table.rows), dice.choice([name for name in _NUMBERS if name in table.names])
    # In a CSV every field is text.
    row[name] = dice.choice(("NaN", "") if isinstance(row[name], str) else (float("nan"), None))


def _hostile_names(table: Table, dice: random.Random) -> None:
    name = dice.choice([name for name in ("root", "symbol", "expiration") if name in table.names])
    table.rows.insert(dice.randint(0, len(table.rows)), table.rows[0] | {name: dice.choice(EVIL_NAMES)})


def _missing_column(table: Table, dice: random.Random) -> None:
    table.names.remove(dice.choice(table.names))


def _header_only(table: Table, _: random.Random) -> None:
    table.rows.clear()


def _some(table: Table, dice: random.Random) -> list[rows.Row]:
    """Return all rows, or only those from somewhere on."""
    return table.rows[dice.choice((0, dice.randrange(len(table.rows)))) :]


def _moved(value: Any, days: int) -> Any:
    """Return a date, or a text or number with one in it, some days later; its spelling stays."""

    def later(found: re.Match[str]) -> str:
        day = date.fromisoformat(found[0]) + timedelta(days=days)
        return day.isoformat().replace("-", found[1])

    return type(value)(_DATE.sub(later, str(value), count=1))


_OTHER_BODIES = {
    Kind.HTML: (answers.HTML, _HTML),
    Kind.SENTENCE: (answers.TEXT, SENTENCE),
    Kind.SENTENCE_AS_CSV: (answers.CSV, SENTENCE),
}
_EDITS: dict[Kind, Callable[[Table, random.Random], None]] = {
    Kind.HEADER_ONLY: _header_only,
    Kind.WRONG_CONTRACT: _wrong_contract,
    Kind.WRONG_DATE: _wrong_date,
    Kind.NOT_A_NUMBER: _not_a_number,
    Kind.HOSTILE_NAMES: _hostile_names,
    Kind.MISSING_COLUMN: _missing_column,
}
