"""Ask again, as often and as patiently as each error's own policy says (`SpxDataError.retry`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tenacity

from spx_data.errors import ApiRateLimitError, Retry, SpxDataError

T = TypeVar("T")
Observer = Callable[[SpxDataError, int, float], None]


def retrying(call: Callable[[], T], *, wait_factor: float, observer: Observer) -> T:
    """The result of *call*, asked again after errors that asking again may cure.

    *observer* is told the error, the number of the failed attempt and the wait in seconds. The error that
    outlives its policy is raised as it is.
    """

    def wait(state: tenacity.RetryCallState) -> float:
        return wait_factor * _seconds(_error(state), state)

    def told(state: tenacity.RetryCallState) -> None:
        observer(_error(state), state.attempt_number, state.upcoming_sleep)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(SpxDataError),
        stop=lambda state: state.attempt_number > _error(state).retry.attempts,
        wait=wait,
        before_sleep=told,
        reraise=True,
    )(call)


def _error(state: tenacity.RetryCallState) -> SpxDataError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, SpxDataError):
        raise TypeError("only SpxDataErrors are retried")
    return error


def _seconds(error: SpxDataError, state: tenacity.RetryCallState) -> float:
    """As long as the terminal says, else exponentially longer with jitter; never above the ceiling."""
    policy: Retry = error.retry
    told = error.fields.get("retry_after") if isinstance(error, ApiRateLimitError) else None
    if told is not None:
        return min(float(told), policy.ceiling)
    backoff = tenacity.wait_exponential_jitter(
        multiplier=policy.first, max=policy.ceiling, jitter=policy.first / 2
    )
    return backoff(state)
