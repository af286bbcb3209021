"""What the source said of contracts that it was asked for one by one, because its answer lacked them.

A contract that was listed and not received is explained only where the source has no data for it in an
answer to its own request (472); everything else stays missing, and is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Evidence:
    """The second opinion on one chain; contracts are named like C 4700."""

    first_stamp: int | None = None  # of all records received, ms since the epoch
    last_stamp: int | None = None
    asked: int = 0  # contracts asked for by themselves
    unquoted: tuple[str, ...] = ()  # those of them that the source has no data for (472)
    confirmed: tuple[str, ...] = ()  # those whose own answer lacks the same stamps
    unanswered: tuple[str, ...] = ()  # those that it would not be asked for, each with its reason
    recovered: int = 0  # records that only the contract's own answer had
    left_out: int = 0  # contracts that were in question and not asked for

    def as_json(self) -> dict[str, Any]:
        """The evidence as a JSON document."""
        return asdict(self)

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Evidence:
        """The evidence in *document*; raises TypeError or ValueError where it is none."""
        lists = {name: tuple(document[name]) for name in ("unquoted", "confirmed", "unanswered")}
        found = cls(**{**document, **lists})
        if not all(isinstance(text, str) for texts in lists.values() for text in texts):
            raise TypeError("contracts are named by text")
        if not all(isinstance(count, int) for count in (found.asked, found.recovered, found.left_out)):
            raise TypeError("asked, recovered and left_out are counts")
        if not all(isinstance(stamp, int | None) for stamp in (found.first_stamp, found.last_stamp)):
            raise TypeError("stamps are in ms since the epoch")
        return found


def contract(right: str, strike: float) -> str:
    """The name of a contract within its chain: like C 4700."""
    return f"{right} {strike:.10g}"
