"""The question to the terminal, how it is, and what came of it.

It is asked in a thread of its own while others read files, and no longer than a deadline: a terminal that
hangs must hang nobody else.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from spx_data.errors import SpxDataError, ThetaTerminalNotRunningError, WrongApiError
from spx_data.settings import Terminal

CONNECTED = "connected"
ABSENT = "absent"  # nothing listens there
SILENT = "silent"  # something does, and did not answer in time
WRONG_API = "wrong-api"
STRANGE = "strange"  # no Theta Terminal, or one that answers with an error


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
        from spx_data.sources import access

        try:
            found = access.sight(self._terminal)
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
