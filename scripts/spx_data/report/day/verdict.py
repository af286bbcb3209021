"""What the day is worth: its score, the parts of it, and what cost points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spx_data.quality import score
from spx_data.report.day import neighbours
from spx_data.report.day.checks import checks
from spx_data.report.day.view import View
from spx_data.report.page import Section
from spx_data.report.tiles import Tile
from spx_data.settings import Quality
from spx_data.status import day_report, quality
from spx_data.text.words import count, counted, size

_MEANINGS = {
    "good": "Nothing here needs a second look.",
    "warn": "Usable with care: look at what cost points before relying on it.",
    "fail": "Not to be relied upon before somebody has looked at it.",
    None: "Nothing of it could be judged.",
}


def section(view: View) -> Section:
    """The section: what the day is worth: its score, the parts of it, and what cost points."""
    found, rules = view.dossier, view.settings.quality
    before, after = view.pages_beside
    return Section(
        "verdict",
        "Verdict",
        template="verdict",
        figures=list(neighbours.figures(view)),
        context={
            "date": view.date,
            "before": before,
            "after": after,
            "score": found["score"],
            "verdict": found["verdict"],
            "meaning": _MEANINGS[found["verdict"]],
            "because": _because(found, rules),
            "rules": rules,
            "parts": _parts(found, rules),
            "costly": bool(found["findings"]),
            "tiles": list(_tiles(view)),
            "checks": checks(found),
            "lost": found["expirations_lost"],
            "told": bool(found["outliers"]),
            "session_findings": (found["session"] or {}).get("findings", ()),
        },
    )


def _because(found: Mapping[str, Any], rules: Quality) -> str:
    """What made the verdict, in a sentence."""
    if found["score"] is None:
        return "No part of the score had anything to look at."
    if not found["findings"]:
        return f"None of the {_looked(found)} that had something to look at cost a point."
    ruined = [part["part"] for part in found["parts"] if part["weight"] and part["score"] < rules.fail_below]
    words = f"{counted(len(found['findings']), 'check')} cost points, most of all {found['findings'][0]}."
    if found["verdict"] == "warn" and ruined:
        words += f" A part below {rules.fail_below:g} is a warning whatever the mean: {', '.join(ruined)}."
    return words


def _looked(found: Mapping[str, Any]) -> str:
    return counted(sum(1 for check in found["checks"] if check["of"]), "check")


def _parts(found: Mapping[str, Any], rules: Quality) -> list[dict[str, Any]]:
    """Each part with the points of the score that it cost, and where that shows first."""
    lost = score.lost({part["part"]: part["score"] for part in found["parts"]}, rules.weights)
    return [
        {
            **part,
            "lost": lost[part["part"]],
            "worst": _costliest(found, part),
            "level": quality.verdict(part["score"], {}, rules),
        }
        for part in found["parts"]
    ]


def _costliest(found: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The check that *part* has its points from, where it lost any."""
    return day_report.worst(found["checks"], part["part"]) if part["score"] < 100 else None


def _tiles(view: View) -> Iterator[Tile]:
    """The day's leading figures."""
    found, facts = view.dossier, view.summary.facts
    balance, figures, rows = found["completeness"], found["figures"], found["provenance"]["rows"]
    stamps = max((chain["grid"] for chain in found["chains"] if chain["grid"]), default=0)
    yield Tile.of("rows", count(rows), f"{count(rows / stamps)} a stamp" if stamps else "")
    yield Tile.of("contracts", count(balance["contracts_received"]), _of_those_listed(balance))
    yield Tile.of("expirations", count(balance["chains_received"]), f"of {balance['chains_listed']:,} listed")
    yield Tile.of("stamps", count(stamps), f"every {view.dataset['interval']}")
    parquet = found["provenance"]["parquet"]["bytes"]
    yield Tile.of("Parquet", size(parquet), f"{parquet / rows:.1f} bytes a row" if rows else "")
    yield Tile.of("median spread", _share(figures["spread_median"]), "of the midpoint, near the money")
    yield Tile.of("volatility", _share(figures["iv_level"]), "at the money, 30 days")
    if facts.duration_ms:
        yield Tile.of("filled in", f"{facts.duration_ms / 1000:,.1f} s", counted(facts.requests, "request"))


def _of_those_listed(balance: Mapping[str, int]) -> str:
    left = {name: balance[f"contracts_{name}"] for name in ("explained", "missing")}
    words = ", ".join(f"{number:,} {name}" for name, number in left.items() if number)
    return f"of {balance['contracts_expected']:,} listed{'; ' if words else ''}{words}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.3g} %"
