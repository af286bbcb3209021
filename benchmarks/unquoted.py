"""What contracts that were never quoted cost a date: requests, seconds, and what is said of them.

    PYTHONPATH=scripts python benchmarks/unquoted.py [--max-dte 30] [--latency-ms 0] [--code FOLDER,…]

A simulated terminal of real size lists one contract in fifty of which nobody has a row (its habit
`lists-unquoted`). The date is filled by each *code*, a folder with a `scripts/spx_data` of some version, in a
process of its own: by this one if none is named. The terminal works on the same cores, and it keeps what it
has built: so all chains are asked for once before, unmeasured, and seconds can be compared with each other.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import results

import theta_simulator
from theta_simulator.habits import Habit, Kind

HERE = Path(__file__).resolve().parents[1]
_CLIENT = """
import datetime as dt, inspect, json, sys, time
from spx_data import config
from spx_data.market import sessions
from spx_data.fill.download import download_expirations
from spx_data.fill.survey import fetch_expirations
from spx_data.fill.merge import merge_date
from spx_data.settings import Settings
document, date = json.loads(sys.argv[1]), dt.date.fromisoformat(sys.argv[2])
settings = Settings.of(config.resolve(document, {}))
layout, (session,) = settings.layout, sessions.between("NYSE", date, date)
known = {"session": session} if "session" in inspect.signature(download_expirations).parameters else {}
begun = time.monotonic()
fetch_expirations(settings, date, layout.listing(date))
download_expirations(settings, date, layout.listing(date), layout.manifest(date), **known)
merge_date(settings, date, layout.manifest(date), layout.parquet(date), session=session)
passport = json.loads(layout.passport(date).read_text())
names = ("contracts_expected", "contracts_received", "contracts_explained", "contracts_missing", "complete")
print(json.dumps({
    "seconds": round(time.monotonic() - begun, 1),
    "chains": len(passport["chains"]),
    "rows": passport["rows"],
    "score": passport["quality"]["score"],
    **{name: passport["completeness"][name] for name in names},
}))
"""


def main() -> int:
    """Fill the date by each code, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--date", type=dt.date.fromisoformat, default=dt.date(2024, 1, 3))
    parser.add_argument("--max-dte", type=int, default=30)
    parser.add_argument("--latency-ms", type=int, default=0, help="of each answer, within a terminal's slot")
    parser.add_argument("--code", type=lambda text: [Path(each) for each in text.split(",")], default=[HERE])
    options = parser.parse_args()
    settings = theta_simulator.Settings(
        size="real",
        latency_ms=options.latency_ms,
        today=dt.date(2024, 12, 31),
        habits=(Habit(Kind.LISTS_UNQUOTED, seed=1),),
    )
    with theta_simulator.running(settings) as terminal:
        filled(HERE, terminal, options)  # unmeasured: the terminal keeps what it builds
        found = [filled(code, terminal, options) for code in options.code]
    names = list(found[0])
    print(f"| {' | '.join(names)} |\n| {' | '.join('---' for _ in names)} |")
    for one in found:
        print(f"| {' | '.join(str(one[name]) for name in names)} |")
    print(f"\n{results.machine()}")
    return 0


def filled(code: Path, terminal: theta_simulator.Terminal, options: argparse.Namespace) -> dict[str, object]:
    """Fill the date with the library in *code*, and return what it took and what it says."""
    before, begun = len(terminal.requests()), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="unquoted-") as folder:
        document = {
            "thetadata": {"base_url": terminal.url, "api": "v3"},
            "processing": {
                "start_date": options.date.isoformat(),
                "max_dte": options.max_dte,
                "interval": "1m",
                "output_directory": f"{folder}/parquet",
                "temp_directory": f"{folder}/temp",
                "data_directory": f"{folder}/data",
            },
            "database": {"path": f"{folder}/status.db"},
        }
        call = [sys.executable, "-c", _CLIENT, json.dumps(document), options.date.isoformat()]
        environment = os.environ | {"PYTHONPATH": str(code / "scripts")}
        done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    asked = [each for each in terminal.requests()[before:] if "status" not in each["path"]]
    kinds = Counter("contract" if "right=" in each["identity"] else "other" for each in asked)
    said: dict[str, object] = {
        "code": code.name,
        "requests": len(asked),
        "about contracts": kinds["contract"],
    }
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no word"
        return said | {"seconds": round(time.monotonic() - begun, 1), "ended in": last}
    return said | json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
