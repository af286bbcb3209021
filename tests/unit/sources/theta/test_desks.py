"""How many answers are read at once, and that nobody waits for ever."""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from spx_data.sources.theta import tables
from spx_data.sources.theta.desks import Desks
from spx_data.sources.theta.transport import Answer

LONG = 120.0  # seconds: who waits so long has failed
BOUND = 60.0


def answer():
    return Answer("http://here", "text/csv", None, io.BytesIO(b"a\n1\n2\n"))


def test_as_many_are_at_work_as_there_are_desks():
    desks, lock, inside, most = Desks(2, LONG), threading.Lock(), [], []

    def read(number):
        with desks.one():
            with lock:
                inside.append(number)
                most.append(len(inside))
            time.sleep(0.001)  # others would come, were they let in
            with lock:
                inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(200)))

    assert len(most) == 200
    assert max(most) <= 2


def test_one_who_leaves_by_an_error_leaves_the_desk():
    desks = Desks(1, LONG)

    def fail():
        with desks.one():
            raise OSError

    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        assert isinstance(first.submit(fail).exception(BOUND), OSError)
        assert isinstance(second.submit(fail).exception(BOUND), OSError)


def test_who_has_a_desk_needs_no_other():
    desks = Desks(1, LONG)

    def twice():
        with desks.one(), desks.one():
            pass
        with desks.one():
            return True

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(twice).result(BOUND)


def test_a_reader_who_never_ends_keeps_nobody_out(monkeypatch):
    monkeypatch.setattr(tables, "_DESKS", Desks(1, 0.01))
    left = tables.read(answer(), {"a": pa.int64()}, asked="csv")
    next(left)

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: list(tables.read(answer(), {"a": pa.int64()}, asked="csv"))).result(BOUND)

    assert [len(batch) for batch in found] == [2]


def test_an_answer_that_is_read_no_further_makes_room(monkeypatch):
    monkeypatch.setattr(tables, "_DESKS", Desks(1, LONG))
    left = tables.read(answer(), {"a": pa.int64()}, asked="csv")
    next(left)
    left.close()

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: list(tables.read(answer(), {"a": pa.int64()}, asked="csv"))).result(BOUND)

    assert [len(batch) for batch in found] == [2]


def test_a_desk_that_another_thread_gives_back_is_its_takers_no_longer():
    desks = Desks(1, BOUND)

    def read():
        with desks.one():
            yield

    def take():
        left = read()
        next(left)
        return left

    with ThreadPoolExecutor(1) as taker, ThreadPoolExecutor(1) as other:
        left = taker.submit(take).result(BOUND)
        other.submit(left.close).result(BOUND)
        again = other.submit(take).result(BOUND)
        waits = taker.submit(take)
        with pytest.raises(TimeoutError):
            waits.result(0.2)
        again.close()
        waits.result(BOUND).close()
