"""Wrong bytes back, and other faults, at those who read: rows are those of the lake, or there are none."""

import pytest
from tests.objects.conftest import DAYS
from tests.objects.proxy import Fault
from tests.objects.test_faults import OF_METHODS
from tests.publishing import publish, publish_well

from spx_data.errors import FileCorruptionError, SpxDataError
from spx_data.lake.verify import verify
from spx_data.ops.publish import restoring
from spx_data.ops.publish.publishing import AS_PUBLISHED, Publisher
from spx_data.store import seals

DAY = DAYS[1]
OTHER_BYTES = [Fault.FLIPPED, Fault.SHORTENED]
# What a reader asks for, in its order.
READ = {
    "listing": ("LIST", ""),
    "identity": ("GET", "dataset.json"),
    "sidecar": ("GET", f"-options-{DAY}.parquet.sha256"),
    "passport": ("GET", f"-options-{DAY}.json"),
    "parquet": ("GET", f"-options-{DAY}.parquet"),
}
OF_A_DAY = ["sidecar", "passport", "parquet"]


def faults(*kinds):
    return pytest.mark.parametrize("fault", kinds, ids=[kind.name for kind in kinds])


def held(layout, date):
    return {path.name: path.read_bytes() for path in layout.day_files(date) if path.exists()}


def one_line(error):
    assert "\n" not in str(error) and "hush" not in str(error)
    return str(error)


@faults(*OF_METHODS["GET"])
@pytest.mark.parametrize("what", READ)
def test_a_reader_gets_the_rows_of_the_lake_or_a_line_and_the_rows_once_it_is_over(
    what, fault, there, lake, tmp_path
):
    publish_well(lake, there.url)
    lasting = there.proxy.spoil(fault, *READ[what])
    try:
        there.reads_as(lake, DAYS)
    except SpxDataError as error:
        assert there.url in one_line(error)
    assert lasting.met

    there.proxy.mend()
    there.reads_as(lake, DAYS)


@faults(*OTHER_BYTES)
@pytest.mark.parametrize("what", OF_A_DAY)
def test_bytes_that_change_on_their_way_once_are_asked_for_again(what, fault, there, lake):
    publish_well(lake, there.url)

    rules = [there.proxy.spoil(fault, *READ[what], times=1)]
    there.reads_as(lake, DAYS)
    rules.append(there.proxy.spoil(fault, *READ[what], times=1))
    standing = {each.what for each in Publisher(lake, there.url).verify(None, 2)}

    assert [rule.met for rule in rules] == [1, 1]
    assert standing == {AS_PUBLISHED}


@faults(*OTHER_BYTES)
@pytest.mark.parametrize("what", OF_A_DAY)
def test_verify_says_damaged_for_as_long_as_other_bytes_come_back(what, fault, there, lake):
    publish_well(lake, there.url)
    there.proxy.spoil(fault, *READ[what])

    standing = {each.date: each.what for each in Publisher(lake, there.url).verify(None, 2)}

    assert standing.pop(DAY).startswith("damaged: ") and set(standing.values()) == {AS_PUBLISHED}
    there.is_completed_by(lake)


def test_bytes_that_were_stored_otherwise_are_found_and_the_cure_works(there, lake):
    there.proxy.spoil(Fault.FLIPPED_GOING, "PUT", READ["parquet"][1])

    done = {each.date: each.error for each in publish(lake, there.url)}

    error = done.pop(DAY)
    assert set(done.values()) == {None} and there.is_sound(lake) == DAYS[:1]
    assert isinstance(error, FileCorruptionError)
    assert "Remove that object, then publish again" in one_line(error)
    there.remove(one_line(error).partition(f"{there.url}/")[2].partition(" ")[0])
    there.is_completed_by(lake)


# A day back ----------------------------------------------------------------------------------------------


def restored(lake, url):
    there = restoring.published_for(lake, url)
    return list(restoring.restore(lake, there, restoring.lost(lake, there, None)))


@faults(*OF_METHODS["GET"])
@pytest.mark.parametrize("what", OF_A_DAY)
def test_a_day_comes_back_as_it_was_or_not_at_all_and_once_it_is_over(what, fault, there, lake):
    publish_well(lake, there.url)
    before = held(lake.layout, DAY)
    for path in lake.layout.day_files(DAY):
        path.unlink(missing_ok=True)
    lasting = there.proxy.spoil(fault, *READ[what])

    (back,) = restored(lake, there.url)

    assert lasting.met
    there.proxy.mend()
    if back.error is not None:
        assert there.url in one_line(back.error)
        assert not seals.is_sealed(lake.layout.parquet(DAY)) and held(lake.layout, DAY) == {}
        (back,) = restored(lake, there.url)
    assert back.error is None and held(lake.layout, DAY) == before
    assert verify(lake).all_is_well and not [*lake.layout.output.rglob("*.part")]


@faults(*OTHER_BYTES)
@pytest.mark.parametrize("what", OF_A_DAY)
def test_a_day_comes_back_at_once_where_bytes_change_on_their_way_once(what, fault, there, lake):
    publish_well(lake, there.url)
    before = held(lake.layout, DAY)
    lake.layout.sidecar(DAY).unlink()
    passing = there.proxy.spoil(fault, *READ[what], times=1)

    (back,) = restored(lake, there.url)

    assert passing.met == 1
    assert back.error is None and held(lake.layout, DAY) == before
