"""What the sealed records of a day say, small enough for a page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from spx_data.report.page import Columns
from spx_data.settings import Settings


@dataclass(frozen=True)
class Market:
    """The day's quotes and volatilities, by expiration and minute."""

    data: Mapping[str, Columns] = field(default_factory=dict)  # what charts share

    @classmethod
    def of(cls, settings: Settings, date: dt.date) -> Market:
        """Read the records of *date*, a sealed one.

        Raises:
            FileCorruptionError, MissingFileError: its Parquet is not what was sealed.
        """
        return cls()
