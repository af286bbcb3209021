"""Jobs that end themselves by a signal, each at a moment of its work: nobody has to catch one in time."""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).resolve().parents[1]
_DEATHS, _MARKS = "TESTS_DEATHS", "TESTS_DEATHS_MARKS"


class Death(NamedTuple):
    """How the job of a rule ends for a date: by a signal, just after it wrote an event into its journal.

    Without an event it ends before its script begins. It may take the whole run with it, as a power cut does.
    """

    date: str
    rule: str
    signal: int
    event: str | None = None
    times: int = 1  # the event that it is after, of its kind
    of_run: bool = False


def environment(folder: Path, deaths: Iterable[Death]) -> dict[str, str]:
    """Return the environment of a run whose jobs die so; *folder*, a new one, is for what they leave."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("from tests import dying\n\ndying.prepare()\n")
    return {
        "PYTHONPATH": os.pathsep.join([str(folder), str(_ROOT)]),
        _DEATHS: json.dumps(list(deaths)),
        _MARKS: str(folder),
    }


def died(folder: Path, deaths: Iterable[Death]) -> list[Death]:
    """Return those of *deaths* that came to pass."""
    return [death for death in deaths if (folder / death.date).exists()]


def prepare() -> None:
    """Die as the environment has it, if this process or a fork is that job: called as each Python begins."""
    _prepare()
    os.register_at_fork(after_in_child=_prepare)


def _prepare() -> None:
    words = sys.orig_argv
    for death in (Death(*fields) for fields in json.loads(os.environ.get(_DEATHS, "[]"))):
        if len(words) > 3 and Path(words[1]).stem == death.rule and death.date == words[3]:
            if death.event is None:
                _die(death)
            else:
                _die_after(death)


def _die_after(death: Death) -> None:
    from spx_data.store import journal

    record, left = journal.Journal.record, iter(range(death.times - 1, -1, -1))

    def last(self: journal.Journal, event: str, **fields: object) -> None:
        record(self, event, **fields)
        if event == death.event and not next(left):
            _die(death)

    journal.Journal.record = last  # type: ignore[method-assign]


def _die(death: Death) -> None:
    Path(os.environ[_MARKS], death.date).touch()
    if death.of_run:
        os.killpg(0, death.signal)
    os.kill(os.getpid(), death.signal)
