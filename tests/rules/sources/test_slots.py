"""Request slots with real processes, threads and requests."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"

ASKER = """
import sys, threading
from pathlib import Path
from spx_data.sources import slots
from spx_data.store.layout import Layout
from spx_data.sources.theta.limits import EXPIRATIONS
from spx_data.sources.theta.transport import Transport

patience = {"silence_seconds": 20, "ceiling": EXPIRATIONS}
temp, data = map(Path, sys.argv[1:3])
layout, url = Layout(data / "parquet", temp, data, data / "status.db"), sys.argv[3]
with slots.shared(layout, url, 2) as shared:
    transport = Transport(url, scratch=layout.temp, connect_seconds=5, gate=shared.slot)

    def ask():
        for _ in range(4):
            with transport.get("/v3/option/list/expirations", {"symbol": "SPX"}, **patience):
                pass

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_processes_together_reach_the_limit_and_never_exceed_it(lake, simulated):
    terminal = simulated(latency_ms=20)
    folders = [lake().layout.temp, lake().layout.data]
    command = [sys.executable, "-c", ASKER, *map(str, folders), terminal.url]
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}

    processes = [subprocess.Popen(command, env=environment) for _ in range(3)]

    assert [process.wait(60) for process in processes] == [0, 0, 0]
    in_flight = [request["in_flight"] for request in terminal.requests()]
    assert len(in_flight) == 36
    assert max(in_flight) == 2
