"""The tables of a day's page: its checks, what cost most first, and its chains in figures."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spx_data.market.second_opinion import ChainState
from spx_data.quality.catalogue import CHECKS
from spx_data.report.day.view import View
from spx_data.report.drawing import time_of
from spx_data.report.page import Content
from spx_data.settings import Quality
from spx_data.status import day_report, quality
from spx_data.status.quality import PARTS
from spx_data.text.words import counted, percent

_KNOWN = {check.code: check for check in CHECKS}
# What a chain's judgement has in figures; None where there was nothing to judge.
_FIGURES = ("forward", "discount", "parity_residual", "iv_atm", "spread_median", "spread_atm_dollars")


def checks(found: Mapping[str, Any], parts: Iterable[str] = PARTS) -> list[dict[str, Any]]:
    """The checks of these *parts* with their meaning and the stamp at which each found most.

    Those that cost points come first, then facts of markets, then those that found nothing.
    """
    most, wanted = day_report.busiest(found["minutes"]), set(parts)
    lines = [_line(check, most.get(check["check"])) for check in found["checks"] if check["part"] in wanted]
    return sorted(lines, key=_rank)


def is_fact(code: str) -> bool:
    """Whether a check tells a fact of markets, which costs no points however often it is found."""
    return code in _KNOWN and _KNOWN[code].ruinous is None


def is_costly(check: Mapping[str, Any]) -> bool:
    """Whether a check of a dossier cost points; what the source always does costs none."""
    return check["score"] is not None and check["score"] < 100 and not check["habit"]


def _line(check: Mapping[str, Any], most: tuple[str, int] | None) -> dict[str, Any]:
    known = _KNOWN.get(check["check"])  # a passport of another version may name others
    return {
        **check,
        "percent": percent(check["hits"] / check["of"]) if check["of"] else None,
        "most": most,
        "costly": is_costly(check),
        "is_fact": is_fact(check["check"]),
        "meaning": known.meaning if known else "",
        "source": known.source if known else "",
        "costs": _costs(known.tolerated, known.ruinous) if known else "",
    }


def _costs(tolerated: float, ruinous: float | None) -> str:
    """From which share to which a check costs points, in words."""
    if ruinous is None:
        return "a fact of markets, costs no points"
    return f"points are lost above {100 * tolerated:g} %, all of them at {100 * ruinous:g} %"


def _rank(line: Mapping[str, Any]) -> tuple[int, float, float]:
    group = 0 if line["costly"] else 1 if line["hits"] and not line["is_fact"] else 2 if line["hits"] else 3
    return group + (not line["of"]), line["score"] if line["costly"] else 0, -line["hits"]


# Chains -------------------------------------------------------------------------------------------------


def chains(view: View) -> Content:
    """Every chain of the day, in figures."""
    lines = [_chain(chain, view.date, view.settings.quality) for chain in view.dossier["chains"]]
    return Content(
        _lead(lines), more={"chains": sorted(lines, key=lambda line: (line["days"], line["root"]))}
    )


def _lead(chains: Sequence[Mapping[str, Any]]) -> str:
    roots = Counter(chain["root"] for chain in chains)
    named = ", ".join(f"{number:,} {root}" for root, number in sorted(roots.items()))
    if not chains:
        return ""
    days = [chain["days"] for chain in chains]
    return (
        f"{counted(len(chains), 'chain')} ({named}), {min(days):,} to {max(days):,} days to expiration. "
        "Click a heading to sort."
    )


def _says(chain: Mapping[str, Any], hits: Mapping[str, int]) -> str:
    """What is to be told of a chain: why it is not whole, why it has no rows, what its checks found."""
    if chain["state"] != ChainState.WHOLE:
        return f"{chain['state']}: {chain['error']}" if chain["error"] else str(chain["state"])
    return chain["explained"] or ", ".join(f"{code} {number:,}" for code, number in hits.items())


def _chain(chain: Mapping[str, Any], date: dt.date, rules: Quality) -> dict[str, Any]:
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
