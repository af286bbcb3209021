"""What each version of the Theta Terminal's API can do."""

from __future__ import annotations

import datetime as dt

from spx_data.market.columns import QUOTES
from spx_data.sources.catalogue import Capabilities

_SINCE = dt.date(2012, 6, 1)  # docs/wire.md, 10
# The one that is looked for first stands first. Addresses: docs/wire.md, 1 and 11; tiers: 9.
APIS = (
    Capabilities(
        api="v3",
        address="http://127.0.0.1:25503",
        formats=("csv", "json", "ndjson"),
        greeks_versions=("latest", "1"),
        tiers={1: "Free", 2: "Value", 4: "Standard", 8: "Pro"},
        calendar=True,
        from_the_open=True,
        open_interest=True,
        whole_dates=(QUOTES,),  # docs/wire.md, 11.2
        quotes_since=_SINCE,
    ),
    Capabilities(
        api="v2",
        address="http://127.0.0.1:25510",
        formats=("csv", "json"),
        greeks_versions=("1",),  # it knows no other (docs/wire.md, 3.2)
        tiers={1: "Free and Value", 2: "Standard", 4: "Pro"},
        calendar=False,
        from_the_open=False,  # docs/wire.md, 2.1
        open_interest=True,
        quotes_since=_SINCE,
    ),
)

# What a job that asks loads in any case.
MODULES = ("spx_data.sources.theta.transport",)
