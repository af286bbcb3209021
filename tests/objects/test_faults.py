"""Faults between spx-data and real servers: nothing points to what is not right, and another call ends it."""

import pytest
from tests.objects.conftest import DAYS
from tests.objects.proxy import Fault
from tests.publishing import publish, publish_well

from spx_data.errors import ApiConnectionError, FileCorruptionError, SpxDataError

LASTING, PASSING = DAYS
# What is created for a day, in its order, and read back each time.
STEPS = {
    "parquet": "-options-{0}.parquet",
    "passport": "-options-{0}.json",
    "contracts": "-contracts-{0}.parquet",
    "sidecar": "-options-{0}.parquet.sha256",
    "pointer": "{0:%Y/%m/%d}/current-",
}
IDENTITY = "dataset.json"
ANSWER = [Fault.CUT_BEFORE_ANSWER, Fault.CUT_AMID_ANSWER, Fault.SLOW]
OF_METHODS = {
    "PUT": [
        *(Fault.REFUSED, Fault.BUSY, Fault.DONE_AND_REFUSED),
        *(Fault.CUT_AT_ONCE, Fault.CUT_AMID_REQUEST, *ANSWER),
    ],
    "GET": [Fault.REFUSED, Fault.BUSY, *ANSWER, Fault.FLIPPED, Fault.SHORTENED],
}
CASES = [(method, fault) for method, faults in OF_METHODS.items() for fault in faults]
NAMES = [f"{method}-{fault.name}" for method, fault in CASES]


def outcome(lake, url):
    """What became of each day, whatever ended the call."""
    try:
        return {each.date: each.error for each in publish(lake, url)}
    except SpxDataError as error:
        return dict.fromkeys(DAYS, error)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("method", "fault"), CASES, ids=NAMES)
def test_a_fault_that_passes_costs_nothing_and_one_that_lasts_its_own_day_alone(
    method, fault, step, there, lake
):
    lasting = there.proxy.spoil(fault, method, STEPS[step].format(LASTING))
    passing = there.proxy.spoil(fault, method, STEPS[step].format(PASSING), times=1)

    done = outcome(lake, there.url)

    assert lasting.met and passing.met == 1
    there.proxy.mend()
    assert done[PASSING] is None
    if done[LASTING] is None:
        assert there.is_sound(lake) == DAYS
    else:
        assert isinstance(done[LASTING], ApiConnectionError | FileCorruptionError)
        assert PASSING in there.is_sound(lake)
    there.is_completed_by(lake)


@pytest.mark.parametrize(
    ("method", "fault"),
    [*CASES, *(("LIST", fault) for fault in OF_METHODS["GET"])],
    ids=[*NAMES, *(f"LIST-{fault.name}" for fault in OF_METHODS["GET"])],
)
def test_a_fault_at_what_all_days_need_ends_the_call_and_the_next_one_goes_on(method, fault, there, lake):
    part = "" if method == "LIST" else IDENTITY
    lasting = there.proxy.spoil(fault, method, part)
    done = outcome(lake, there.url)
    there.proxy.mend()
    assert lasting.met
    if None in done.values():
        assert there.is_sound(lake) == DAYS
    else:
        assert there.pointers() == []

    passing = there.proxy.spoil(fault, method, part, times=1)
    publish_well(lake, there.url)

    assert passing.met or None in done.values()
    there.is_completed_by(lake)
