"""Answers kept on disk: the same bytes as built ones, for the same question alone, and never half of one."""

from dataclasses import fields, replace
from datetime import date

import pytest
import requests

from theta_simulator import Settings, running, store
from theta_simulator.answers import Answer, Paged
from theta_simulator.faults import Faults
from theta_simulator.store import _CONDUCT, AnswerStore

TODAY = date(2024, 12, 31)
V3 = Settings(size="tiny", today=TODAY)
V2 = Settings(api="v2", size="tiny", today=TODAY, page_size=1000)
_VARYING = ("date", "next-page")
HISTORY = {
    "v3": (
        "/v3/option/history/greeks/first_order",
        {"symbol": "SPXW", "expiration": "2024-01-03", "date": "2024-01-02", "interval": "1m"},
    ),
    "v2": (
        "/v2/bulk_hist/option/greeks",
        {
            "root": "SPXW",
            "exp": "20240103",
            "start_date": "20240102",
            "end_date": "20240102",
            "ivl": "60000",
            "use_csv": "true",
        },
    ),
}


def never(path, query):
    raise AssertionError(f"{path} {query} was built again")


def answers(settings):
    """The status, the headers and the body of every page of a chain."""
    path, query = HISTORY[settings.api]
    with running(settings) as terminal:
        told, url = [], terminal.url + path
        while url != "null":
            answer = requests.get(url, params=query, timeout=30)
            url, query = answer.headers.get("next-page", "null"), None
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in _VARYING}
            told.append((answer.status_code, headers, answer.content))
        return told


@pytest.mark.parametrize("settings", [V3, V2], ids=lambda settings: settings.api)
def test_a_terminal_started_again_answers_from_the_disk_as_it_answered_before(
    settings, tmp_path, monkeypatch
):
    plain = answers(settings)
    kept = replace(settings, cache=tmp_path)

    first = answers(kept)
    monkeypatch.setattr("theta_simulator.wire_v3.V3.answer", never)
    monkeypatch.setattr("theta_simulator.wire_v2.V2.answer", never)
    again = answers(kept)

    assert first == plain
    assert again == plain
    assert {status for status, _, _ in plain} == {200}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, "text/csv", (b"one\r\n", b"two\r\n" * 1000), (("a-header", "its value"),)),
        Answer(472, "text/plain", (b"No data found for your request",)),
        Paged("application/json", ("bid", "ask"), (b"1", b"22", b"333"), "chain.csv"),
        Paged("text/csv", None, (b"",), "chain.csv"),
    ],
    ids=["body of two parts", "refusal", "pages", "empty page"],
)
def test_every_kind_of_answer_comes_back_as_it_was(answer, tmp_path):
    AnswerStore(tmp_path, V3).get("/path", {}, lambda *_: answer)

    assert AnswerStore(tmp_path, V3).get("/path", {}, never) == answer


@pytest.mark.parametrize("keep", [0, 3, 40, -1], ids=["empty", "in the head", "in the body", "a byte short"])
def test_a_torn_file_is_built_again(keep, tmp_path):
    answer = Answer(200, "text/csv", (b"strike,right\r\n" * 100,))
    kept = AnswerStore(tmp_path, V3)
    kept.get("/path", {}, lambda *_: answer)
    file = kept.file("/path", {})
    file.write_bytes(file.read_bytes()[:keep])

    assert kept.get("/path", {}, lambda *_: answer) == answer
    assert kept.get("/path", {}, never) == answer


def test_a_changed_byte_is_noticed(tmp_path):
    answer = Answer(200, "text/csv", (b"strike,right\r\n" * 100,))
    kept = AnswerStore(tmp_path, V3)
    kept.get("/path", {}, lambda *_: answer)
    file = kept.file("/path", {})
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)

    assert kept.get("/path", {}, lambda *_: replace(answer, status=201)).status == 201


def test_a_build_that_fails_leaves_nothing(tmp_path):
    kept = AnswerStore(tmp_path, V3)

    with pytest.raises(AssertionError):
        kept.get("/path", {}, never)

    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_only_what_determines_an_answer_tells_it_from_others(tmp_path):
    path, query = HISTORY["v3"]

    def file(settings=V3, **other):
        return AnswerStore(tmp_path, settings).file(path, query | other)

    alike = replace(V3, port=1, outstanding=1, queue=1, latency_ms=1, page_expire_ms=1, request_log=tmp_path)
    alike = replace(alike, status="ERROR", tier="free", cache_mb=1, cache=tmp_path, faults=Faults(1))
    changed = [
        replace(V3, api="v2"),
        replace(V3, size="small"),
        replace(V3, seed=2),
        replace(V3, style="docs"),
        replace(V3, star="twice"),
        replace(V3, page_size=7),
        replace(V3, today=date(2024, 12, 30)),
        replace(V3, blemishes=("crossed",)),
        replace(V3, habits=("no-eod",)),
    ]

    assert file(alike) == file()
    assert len({file(), file(interval="5m"), *map(file, changed)}) == 2 + len(changed)
    assert len(changed) == len(fields(Settings)) - len(_CONDUCT)


def test_another_simulator_finds_nothing_of_this_one(tmp_path, monkeypatch):
    before = AnswerStore(tmp_path, V3).file("/path", {})

    monkeypatch.setattr(store, "_code", lambda: "another")

    assert AnswerStore(tmp_path, V3).file("/path", {}) != before
