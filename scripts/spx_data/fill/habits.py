"""What days beside have confirmed of the source, and the hours that a date's records keep."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from spx_data.errors import SpxDataError
from spx_data.fill.listing import Listing
from spx_data.lake import passports
from spx_data.market.second_opinion import ENOUGH, Lack
from spx_data.market.sessions import Session
from spx_data.quality.hours import HoursReports, Observed
from spx_data.settings import Settings
from spx_data.sources.profile import NOT_SEEN, Profile
from spx_data.store.layout import Layout
from spx_data.store.staging import Receipt

_BESIDE_DAYS = 14  # calendar days to either side: a habit may change with a release of the terminal


def told(
    settings: Settings,
    listed: Listing,
    session: Session | None,
    receipts: Sequence[Receipt],
    profile: Profile | None,
) -> HoursReports:
    """What both calendars, the records that are staged and a probe tell of the hours of *listed*'s date."""
    stamps = (
        (receipt.expiration, receipt.evidence.first_stamp, receipt.evidence.last_stamp)
        for receipt in receipts
    )
    observed = Observed.of(listed.date, stamps)
    ends = (profile.full_day, profile.half_day) if profile else (NOT_SEEN, NOT_SEEN)
    return HoursReports(settings.product, settings.calendar, session, listed.vendor, observed, *ends)


def known(layout: Layout, date: dt.date, profile: Profile | None) -> frozenset[Lack]:
    """The lacks that sealed days around *date* confirm, `ENOUGH` times between them, or a probe did.

    What any of them refutes is none. The first question of a date still checks what is known so.
    """
    habits = [
        passport["second_opinions"]["habits"]
        for days in range(1, _BESIDE_DAYS + 1)
        for beside in (date - dt.timedelta(days=days), date + dt.timedelta(days=days))
        if (passport := _passport(layout, beside)) is not None
    ]
    probed = profile.confirmed if profile else {}
    refuted = {lack for each in habits for lack, found in each.items() if found.get("contradicted")}
    refuted |= {lack for lack, count in (profile.contradicted if profile else {}).items() if count}
    return frozenset(
        lack
        for lack in Lack
        if lack not in refuted
        and (probed.get(lack) or sum(each.get(lack, {}).get("confirmed", 0) for each in habits) >= ENOUGH)
    )


def _passport(layout: Layout, date: dt.date) -> dict[str, Any] | None:
    with suppress(SpxDataError):
        return passports.read(layout, date).document
    return None
