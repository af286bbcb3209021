"""What days beside have confirmed of the source, and the hours that a date's records keep."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from spx_data import vouched
from spx_data.errors import SpxDataError
from spx_data.evidence import Lack
from spx_data.fill.listing import Listing
from spx_data.fill.second_opinion import ENOUGH
from spx_data.layout import Layout
from spx_data.quality import DETAILS
from spx_data.quality.hours import Hours, Observed, Told
from spx_data.sessions import Session
from spx_data.settings import Settings
from spx_data.staging import Receipt

_BESIDE_DAYS = 14  # calendar days to either side: a habit may change with a release of the terminal


def hours(settings: Settings, listed: Listing, session: Session | None, receipts: Sequence[Receipt]) -> Hours:
    """The hours of *listed*'s date, by both calendars and the records that are staged."""
    stamps = (
        (receipt.expiration, receipt.evidence.first_stamp, receipt.evidence.last_stamp)
        for receipt in receipts
    )
    told = Told(settings.calendar, session, listed.vendor, Observed.of(listed.date, stamps))
    return told.truth(settings.window, listed.api).quoted


def known(layout: Layout, date: dt.date) -> frozenset[Lack]:
    """The lacks that sealed days around *date* confirm, `ENOUGH` times between them, and none refutes."""
    habits = [
        passport["second_opinions"]["habits"]
        for days in range(1, _BESIDE_DAYS + 1)
        for beside in (date - dt.timedelta(days=days), date + dt.timedelta(days=days))
        if (passport := _passport(layout, beside)) is not None
    ]
    return frozenset(lack for lack in Lack if _is_confirmed([each.get(lack, {}) for each in habits]))


def _is_confirmed(found: Sequence[Mapping[str, int]]) -> bool:
    confirmed = sum(each.get("confirmed", 0) for each in found)
    return confirmed >= ENOUGH and not any(each.get("contradicted") for each in found)


def _passport(layout: Layout, date: dt.date) -> dict[str, Any] | None:
    with suppress(SpxDataError):
        return vouched.read_whole(layout.passport(date), until=DETAILS).document
    return None
