"""Sealed days are damaged thousands of times: `examine` must find and name it, whatever plain readers do.

Every byte of the four sealed files counts: a trial is a change of at least one of them, in its bytes, its
length, its name or its being there, and it is found only if the examination calls the date damaged, or what
lies beside it: its contracts, of which no row of the day comes. "Named" says that the first damage it names
is the one that was done. Each trial starts from whole files.

The plain readers get the same damaged Parquet, each in a process of its own: one that crashes or hangs has
noticed. Missed is a read that ends without an error; wrong is one that gives other rows besides.
"""

import datetime as dt
import functools
import hashlib
import itertools
import json
import random
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import util
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
from rich.table import Table
from tests.proof.readers import READERS, Readers

import theta_simulator
from spx_data import config
from spx_data.fill.download import download_expirations
from spx_data.fill.merge import merge_date
from spx_data.fill.survey import fetch_expirations
from spx_data.lake.verify import Damage, Standing, examine
from spx_data.market import sessions
from spx_data.settings import Settings
from spx_data.store import files
from spx_data.store.layout import Layout

TODAY = dt.date(2024, 12, 31)
BLOCK = 4096


class Sealed(NamedTuple):
    """A sealed day as it should be: its place, and the bytes of sidecar, Parquet, passport and contracts."""

    layout: Layout
    date: dt.date
    whole: dict[Path, bytes]
    journal: bytes

    @property
    def paths(self) -> tuple[Path, ...]:
        return self.layout.day_files(self.date)


