"""Stages of work that hand records on, each in a thread of its own where there are cores for it.

A stage is an iterator over what the one before it gives. On one core the next item is made when it is asked
for. On several a stage runs ahead of whoever asks, and what bounds memory is how many records are under way
between the first stage and the last: the first takes room for what it is about to make, the last gives it
back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, TypeVar

_Item = TypeVar("_Item")


class _Over(Exception):
    """Whoever asked for more has gone."""


class Relay:
    """Stages on so many *cores*; at most *most* records are under way between them, or one item with more."""

    def __init__(self, cores: int, most: int) -> None:
        self._most, self._used = most, 0
        self._side_by_side = cores > 1
        self._over = False
        self._changed = threading.Condition()

    def take(self, records: int) -> None:
        """Wait until there is room for *records* beside what is under way."""
        if not self._side_by_side:
            return
        with self._changed:
            self._changed.wait_for(lambda: self._over or not self._used or self._used + records <= self._most)
            if self._over:
                raise _Over
            self._used += records

    def give(self, records: int) -> None:
        """Give room back: nobody holds these *records* any more."""
        with self._changed:
            self._used -= records
            self._changed.notify_all()

    @contextmanager
    def stage(self, items: Iterator[_Item]) -> Iterator[Iterator[_Item]]:
        """*items*, made in a thread of their own while the block lasts; what they raise is raised here.

        When the block ends, no stage goes on, and this one has ended.
        """
        if not self._side_by_side:
            yield items
            return
        made: SimpleQueue[list[Any]] = SimpleQueue()
        thread = threading.Thread(target=self._make, args=(items, made), name="stage", daemon=True)
        thread.start()
        try:
            yield _taken(made)
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()
            thread.join()

    @contextmanager
    def ahead(self, items: Iterator[_Item], records: Callable[[_Item], int]) -> Iterator[Iterator[_Item]]:
        """As `stage`, for one alone: it runs ahead as far as there is room for the *records* of items.

        Before an item is made there must be room for one as large as that before it.
        """

        def made() -> Iterator[_Item]:
            room = 0
            for item in items:
                self.give(room - records(item))  # what it takes in truth
                room = records(item)
                yield item
                del item  # or it would stay in memory while the next one is made
                self.take(room)
            self.give(room)

        def taken(made: Iterator[_Item]) -> Iterator[_Item]:
            for item in made:
                room, box = records(item), [item]
                del item
                yield box.pop()
                self.give(room)

        with self.stage(made()) as given:
            yield taken(given)

    def _make(self, items: Iterator[Any], made: SimpleQueue[list[Any]]) -> None:
        """Put *items* where `_taken` finds them, each in a list; then an empty one, or what was raised."""
        try:
            for item in items:
                made.put([item])
                del item  # or it would stay in memory while the next one is made
                if self._over:
                    return
        except BaseException as error:
            made.put([None, error])
        else:
            made.put([])


def _taken(made: SimpleQueue[list[Any]]) -> Iterator[Any]:
    while box := made.get():
        if len(box) > 1:
            raise box.pop()
        yield box.pop()  # and nothing here holds it


def until_none(items: Iterator[_Item | None], gone: Callable[[], None] = lambda: None) -> Iterator[_Item]:
    """What *items* have before their next None; *gone* is called whenever nobody holds the last one given."""
    item = next(items)
    while item is not None:
        box = [item]
        del item  # or it would stay in memory while the next one is made
        yield box.pop()
        gone()
        item = next(items)
