"""A publisher that is killed at any operation: what is there holds, and the next call does the rest."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests import publishing
from tests.objects.conftest import DAYS
from tests.objects.servers import PATIENCE

SPX_DATA = Path(sys.executable).with_name("spx-data")
DAY = DAYS[0]
# The first operation that is not done any more. Between two of them it only reads back.
AT = {
    "identity": ("PUT", "dataset.json"),
    "parquet": ("PUT", f"-options-{DAY}.parquet"),
    "passport": ("PUT", f"-options-{DAY}.json"),
    "contracts": ("PUT", f"-contracts-{DAY}.parquet"),
    "sidecar": ("PUT", f"-options-{DAY}.parquet.sha256"),
    "pointer": ("PUT", f"{DAY:%Y/%m/%d}/current-0001.json"),
    "look at the pointer": ("GET", f"{DAY:%Y/%m/%d}/current-0001.json"),
}


@pytest.mark.parametrize("at", AT)
def test_what_is_there_holds_and_the_next_call_does_the_rest(at, there, lake):
    method, end = AT[at]
    killed = []

    def kill(request):
        if request.method == method and request.key.endswith(end) and not killed:
            killed.append(request)
            os.kill(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
            raise ConnectionError("its client is gone")

    folder = publishing.configured(
        lake, there.url, start_date=f"{DAYS[0]}", end_date=f"{DAYS[-1]}", interval="1h"
    )
    there.proxy.before = kill
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [SPX_DATA, "publish", "--workers", "1"], cwd=folder, stdout=log, stderr=log
        )
        assert process.wait(PATIENCE * 2) == -signal.SIGKILL, (folder / "log").read_text()

    assert killed
    assert there.is_sound(lake) == ([DAY] if at == "look at the pointer" else [])
    there.is_completed_by(lake)
