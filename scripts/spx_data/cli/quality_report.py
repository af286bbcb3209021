"""One day's report as a person reads it: the score, what cost points, where, and what proves the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spx_data.cli.output import console, print_table, print_words
from spx_data.cli.table import VERDICTS, Column, Row
from spx_data.settings import Quality
from spx_data.status import day_report
from spx_data.status.neighbours import WORDS
from spx_data.text.words import count, counted, fraction, minute, percent, points

if TYPE_CHECKING:
    from rich.console import Console

_WORST_CHAINS, _GAPS = 5, 12
_SHARES = frozenset({"spread_median", "iv_level"})


def print_report(found: Mapping[str, Any], rules: Quality) -> None:
    """Print the report that `status.day_report.of` gives."""
    to = console()
    _head(found, rules, to)
    _section("parts", to)
    _table(_part_rows(found), _PART_COLUMNS, to)
    _checks(found, to)
    _chains(found["chains"], to)
    _completeness(found, to)
    _figures(found, to)
    _provenance(found, to)
    _cure(found, to)


def _line(text: str, to: Console, style: str = "") -> None:
    print_words(text, to, style)


def _table(rows: Sequence[Row], columns: Sequence[Column], to: Console) -> None:
    print_table(rows, columns, to, instead="--format json")


def _section(name: str, to: Console) -> None:
    to.print()
    to.print(name, style="bold underline")


def _head(found: Mapping[str, Any], rules: Quality, to: Console) -> None:
    score, verdict = found["score"], found["verdict"]
    told = f"{points(score)} of 100, {verdict}" if score is not None else "no score: nothing to judge"
    _line(f"{found['date']}  {told}", to, VERDICTS.get(verdict, "bold"))
    limits = f"warn below {rules.warn_below:g}, fail below {rules.fail_below:g}"
    _line(f"sealed {minute(found['provenance']['sealed_at'])} UTC; {limits}", to, "dim")


# Parts and checks -----------------------------------------------------------------------------------------


def _part_rows(found: Mapping[str, Any]) -> list[Row]:
    """Each part with the check that it has its points from."""
    return [{**part, "because": _because(found["checks"], part)} for part in found["parts"]]


def _because(checks: Sequence[Row], part: Row) -> str | None:
    worst = day_report.worst(checks, part["part"])
    return f"{worst['check']}: {worst['first']}" if worst and worst["first"] else None


_PART_COLUMNS = [
    Column("part", "part"),
    Column("score", "points", points, right=True),
    Column("weight", "weight", "{:g}".format, rank=1, right=True),
    Column("because", "first occurrence of the costliest", wraps=True),
]


def _checks(found: Mapping[str, Any], to: Console) -> None:
    """The checks that found something, the costliest first; the others by name."""
    hit = [check for check in found["checks"] if check["hits"]]
    hit.sort(key=lambda check: (check["score"] is None or check["habit"], check["score"] or 0.0))
    _section("checks that found something", to)
    if hit:
        most = {code: f"{at} ({hits:,})" for code, (at, hits) in day_report.busiest(found["minutes"]).items()}
        _table([{**check, "most": most.get(check["check"])} for check in hit], _CHECK_COLUMNS, to)
    else:
        _line("none", to)
    habits = [check["check"] for check in found["checks"] if check["habit"]]
    if habits:
        _line(f"this source always has {', '.join(habits)}: it costs the day no points", to, "cyan")
    clean = [check["check"] for check in found["checks"] if check["of"] and not check["hits"]]
    blind = [check["check"] for check in found["checks"] if not check["of"] and not check["does_not_apply"]]
    if clean:
        _line(f"nothing found by {', '.join(clean)}", to, "dim")
    if blind:
        _line(f"nothing to look at for {', '.join(blind)}", to, "dim")
    for reason in dict.fromkeys(check["does_not_apply"] for check in found["checks"]):
        if reason:
            names = [check["check"] for check in found["checks"] if check["does_not_apply"] == reason]
            _line(f"does not apply, as {reason}: {', '.join(names)}", to, "dim")


def _check_style(row: Row) -> str:
    return "dim" if row["score"] is None or row["habit"] else "" if row["score"] == 100 else "yellow"


_CHECK_COLUMNS = [
    Column("check", "check", style=_check_style),
    Column("hits", "hits", count, right=True),
    Column("of", "of", count, rank=2, right=True),
    Column("share", "share", percent, rank=1, right=True),
    Column("score", "points", points, right=True, style=_check_style),
    Column("most", "most at", rank=3),
    Column("first", "first", wraps=True),
]


# Chains ---------------------------------------------------------------------------------------------------


def _chains(chains: Sequence[Mapping[str, Any]], to: Console) -> None:
    judged = [chain for chain in chains if chain["quality"] and chain["quality"]["score"] is not None]
    worst = sorted(judged, key=lambda chain: chain["quality"]["score"])[:_WORST_CHAINS]
    _section(f"chains with the lowest scores, of {len(judged):,}", to)
    if all(chain["quality"]["score"] == 100 for chain in worst):
        _line("all have 100 points" if judged else "none was judged", to)
        return
    _table([_chain_row(chain) for chain in worst], _CHAIN_COLUMNS, to)


def _chain_row(chain: Mapping[str, Any]) -> Row:
    quality = chain["quality"]
    lost = sorted((value, part) for part, value in quality["parts"].items() if value < 100)
    hits = sorted(quality["hits"].items(), key=lambda item: -item[1])
    return {
        "chain": f"{chain['root']} {chain['expiration']}",
        "score": quality["score"],
        "lost": ", ".join(f"{part} {points(value)}" for value, part in lost),
        "hits": ", ".join(f"{code} {number:,}" for code, number in hits),
    }


_CHAIN_COLUMNS = [
    Column("chain", "chain"),
    Column("score", "score", points, right=True),
    Column("lost", "parts that lost points", rank=1, wraps=True),
    Column("hits", "hits", wraps=True),
]


# Completeness ---------------------------------------------------------------------------------------------


def _completeness(found: Mapping[str, Any], to: Console) -> None:
    balance = found["completeness"]
    _section("completeness", to)
    rows = [
        {"what": words, **{name: balance[f"{what}_{name}"] for name in _BALANCE}}
        for what, words in (("contracts", "contracts"), ("stamps", "stamps of contracts"))
    ]
    columns = [Column("what", "")] + [Column(name, name, count, right=True) for name in _BALANCE]
    _table(rows, columns, to)
    if balance["complete"]:
        _line("complete: expected - received - explained = 0", to, "green")
    else:
        _line("not complete: expected - received - explained is more than 0", to, "yellow")
    if found["expirations_lost"]:
        names = ", ".join(_capped(found["expirations_lost"]))
        _line(f"listed on the neighbouring days, absent today: {names}", to, "yellow")
    for gap in _capped(list(_gaps(found["chains"]))):
        _line(gap, to)
    for finding in (found["session"] or {}).get("findings", ()):
        _line(f"session: {finding}", to, "yellow")
    _rejects(found["rejects"], to)


def _rejects(rejects: Mapping[str, Any], to: Console) -> None:
    if rejects["rows"]:
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in rejects["reasons"].items())
        _line(f"set aside: {counted(rejects['rows'], 'record')} ({reasons})", to, "yellow")
    if rejects["duplicates_dropped"]:
        _line(f"{counted(rejects['duplicates_dropped'], 'repeated record')} dropped", to, "yellow")
    if rejects["path"]:
        _line(f"→ {rejects['path']}", to)


_BALANCE = ("expected", "received", "explained", "missing")


def _gaps(chains: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is missing, and what is explained, by name."""
    for chain in chains:
        name = f"{chain['root']} {chain['expiration']}"
        if chain["contracts_missing"]:
            yield f"missing: {name} {', '.join(chain['contracts_missing'])}"
        yield from (f"missing: {name} {_gap(gap)}" for gap in chain["gaps"] if not gap["explained"])
        for what, number in chain["more"].items():
            yield f"… and {number:,} more of {name}: {what.replace('_', ' ')}"
    for chain in chains:
        name = f"{chain['root']} {chain['expiration']}"
        if chain["explained"]:
            yield f"explained: {name}: {chain['explained']}"
        if chain["contracts_explained"]:
            yield f"explained: {name} {', '.join(chain['contracts_explained'])}: the source has none of it"
        yield from (
            f"explained: {name} {_gap(gap)}: the source has none of it"
            for gap in chain["gaps"]
            if gap["explained"]
        )


