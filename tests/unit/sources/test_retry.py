"""How often and how patiently each error is answered by asking again."""

import types

import pytest
import tenacity

from spx_data import errors
from spx_data.sources.retry import retrying

# How often asking again can help, and the longest wait in seconds.
POLICIES = {
    errors.ApiRateLimitError: (3, 60),
    errors.ApiConnectionError: (5, 30),
    errors.TerminalDisconnectedError: (5, 30),
    errors.ThetaTerminalNotRunningError: (3, 60),
    errors.ApiResponseInvalidError: (2, 5),
    errors.PageExpiredError: (2, 5),
    errors.LargeRequestError: (0, 0),
    errors.TerminalSessionTakenError: (0, 0),
    errors.TooManyRejectsError: (0, 0),
    errors.ApiDataNotFoundError: (0, 0),
    errors.WrongApiError: (0, 0),
    errors.RequestRefusedError: (0, 0),
    errors.SubscriptionError: (0, 0),
    errors.DatasetMismatchError: (0, 0),
    errors.SettingRefusedError: (0, 0),
    errors.AnotherRunError: (0, 0),
    errors.JobDiedError: (0, 0),
    errors.LakeMissingError: (0, 0),
    errors.JobCrashedError: (0, 0),
    errors.RunFailedError: (0, 0),
    errors.MissingFileError: (0, 0),
    errors.PermissionDeniedError: (0, 0),
    errors.InsufficientDiskSpaceError: (0, 0),
    errors.DeviceError: (0, 0),
    errors.VolumeError: (0, 0),
    errors.EvictedFileError: (0, 0),
    errors.MachineError: (0, 0),
    errors.FileCorruptionError: (0, 0),
    errors.DatabaseConnectionError: (2, 30),
    errors.DatabaseTransactionError: (2, 30),
    errors.DatabaseSchemaError: (0, 0),
    errors.QueryError: (0, 0),
    errors.DateValidationError: (0, 0),
    errors.ConfigurationValidationError: (0, 0),
    errors.SchemaValidationError: (0, 0),
    errors.OtherVersionError: (0, 0),
}


@pytest.fixture
def slept(monkeypatch):
    """Return the waits, none of which really happens."""
    waits = []
    monkeypatch.setattr(tenacity.nap, "time", types.SimpleNamespace(sleep=waits.append))
    return waits


class Call:
    """Fails with each error in turn, then with the last one for ever; None is success."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.count = 0

    def __call__(self):
        self.count += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if outcome is not None:
            raise outcome
        return "done"


def ask(call, wait_factor=1.0, told=lambda *_: None):
    return retrying(call, wait_factor=wait_factor, observer=told)


@pytest.mark.parametrize("kind, policy", POLICIES.items())
def test_an_error_is_asked_again_as_often_as_its_policy_says(kind, policy, slept):
    again, ceiling = policy
    error = kind("it fails")
    call = Call(error)

    with pytest.raises(kind) as caught:
        ask(call)

    assert caught.value is error
    assert call.count == again + 1
    assert len(slept) == again
    assert all(0 < wait <= ceiling for wait in slept)


def test_every_error_has_its_policy():
    def kinds(kind):
        return {kind}.union(*map(kinds, kind.__subclasses__()))

    ours = {kind for kind in kinds(errors.SpxDataError) if kind.__module__ == errors.__name__}
    assert ours == {errors.SpxDataError, *POLICIES}


def test_each_policy_counts_its_own_failures(slept):
    lost, full, odd = errors.ApiConnectionError, errors.ApiRateLimitError, errors.ApiResponseInvalidError
    mixed = [lost("1"), full("1"), lost("2"), odd("1"), full("2"), odd("2"), lost("3"), full("3")]

    assert ask(Call(*mixed, None)) == "done"

    with pytest.raises(odd, match="three"):
        ask(Call(*mixed, odd("three"), None))


def test_waits_grow_until_their_ceiling(slept):
    with pytest.raises(errors.ApiConnectionError):
        ask(Call(errors.ApiConnectionError("lost")))

    assert slept == sorted(slept)
    assert slept[0] < 2
    assert slept[-1] >= 16


def test_success_ends_the_asking(slept):
    call = Call(errors.ApiConnectionError("lost"), errors.ApiResponseInvalidError("odd"), None)

    assert ask(call) == "done"
    assert call.count == 3


def test_an_error_that_cannot_be_cured_ends_the_asking(slept):
    call = Call(errors.ApiConnectionError("lost"), errors.ApiDataNotFoundError("none"))

    with pytest.raises(errors.ApiDataNotFoundError):
        ask(call)

    assert call.count == 2


def test_other_exceptions_are_not_ours_to_retry(slept):
    call = Call(ZeroDivisionError())

    with pytest.raises(ZeroDivisionError):
        ask(call)

    assert (call.count, slept) == (1, [])


@pytest.mark.parametrize("told, waits", [(7.0, 7.0), (0.0, 0.0), (3600.0, 60.0)])
def test_retry_after_is_obeyed_up_to_the_ceiling(told, waits, slept):
    with pytest.raises(errors.ApiRateLimitError):
        ask(Call(errors.ApiRateLimitError("full", retry_after=told)))

    assert slept == [waits] * 3


@pytest.mark.parametrize("kind", [errors.ApiConnectionError, errors.ThetaTerminalNotRunningError])
def test_retry_after_is_obeyed_of_whichever_error_has_it(kind, slept):
    with pytest.raises(kind):
        ask(Call(kind("not yet", retry_after=7.0)))

    assert set(slept) == {7.0}


def test_a_factor_of_nought_never_waits(slept):
    with pytest.raises(errors.ApiRateLimitError):
        ask(Call(errors.ApiRateLimitError("full", retry_after=9.0)), wait_factor=0)
    with pytest.raises(errors.ApiConnectionError):
        ask(Call(errors.ApiConnectionError("lost")), wait_factor=0)

    assert set(slept) == {0.0}


def test_the_factor_multiplies_waits(slept):
    with pytest.raises(errors.ApiRateLimitError):
        ask(Call(errors.ApiRateLimitError("full", retry_after=10.0)), wait_factor=0.5)

    assert slept == [5.0] * 3


def test_the_observer_hears_of_every_failure_that_is_asked_again(slept):
    first, second = errors.ApiConnectionError("lost"), errors.ApiRateLimitError("full", retry_after=4.0)
    heard = []

    ask(Call(first, second, None), told=lambda *event: heard.append(event))

    assert [(error, attempt) for error, attempt, *_ in heard] == [(first, 1), (second, 2)]
    assert [wait for _, _, wait, _ in heard] == slept


@pytest.mark.parametrize("factor", [1.0, 0.5])
@pytest.mark.parametrize(
    "error",
    [errors.ApiConnectionError("lost"), errors.ThetaTerminalNotRunningError("gone", retry_after=7.0)],
)
def test_the_observer_hears_how_long_there_will_be_waiting_at_the_most(error, factor, slept):
    heard = []

    with pytest.raises(type(error)):
        ask(Call(error), factor, lambda *event: heard.append(event))

    for number, (*_, wait, most) in enumerate(heard):
        really = sum(slept[number:])
        assert wait <= really <= most
        jitters = factor * 0.5 * error.retry.first * (len(heard) - number - 1)
        assert most - really <= jitters
