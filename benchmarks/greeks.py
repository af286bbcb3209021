"""What greeks of our own cost: rows a CPU second, with three volatilities and five greeks each.

    PYTHONPATH=scripts python benchmarks/greeks.py [--runs 5] [--record FILE]

Chains as a market without arbitrage quotes them, 160 strikes at 391 minutes, in one process. All are to
reach a million rows a CPU second.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import results

from spx_data.pricing import american, black76, chain
from spx_data.pricing.black76 import Options
from spx_data.pricing.chain import YEAR_MS, Line, Terms
from spx_data.pricing.quotes import Quotes

OPEN_MS, MINUTE_MS, DAY_MS = 1_704_205_800_000, 60_000, 86_400_000
STRIKES, MINUTES = 160, 391
RATE, DIVIDENDS = 0.045, 0.014
MOST = 1_000_000  # rows a second, at least


class Case(NamedTuple):
    """A chain to be priced."""

    name: str
    days: int
    is_american: bool
    around: float
    step: float


CASES = (
    Case("European, on the last day", 0, False, 4750.0, 5.0),
    Case("European, 30 days", 30, False, 4750.0, 5.0),
    Case("European, a year", 365, False, 4750.0, 5.0),
    Case("American, on the last day", 0, True, 475.0, 1.0),
    Case("American, 30 days", 30, True, 475.0, 1.0),
    Case("American, a year", 365, True, 475.0, 1.0),
)


def made(case: Case) -> tuple[Terms, Quotes, Line]:
    """The quotes of a chain, and the underlying's price."""
    random = np.random.default_rng(0)
    terms = Terms(OPEN_MS + 390 * MINUTE_MS + case.days * DAY_MS, case.is_american)
    stamps = OPEN_MS + MINUTE_MS * np.arange(MINUTES)
    spot = case.around * np.exp(np.cumsum(random.normal(0, 3e-4, MINUTES)))
    strikes = case.around + case.step * (np.arange(STRIKES) - STRIKES // 2)
    strike, call, place = (
        each.reshape(-1) for each in np.meshgrid(strikes, [True, False], np.arange(MINUTES), indexing="ij")
    )
    years = (terms.settled_ms - stamps[place]) / YEAR_MS
    forward, discount = spot[place] * np.exp((RATE - DIVIDENDS) * years), np.exp(-RATE * years)
    away = np.log(strike / forward)
    volatility = np.clip(0.15 - 0.4 * away + 0.5 * away**2, 0.05, 1.0)
    options = Options(forward, discount, strike, call, years)
    if case.is_american:
        price = american.values(options, volatility, spot[place]).price
    else:
        price = black76.values(options, volatility).price
    half = 0.5 * (0.05 + 0.005 * price)
    bid, ask = np.floor(100 * (price - half)) / 100, np.ceil(100 * (price + half)) / 100
    return (
        terms,
        Quotes(strike, call, stamps[place], np.maximum(np.nan_to_num(bid), 0.0), ask),
        Line(stamps, spot),
    )


def measured(case: Case, runs: int) -> tuple[int, float, float]:
    """The rows of a chain, the share of them that has a volatility, and rows a CPU second."""
    terms, quotes, spot = made(case)
    seconds = []
    for _ in range(runs + 1):
        begun = time.process_time()
        found = chain.price(terms, quotes, spot)
        seconds.append(time.process_time() - begun)
    rows = len(quotes.strike)
    return rows, float(np.isfinite(found.iv_mid).mean()), rows / statistics.median(seconds[1:])


def report(runs: int) -> str:
    """The results as a table in Markdown."""
    lines = [
        f"{STRIKES} strikes at {MINUTES} minutes, medians of {runs} runs in one process.",
        "",
        results.machine("numpy"),
        "",
        "| chain | rows | with a volatility | rows a CPU second | target |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for case in CASES:
        rows, share, speed = measured(case, runs)
        lines.append(f"| {case.name} | {rows:,} | {share:.0%} | {speed:,.0f} | > {MOST:,} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and, where asked, keep the table."""
    parser = argparse.ArgumentParser(description="What greeks of our own cost.")
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each chain")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the table here")
    given = parser.parse_args()
    text = report(given.runs)
    print(text, end="")
    if given.record:
        call = f"`benchmarks/greeks.py --runs {given.runs}`"
        results.keep(given.record, "What greeks of our own cost", call, text)


if __name__ == "__main__":
    main()
