"""A bounded share of `make proof`: damage of every kind, all of it found and named."""

import pytest
from tests.proof import damage


@pytest.fixture(scope="module")
def rows():
    return damage.run(300, seed=20240102)


def test_no_damage_is_missed(rows):
    assert sum(row.trials for row in rows) == 300
    assert {row.kind: row.trials - row.found for row in rows} == {row.kind: 0 for row in rows}


def test_every_damage_is_named(rows):
    assert [example for row in rows for example in row.examples] == []
    assert all(row.named == row.trials for row in rows)


def test_every_kind_was_tried(rows):
    assert len(rows) == len(damage.KINDS)


def test_plain_readers_miss_some(rows):
    """Or the comparison is with something that does not read at all."""
    flips = next(row for row in rows if row.kind == "flip in a data page")

    for reader in damage.READERS:
        assert 0 < flips.wrong[reader] <= flips.missed[reader] < flips.shown


def test_the_table_has_a_line_for_each_kind_and_one_for_all():
    table, all_found = damage.table(trials=20, seed=3)

    assert all_found
    assert table.row_count >= 2
