"""Every chain of the day, in figures."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from spx_data.market.second_opinion import ChainState
from spx_data.report.day.drawing import time_of
from spx_data.report.day.view import View
from spx_data.report.page import Section
from spx_data.settings import Quality
from spx_data.status import quality
from spx_data.text.words import counted

# What a chain's judgement has in figures; None where there was nothing to judge.
_FIGURES = ("forward", "discount", "parity_residual", "iv_atm", "spread_median", "spread_atm_dollars")


def section(view: View) -> Section:
    """The section: every chain of the day, in figures."""
    chains = [_line(chain, view.date, view.settings.quality) for chain in view.dossier["chains"]]
    return Section(
        "chains",
        "Chains",
        template="chains",
        lead=_lead(chains),
        context={"chains": sorted(chains, key=lambda chain: (chain["days"], chain["root"]))},
    )


def _lead(chains: Sequence[Mapping[str, Any]]) -> str:
    roots = Counter(chain["root"] for chain in chains)
    named = ", ".join(f"{number:,} of {root}" for root, number in sorted(roots.items()))
    if not chains:
        return ""
    days = [chain["days"] for chain in chains]
    return (
        f"{counted(len(chains), 'chain')} ({named}), {min(days):,} to {max(days):,} days to expiration. "
        "A click on a heading sorts."
    )


def _says(chain: Mapping[str, Any], hits: Mapping[str, int]) -> str:
    """What is to be told of a chain: why it is not whole, why it has no rows, what its checks found."""
    if chain["state"] != ChainState.WHOLE:
        return f"{chain['state']}: {chain['error']}" if chain["error"] else str(chain["state"])
    return chain["explained"] or ", ".join(f"{code} {number:,}" for code, number in hits.items())


def _line(chain: Mapping[str, Any], date: dt.date, rules: Quality) -> dict[str, Any]:
    """What the table says of one chain of the dossier."""
    judged, expiration = chain["quality"] or {}, dt.date.fromisoformat(chain["expiration"])
    figures, first, last = judged.get("figures", {}), chain["first_stamp"], chain["last_stamp"]
    return {
        **chain,
        "days": (expiration - date).days,
        "weekday": f"{expiration:%a}",
        "missing": len(chain["contracts_missing"]) + chain["more"].get("contracts_missing", 0),
        "score": judged.get("score"),
        "level": quality.verdict(judged.get("score"), {}, rules),
        "says": _says(chain, judged.get("hits", {})),
        "first": first and time_of(first),
        "last": last and time_of(last),
        **{name: figures.get(name) for name in _FIGURES},
    }
