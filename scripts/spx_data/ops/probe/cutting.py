"""An answer cut to what a probe of it would speak of, and scrubbed; byte for byte in what is kept.

JSON stays as it came as well, but for what stood between two commas. What was cut once is not cut again.
"""

from __future__ import annotations

import datetime as dt
import gzip
import re
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from spx_data.fill.lacking import listed_contracts
from spx_data.market.chains import Chain, ListedChain, true_expiration
from spx_data.ops.probe import choosing, pieces, scrubbing
from spx_data.ops.probe.choosing import Contract
from spx_data.ops.probe.heard import FULL, SHORT, Heard, Raw, Story, Topic
from spx_data.ops.probe.pieces import Key, Pieces
from spx_data.sources.theta.usual import USUAL

_OK = 200
_LISTS = (Topic.LISTING, Topic.LISTING_TODAY, Topic.EOD)
_ALONE = (Topic.CONTRACT, Topic.NEVER_QUOTED)
# In the header object of a v2 JSON: the address goes, its path stays.
_PAGE = re.compile(r"/v2/page\b")
_NEXT_PAGE = re.compile(rb'("next_page"\s*:\s*")https?://[^/"]*')
_BLANK = rb"[\s\xef\xbb\xbf]*"
_JSON = re.compile(_BLANK + rb"[\[{]")
_TABLE_NAMES = re.compile(r"[a-z0-9_]+")
_LISTINGS = (Topic.LISTING, Topic.LISTING_TODAY)
ChainKey = tuple[str, dt.date, dt.date]  # root, listed expiration, date
Kept = Mapping[ChainKey, frozenset[Contract]]


@dataclass(frozen=True)
class Cut:
    """A body that was cut, and how many contracts it has of how many; None where it is no chain's."""

    body: bytes
    contracts: tuple[int, int] | None = None


class Cutter:
    """What is kept of one story's answers."""

    def __init__(self, story: Story, *, mean: bool = False) -> None:
        self._thousandths = USUAL[story.api].strike_units > 1.0
        # The address of a page is the terminal's own choice; one that may say more than its number goes.
        pages = [raw.target for raw in story.raws if _PAGE.match(raw.target)]
        strange = [page for page in dict.fromkeys(pages) if scrubbing.scrubbed(page) != page]
        self.pages = {page: f"/v2/page/{number}" for number, page in enumerate(strange, start=len(pages) + 1)}
        self._ends: dict[ChainKey, set[Contract]] = defaultdict(set)
        for heard in story.heard:
            for raw in heard.raws:
                self._note_ends(heard, raw)
        self._kept = chosen(story, self._ends, mean=mean)

    def cut(self, heard: Heard, raw: Raw) -> Cut:
        """The answer *raw*, to what was *heard*."""
        body = raw.content()
        plain = pieces.unpacked(body)
        if plain is None:
            return Cut(scrubbing.opaque(body))
        found = self._cut(heard, raw, plain)
        return Cut(gzip.compress(found.body, mtime=0), found.contracts) if plain is not body else found

    def _cut(self, heard: Heard, raw: Raw, body: bytes) -> Cut:
        if raw.status != _OK or heard.topic is Topic.STATUS:
            return Cut(scrubbing.opaque(body))
        if heard.topic in _ALONE or not (heard.chain or heard.topic in _LISTS):
            return Cut(self._scrubbed(body))
        table = pieces.of(body, thousandths=self._thousandths)
        if table is None or not table.keys:
            return Cut(self._scrubbed(body))
        if heard.chain is None:
            keep = self._of_list(heard, table.keys)
        elif heard.records is None:
            keep = _first(table)
        else:
            keep = self._of_chain(heard, table)
        keep |= {0, len(table.keys) - 1}
        left = {_contract(table.keys[number]) for number in keep} - {None}
        had = set(map(_contract, table.keys)) - {None}
        return Cut(
            self._scrubbed(table.kept(keep.__contains__)), (len(left), len(had)) if heard.chain else None
        )

    def _scrubbed(self, body: bytes) -> bytes:
        for page, ours in self.pages.items():
            body = body.replace(page.encode(), ours.encode())
        return _scrubbed(body)

    def _note_ends(self, heard: Heard, raw: Raw) -> None:
        """Note whose a table's first and last piece are: these stay, and their contracts with them."""
        if raw.status != _OK or heard.topic in _ALONE or not (heard.chain or heard.topic in _LISTS):
            return
        body = pieces.unpacked(raw.content())
        table = pieces.of(body, thousandths=self._thousandths) if body else None
        for key in table.ends if table else ():
            if (contract := _contract(key)) is None:
                continue
            if heard.chain:
                self._ends[chain_key(heard.chain)].add(contract)
            elif key.root and key.expiration and heard.date:
                self._ends[key.root, key.expiration, heard.date].add(contract)

    def _of_chain(self, heard: Heard, table: Pieces) -> set[int]:
        """The pieces of the contracts that are kept, and a bad row of each kind."""
        assert heard.chain
        kept = self._kept[chain_key(heard.chain)]
        bad = {text.strip().encode() for text in heard.examples.values()}
        return {
            number
            for number, key in enumerate(table.keys)
            if _contract(key) in kept or (bad and table.text(number).strip() in bad)
        }

    def _of_list(self, heard: Heard, keys: Sequence[Key]) -> set[int]:
        """What is kept of chains that were asked for, a contract of each other chain, and some odd rows."""
        assert heard.date
        asked: set[int] = set()
        groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for number, key in enumerate(keys):
            kind = _kind(key, str(heard.root), heard.date)
            kept = self._kept.get((str(key.root), key.expiration or dt.date.min, heard.date))
            if kept is not None and kind == (key.root, key.expiration):
                if _contract(key) in kept:
                    asked.add(number)
                if not key.lively:
                    continue
            groups[(*kind, key.lively)].append(number)
        return asked | _examples(groups, keys)


