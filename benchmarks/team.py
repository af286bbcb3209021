"""What a team's database costs at the end of a run: the rows of 2,500 dates written and put in place.

    PYTHONPATH=scripts:. python benchmarks/team.py [--dates 2500] [--chains 50] [--runs 5] [--record FILE]

The server is this machine's PostgreSQL, as the tests start it. The status log is made of the rows of one date
of a real log, as often as there are dates, and with as many chains. A refresh takes less than 5 seconds.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import results
from tests import postgres_server, sealed_days

from spx_data import status
from spx_data.ops import team
from spx_data.ops.team import migrations
from spx_data.ops.team import rows as tables
from spx_data.ops.team.place import Place
from spx_data.settings import Database, Settings
from spx_data.sources import postgres
from spx_data.status import database
from spx_data.status.tables import DATED

FIRST = dt.date(2024, 1, 2)
MOST = 5.0  # seconds
_IDS = 100_000


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dates", type=int, default=2500)
    parser.add_argument("--chains", type=int, default=50)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgres_server.running() as server:
        settings = _large(Path(folder), given.dates, given.chains)
        name = server.database()
        server.login("operator")
        with postgres.connected(server.url(name, "chief"), 30) as connection:
            migrations.migrate(connection)
            migrations.grant(connection, "operator", "operator")
        settings = dataclasses.replace(
            settings, database=Database(server.url(name, "operator"), "spx_status")
        )
        text = _measured(settings, given)
    print(text)
    if given.record:
        told = f"--dates {given.dates} --chains {given.chains} --runs {given.runs}"
        call = f"`make bench` (`benchmarks/team.py {told}`)"
        results.keep(given.record, "What a team's database costs", call, text)


def _measured(settings: Settings, given: argparse.Namespace) -> str:
    place, seconds, spent, rows = Place.of(settings), [], [], 0
    assert place is not None
    for _ in range(given.runs):
        begun, used = time.perf_counter(), time.process_time()
        rows = team.refresh(settings, place).rows
        seconds.append(time.perf_counter() - begun)
        spent.append(time.process_time() - used)
    line = (
        f"| {given.dates:,} | {rows:,} | {statistics.median(seconds):.2f} | {min(seconds):.2f} "
        f"| {statistics.median(spent):.2f} | < {MOST:g} |"
    )
    head = "| dates | rows | seconds | fastest | CPU seconds of ours | target |"
    return f"{results.machine('psycopg')}\n\n{head}\n| ---: | ---: | ---: | ---: | ---: | ---: |\n{line}\n"


def _large(folder: Path, dates: int, chains: int) -> Settings:
    """The settings of a lake whose status log has as many dates and chains."""
    settings = sealed_days.settings_of(folder)
    sealed_days.seal(settings, FIRST)
    status.rebuild(settings, dt.datetime(2024, 1, 8, tzinfo=dt.UTC))
    with database.rows(settings.layout.database) as rows:
        known = {table.name: list(rows(table.name)) for table in tables.every()}
    columns = {table.name: list(table.columns) for table in tables.every()}
    with database.changing(settings, database.NO_LOG, time.time_ns()) as change:
        for number in range(dates):
            day = FIRST + dt.timedelta(days=number)
            for name in DATED:
                of_first = [dict(zip(columns[name], row, strict=True)) for row in known[name]]
                found = [row for row in of_first if row["date"] == FIRST.isoformat()]
                change.put([(name, [tuple(row.values()) for row in _moved(found, day, name, chains)])])
        change.configure(settings)
    return settings


def _moved(
    rows: list[dict[str, object]], day: dt.date, name: str, chains: int
) -> Iterator[dict[str, object]]:
    """The *rows* of a table as those of another *day*."""
    for number, row in enumerate(rows):
        other = row | {"date": day.isoformat()}
        if "id" in other:
            other["id"] = int(f"{day:%Y%m%d}") * _IDS + number
        if "path" in other:
            other["path"] = str(other["path"]).replace(FIRST.isoformat(), day.isoformat())
        if name != "expiration_log":
            yield other
        elif number == 0:
            for chain in range(chains):
                yield other | {"expiration": (day + dt.timedelta(days=chain)).isoformat()}


if __name__ == "__main__":
    main()