@dataclass
class Row:
    """What came of all trials of one kind."""

    trials: int = 0
    found: int = 0
    named: int = 0
    shown: int = 0  # to the plain readers: those that damage the Parquet
    missed: Counter = field(default_factory=Counter)
    wrong: Counter = field(default_factory=Counter)

    def add(self, other):
        """Take another row in."""
        for name in ("trials", "found", "named", "shown"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.missed += other.missed
        self.wrong += other.wrong


@dataclass
class Tally:
    """What was tried and what was found, kind by kind; *wrong* must stay empty."""

    rows: defaultdict = field(default_factory=functools.partial(defaultdict, Row))
    wrong: list = field(default_factory=list)  # what was not found, or not named

    def add(self, other):
        """Take another tally in."""
        for kind, row in other.rows.items():
            self.rows[kind].add(row)
        self.wrong += other.wrong


# Lakes --------------------------------------------------------------------------------------------------


def seal(folder: Path, url: str, interval: str, dates: list[dt.date]) -> list[Sealed]:
    """Fill and seal *dates* in a lake of its own."""
    settings = Settings.of(
        config.resolve(
            {
                "thetadata": {"base_url": url, "retry_wait_factor": 0},
                "processing": {
                    "start_date": "2024-01-02",
                    "interval": interval,
                    "output_directory": str(folder / "parquet"),
                    "temp_directory": str(folder / "temp"),
                    "data_directory": str(folder / "data"),
                },
                "database": {"path": str(folder / "status.db")},
            },
            {},
        )
    )
    layout = settings.layout
    for session in sessions.between("NYSE", min(dates), max(dates)):
        date = session.date
        fetch_expirations(settings, date, layout.listing(date))
        download_expirations(settings, date, layout.listing(date), layout.manifest(date))
        merge_date(settings, date, layout.manifest(date), layout.parquet(date), session=session)
    return [
        Sealed(
            layout,
            date,
            {path: path.read_bytes() for path in layout.day_files(date)},
            layout.journal(date).read_bytes(),
        )
        for date in dates
    ]


@functools.cache
def lakes() -> list[list[Sealed]]:
    """Lakes of two days each, made once in a process: small files, where footers weigh much, and minutes."""
    folder = Path(tempfile.mkdtemp(prefix="damage-"))
    util.Finalize(None, shutil.rmtree, (folder, True), exitpriority=10)
    days = [dt.date(2024, 1, 2), dt.date(2024, 1, 3)]
    with theta_simulator.running(theta_simulator.Settings(size="tiny", today=TODAY)) as terminal:
        made = [seal(folder / interval, terminal.url, interval, days) for interval in ("1h", "1m")]
    for day in itertools.chain(*made):
        assert examine(day.layout, day.date).standing is Standing.HEALTHY
    return made


Plain = tuple[Readers, dict[Path, dict[str, str]]]


@functools.cache
def plain_readers() -> Plain:
    """The plain readers, and what each of them reads in whole files."""
    readers = Readers()
    util.Finalize(None, readers.close, exitpriority=20)
    whole = {}
    for day in itertools.chain(*lakes()):
        readers.show(day.paths[1])
        whole[day.paths[1]] = readers.answers()
        assert None not in whole[day.paths[1]].values()
    return readers, whole


# Damages ------------------------------------------------------------------------------------------------

Change = dict[Path, bytes | None]  # what files hold afterwards; None is lost
Damaging = Callable[[random.Random, Sealed, Sealed], tuple[Change, set[Damage]]]


def _flipped(chance: random.Random, content: bytes, first: int = 0, last: int | None = None) -> bytes:
    at = chance.randrange(first, len(content) if last is None else last)
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def flip_anywhere(chance, day, other):
    """One bit of the Parquet."""
    parquet = day.paths[1]
    return {parquet: _flipped(chance, day.whole[parquet])}, {Damage.BYTES_CHANGED}


@functools.cache
def _chunks(parquet: Path) -> list[tuple[int, int]]:
    """The bytes of each column's data pages in each row group, by pyarrow."""
    metadata = pq.read_metadata(parquet)
    found = []
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            start = column.dictionary_page_offset or column.data_page_offset
            found.append((column.data_page_offset, start + column.total_compressed_size))
    return found


def flip_in_a_data_page(chance, day, other):
    """One bit where the rows are."""
    parquet = day.paths[1]
    first, last = chance.choice(_chunks(parquet))
    return {parquet: _flipped(chance, day.whole[parquet], first, last)}, {Damage.BYTES_CHANGED}


def overwrite(chance, day, other):
    """A few bytes of the Parquet, as a stray write leaves them."""
    parquet = day.paths[1]
    content = day.whole[parquet]
    length = chance.choice([2, 4, 8, 64, 512])
    at = chance.randrange(len(content) - length)
    stray = chance.randbytes(length)
    if content[at : at + length] == stray:
        stray = bytes(byte ^ 255 for byte in stray)
    return {parquet: content[:at] + stray + content[at + length :]}, {Damage.BYTES_CHANGED}


def truncate(chance, day, other):
    """The Parquet ends early: anywhere, at a block's or a page's edge, in its footer, or at once."""
    parquet = day.paths[1]
    content = day.whole[parquet]
    size = len(content)
    edge = chance.choice(_chunks(parquet))
    footer = size - 8 - int.from_bytes(content[-8:-4], "little")
    length = chance.choice(
        [
            chance.randrange(size),
            chance.randrange(size // BLOCK + 1) * BLOCK,
            *edge,
            chance.randrange(footer, size),
            chance.randrange(13),
            size - chance.randrange(1, 13),
        ]
    )
    return {parquet: content[: min(length, size - 1)]}, {Damage.TRUNCATED}


def zero_fill(chance, day, other):
    """Aligned blocks of the Parquet are zeros, as a lost write leaves them."""
    parquet = day.paths[1]
    content = bytearray(day.whole[parquet])
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(len(content) // BLOCK) * BLOCK
        content[at : at + BLOCK] = bytes(BLOCK)
    return {parquet: bytes(content)}, {Damage.ZERO_FILLED}


def append(chance, day, other):
    """Bytes too many at the Parquet's end: noise, zeros, itself, or another day."""
    parquet = day.paths[1]
    content = day.whole[parquet]
    length = chance.choice([1, 8, BLOCK, 9999])
    tail = chance.choice([chance.randbytes(length), bytes(length), content, other.whole[other.paths[1]]])
    return {parquet: content + tail}, {Damage.EXTENDED}


def flip_in_the_sidecar(chance, day, other):
    sidecar = day.paths[0]
    return {sidecar: _flipped(chance, day.whole[sidecar])}, {Damage.SIDECAR_DAMAGED}


def flip_in_the_passport(chance, day, other):
    passport = day.paths[2]
    return {passport: _flipped(chance, day.whole[passport])}, {Damage.PASSPORT_DAMAGED}


def swap_the_sidecar(chance, day, other):
    """Another day's sidecar, as it is or with the name corrected."""
    content = other.whole[other.paths[0]]
    if chance.random() < 0.5:
        for theirs, mine in zip(other.paths[1:], day.paths[1:], strict=True):
            content = content.replace(theirs.name.encode(), mine.name.encode())
    return {day.paths[0]: content}, {Damage.SIDECAR_SWAPPED}


def swap_the_passport(chance, day, other):
    return {day.paths[2]: other.whole[other.paths[2]]}, {Damage.PASSPORT_SWAPPED}


def swap_the_parquet(chance, day, other):
    """Another day's Parquet under this one's name."""
    return {day.paths[1]: other.whole[other.paths[1]]}, {Damage.DAY_SWAPPED}


def swap_the_day(chance, day, other):
    """All four of another day under this one's names: as they are, or made to agree in every word."""
    change = {mine: other.whole[theirs] for mine, theirs in zip(day.paths, other.paths, strict=True)}
    if chance.random() < 0.5:
        sidecar, _, passport, _ = day.paths
        for theirs, mine in zip(other.paths[1::2], day.paths[1::2], strict=True):
            change[sidecar] = change[sidecar].replace(theirs.name.encode(), mine.name.encode())
        forged = files.json_text(json.loads(change[passport]) | {"date": day.date.isoformat()}).encode()
        old, new = (hashlib.sha256(each).hexdigest().encode() for each in (change[passport], forged))
        change[passport] = forged
        change[sidecar] = change[sidecar].replace(other.paths[2].name.encode(), passport.name.encode())
        change[sidecar] = change[sidecar].replace(old, new)
    return change, {Damage.DAY_SWAPPED}


def lose(chance, day, other):
    """One, two or all of the three are gone."""
    lost = chance.sample(day.paths[:3], chance.randrange(1, 4))
    names = dict(
        zip(day.paths[:3], (Damage.SIDECAR_LOST, Damage.PARQUET_LOST, Damage.PASSPORT_LOST), strict=True)
    )
    return dict.fromkeys(lost), {names[path] for path in lost}


def damage_the_contracts(chance, day, other):
    """The file of the day's contracts is changed, another day's, or gone."""
    path, theirs = day.paths[3], other.whole[other.paths[3]]
    content = chance.choice([_flipped(chance, day.whole[path]), day.whole[path][:-9], theirs, None])
    return {path: content}, {Damage.CONTRACTS_LOST if content is None else Damage.CONTRACTS_CHANGED}


def two_at_once(chance, day, other):
    """Two of the others: the first named must be one of theirs."""
    first, second = chance.sample([overwrite, flip_in_the_sidecar, flip_in_the_passport], 2)
    (a, named_a), (b, named_b) = first(chance, day, other), second(chance, day, other)
    return a | b, named_a | named_b


# Kind → its share of the trials.
KINDS: dict[Damaging, int] = {
    flip_anywhere: 18,
    flip_in_a_data_page: 18,
    overwrite: 12,
    truncate: 10,
    zero_fill: 8,
    append: 4,
    flip_in_the_sidecar: 6,
    flip_in_the_passport: 8,
    swap_the_sidecar: 2,
    swap_the_passport: 2,
    swap_the_parquet: 2,
    swap_the_day: 2,
    lose: 4,
    damage_the_contracts: 4,
    two_at_once: 4,
}


# Trials -------------------------------------------------------------------------------------------------


def share(trials: int, seed: int) -> Tally:
    """The tally of *trials* damages, one for each seed from *seed* on."""
    tally = Tally()
    plain = plain_readers()  # before anything is damaged: they begin with whole files
    for own in range(seed, seed + trials):
        chance = random.Random(own)
        day, other = chance.sample(lakes()[chance.random() < 0.15], 2)
        (kind,) = chance.choices(list(KINDS), KINDS.values())
        change, named = kind(chance, day, other)
        with_journal = chance.random() < 0.75 or kind is lose
        with damaged(day, change, with_journal):
            wrong = _trial(tally.rows[kind.__name__], plain, day, change, named)
        if wrong:
            tally.wrong.append(f"seed {own}, {kind.__name__} of {day.date}: {wrong}")
    return tally


@contextmanager
def damaged(day: Sealed, change: Change, with_journal: bool) -> Iterator[None]:
    """The day as *change* leaves it, with or without its journal; whole again afterwards."""
    assert any(content != day.whole[path] for path, content in change.items()), "nothing is changed"
    journal = day.layout.journal(day.date)
    for path, content in change.items():
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    if not with_journal:
        journal.unlink()
    try:
        yield
    finally:
        for path in change:
            path.write_bytes(day.whole[path])
        journal.write_bytes(day.journal)


def _trial(row: Row, plain: Plain, day: Sealed, change: Change, named: set[Damage]) -> str | None:
    """Count one trial; returns what was expected and found where these differ."""
    readers, whole = plain
    parquet = day.paths[1]
    shown = change.get(parquet)
    if shown is not None:
        # Under a name of its own, for readers that remember files.
        copy = parquet.with_name(f"{next(_NUMBERS)}.parquet")
        copy.write_bytes(shown)
        readers.show(copy)
    examination = examine(day.layout, day.date)
    if shown is not None:
        answers = readers.answers()
        copy.unlink()
        row.shown += 1
        row.missed.update(name for name, answer in answers.items() if answer is not None)
        row.wrong.update(
            name for name, answer in answers.items() if answer not in (None, whole[parquet][name])
        )
    row.trials += 1
    row.found += not examination.is_well
    damages = [*examination.damages, *(finding.damage for finding in examination.beside)]
    if damages and _is_named(damages, named):
        row.named += 1
        return None
    found = "; ".join(map(str, (*examination.findings, *examination.beside))) or examination.standing
    return f"expected {', '.join(sorted(named))}, found {found}"


_NUMBERS = itertools.count()


def _is_named(damages: list[Damage], named: set[Damage]) -> bool:
    """Whether the first damage named is one of those done; of lost files, each must be named."""
    lost = {damage for damage in named if damage.endswith("-lost")}
    return damages[0] in named and lost <= set(damages)


# The table ----------------------------------------------------------------------------------------------


def table(tally: Tally) -> Table:
    """Kind by kind: what verify found and named, and what plain readers of the same Parquet missed."""
    shown = Table(title="Damage to sealed days, and who notices", title_justify="left", box=None)
    shown.add_column("damage", no_wrap=True)
    for heading in ("trials", "found", "named", *(f"{name} misses" for name in READERS)):
        shown.add_column(heading, justify="right")
    together = Row()
    for kind in KINDS:
        if row := tally.rows.get(kind.__name__):
            shown.add_row(*_cells(kind.__name__.replace("_", " "), row))
            together.add(row)
    shown.add_row(*_cells("together", together), style="bold")
    shown.caption = (
        "misses: reads it without an error; in brackets those that give other rows than were sealed"
    )
    return shown


def _cells(name: str, row: Row) -> list[str]:
    of_readers = (
        f"{_share(row.missed[reader], row.shown)} ({_share(row.wrong[reader], row.shown)})"
        if row.shown
        else "–"
        for reader in READERS
    )
    return [name, f"{row.trials:,}", f"{row.found:,}", f"{row.named:,}", *of_readers]


def _share(count: int, of: int) -> str:
    return f"{100 * count / of:.1f} %"
