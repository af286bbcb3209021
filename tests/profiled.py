"""Profiles of a terminal, made by hand."""

import datetime as dt
from dataclasses import replace

from spx_data.sources import profile
from spx_data.sources.profile import Finding, Floor, Profile, Speed, Volume

AS_ASSUMED = Finding("quoting", "texts are quoted", 'every text in quotes: "C"', "read as it is", "")
NOT_SEEN = Finding("half-days", "they end at 13:00", "nothing that tells", "", "", known=False)
OTHERWISE = Finding("line-ends", "\\n", "\\r\\n <at the end>", "no reader minds", "wire", as_assumed=False)
QUEUES = Finding(
    "at-once", "served together", "2 of 4 waited", "no more than 2 at once", "", as_assumed=False
)

PLAIN = Profile(
    probed_at=dt.datetime(2024, 1, 4, 21, 30, 15, tzinfo=dt.UTC),
    whole=True,
    full=False,
    api="v3",
    base_url="http://127.0.0.1:25503",
    server="jetty",
    speed=Speed(1.0, 2.0, 1e6, 10_000.0, at_once=3),
    table=(AS_ASSUMED, OTHERWISE, NOT_SEEN),
)
# What the floor of 2024-12-03 tells, and a listing of 100 contracts a root.
FLOORED = Floor(dt.date(2024, 12, 4), dt.date(2024, 12, 3), "status 403 'not before 2024-12-04'")
LISTED = Volume(dt.date(2024, 11, 15), {"SPX": 4, "SPXW": 16}, {"SPX": 100, "SPXW": 300})


def write(settings, **others):
    """Write the plain profile, or one that is *others*, into the lake; returns it with its digest."""
    return profile.write(settings.layout.profile, replace(PLAIN, **others))
