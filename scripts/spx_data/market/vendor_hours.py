"""The vendor's own calendar (docs/wire.md, 11.4): what it says about one date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OPEN, EARLY_CLOSE = "open", "early_close"
_KINDS = (OPEN, EARLY_CLOSE, "full_close", "weekend")


@dataclass(frozen=True)
class VendorHours:
    """The stock market's hours by the vendor's word, New York time; none where it says that it was closed."""

    kind: str  # open, early_close, full_close or weekend
    opens: dt.time | None
    closes: dt.time | None

    def as_json(self) -> dict[str, Any]:
        """The hours as a JSON document."""
        return {
            "type": self.kind,
            "opens": self.opens and self.opens.isoformat(),
            "closes": self.closes and self.closes.isoformat(),
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> VendorHours:
        """The hours in *document*; raises KeyError, TypeError or ValueError where there are none."""
        return cls.of(document["type"], document["opens"], document["closes"])

    @classmethod
    def of(cls, kind: str, opens: str | None, closes: str | None) -> VendorHours:
        """The hours in words of the wire; raises ValueError where they make no sense together."""
        kind = kind.strip().lower().replace("-", "_").replace(" ", "_")
        if kind not in _KINDS:
            raise ValueError(f"{kind!r} is none of {', '.join(_KINDS)}")
        if kind not in (OPEN, EARLY_CLOSE):
            return cls(kind, None, None)
        hours = dt.time.fromisoformat((opens or "").strip()), dt.time.fromisoformat((closes or "").strip())
        if any(hour.tzinfo for hour in hours):
            raise ValueError(f"it opens at {opens} and closes at {closes}, with offsets")
        if not hours[0] < hours[1]:
            raise ValueError(f"it opens at {opens} and closes at {closes}")
        return cls(kind, *hours)
