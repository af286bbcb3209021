"""`spx-data quality` on days that a simulated terminal served, with defects that the source itself has."""

import datetime as dt
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.rules.conftest import Date

from spx_data import config
from spx_data.cli import commands
from spx_data.settings import Settings
from theta_simulator import Blemish
from theta_simulator.habits import Habit

DAY = dt.date(2024, 1, 3)
MANUAL = (Path(__file__).parents[3] / "docs" / "output.md").read_text()
# Whose fields are names of checks, reasons, figures and the like.
NAMES = {"hits", "reasons", "figures", "written_by", "more", "vendor_unknown"}


@pytest.fixture
def spoilt(tmp_path, simulated, monkeypatch):
    """Return a caller of the command in a lake with one day, whose source has the defects of *kinds*."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPX_DATA_NOW", "2024-01-05T08:00:00-05:00")

    def make(*kinds, **keys):
        blemishes = tuple(Blemish(kind, seed=number) for number, kind in enumerate(kinds))
        terminal = simulated(blemishes=blemishes, **keys)
        sections = {
            "thetadata": {"base_url": terminal.url, "retry_wait_factor": 0},
            "processing": {"start_date": "2024-01-02", "end_date": "2024-01-03"},
        }
        Path("config").mkdir()
        config.FILE.write_text(yaml.safe_dump(sections))
        Date(Settings.of(config.resolve(sections, {})), DAY).fill()
        return terminal

    return make


def told(*arguments):
    result = CliRunner().invoke(commands, ["quality", DAY.isoformat(), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def fields_of(document):
    if isinstance(document, list):
        return {name for each in document for name in fields_of(each)}
    if not isinstance(document, dict):
        return set()
    inner = (value for name, value in document.items() if name not in NAMES)
    return {*document, *(name for value in inner for name in fields_of(value))}


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_every_field_of_a_real_report_is_documented(api, spoilt):
    spoilt("withheld-minutes", "withheld-contract", "negative-price", "conflicting-rows", api=api)

    found = json.loads(told("--format", "json"))

    assert sorted(field for field in fields_of(found) if f"`{field}`" not in MANUAL) == []


def test_a_clean_day_has_all_its_points(spoilt):
    spoilt()

    shown = told()

    assert "2024-01-03  100 of 100, good" in shown
    assert "complete: expected - received - explained = 0" in shown
    excluded = "does not apply, as it holds for American exercise alone: exercise-bounds, parity-bounds, "
    assert excluded in " ".join(shown.split())


def test_what_the_source_withholds_is_told_by_name(spoilt):
    terminal = spoilt("withheld-minutes", "withheld-contract")
    gap, contract = terminal.places(DAY)

    shown = told()

    assert f"explained: {gap.root} {gap.expiration} {gap.right[0]} {gap.strike:g} from " in shown
    assert "(15 stamps): the source has none of it" in shown
    name = f"{contract.root} {contract.expiration} {contract.right[0]} {contract.strike:g}"
    assert f"explained: {name}: the source has none of it" in shown


def test_a_chain_without_data_is_told_with_the_evidence(spoilt):
    terminal = spoilt(habits=(Habit("listed-empty", seed=3),))
    (place,) = terminal.truth.about(DAY)

    assert f"explained: {place.root} {place.expiration}: the source has no data for it" in told()
