"""Fills from terminals with habits: what is sealed, what is said of it, what is lacking without a word."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field

import polars as pl

from spx_data.errors import SpxDataError
from spx_data.market import schema
from spx_data.market.chains import midnight_ms
from spx_data.store import journal
from tests import schemas
from tests.proof import fills
from theta_simulator.habits import Kind

KEY = list(schema.RECORD_KEY)
# What a terminal of such a habit leaves empty here and there: null is right where it does.
_GREEKS = ("delta", "theta", "vega", "rho", "epsilon", "lambda", "implied_vol")
BLANKED = {
    Kind.GREEKS_BLANK: _GREEKS,
    Kind.LAMBDA_BLANK: ("lambda",),
    Kind.LAMBDA_NAN: ("lambda",),
    Kind.UNDERLYING_TIME_BLANK: ("underlying_timestamp",),
}


# Where the simulator solves greeks anew, how many rows it does at a time may turn the last digit.
_SOLVED = ("years-", "dead-", "frozen-", "half-day-", "zero-rows-first")
_LAST_DIGIT = 1.0001e-4


@dataclass
class Runs:
    """What became of the runs about one date: the errors of those that failed, and whether it is sealed."""

    errors: list[SpxDataError] = field(default_factory=list)
    sealed: bool = False


def runs(date, monkeypatch, most=3):
    """Fill *date* in up to *most* runs, as a workflow would: a new run for each failure."""
    found = Runs()
    for number in range(most):
        monkeypatch.setenv(journal.RUN_VARIABLE, f"run-{number}")
        try:
            if not date.layout.listing(date.date).exists():
                date.fetch()
            date.download()
            date.merge()
        except SpxDataError as error:
            found.errors.append(error)
        else:
            found.sealed = True
            break
    return found


def beyond_one_per_chain(date, terminal, before=0):
    """Return how many data requests there were beyond one for each chain, but for the *before* first ones.

    Those for the two reports of each root on the day's contracts are not counted either.
    """
    others = ("status", "/eod", "/open_interest")
    asked = [
        each for each in terminal.requests()[before:] if not any(word in each["path"] for word in others)
    ]
    return len(asked) - len(date.passport()["chains"])


# What is lacking without a word -------------------------------------------------------------------------


def untold(date, terminal):
    """Return what a sealed *date* lacks or has without a word, against what *terminal* has for who asks.

    *date* has settings, a date, a layout and a passport, as `tests.rules.conftest.Date` and `fills.Fill`.
    """
    passport, truth, day = date.passport(), terminal.truth, date.date
    sealed = fills.sealed_rows(date.layout.parquet(day))
    model = "v2" if terminal.settings.api == "v2" else passport["source"]["greeks_version"]
    chains = {(chain["root"], chain["expiration"]): chain for chain in passport["chains"]}
    found, seen = [], 0
    for root, label, expiration in _quoted(date, truth):
        here = sealed.filter(pl.col("root") == root, pl.col("expiration") == expiration)
        had = fills.gettable(truth, model, root, label, day, date.settings.window.step_ms)
        chain, seen = chains.get((root, str(expiration))), seen + len(here)
        nulls = (chain or {}).get("nulls", {})
        wrong = [*strange(here, had, terminal.settings.habits, nulls)]
        wrong += [
            f"has {here[name].null_count()} nulls of {name}, and its passport says {nulls.get(name, 0)}"
            for name in schemas.RECORD.names
            if here[name].null_count() != nulls.get(name, 0)
        ]
        # What answers have beyond the market's own rows (before a first quote, after a close) nobody misses.
        own = fills.chain_truth(truth.clean, model, root, label, day, date.settings.window.step_ms)
        lacks = had.join(own, on=KEY, how="semi").join(here, on=KEY, how="anti")
        wrong += _lacking(lacks, chain, root, expiration, passport)
        if chain is not None and chain["rows"] != len(here):
            wrong.append(f"has {len(here)} rows, and its passport says {chain['rows']}")
        if not len(had) and _is_reported(truth, root, label, day) and chain and chain["state"] == "whole":
            wrong.append("is whole without a row, and the report of the day names it")
        found += [f"{root} {expiration} {finding}" for finding in wrong]
    if seen != len(sealed) or len(sealed) != passport["rows"]:
        found.append(f"{len(sealed)} rows are sealed, {seen} of known chains, {passport['rows']} are told")
    completeness = passport["completeness"]
    if completeness["complete"] == bool(completeness["unknown"]):
        found.append(f"complete is {completeness['complete']}, and unknown {completeness['unknown']}")
    return found


def strange(here, had, habits, nulls=()):
    """Yield what is wrong with rows that are *here*, where an answer *had* those.

    Blank may be what *habits* leave empty, and the columns *nulls*.
    """
    names = [name for name in schemas.RECORD.names if name not in KEY]
    blanked = {name for habit in habits for name in BLANKED.get(Kind(habit.kind), ())} | {*nulls}
    solved = any(habit.kind.startswith(_SOLVED) for habit in habits)
    both = here.select(schemas.RECORD.names).join(had, on=KEY, how="left", suffix="_had", coalesce=True)
    if unsent := len(here.join(had, on=KEY, how="anti")):
        yield f"has {unsent} rows that nobody sent"
    elif len(here) != here.select(KEY).n_unique():
        yield "has a row twice"
    for name in names:
        differs = pl.col(name).ne_missing(pl.col(f"{name}_had"))
        if solved and name in (*_GREEKS, "iv_error"):
            differs &= ((pl.col(name) - pl.col(f"{name}_had")).abs() > _LAST_DIGIT).fill_null(value=True)
        if name in blanked:
            differs &= pl.col(name).is_not_null()
        if not unsent and (count := len(both.filter(differs))):
            yield f"has {count} rows whose {name} nobody sent"


def _quoted(date, truth):
    """Yield root, expiration as it is listed and as it is, of the chains that have rows and are wanted."""
    for root in date.settings.roots:
        for label in truth.quoted(root, date.date):
            expiration = label - dt.timedelta(days=1) if label.weekday() == 5 else label
            limit = date.settings.max_dte
            if limit is None or (expiration - date.date).days <= limit:
                yield root, label, expiration


def _is_reported(truth, root, label, day):
    return label in truth.reported(root, day)["expiration"].to_list()


def _lacking(lacking, chain, root, expiration, passport):
    """Yield what a chain lacks, where nothing says so: a late first quote is told by its contract."""
    if not len(lacking):
        return
    said = passport["completeness"]["unknown"]
    if chain is None:
        if not any(text.startswith((f"{root}:", f"{root} {expiration}")) for text in said):
            yield f"lacks all {len(lacking)} rows without a word"
        return
    if chain["state"] in ("unavailable", "unlisted"):
        return
    minutes = (pl.col("timestamp") - midnight_ms(dt.date.fromisoformat(passport["date"]))) // 60_000
    cells = {
        (f"{right} {strike:.10g}", minute)
        for strike, right, minute in lacking.select("strike", "right", minutes).rows()
    }
    yield from _untold_cells(_Told(chain), cells, whole=chain["state"] == "whole")


def _untold_cells(told, cells, *, whole):
    """Yield what of the lacking *cells* (contract, minute) of a chain is not told, or told to be nowhere."""
    denied = {name for name, minute in cells if told.explains(name, minute)}
    quiet = {name for name, minute in cells if not told.names(name, minute)} - denied
    named = {name for name, _ in cells} - quiet - denied - told.late
    if quiet and not told.cut:
        yield f"lacks rows of {sorted(quiet)} without a word"
    if denied and whole:
        yield f"lacks rows of {sorted(denied)}, and says that the source has none"
    if named and whole:
        yield f"lacks rows of {sorted(named)}, and counts as whole without a word of it"


class _Told:
    """What a chain's passport says is missing, and what it says nobody has."""

    def __init__(self, chain):
        self.cut = bool(chain["more"])
        self._missing, self._none = set(chain["contracts_missing"]), set(chain["contracts_explained"])
        late = {each["contract"]: _minute(each["first"]) for each in chain["late_first_quotes"]}
        self._late, self.late = late, late.keys()
        self._gaps = {True: defaultdict(list), False: defaultdict(list)}
        for gap in chain["gaps"]:
            span = (_minute(gap["first"]), _minute(gap["last"]))
            self._gaps[gap["explained"]][gap["contract"]].append(span)

    def names(self, contract, minute):
        """Whether a stamp of a contract is said to be missing, or to come before a first quote."""
        late = self._late.get(contract, -1) > minute
        return late or contract in self._missing or self._in_gap(False, contract, minute)

    def explains(self, contract, minute):
        """Whether a stamp of a contract is said to be nowhere."""
        return contract in self._none or self._in_gap(True, contract, minute)

    def _in_gap(self, explained, contract, minute):
        gaps = self._gaps[explained]
        return any(first <= minute <= last for name in (contract, None) for first, last in gaps[name])


def _minute(clock):
    hours, minutes = clock.split(":")[:2]
    return 60 * int(hours) + int(minutes)
