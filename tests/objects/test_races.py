"""Two publishers at once: each version has one pointer, and a server that writes over is found out."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests import sealed_days
from tests.objects.conftest import DAYS
from tests.objects.servers import PATIENCE
from tests.publishing import publish_well

from spx_data.errors import DatasetMismatchError, FileCorruptionError, SpxDataError
from spx_data.lake.published import Sealed
from spx_data.market.dates import Dates
from spx_data.ops.publish.publishing import AS_PUBLISHED, OTHER, Publisher
from spx_data.store import files

DAY = DAYS[1]
ONLY = Dates.of(f"{DAY}")
POINTER = f"{DAY:%Y/%m/%d}/current-0001.json"


@pytest.fixture
def twin(lake, tmp_path):
    """Return the settings of a copy of the lake in which the day was sealed anew, as by a mend."""
    twin = sealed_days.settings_of(tmp_path / "twin")
    for name in ("output", "data"):
        shutil.copytree(getattr(lake.layout, name), getattr(twin.layout, name))
    passport = json.loads(twin.layout.passport(DAY).read_text())
    sealed_days.reseal(twin.layout, DAY, passport | {"sealed_at": "2024-03-01T00:00:00+00:00"})
    return twin


def meet_at(proxy, key):
    """Let the first two that put *key* hear of it when both have."""
    both, left = threading.Barrier(2), iter(range(2))

    def wait(request):
        if request.method == "PUT" and request.key.endswith(key) and next(left, None) is not None:
            both.wait(PATIENCE)

    proxy.after = wait


def at_once(*publishers, within=None):
    """What becomes of the days of each, or the error that ends one of them, in their order."""

    def done(publisher):
        try:
            return list(publisher.publish(publisher.due(within), 2))
        except SpxDataError as error:
            return error

    with ThreadPoolExecutor(len(publishers)) as pool:
        return [*pool.map(done, publishers)]


def test_two_publishers_of_one_lake_publish_each_day_once(there, lake):
    meet_at(there.proxy, POINTER)

    done = at_once(*(Publisher(lake, there.url) for _ in range(2)))

    assert [each.error for some in done for each in some] == [None] * 4
    assert there.pointers() == [(date, Sealed.of(lake.layout, date).seal) for date in DAYS]
    there.is_completed_by(lake)


def test_of_two_versions_at_once_each_has_a_pointer_or_is_told_to_publish_again(there, lake, twin):
    meet_at(there.proxy, POINTER)
    seals = {Sealed.of(each.layout, DAY).seal for each in (lake, twin)}

    done = [day for (day,) in at_once(*(Publisher(each, there.url) for each in (lake, twin)), within=ONLY)]

    assert there.is_sound(lake, twin) == [DAY]
    errors = [each.error for each in done if each.error]
    if there.server.creates_on_condition:
        assert errors == [] and {seal for _, seal in there.pointers()} == seals
    else:
        (error,) = errors
        assert isinstance(error, FileCorruptionError)
        assert "Another publisher wrote it at the same time: publish again" in str(error)
        assert [seal for _, seal in there.pointers()] == [each.what for each in done if not each.error]
        publish_well(lake if done[0].error else twin, there.url, ONLY)
    assert {seal for _, seal in there.pointers()} == seals and len(there.pointers()) == 2
    assert there.is_sound(lake, twin) == [DAY]


def test_a_publisher_that_looked_before_another_was_done_takes_nothing_away(there, lake, twin):
    """Where the condition is ignored a pointer may be written over: that says so to whoever looks then."""
    first, second = (Publisher(each, there.url) for each in (lake, twin))

    done = [*first.publish(first.due(ONLY), 1), *second.publish(second.due(ONLY), 1)]

    assert [each.error for each in done] == [None, None]
    assert there.is_sound(lake, twin) == [DAY]
    assert [each.what for each in Publisher(twin, there.url).verify(ONLY, 1)] == [AS_PUBLISHED]
    assert [each.what for each in Publisher(lake, there.url).verify(ONLY, 1)] == [OTHER]
    assert len(there.pointers()) == (2 if there.server.creates_on_condition else 1)
    publish_well(lake, there.url, ONLY)
    assert [each.what for each in Publisher(lake, there.url).verify(ONLY, 1)] == [AS_PUBLISHED]
    assert there.is_sound(lake, twin) == [DAY]


def test_of_two_lakes_that_begin_at_once_in_one_place_one_is_refused(there, lake, twin):
    identity = json.loads(twin.layout.dataset.read_text())
    files.write_json(twin.layout.dataset, identity | {"interval": "5m"})
    meet_at(there.proxy, "dataset.json")

    done = at_once(*(Publisher(each, there.url) for each in (lake, twin)), within=ONLY)

    (refused,) = [each for each in done if isinstance(each, SpxDataError)]
    assert isinstance(refused, DatasetMismatchError)
    assert "another lake is published there (interval)" in str(refused)
    ((good,),) = [each for each in done if each is not refused]
    assert good.error is None and there.pointers() == [(DAY, good.what)]
