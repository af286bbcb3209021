"""Bad rows are believed when they come twice, or when two chains of the date have shown the habit."""

import threading

import pyarrow as pa
import pytest

from spx_data.errors import ApiResponseInvalidError
from spx_data.fill.rejects import Believed, ConfirmedRejects
from spx_data.market.records import KEPT, Rejects


def tried(doubt, *rows, **lacking):
    """Return whether one try with these bad rows, and so many records that lack something, is believed."""
    rejects = Rejects()
    for name, count in lacking.items():
        rejects.lack(pa.record_batch({name: pa.nulls(count, pa.float64())}))

    def batches():
        yield "a batch"
        for reason, raw in rows:
            rejects.add(reason, raw)

    try:
        assert list(doubt.resolved(batches(), rejects)) == ["a batch"]
    except ApiResponseInvalidError:
        return False
    return True


NEGATIVE, ODD = ("negative-price", "a"), ("off-grid", "b")


def confirmed(believed, *chains, rows=(NEGATIVE,)):
    for chain in chains:
        doubt = ConfirmedRejects(chain, believed)
        tried(doubt, *rows)
        assert tried(doubt, *rows)


def test_bad_rows_that_come_twice_and_alike_are_believed():
    doubt = ConfirmedRejects("SPX 2024-01-19")

    assert [tried(doubt, NEGATIVE), tried(doubt, ODD), tried(doubt, NEGATIVE)] == [False, False, True]
    assert tried(ConfirmedRejects("SPX 2024-01-19"))


def test_after_two_chains_a_pattern_is_believed_at_once():
    believed = Believed()

    confirmed(believed, "one")
    assert not tried(ConfirmedRejects("another", believed), NEGATIVE)
    confirmed(believed, "two")

    assert tried(ConfirmedRejects("three", believed), NEGATIVE, ("negative-price", "z"))


def test_one_chain_that_says_it_often_is_one_chain():
    believed = Believed()

    confirmed(believed, "one", "one", "one")

    assert not tried(ConfirmedRejects("two", believed), NEGATIVE)


def test_a_pattern_says_nothing_of_bad_rows_of_another_kind():
    believed = Believed()

    confirmed(believed, "one", "two")

    assert not tried(ConfirmedRejects("three", believed), ODD)
    assert not tried(ConfirmedRejects("four", believed), NEGATIVE, ODD)


def test_nobody_believes_what_others_have_heard_elsewhere():
    confirmed(Believed(), "one", "two")

    assert not tried(ConfirmedRejects("three"), NEGATIVE)
    assert not tried(ConfirmedRejects("three", Believed()), NEGATIVE)


def test_bad_rows_beyond_those_whose_text_is_kept_make_another_answer():
    doubt, many = ConfirmedRejects("one"), [("off-grid", f"{number:05}") for number in range(3 * KEPT)]

    assert [
        tried(doubt, *many),
        tried(doubt, *many[1:]),
        tried(doubt, *many[:-1]),
        tried(doubt, *reversed(many)),
    ] == [
        False,
        False,
        False,
        True,
    ]


def test_what_records_lack_is_doubted_once_and_keeps_no_chain_out():
    doubt = ConfirmedRejects("one", Believed())

    assert [tried(doubt, delta=3), tried(doubt, delta=5)] == [False, True]
    assert [
        tried(ConfirmedRejects("two", Believed()), delta=3),
        tried(ConfirmedRejects("three"), delta=3),
    ] == [False, True]


def test_what_two_chains_lack_every_time_is_the_sources_habit():
    believed = Believed()
    for chain in ("one", "two"):
        doubt = ConfirmedRejects(chain, believed)
        assert [tried(doubt, vega=3), tried(doubt, vega=3)] == [False, True]

    assert tried(ConfirmedRejects("three", believed), vega=70)
    assert not tried(ConfirmedRejects("four", believed), vega=70, rho=1)


def test_what_is_lacking_differently_each_time_is_no_habit():
    believed = Believed()
    for chain in ("one", "two", "three"):
        doubt = ConfirmedRejects(chain, believed)
        assert [tried(doubt, vega=3), tried(doubt, vega=4)] == [False, True]

    assert not tried(ConfirmedRejects("four", believed), vega=3)


def test_bad_rows_and_lacking_values_are_doubted_at_once():
    doubt = ConfirmedRejects("one", Believed())

    assert [tried(doubt, NEGATIVE, vega=3), tried(doubt, NEGATIVE, vega=3)] == [False, True]


def test_threads_share_what_is_believed():
    believed = Believed()
    threads = [threading.Thread(target=confirmed, args=(believed, f"chain {number}")) for number in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert believed.covers(["negative-price"])
    assert not believed.covers(["off-grid"])


def test_the_message_shows_no_controls():
    doubt, rejects = ConfirmedRejects("one"), Rejects()
    rejects.add("fields", "\x1b[2J\x00\u202e" + "x" * 3000)

    with pytest.raises(ApiResponseInvalidError) as caught:
        list(doubt.resolved(iter(()), rejects))

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
