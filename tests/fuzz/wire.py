"""The parsers of the terminal's answers: the real `V3` and `V2`, over real HTTP on the loopback.

Of most parsers an input is a body, put into a whole answer; of those that end in `-http` it is everything
that the server sends, status line and headers too, several answers where pages are.
"""

import datetime as dt
import functools
import zlib

from spx_data.market.chains import Chain, ListedChain
from spx_data.market.columns import DEFAULT
from spx_data.market.records import Rejects
from spx_data.market.schema import newest
from spx_data.market.sessions import Window
from spx_data.settings import Terminal
from spx_data.sources.theta import health
from spx_data.sources.theta.transport import Transport
from spx_data.sources.theta.v2 import V2
from spx_data.sources.theta.v3 import V3
from tests import schemas
from tests.fuzz import loopback, oracle
from tests.fuzz.verdict import Outcome, Wrong

ROOT, DATE = "SPXW", dt.date(2024, 12, 10)
CHAIN = Chain(ROOT, DATE, DATE, DATE)
WINDOW = Window(dt.time(9, 30), dt.time(12, 30), "1h")
ALONE = ("C", 5910.0)
TYPES = {"csv": "text/csv", "json": "application/json", "ndjson": "application/x-ndjson"}


@functools.cache
def _server():
    return loopback.Loopback()


class _Asking:
    """A source of its own for one input: what a terminal got away with before tells nothing."""

    def __init__(self, data, api, form, scratch, *, whole, schema=schemas.GREEKS):
        self.server = _server()
        self.server.says(
            data if whole else loopback.answer(data, TYPES[form], length=len(data)), mended=whole
        )
        terminal = Terminal(self.server.url, api, form, 1, 5.0, 5.0, "latest", 0.0)
        # What is expected of the spelling is drawn from the input, so that it comes out alike each time.
        bits = zlib.crc32(data)
        self.transport = Transport(
            self.server.url, scratch=scratch, connect_seconds=5.0, unended=bool(bits & 1)
        )
        self.source = (V3 if api == "v3" else V2)(self.transport, terminal, schema, loosely=bool(bits & 2))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.transport.close()
        if self.server.is_endless():
            raise Wrong("endless: a chain of pages was followed without an end")


def _bodies(data):
    """The bodies of whole answers, where nothing in their heads says that they are cut or packed."""
    pages = [page.partition(b"\r\n\r\n")[::2] for page in data.split(loopback.PAGE)]
    heads = b"\n".join(head.lower() for head, _ in pages)
    plain = b"encoding" not in heads and heads.count(b"content-length") == heads.count(b"{length}") == len(
        pages
    )
    # Mended as the server does it.
    return [body.replace(b"{n}", str(n).encode()) for n, (_, body) in enumerate(pages)] if plain else []


def history(api, form, data, scratch, *, whole=False, alone=False, kind=DEFAULT):
    """A chain's history, or one contract's, of a kind of records."""
    rejects, schema = Rejects(), newest(kind)
    with _Asking(data, api, form, scratch, whole=whole, schema=schema) as asking:
        if alone:
            found = asking.source.contract_history(CHAIN, *ALONE, WINDOW, rejects)
        else:
            found = asking.source.history(CHAIN, WINDOW, rejects)
        batches = list(found)
    if not whole:
        only = ALONE if alone and api == "v2" else None
        oracle.check_history(batches, rejects, data, CHAIN, schema, api == "v2", only)
    elif bodies := _bodies(data):
        oracle.check_pages(batches, bodies, CHAIN, schema, api == "v2")
    return Outcome(sum(batch.num_rows for batch in batches), len(rejects))


def listing(api, data, scratch, *, eod=False, whole=False):
    """A list of contracts, or the end-of-day report."""
    with _Asking(data, api, "csv", scratch, whole=whole) as asking:
        if eod:
            found = asking.source.eod(ROOT, DATE)
            listed = (*found.quoted, *found.silent)
        else:
            found = asking.source.listing(ROOT, DATE)
            listed = found.chains
    told = sum(each.contracts for each in listed)
    if not whole:
        oracle.check_contracts(listed, data, ROOT, api == "v2")
    return Outcome(told, sum(found.left_out.values()))


def figures(api, report, data, scratch):
    """What is reported of contracts: each once, of the root and date, and no figure below zero."""
    with _Asking(data, api, "csv", scratch, whole=False) as asking:
        found = asking.source.figures(ROOT, DATE, report)
    told = found.rows.rows(named=True)
    contracts = [(row.pop("expiration"), row.pop("right"), row.pop("strike")) for row in told]
    chains = [
        ListedChain(
            Chain(ROOT, expiration, DATE, expiration),
            *((strike,) if right == each else () for each in "CP"),
        )
        for expiration, right, strike in contracts
    ]
    oracle.check_contracts(chains, data, ROOT, api == "v2")
    if len({*contracts}) < len(contracts) or any((each or 0) < 0 for row in told for each in row.values()):
        raise Wrong("invented: a contract stands there twice, or a figure is below zero")
    return Outcome(len(contracts), sum(found.left_out.values()))


def expirations(api, data, scratch):
    """A list of expirations."""
    form = "csv" if api == "v3" else "json"
    with _Asking(data, api, form, scratch, whole=False) as asking:
        found = asking.source.expirations(ROOT)
    return Outcome(oracle.check_dates(found, data, ROOT))


def hours(data, scratch):
    """One date's hours."""
    with _Asking(data, "v3", "csv", scratch, whole=False) as asking:
        found = asking.source.hours(DATE)
    return Outcome(oracle.check_hours(found, data))


def status(api, data, scratch):
    """The terminal's word on how it is: by both ways of asking."""
    with _Asking(data, api, "csv", scratch, whole=True) as asking:
        words = {health.glanced(asking.server.url, api, 5.0), health.word(asking.transport, api, 5.0)}
    if len(words) != 1:
        raise Wrong(f"invented: two ways of asking hear {sorted(words)}")
    return Outcome(1)
