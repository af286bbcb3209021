"""Leading figures, each with what puts it in proportion (macro `tiles`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Tile:
    """A leading figure; *share* fills a bar below it, from 0 to 1."""

    name: str
    figure: str
    notes: tuple[str, ...] = ()
    share: float | None = None
    href: str | None = None  # the section that has more
    level: Literal["", "work", "warn", "fail"] = ""

    @classmethod
    def of(
        cls,
        name: str,
        figure: str,
        *notes: str,
        share: float | None = None,
        href: str | None = None,
        level: Literal["", "work", "warn", "fail"] = "",
    ) -> Tile:
        """A tile with those of its *notes* that say something."""
        return cls(name, figure, tuple(filter(None, notes)), share, href, level)
