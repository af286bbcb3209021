"""The terminal: whether it is there and connected, and whether the limit of requests fits a subscription.

It is asked in a thread of its own while others read files, and no longer than a deadline: a terminal that
hangs must hang nobody else.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from spx_data.errors import (
    ApiRateLimitError,
    SpxDataError,
    SubscriptionError,
    ThetaTerminalNotRunningError,
    WrongApiError,
)
from spx_data.health.check import Check, fail, named, ok, warn
from spx_data.settings import Terminal

if TYPE_CHECKING:
    from spx_data.health.scene import Scene

CONNECTED = "connected"
ABSENT = "absent"  # nothing listens there
SILENT = "silent"  # something does, and did not answer in time
WRONG_API = "wrong-api"
STRANGE = "strange"  # no Theta Terminal, or one that answers with an error

# Requests that a subscription lets through at once (wire-facts, section 9).
_TIERS = {
    "v3": {1: "Free", 2: "Value", 4: "Standard", 8: "Pro"},
    "v2": {1: "Free and Value", 2: "Standard", 4: "Pro"},
}
_EVIDENCE_DAYS = 30


@dataclass(frozen=True)
class Answer:
    """What came of asking the terminal how it is.

    *word* is its own status word in lower case, or one of the words above; *seconds* what the answer took.
    """

    word: str
    base_url: str | None = None
    api: str | None = None
    seconds: float | None = None
    error: SpxDataError | None = None


class Asking:
    """A question to the terminal that is under way."""

    def __init__(self, terminal: Terminal, seconds: float) -> None:
        """Ask now; *seconds* is the longest that anybody waits for the answer."""
        self._terminal = replace(terminal, timeout_seconds=min(terminal.timeout_seconds, seconds))
        self._seconds, self._begun = seconds, time.monotonic()
        self._answers: list[Answer] = []
        # A daemon: the process may end before a terminal that hangs gives in.
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def answer(self) -> Answer:
        """What the terminal answered, or that it did not in time."""
        self._thread.join(max(0.0, self._begun + self._seconds - time.monotonic()))
        return self._answers[0] if self._answers else self._silence()

    def _ask(self) -> None:
        from spx_data import theta

        try:
            found = theta.sight(self._terminal)
        except SpxDataError as error:
            self._answers.append(Answer(_word(error), self._terminal.base_url, error=error))
        except Exception as error:
            strange = SpxDataError(f"the terminal could not be asked: {type(error).__name__}: {error}")
            self._answers.append(Answer(STRANGE, self._terminal.base_url, error=strange))
        else:
            self._answers.append(Answer(found.word.lower(), found.base_url, found.api, found.seconds))

    def _silence(self) -> Answer:
        where = self._terminal.base_url or "its usual addresses"
        error = SpxDataError(
            f"the terminal at {where} did not say within {self._seconds:g} s how it is",
            cure="Look into the terminal's own log, or restart it",
        )
        return Answer(SILENT, self._terminal.base_url, error=error)


def _word(error: SpxDataError) -> str:
    if "status" in error.fields or "excerpt" in error.fields:
        return STRANGE
    if isinstance(error, WrongApiError):
        return WRONG_API
    return ABSENT if isinstance(error, ThetaTerminalNotRunningError) else SILENT


def terminal(scene: Scene) -> Check:
    """Whether a terminal is there, connected to its server, and speaks the API asked for."""
    answer = scene.answer
    if answer is None:
        return ok("terminal", "not asked")
    if answer.error is not None:
        return fail("terminal", answer.error.cause, answer.error.cure or "See the terminal's own log")
    milliseconds = round(1000 * (answer.seconds or 0.0), 1)
    numbers = {"value": milliseconds, "unit": "ms"}
    where = f"API {answer.api} at {answer.base_url}"
    if answer.word == CONNECTED:
        return ok("terminal", f"connected, {where}, answers in {milliseconds:,.0f} ms", **numbers)
    cure = "Wait until it is connected; if it stays so, restart it and check its login"
    return fail("terminal", f"{answer.word}, {where}: it has no connection to its server", cure, **numbers)


def request_limit(scene: Scene) -> Check:
    """Whether the limit of requests fits a subscription, by what is known of them and by what happened.

    No terminal says which subscription it has: its refusals of the last 30 days are the evidence.
    """
    name, limit = "request-limit", scene.settings.terminal.max_concurrent_requests
    api = (scene.answer and scene.answer.api) or scene.settings.terminal.api
    tiers = _TIERS["v2" if api == "v2" else "v3"]
    numbers: dict[str, Any] = {"value": limit, "limit": max(tiers), "unit": "requests"}
    lower = max((known for known in tiers if known < limit), default=1)
    set_lower = f"spx-data config set thetadata.max_concurrent_requests {lower}"
    if refused := _dates_of(scene, SubscriptionError):
        found = f"the subscription did not include what was asked for: {named(refused)}"
        cure = (
            "Upgrade it, or set processing.start_date to where its history begins; spx-data errors has more"
        )
        return warn(name, found, cure, **numbers, dates=refused)
    if limit > max(tiers):
        found = f"{limit} at once are more than any subscription allows ({_words(tiers)})"
        return warn(name, found, set_lower, **numbers)
    if limited := _dates_of(scene, ApiRateLimitError):
        found = f"{limit} at once, and the terminal's queue was full: {named(limited)}"
        cure = f"Stop other programs that ask this terminal, or {set_lower}"
        return warn(name, found, cure, **numbers, dates=limited)
    return ok(name, f"{limit} at once; subscriptions allow {_words(tiers)}", **numbers)


def _dates_of(scene: Scene, error: type[SpxDataError]) -> tuple[dt.date, ...]:
    """The dates that met *error* in the last 30 days."""
    met = {trouble.date for trouble in scene.troubles(_EVIDENCE_DAYS) if trouble.error == error.__name__}
    return tuple(sorted(map(dt.date.fromisoformat, met)))


def _words(tiers: dict[int, str]) -> str:
    return ", ".join(f"{tier} {count}" for count, tier in tiers.items())
