"""What no market allows: arbitrage beyond the spread, parity that does not hold; and where it was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spx_data.report.day import hits, parity
from spx_data.report.day.checks import checks, is_fact
from spx_data.report.day.view import View
from spx_data.report.page import Figure, Section

_ABOUT = ("arbitrage", "parity")


def section(view: View) -> Section:
    """The section: what no market allows: arbitrage outside of the spread, parity that does not hold."""
    return Section(
        "findings",
        "Arbitrage and parity",
        template="findings",
        lead="Prices that could have been traded against each other at no risk, calls and puts that "
        "disagree; and at which minutes and in which chains every check found what it looks for.",
        figures=[*_where(view), *parity.figures(view)],
        context={"words": _words(view.dossier), "checks": checks(view.dossier, _ABOUT)},
    )


def _words(found: Mapping[str, Any]) -> list[str]:
    """What was found, a sentence for each of the parts that the section is about."""
    return [_sentence(part, [check for check in found["checks"] if check["part"] == part]) for part in _ABOUT]


def _sentence(part: str, among: list[Mapping[str, Any]]) -> str:
    looked, found = ([check for check in among if check[name]] for name in ("of", "hits"))
    if not looked:
        return f"{part.capitalize()}: nothing of the day could be looked at."
    if not found:
        return f"{part.capitalize()}: nothing found by {_names(looked)}."
    return f"{part.capitalize()}: {', '.join(map(_told, found))}."


def _told(check: Mapping[str, Any]) -> str:
    return f"{check['hits']:,} of {check['of']:,} {check['unit']} ({check['check']})"


def _names(among: list[Mapping[str, Any]]) -> str:
    return ", ".join(check["check"] for check in among)


def _where(view: View) -> Iterator[Figure]:
    """When and in which chains checks found something: first what is wrong, then what markets do."""
    found = [check["check"] for check in view.dossier["checks"] if check["hits"]]
    wrong, facts = ([code for code in found if is_fact(code) is fact] for fact in (False, True))
    if wrong:
        yield from hits.figures(view, wrong, "findings", "What was found, by {}")
    if facts:
        yield from hits.figures(view, facts, "facts", "Facts of the market, which cost nothing, by {}")
