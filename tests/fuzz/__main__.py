"""Feed every parser of what comes from outside with what nobody should send; `make fuzz` calls this.

python -m tests.fuzz --inputs 100000 --seed 0
python -m tests.fuzz --parser v3-csv --inputs 5000
python -m tests.fuzz --parser v3-csv --try tests/fuzz/corpus/v3-csv/1a2b3c4d5e6f.csv
"""

import argparse
import logging
import os
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzz import corpus, crew, seeds
from tests.fuzz.table import PARSERS
from tests.fuzz.verdict import Fault


def main():
    """Try inputs, print what came of them, keep those of faults, and return 1 where there were any."""
    options = _options()
    logging.disable(logging.CRITICAL)
    console = Console(highlight=False)
    chosen = [PARSERS[name] for name in options.parser or PARSERS]
    if options.attempt:
        ((found, peak, _, seconds),) = crew.replayed([(chosen[0].name, corpus.content(options.attempt))])
        console.print(f"{found}, {peak / 1e6:,.0f} MB, {seconds:.2f} s", markup=False)
        return isinstance(found, Fault)
    begun = time.monotonic()
    tallies = tried(chosen, options.inputs, options.seed, options.processes, told=_progress)
    console.print(table(tallies))
    total = sum(tally.inputs for tally in tallies.values())
    console.print(f"{total:,} inputs, seed {options.seed}, {time.monotonic() - begun:,.0f} s")
    faults = [(name, found) for name, tally in tallies.items() for found in tally.faults.values()]
    for name, found in faults:
        _tell(console, PARSERS[name], *min(found, key=lambda each: len(each[2])), options.keep)
    return 1 if faults else 0


def _options():
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=100_000, help="of all parsers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parser", action="append", choices=sorted(PARSERS), help="only this one; again")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--keep", type=Path, default=corpus.FOLDER, help="where inputs of faults are put")
    parser.add_argument("--try", type=Path, dest="attempt", help="one file of the corpus, and nothing else")
    options = parser.parse_args()
    if options.attempt and len(options.parser or ()) != 1:
        parser.error("--try needs one --parser")
    return options


def _progress(name, tally):
    if sys.stderr.isatty():
        print(f"\r{name}: {tally.inputs:,} inputs, {tally.faulty} faults    ", end="", file=sys.stderr)


def tried(parsers, inputs, seed, processes, told=lambda *_: None):
    """The tallies of *parsers*, after so many *inputs* in all, shared out by their weights."""
    weight = sum(parser.share for parser in parsers)
    counts = {parser.name: max(1, inputs * parser.share // weight) for parser in parsers}
    found = {parser.name: seeds.for_parser(parser.name) for parser in parsers}
    return crew.run(counts, found, seed, processes, told)


def table(tallies):
    """One row for each parser."""
    found = Table(box=None, pad_edge=False)
    for name in (
        "parser",
        "inputs",
        "records",
        "rejects",
        "clean",
        "set aside",
        "refused",
        "MB",
        "s",
        "faults",
    ):
        found.add_column(name, justify="left" if name == "parser" else "right")
    for name, tally in tallies.items():
        kinds = [tally.kinds.get(kind, 0) for kind in ("records", "rejects", "refused")]
        counts = [f"{count:,}" for count in (tally.inputs, tally.records, tally.rejects, *kinds)]
        most = [f"{tally.memory / 1e6:,.0f}", f"{tally.seconds:.2f}"]
        found.add_row(name, *counts, *most, f"{tally.faulty:,}")
    return found


def _tell(console, parser, fault, number, data, folder):
    """Make the input of a fault smaller, keep it, and say how to try it again."""
    small = crew.smaller(parser.name, data, fault)
    kept = corpus.keep(parser, small, folder) or "too large to be kept: write a recipe"
    console.print(
        f"FAULT {parser.name}, input {number}: {fault.kind}: {fault.where}",
        style="bold red",
        soft_wrap=True,
        markup=False,
    )
    console.print(f"  {fault.what!a}\n  {len(small):,} bytes: {kept}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    sys.exit(main())
