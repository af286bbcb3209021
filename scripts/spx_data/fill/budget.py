"""How many questions a date may spend on second opinions, and when it asks no more of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from spx_data.errors import (
    ApiConnectionError,
    ApiRateLimitError,
    ApiResponseInvalidError,
    RequestRefusedError,
    SubscriptionError,
    ThetaTerminalNotRunningError,
    WrongApiError,
)

_log = logging.getLogger(__name__)

# The terminal has enough to do, or will not hear such questions at all: the next one would meet the same.
_STOPS = (
    ApiConnectionError,
    ApiRateLimitError,
    ThetaTerminalNotRunningError,
    RequestRefusedError,
    SubscriptionError,
    WrongApiError,
)


class UnansweredError(Exception):
    """A question that the source did not answer, and why: it explains nothing."""


class Budget:
    """The questions of one date that are advice: at most so many, and none after a first sign of overload."""

    def __init__(self, questions: int) -> None:
        self._left = questions
        self._stopped = False

    @property
    def open(self) -> bool:
        """Whether there may be another question."""
        return self._left > 0 and not self._stopped

    @contextmanager
    def question(self) -> Iterator[None]:
        """Ask one question in the block, once: whoever wants advice does not insist.

        Raises:
            UnansweredError: the source did not answer it, or the budget is spent.
            ApiDataNotFoundError: it has nothing, which is an answer.
        """
        if not self.open:
            raise UnansweredError("not asked: the date's questions are spent")
        self._left -= 1
        try:
            yield
        except (*_STOPS, ApiResponseInvalidError) as error:
            if isinstance(error, _STOPS):
                self._stopped = True
                _log.warning("no more second opinions for this date: %s", error.cause)
            raise UnansweredError(error.cause) from error
