"""What the page of a day shows, read once for all of its sections."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spx_data import status
from spx_data.errors import DateValidationError
from spx_data.ledger import Kind
from spx_data.report.day.market import Market
from spx_data.settings import Settings
from spx_data.status import Summary, dossier, quality


@dataclass(frozen=True)
class View:
    """One sealed day: its summary, and all that its passport says (`status.dossier`)."""

    settings: Settings
    date: dt.date
    summary: Summary
    dossier: Mapping[str, Any]
    others: Sequence[quality.Day]  # every judged day, oldest first

    @classmethod
    def of(cls, settings: Settings, moment: dt.datetime, date: dt.date) -> View:
        """The view of *date*.

        Raises:
            DateValidationError: it is not sealed.
            SchemaValidationError: it was sealed without a judgement.
            FileCorruptionError, MissingFileError: its passport is not what was sealed with it.
        """
        summaries = status.summaries(settings, moment)
        summary = next((summary for summary in summaries if summary.date == date), None)
        if summary is None or summary.state.kind is not Kind.SEALED:
            found = summary.state.words if summary else "no session of this lake"
            raise DateValidationError(
                f"{date} is not sealed ({found}), and only sealed days have a page",
                cure=f"spx-data process {date} fills it; spx-data gaps says what is in the way",
                what="dates",
                reason=f"{date}: {found}",
            )
        days = quality.days(summaries, settings.quality)
        return cls(settings, date, summary, dossier.of(settings, summaries, days, date), days)

    @cached_property
    def market(self) -> Market:
        """What the day's records say.

        Raises:
            FileCorruptionError, MissingFileError: its Parquet is not what was sealed.
        """
        return Market.of(self.settings, self.date)
