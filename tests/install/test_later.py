"""What hangs on the day goes on, today and years ahead; `make test-later` moves the clock itself as well."""

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from spx_data.market import sessions

YEARS = [0, 1, 5]


@pytest.mark.usefixtures("calendar_computed")
@pytest.mark.parametrize("calendar", ["NYSE", "CBOE_Index_Options", "XNYS"])
@pytest.mark.parametrize("years", YEARS)
def test_the_calendar_knows_the_last_month(calendar, years):
    today = (dt.datetime.now(dt.UTC) + dt.timedelta(days=365 * years)).date()

    found = [each.date for each in sessions.between(calendar, today - dt.timedelta(days=30), today)]

    assert len(found) >= 17
    assert found[-1] >= today - dt.timedelta(days=5)  # a weekend with a holiday on either side
    assert all(date.weekday() < 5 for date in found)


@pytest.mark.parametrize("years", YEARS)
def test_the_gaps_of_a_lake_reach_to_the_last_finished_session(tmp_path, years):
    now = dt.datetime.now(dt.UTC) + dt.timedelta(days=365 * years)
    begin = now.date() - dt.timedelta(days=60)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump({"processing": {"start_date": str(begin)}}))

    asked = [Path(sys.executable).with_name("spx-data"), "gaps", "--format", "json"]
    environment = os.environ | {"SPX_DATA_NOW": now.isoformat()}
    run = subprocess.run(asked, cwd=tmp_path, env=environment, capture_output=True, text=True)

    dates = sorted(dt.date.fromisoformat(gap["date"]) for gap in json.loads(run.stdout))
    assert 35 <= len(dates) <= 45, run.stderr
    assert begin <= dates[0] <= begin + dt.timedelta(days=5)
    assert now.date() - dt.timedelta(days=6) <= dates[-1] <= now.date()