def _kind(key: Key, root: str, date: dt.date) -> tuple[object, ...]:
    """What a listed row is: of a chain, or odd in one way."""
    if _contract(key) is None or key.expiration is None:
        return ("unreadable", key.right is None, key.strike is None, key.expiration is None)
    if key.root != root:
        return ("other root", key.root)
    if true_expiration(key.expiration) < date:
        return ("expired",)
    return (key.root, key.expiration)


def _examples(groups: Mapping[tuple[object, ...], Iterable[int]], keys: Sequence[Key]) -> set[int]:
    """Of each group the rows of the lowest strike, and of the first expiration."""

    def strike(number: int) -> tuple[float, str, dt.date]:
        key = keys[number]
        return key.strike or 0.0, key.right or "", key.expiration or dt.date.min

    def expiration(number: int) -> tuple[dt.date, float, str]:
        lowest, right, date = strike(number)
        return date, lowest, right

    found: set[int] = set()
    for numbers in groups.values():
        rows = list(numbers)
        lowest = min(rows, key=strike)
        found |= {min(rows, key=expiration), *(number for number in rows if keys[number] == keys[lowest])}
    return found


def _first(table: Pieces) -> set[int]:
    """The first pieces of a table that could not be read, as far as what is no table is kept."""
    kept, so_far = set(), 0
    for number, size in enumerate(table.sizes()):
        so_far += size
        if so_far > scrubbing.MOST_OPAQUE:
            break
        kept.add(number)
    return kept


def _contract(key: Key) -> Contract | None:
    return (key.right, key.strike) if key.right and key.strike else None


def _scrubbed(body: bytes) -> bytes:
    """A whole body, scrubbed as what it is."""
    mark, text = body[: len(body) - len(body.removeprefix(BOM_UTF8))], body.removeprefix(BOM_UTF8)
    if _JSON.match(text):
        return mark + scrubbing.json(_NEXT_PAGE.sub(rb"\1", text))
    return mark + (scrubbing.csv(text) if _is_table(text) else scrubbing.opaque(text))


def _is_table(text: bytes) -> bool:
    """Whether the first line of *text* names columns."""
    line = text.lstrip().partition(b"\n")[0].decode(errors="replace").strip()
    names = [name.strip().strip('"').lower() for name in line.rstrip(",").split(",")]
    return all(_TABLE_NAMES.fullmatch(name) and scrubbing.is_word(name) for name in names)


def chain_key(chain: Chain) -> ChainKey:
    """What tells a chain of a date from others."""
    return chain.root, chain.listed, chain.date


def chosen(story: Story, more: Mapping[ChainKey, set[Contract]], *, mean: bool = False) -> Kept:
    """What is kept of the chains that were asked about in *story*, in answers and in listings.

    *more* stays for other reasons. Where that is too much, a *mean* choice leaves what questions hang on.
    """
    found: dict[ChainKey, set[Contract]] = {}
    most = (FULL if story.full else SHORT).contracts
    for heard in story.heard:
        if heard.chain is None:
            continue
        kept = found.setdefault(chain_key(heard.chain), set(more.get(chain_key(heard.chain), ())))
        if heard.contract is not None:
            kept.add(heard.contract)
            continue
        entry = story.entry(heard.chain, *_LISTINGS)
        if heard.records is not None:
            kept.update(choosing.of_answer(heard.records, most, mean=mean))
        kept.update(_of_entry(heard.there, entry, most))
    return {key: frozenset(kept) for key, kept in found.items()}


def _of_entry(there: Set[Contract], entry: ListedChain | None, most: int) -> Iterator[Contract]:
    """The listed contracts of a chain that questions hang on: the highest, and one that the answer lacks."""
    ordered = sorted(listed_contracts(entry), key=lambda one: (one[1], one[0])) if entry else []
    yield from ordered[-1:]
    if there:
        yield from sorted(set(ordered) - there)[:1]
    elif ordered:
        # A chain without rows is asked in its middle, which stays the middle between its ends.
        yield from (ordered[0], *choosing.telling(None, entry, most))
