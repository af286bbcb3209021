"""A bounded share of `make proof`: damage of every kind, all of it found and named."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.proof import damage

ROOT = Path(__file__).resolve().parents[2]
TRIALS, SEED = 300, 1_000_000


@pytest.fixture(scope="module")
def tally():
    return damage.share(TRIALS, SEED)


def test_no_damage_is_missed(tally):
    assert sum(row.trials for row in tally.rows.values()) == TRIALS
    assert {kind: row.trials - row.found for kind, row in tally.rows.items()} == dict.fromkeys(tally.rows, 0)


def test_every_damage_is_named(tally):
    assert tally.wrong == []
    assert all(row.named == row.trials for row in tally.rows.values())


def test_every_kind_was_tried(tally):
    assert set(tally.rows) == {kind.__name__ for kind in damage.KINDS}


def test_plain_readers_miss_some(tally):
    """Or the comparison is with something that does not read at all."""
    flips = tally.rows["flip_in_a_data_page"]

    for reader in damage.READERS:
        assert 0 < flips.wrong[reader] <= flips.missed[reader] < flips.shown


def test_an_examination_that_looks_away_is_found_out(monkeypatch):
    healthy = damage.examine(damage.lakes()[0][0].layout, damage.lakes()[0][0].date)
    monkeypatch.setattr(damage, "examine", lambda *_: healthy)

    assert len(damage.share(5, SEED).wrong) == 5


def test_tallies_add_up(tally):
    both = damage.Tally()
    both.add(tally)
    both.add(tally)

    assert both.rows["lose"].trials == 2 * tally.rows["lose"].trials
    assert damage.table(both).row_count == len(damage.KINDS) + 1


def test_make_proof_s_command_prints_its_table():
    command = [sys.executable, "-m", "tests.proof", "damage", "--trials", "6"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "seeds 0 to 5" in done.stdout
