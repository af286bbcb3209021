"""Fills from terminals with habits: what is sealed, what is said, and what is lacking without a word."""

import datetime as dt
from dataclasses import dataclass, field

import polars as pl

from spx_data import journal
from spx_data.errors import SpxDataError

KEY = ["strike", "right", "ms_of_day"]
_NY = "America/New_York"


@dataclass
class Runs:
    """What became of the runs about one date: the errors of those that failed, and how much they asked."""

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


def sealed_keys(date):
    """Return root, expiration and key of every sealed row; stamps in ms since midnight in New York."""
    midnight = dt.datetime.combine(date.date, dt.time())
    stamp = pl.col("timestamp").dt.convert_time_zone(_NY).dt.replace_time_zone(None)
    return pl.read_parquet(date.layout.parquet(date.date)).select(
        pl.col("root").cast(pl.String),
        "expiration",
        "strike",
        pl.col("right").cast(pl.String),
        (stamp - midnight).dt.total_milliseconds().alias("ms_of_day"),
    )


def untold(date, terminal):
    """Return what a sealed *date* lacks or has without a word, against what *terminal* truly has."""
    truth, passport, sealed = terminal.truth, date.passport(), sealed_keys(date)
    complete = passport["completeness"]["complete"]
    said = " ".join(passport["completeness"]["unknown"])
    chains = {(chain["root"], chain["expiration"]): chain for chain in passport["chains"]}
    version = "v2" if terminal.settings.api == "v2" else "latest"
    found = []
    for root in date.settings.roots:
        for label in truth.quoted(root, date.date):
            expiration = label - dt.timedelta(days=1) if label.weekday() == 5 else label
            limit = date.settings.max_dte
            if limit is not None and (expiration - date.date).days > limit:
                continue
            name, chain = f"{root} {expiration}", chains.get((root, str(expiration)))
            true = truth.clean.history(root, label, date.date, 60_000, greeks_version=version).select(KEY)
            withheld = truth.withheld(root, label, date.date, greeks_version=version)
            here = sealed.filter(pl.col("root") == root, pl.col("expiration") == expiration).select(KEY)
            lacking = true.join(withheld.both, on=KEY, how="anti").join(here, on=KEY, how="anti")
            told = (chain is not None and chain["state"] != "whole") or f"{root}: " in said
            if len(lacking) and (complete or not told):
                late = [each["contract"] for each in (chain or {}).get("late_first_quotes", ())]
                names = {
                    f"{right} {strike:.10g}" for strike, right in lacking.select("strike", "right").rows()
                }
                if not names <= {*late}:
                    found.append(f"{name} lacks {len(lacking)} rows without a word")
            strange = here.join(true, on=KEY, how="anti").join(withheld.surplus, on=KEY, how="anti")
            if len(strange):
                found.append(f"{name} has {len(strange)} rows that nobody sent")
    if complete == bool(said):
        found.append(f"complete is {complete}, and it says {said!r}")
    return found


def beyond_one_per_chain(date, terminal, before=0):
    """Return how many data requests there were beyond one for each chain, but for the *before* first ones."""
    asked = [each for each in terminal.requests()[before:] if "status" not in each["path"]]
    return len(asked) - len(date.passport()["chains"])
