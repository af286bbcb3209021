"""What an answer may be at most, by what was asked: how many rows, how many bytes, how slow, how many pages.

The terminal is a program on somebody's machine, and what answers at its address may be anything. Whatever
comes from there has an end: here is where. Each ceiling is far above what was ever seen.
"""

from __future__ import annotations

from typing import NamedTuple

from spx_data.market.sessions import Window

LINE = 1 << 20  # bytes; a row of the longest spelling has 560
RATE = 1 << 14  # bytes a second that must come on average, once an answer has begun: so its time has an end
PAGES = 200  # of one answer: a page of v2 has up to 500,000 rows (docs/wire.md, 1.2)

_ROW = 1 << 10  # bytes
_MOST_CONTRACTS = 10_000  # of one chain; SPX had 1,618 in July 2022
_FEW_CONTRACTS = 1_000
_TWICE = 2  # a listing may know half of a chain, and rows come twice at times (docs/wire.md, 13)


class Ceiling(NamedTuple):
    """The most that an answer may be, all of its pages together."""

    rows: int
    bytes: int

    def after(self, size: int) -> Ceiling:
        """The most that the pages may be which follow one of *size* bytes."""
        return Ceiling(self.rows, self.bytes - size)


def _of(rows: int) -> Ceiling:
    return Ceiling(rows, _ROW * (rows + 64))


WORD = _of(1)
HOURS = _of(10)
EXPIRATIONS = _of(20_000)  # of all times: one a day for eighty years
CONTRACTS = _of(200_000)  # of a root on a date; SPX with SPXW had 21,000 in January 2024
REPORT = _of(2 * CONTRACTS.rows)  # a contract may have two rows in it (docs/wire.md, 6)


def history(window: Window, contracts: int) -> Ceiling:
    """The most that the history of so many *contracts* may be; of 0, which stands for a number unknown, any.

    Rows come at the stamps of *window*, each once or, from double builds, twice.
    """
    most = max(contracts, _FEW_CONTRACTS) if contracts else _MOST_CONTRACTS
    return _of(_TWICE * most * window.stamps)
