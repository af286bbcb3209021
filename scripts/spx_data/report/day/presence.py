"""What is there, expiration by expiration and minute by minute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import altair as alt

from spx_data.report.day.maps import legend, minute_map, share
from spx_data.report.day.market import LACKING, Market
from spx_data.report.day.view import View
from spx_data.report.page import Figure, Section
from spx_data.text import words

_MOST = 40  # gaps that are named

# What a cell says, with the colour it has; of contracts that are missing, up to which share.
_THERE = (("all", "@whole"), ("some not quoted yet", "@waiting"))
_MISSING = (
    ("up to 1 % missing", 0.01, "@missing-1"),
    ("up to 10 %", 0.1, "@missing-2"),
    ("up to half", 0.5, "@missing-3"),
    ("more", 1.0, "@missing-4"),
)


def section(view: View) -> Section:
    """The section: what is there, expiration by expiration and minute by minute."""
    market, gaps = view.market, _gaps(view.dossier["chains"])
    return Section(
        "presence",
        "Completeness",
        template="presence",
        lead=_lead(view),
        figures=[_contracts(market), _lacking(market)] if market.chains else [],
        context={
            "gaps": gaps[:_MOST],
            "more": max(0, len(gaps) - _MOST),
            "date": view.date.isoformat(),
            "unknown": view.dossier["completeness"]["unknown"],
            "explained": [chain for chain in view.dossier["chains"] if chain["explained"]],
        },
    )


def _lead(view: View) -> str:
    found = view.dossier["completeness"]
    late, missing, contracts = (
        found[name] for name in ("stamps_explained", "stamps_missing", "contracts_missing")
    )
    received, expected = found["stamps_received"], found["stamps_expected"]
    parts = [f"{received:,} of {expected:,} records that could be there are there"]
    if late:
        parts.append(f"{late:,} the source does not have, most of them from before a contract's first quote")
    if missing:
        parts.append(f"{missing:,} are missing")
    if contracts:
        parts.append(f"of {words.counted(contracts, 'listed contract')} there is not one")
    if not missing and not contracts:
        parts.append("nothing is missing")
    return "; ".join(parts) + "."


def _gaps(chains: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is not there by name, as far as the passport names it, most records first."""
    found: list[dict[str, Any]] = []
    for chain in chains:
        which = {"chain": f"{chain['expiration']} {chain['root']}"}
        found += [{**which, **gap} for gap in chain["gaps"]]
        whole = {"first": None, "last": None, "stamps": chain["grid"], "explained": False}
        found += [{**which, **whole, "contract": name} for name in chain["contracts_missing"]]
    return sorted(found, key=lambda gap: -gap["stamps"])


def _contracts(market: Market) -> Figure:
    states = [*_THERE, *((name, colour) for name, _, colour in _MISSING)]
    if not any((chain.missing > 0).any() for chain in market.chains):
        waited = any((chain.present < chain.contracts).any() for chain in market.chains)
        states = states[: 1 + waited]
    scale = alt.Scale(domain=[name for name, _ in states], range=[colour for _, colour in states])
    color = alt.Color("state:N", scale=scale, legend=None)
    tooltip = [
        alt.Tooltip("present:Q", title="contracts with a record", format=",.4~r"),
        alt.Tooltip("contracts:Q", title="of", format=","),
        alt.Tooltip("missing:Q", title="missing", format=",.4~r"),
    ]
    return Figure(
        "contracts",
        "Contracts that have a record",
        minute_map(market, "presence", color, tooltip, state=_state()),
        "Of the contracts of each expiration. Before its first quote of the day a contract has no record.",
        legend=dict(states),
    )


def _state() -> str:
    """What a cell says, as an expression of Vega."""
    text = f"datum.missing > 0 ? (%s) : datum.present < datum.contracts ? '{_THERE[1][0]}' : '{_THERE[0][0]}'"
    *shares, (rest, _, _) = _MISSING
    each = (f"datum.missing <= {most} * datum.contracts ? '{name}' : " for name, most, _ in shares)
    return text % (f"{''.join(each)}'{rest}'")


def _lacking(market: Market) -> Figure:
    scale = alt.Scale(type="sqrt", domain=[0, 1], range=["@quiet", "@blue"], interpolate="lab")
    color = alt.Color("lacking:Q", scale=scale, legend=legend(format=".0%", values=[0, 0.1, 0.5, 1]))
    tooltip = [share("lacking", "of the records", 0)]
    chart = minute_map(market, "lacking", color, tooltip, lacking=f"{LACKING} * datum.share")
    return Figure(
        "lacking",
        "Records that lack a bid or an ask",
        chart,
        "They are of contracts that nobody buys: far out of the money, or about to expire worthless.",
    )