def _gap(gap: Mapping[str, Any]) -> str:
    contract, first, last = gap["contract"] or "every contract", gap["first"], gap["last"]
    when = f"at {first}" if first == last else f"from {first} to {last}"
    return f"{contract} {when} ({counted(gap['stamps'], 'stamp')})"


def _capped(lines: Sequence[str]) -> list[str]:
    more = [f"… and {len(lines) - _GAPS:,} more: --format json has all"] if len(lines) > _GAPS else []
    return [*lines[:_GAPS], *more]


# Figures and provenance -----------------------------------------------------------------------------------


def _figures(found: Mapping[str, Any], to: Console) -> None:
    _section("figures, among the days around", to)
    told = {each["measure"] for each in found["outliers"]}
    rows = [_distance_row(each) for each in found["outliers"]]
    if rows:
        _table(rows, _FIGURE_COLUMNS, to)
    else:
        _line("too few days around to compare with", to, "dim")
    others = {name: value for name, value in found["figures"].items() if name not in told}
    _line(", ".join(f"{name} {_figure(name, value)}" for name, value in others.items()), to, "dim")


def _distance_row(each: Mapping[str, Any]) -> Row:
    name = each["measure"]
    shown = {key: _figure(name, each[key]) for key in ("value", "median")}
    return {**each, **shown, "figure": WORDS[name]}


def _figure(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name in _SHARES:
        return fraction(value)
    return f"{value:,.5g}" if isinstance(value, int | float) else str(value)


_FIGURE_COLUMNS = [
    Column("figure", "figure"),
    Column("value", "this day", right=True),
    Column("median", "median", right=True),
    Column(
        "z", "z", lambda value: f"{value:+.1f}", right=True, style=lambda row: "yellow" * row["stands_out"]
    ),
]


def _provenance(found: Mapping[str, Any], to: Console) -> None:
    known = found["provenance"]
    source, written = known["source"], known["written_by"]
    _section("provenance", to)
    by = ", ".join(f"{name} {version}" for name, version in written.items())
    api = f"API {source['api']}, greeks {source['greeks_version']}"
    _line(f"{known['rows']:,} rows from {api}; written by {by}", to)
    _line(f"sha256 {known['parquet']['sha256']}", to, "dim")


def _cure(found: Mapping[str, Any], to: Console) -> None:
    """What a person may do about a day that is not as it should be."""
    if found["verdict"] == "good" and found["completeness"].get("complete"):
        return
    to.print()
    _line(f"→ `spx-data recheck {found['date']}` asks the source whether it has corrected the day", to)
