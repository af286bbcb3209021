"""A passport that was sealed and is none: every value of another kind is found, or does no harm."""

import copy
import datetime as dt
import json
import math

import pytest
from tests.sealed_days import judged, reseal, seal, settings_of

from spx_data import status
from spx_data.errors import FileCorruptionError, OtherVersionError
from spx_data.lake import passports
from spx_data.status import Facts, tables
from spx_data.store import reads

DAY = dt.date(2024, 1, 2)
MOMENT = dt.datetime(2024, 1, 5, 12, tzinfo=dt.UTC)
OTHERS = ["x", -1, True, None, [], {"x": 1}, 10**30]


@pytest.fixture
def lake(tmp_path):
    settings = settings_of(tmp_path)
    seal(settings, DAY, rows=1000, quality=judged(spread=0.02, smile=90.0))
    return settings


def places(value, at=()):
    """Return the way to every value of a document, but for its details."""
    yield at
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, inner in members:
        if name != "details":
            yield from places(inner, (*at, name))


def changed(document, at, value, *, absent=False):
    found = copy.deepcopy(document)
    holder = found
    for name in at[:-1]:
        holder = holder[name]
    if absent:
        del holder[at[-1]]
    else:
        holder[at[-1]] = value
    return found


def test_a_passport_as_it_was_sealed_is_one(lake):
    assert passports.read(lake.layout, DAY, whole=True).document["rows"] == 1000


def test_a_passport_with_any_value_of_another_kind_is_damaged_or_does_no_harm(lake):
    target = lake.layout.passport(DAY)
    document = json.loads(target.read_bytes())
    damaged = 0
    variants = [
        changed(document, at, other, absent=absent)
        for at in places(document)
        if at
        for other, absent in [*((other, False) for other in OTHERS), (None, True)]
    ]
    for variant in variants:
        # What is said of a misfit is looked for only where there is one.
        assert passports._IS_PASSPORT(variant) == (
            passports._misfit(variant, passports._PASSPORT, "") is None
        )
        reseal(lake.layout, DAY, variant)
        try:
            passports.read(lake.layout, DAY)
        except (FileCorruptionError, OtherVersionError):
            damaged += 1
        # Whatever it is, lists of dates, the summary and the log's rows go on.
        for history in status.read(lake, MOMENT):
            facts = Facts.of(history)
            assert facts.rows is None or math.isfinite(facts.rows)
            assert history.chains is not None
            for _, its_rows in tables.rows_of(history, facts, ""):
                assert all(isinstance(cell, int | float | str | None) for row in its_rows for cell in row)
    assert damaged > len(variants) / 3


@pytest.mark.parametrize("document", [[], "x", 5, None, {}], ids=repr)
def test_a_document_that_is_no_object_or_empty_is_no_passport(document, lake):
    reseal(lake.layout, DAY, document)

    with pytest.raises(FileCorruptionError):
        passports.read(lake.layout, DAY)


def test_a_passport_is_read_with_size_and_digest_of_its_file(lake):
    path = lake.layout.passport(DAY)

    found, short = passports.read(lake.layout, DAY, whole=True), passports.read(lake.layout, DAY)

    assert found.document == json.loads(path.read_bytes())
    assert short.document == {name: value for name, value in found.document.items() if name != "details"}
    assert (found.size, found.sha256) == (short.size, short.sha256)
    assert (found.size, found.sha256) == (path.stat().st_size, reads.digest(path))


@pytest.mark.parametrize("whole", [True, False])
def test_a_change_in_what_is_left_unread_is_seen(whole, lake):
    path = lake.layout.passport(DAY)
    content = path.read_bytes()
    at = content.index(b'"minutes"')
    path.write_bytes(content[:at] + content[at:].replace(b"1", b"2", 1))

    with pytest.raises(FileCorruptionError, match="the sidecar says"):
        passports.read(lake.layout, DAY, whole=whole)
