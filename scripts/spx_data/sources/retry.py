"""Ask again, as often and as patiently as each error's own policy says (`SpxDataError.retry`)."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import tenacity

from spx_data.errors import SpxDataError

T = TypeVar("T")
Observer = Callable[[SpxDataError, int, float, float], None]


def ignore(*_: object) -> None:
    """An observer that looks away."""


def retrying(call: Callable[[], T], *, wait_factor: float = 1.0, observer: Observer = ignore) -> T:
    """The result of *call*, asked again after errors that asking again may cure.

    Each policy counts the failures that are its own, so a broken connection does not use up the patience for
    a full queue. *observer* is told the error, the number of the failed attempt, the wait in seconds, and the
    seconds that pass at most with waiting until the error is raised, should it stay. The error that outlives
    its policy is raised as it is.
    """
    failures: Counter[int] = Counter()

    def again(error: BaseException) -> bool:
        if not isinstance(error, SpxDataError):
            return False
        failures[id(error.retry)] += 1
        return failures[id(error.retry)] <= error.retry.attempts

    def wait(state: tenacity.RetryCallState) -> float:
        error = _error(state)
        return wait_factor * _seconds(error, failures[id(error.retry)], state)

    def told(state: tenacity.RetryCallState) -> None:
        error, now = _error(state), state.upcoming_sleep
        later = wait_factor * _longest(error, failures[id(error.retry)])
        observer(error, state.attempt_number, now, now + later)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(again), wait=wait, before_sleep=told, reraise=True
    )(call)


def _error(state: tenacity.RetryCallState) -> SpxDataError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, SpxDataError):
        raise TypeError("only SpxDataErrors are retried")
    return error


def _seconds(error: SpxDataError, failure: int, state: tenacity.RetryCallState) -> float:
    """As long as the terminal says, else exponentially longer with jitter; never above the ceiling.

    *failure* counts the failures under the error's policy, from 1.
    """
    policy = error.retry
    told = error.fields.get("retry_after")
    if told is not None:
        return min(float(told), policy.ceiling)
    own = copy.copy(state)
    own.attempt_number = failure
    backoff = tenacity.wait_exponential_jitter(
        multiplier=policy.first, max=policy.ceiling, jitter=policy.first / 2
    )
    return backoff(own)


def _longest(error: SpxDataError, failure: int) -> float:
    """The most seconds of all waits for *error* that come after the one for its policy's *failure*."""
    policy, told = error.retry, error.fields.get("retry_after")
    numbers = range(failure, policy.attempts)
    waits = [policy.first * (2**number + 0.5) if told is None else float(told) for number in numbers]
    return sum(min(wait, policy.ceiling) for wait in waits)
