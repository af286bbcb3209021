"""Faults as a client meets them: each on the wire, all of them drawn from a seed."""

import csv
import io
import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from theta_simulator import Faults, Outage, Settings, __main__, running
from theta_simulator.faults import ALL, TRANSIENT, Kind, Lots, Target, fits

APIS = ("v3", "v2")
FORMATS = {
    "v3 csv": ("v3", {"format": "csv"}),
    "v3 json": ("v3", {"format": "json"}),
    "v3 ndjson": ("v3", {"format": "ndjson"}),
    "v2 csv": ("v2", {"use_csv": "true"}),
    "v2 json": ("v2", {"use_csv": "false"}),
}
HISTORY = {
    "v3": (
        "/v3/option/history/greeks/first_order",
        {"symbol": "SPXW", "expiration": "20240119", "date": "20240102", "interval": "1h"},
    ),
    "v2": (
        "/v2/bulk_hist/option/greeks",
        {
            "root": "SPXW",
            "exp": "20240119",
            "start_date": "20240102",
            "end_date": "20240102",
            "ivl": "3600000",
            "use_csv": "true",
        },
    ),
}
CONTRACTS = {
    "v3": ("/v3/option/list/contracts/quote", {"symbol": "SPXW", "date": "20240102"}),
    "v2": (
        "/v2/list/contracts/option/quote",
        {"root": "SPXW", "start_date": "20240102", "use_csv": "true"},
    ),
}
OTHERS = {"v3": "/v3/option/list/symbols", "v2": "/v2/list/roots/option"}
STATUS = {"v3": "/v3/terminal/mdds/status", "v2": "/v2/system/mdds/status"}


def hostile(api, *kinds, seed=1, page_size=500_000, **options):
    """Return a terminal whose every request is hit, once if nothing else is said."""
    faults = Faults(**{"seed": seed, "rate": 1.0, "kinds": kinds, "most_per_request": 1} | options)
    return running(
        Settings(api=api, size="tiny", today=date(2024, 12, 31), page_size=page_size, faults=faults)
    )


def get(terminal, asked, timeout=10.0, **more):
    path, query = asked
    return requests.get(terminal.url + path, {**query, **more}, timeout=timeout, allow_redirects=False)


def raw(terminal, asked):
    """Return headers and body as they arrive until the connection closes."""
    address, (path, query) = urlsplit(terminal.url), asked
    with socket.create_connection((address.hostname, address.port), timeout=10.0) as client:
        client.sendall(f"GET {path}?{urlencode(query)} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        everything = b"".join(iter(lambda: client.recv(65536), b""))
    headers, _, body = everything.partition(b"\r\n\r\n")
    return headers.lower(), body


def records(response):
    """Return the rows of an answer in any format, every value as text."""
    kind = response.headers["content-type"]
    if kind == "text/csv":
        return list(csv.DictReader(io.StringIO(response.text)))
    if kind == "application/x-ndjson":
        found = [json.loads(line, parse_float=str) for line in response.text.splitlines()]
        return [{name: str(value) for name, value in row.items()} for row in found]
    document = json.loads(response.text, parse_float=str)
    names = document.get("header", {}).get("format")
    found = []
    for item in document["response"]:
        contract, rows = {}, [item]
        if "contract" in item:
            contract, rows = item["contract"], item.get("data") or item["ticks"]
        for row in rows:
            found.append(contract | (row if isinstance(row, dict) else dict(zip(names, row, strict=True))))
    return [{name: str(value) for name, value in row.items()} for row in found]


def faults_of(terminal):
    return [record["fault"] for record in terminal.requests()]


@pytest.mark.parametrize(
    ("kind", "v3_status", "v2_status"),
    [
        ("rate-limit", 429, 429),
        ("retry-after", 429, 429),
        ("general", 470, 470),
        ("disconnected", 474, 474),
        ("server-error", 500, None),
        ("starting", 571, 571),
        ("uncaught", 572, 572),
        ("refused-tier", 403, 471),
        ("redirect", 302, 302),
    ],
)
def test_a_status_instead_of_data(kind, v3_status, v2_status):
    for api, status in (("v3", v3_status), ("v2", v2_status)):
        with hostile(api, kind) as terminal:
            answers = [get(terminal, asked[api]) for asked in (HISTORY, CONTRACTS, HISTORY)]

            assert [answer.status_code for answer in answers] == [status or 200, status or 200, 200]
            assert faults_of(terminal) == [kind if status else None] * 2 + [None]


@pytest.mark.parametrize("api", APIS)
def test_headers_that_come_with_a_status(api):
    with hostile(api, "rate-limit") as terminal:
        assert "retry-after" not in get(terminal, HISTORY[api]).headers
    with hostile(api, "retry-after", retry_after=3) as terminal:
        assert get(terminal, HISTORY[api]).headers["retry-after"] == "3"
    with hostile(api, "redirect") as terminal:
        assert urlsplit(get(terminal, HISTORY[api]).headers["location"]).netloc == "127.0.0.2:9"


@pytest.mark.parametrize("api", APIS)
def test_a_reset_sends_nothing(api):
    with hostile(api, "reset") as terminal:
        with pytest.raises(requests.ConnectionError, match="reset by peer"):
            get(terminal, HISTORY[api])
        [record] = terminal.requests()

    assert (record["fault"], record["outcome"], record["status"]) == ("reset", "cut", None)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("kind", "framing"),
    [
        ("truncated-length", b"\r\ncontent-length: "),
        ("truncated-chunks", b"\r\ntransfer-encoding: chunked"),
        ("no-end", b"\r\nconnection: close"),
    ],
)
def test_an_answer_cut_where_a_line_ends(api, kind, framing):
    framings = (b"content-length", b"transfer-encoding")
    with hostile(api, kind) as terminal:
        headers, body = raw(terminal, HISTORY[api])
        whole = get(terminal, HISTORY[api]).content
        record = terminal.requests()[0]

    assert framing in headers
    assert sum(name in headers for name in framings) == (kind != "no-end")
    if kind == "truncated-length":
        assert f"content-length: {len(whole)}".encode() in headers
    if kind == "truncated-chunks":
        size, _, body = body.partition(b"\r\n")
        body = body[: int(size, 16)]
    assert whole.startswith(body)
    assert body.endswith(b"\r\n")
    assert 0 < len(body) < len(whole)
    assert (record["fault"], record["outcome"], record["bytes"]) == (kind, "cut", len(body))


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", ["truncated-length", "truncated-chunks"])
def test_a_client_that_counts_notices_a_cut(api, kind):
    with hostile(api, kind) as terminal, pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(terminal, HISTORY[api])


@pytest.mark.parametrize("api", APIS)
def test_a_stall_lasts_until_the_client_gives_up(api, request):
    # The calendar must be there already, or it is what the client waits for.
    get(request.getfixturevalue(api), HISTORY[api])
    with hostile(api, "stall") as terminal:
        with pytest.raises(requests.ConnectionError, match="timed out"):
            get(terminal, HISTORY[api], timeout=0.2)
        [record] = terminal.requests()

    assert (record["fault"], record["outcome"], record["status"]) == ("stall", "vanished", 200)
    assert record["bytes"] > 0


def test_a_stall_ends_by_itself():
    with hostile("v3", "stall", stall_seconds=0.1) as terminal:
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            get(terminal, HISTORY["v3"])
        assert terminal.requests()[0]["outcome"] == "cut"


def test_a_stalled_request_does_not_keep_the_server():
    with hostile("v3", "stall") as terminal:
        path, query = HISTORY["v3"]
        stalled = requests.get(terminal.url + path, params=query, stream=True, timeout=10)
        stopping = time.monotonic()
    stopped = time.monotonic()

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        _ = stalled.content
    assert stopped - stopping < 0.9


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("kind", "least"), [("slow-start", 0.04), ("drip", 0.01)])
def test_a_slow_answer_is_the_answer(api, kind, least):
    with hostile(api, kind) as terminal:
        get(terminal, CONTRACTS[api])
        slow, prompt = get(terminal, HISTORY[api]), get(terminal, HISTORY[api])

        assert slow.content == prompt.content
        assert [record["outcome"] for record in terminal.requests()] == ["sent"] * 3
        record = terminal.requests()[1]
        assert record["finished"] - record["started"] > least


@pytest.mark.parametrize("api", APIS)
def test_something_else_with_status_200(api):
    sentence = b"No data for the specified request"
    expected = {
        "html": ("text/html", lambda body: b"<html>" in body),
        "sentence": ("text/plain", sentence.__eq__),
        "sentence-as-csv": ("text/csv", sentence.__eq__),
        "empty": ("text/csv", b"".__eq__),
        "garbage": ("text/csv", lambda body: any(byte > 127 for byte in body)),
    }
    for kind, (content_type, suits) in expected.items():
        with hostile(api, kind) as terminal:
            for asked in (HISTORY, CONTRACTS):
                answer = get(terminal, asked[api])

                assert (answer.status_code, answer.headers["content-type"]) == (200, content_type), kind
                assert suits(answer.content), kind
                assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize("asked", [HISTORY, CONTRACTS], ids=["history", "contracts"])
def test_half_written_is_no_table(wire, asked):
    api, spelling = FORMATS[wire]
    cuts = set()
    with hostile(api, "half-written", most_per_request=40) as terminal:
        halves = [get(terminal, asked[api], **spelling).content for _ in range(40)]
        whole = get(terminal, asked[api], **spelling).content

    for half in halves:
        cuts.add(len(half))
        assert whole.startswith(half)
        if "csv" in wire:
            assert half.rpartition(b"\n")[2] not in (b"", *whole.splitlines())
        else:
            with pytest.raises(json.JSONDecodeError):
                [json.loads(part) for part in (half.splitlines() if "ndjson" in wire else [half])]
    assert len(cuts) > 20


def edited(wire, asked, kind, times=12):
    """Return several answers spoilt by *kind*, and the good one, as rows."""
    api, spelling = FORMATS[wire]
    with hostile(api, kind, most_per_request=times) as terminal:
        spoilt = [records(get(terminal, asked[api], **spelling)) for _ in range(times)]
        good = records(get(terminal, asked[api], **spelling))
        assert faults_of(terminal) == [kind] * times + [None]
    return spoilt, good


def changed(spoilt, good):
    """Return which columns differ, and in how many rows."""
    pairs = [
        (row, true) for row, true in zip(spoilt, good, strict=True) if comparable(row) != comparable(true)
    ]
    columns = {
        name for row, true in pairs for name in true if comparable(row)[name] != comparable(true)[name]
    }
    return columns, len(pairs)


def comparable(row):
    """Return the row with numbers as numbers: a spoilt answer may spell them otherwise."""

    def value(text):
        try:
            return float(text)
        except (TypeError, ValueError):
            return text

    return {name: value(text) for name, text in row.items()}


@pytest.mark.parametrize("wire", FORMATS)
def test_rows_of_another_contract(wire):
    root = "root" if wire.startswith("v2") else "symbol"

    spoilt, good = edited(wire, HISTORY, "wrong-contract")
    found = [changed(rows, good) for rows in spoilt]
    assert {frozenset(columns) for columns, _ in found} == {frozenset([root]), frozenset(["expiration"])}
    assert {count == len(good) for _, count in found} == {True, False}

    spoilt, good = edited(wire, CONTRACTS, "wrong-contract")
    assert {frozenset(changed(rows, good)[0]) for rows in spoilt} == {frozenset([root])}
    assert {row[root] for row in spoilt[0]} <= {"SPX", "SPXW"}


@pytest.mark.parametrize("wire", FORMATS)
def test_rows_of_another_date(wire):
    spoilt, good = edited(wire, HISTORY, "wrong-date")

    column = "date" if wire.startswith("v2") else "timestamp"
    found = [changed(rows, good) for rows in spoilt]
    assert {frozenset(columns) for columns, _ in found} == {frozenset([column])}
    assert {count == len(good) for _, count in found} == {True, False}
    dates = {row[column][:10].replace("-", "") for rows in spoilt for row in rows}
    assert dates == {"20240101", "20240102", "20240103"}


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize("asked", [HISTORY, CONTRACTS], ids=["history", "contracts"])
def test_a_field_that_is_no_number(wire, asked):
    spoilt, good = edited(wire, asked, "not-a-number")

    for rows in spoilt:
        [column], count = changed(rows, good)
        assert count == 1
        assert len({"NaN", "", "nan", "None"} & {row[column] for row in rows}) == 1


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize("asked", [HISTORY, CONTRACTS], ids=["history", "contracts"])
def test_a_column_less(wire, asked):
    spoilt, good = edited(wire, asked, "missing-column")

    missing = {tuple(good[0].keys() - rows[0].keys()) for rows in spoilt}
    assert {len(names) for names in missing} == {1}
    assert len(missing) > 1
    assert all(len(row) == len(good[0]) - 1 for rows in spoilt for row in rows)


@pytest.mark.parametrize("wire", [wire for wire in FORMATS if "ndjson" not in wire])
@pytest.mark.parametrize("asked", [HISTORY, CONTRACTS], ids=["history", "contracts"])
def test_a_header_without_rows(wire, asked):
    api, spelling = FORMATS[wire]
    with hostile(api, "header-only") as terminal:
        bare, good = (get(terminal, asked[api], **spelling) for _ in range(2))

    assert records(bare) == []
    if "csv" in wire:
        assert bare.content == good.content.splitlines(keepends=True)[0]


@pytest.mark.parametrize("wire", FORMATS)
def test_hostile_names_are_one_contract_more(wire):
    spoilt, good = edited(wire, CONTRACTS, "hostile-names")

    for rows in spoilt:
        [name] = {value for row in rows for value in row.values()} & {"../../../evil", "SPX/.."}
        assert len(rows) == len(good) + 1
        assert sum(name in row.values() for row in rows) == 1


def pages(terminal, query=(), most=20):
    """Return the pages of a history, following what they name as the next one, on this host only."""
    answers = [get(terminal, HISTORY["v2"], **dict(query))]
    while (following := answers[-1].headers.get("next-page", "null")).startswith(terminal.url):
        assert len(answers) < most
        answers.append(requests.get(following, timeout=10))
    return answers, following


def test_a_page_that_leads_back():
    with hostile("v2", "page-loop", page_size=20) as terminal:
        answers, _ = pages(terminal)
        named = [answer.headers["next-page"].removeprefix(terminal.url) for answer in answers]
        log = terminal.requests()

    places = [record["identity"].partition("#page=")[2] or "1" for record in log]
    assert [record["fault"] for record in log].count("page-loop") == len(set(places))
    for at, record in enumerate(log[:-1]):
        if record["fault"]:
            assert places[at + 1] in ("1", places[at])
    assert named[-1] == "null"
    assert places[-1] == str(len(set(places)))


def test_a_page_sent_twice():
    with hostile("v2", "page-twice", page_size=20) as terminal:
        spoilt = [answer.content for answer in pages(terminal)[0]]
        kinds = faults_of(terminal)
    with hostile("v2", page_size=20) as terminal:
        good = [answer.content for answer in pages(terminal)[0]]

    assert len(good) > 2
    assert spoilt == [good[0]] * len(good)
    assert kinds == ["page-twice"] * (len(good) - 1) + [None]


@pytest.mark.parametrize("use_csv", ["true", "false"])
def test_a_page_that_leads_elsewhere(use_csv):
    with hostile("v2", "page-elsewhere", page_size=20) as terminal:
        [answer], following = pages(terminal, {"use_csv": use_csv})

    assert following == "http://user:secret@127.0.0.2:9/v2/page/3"
    if use_csv == "false":
        assert answer.json()["header"]["next_page"] == following


def test_only_pages_expire_and_they_are_gone():
    with hostile("v2", "page-expired", page_size=20) as terminal:
        first = get(terminal, HISTORY["v2"])
        gone = [requests.get(first.headers["next-page"], timeout=10) for _ in range(2)]
        again, _ = pages(terminal)
        kinds = faults_of(terminal)

    assert [answer.status_code for answer in (first, *gone)] == [200, 477, 477]
    assert kinds[:5] == [None, "page-expired", None, None, None]
    assert [answer.status_code for answer in again] == [200, 200, 477]


@pytest.mark.parametrize(
    ("kind", "status"), [("starting", 571), ("page-no-data", 472), ("page-too-large", 570)]
)
def test_a_refused_page_keeps_waiting(kind, status):
    with hostile("v2", kind, page_size=20) as terminal:
        get(terminal, HISTORY["v2"])
        following = get(terminal, HISTORY["v2"]).headers["next-page"]

        assert [requests.get(following, timeout=10).status_code for _ in range(2)] == [status, 200]


def test_a_page_is_known_by_its_place_not_its_number():
    with hostile("v2", page_size=20, rate=0.0) as terminal:
        for _ in range(2):
            pages(terminal)
        log = terminal.requests()

    once = log[: len(log) // 2]
    path, query = HISTORY["v2"]
    request = f"{path}?{urlencode(sorted(query.items()))}"
    assert [r["identity"] for r in log] == [r["identity"] for r in once] * 2
    assert [r["page_of"] for r in once] == [None] + [request] * (len(once) - 1)
    assert once[2]["identity"] == f"{request}#page=3"


@pytest.mark.parametrize("api", APIS)
def test_a_long_window_is_refused_until_it_is_halved(api):
    hour = {"v3": ("10:00:00", "13:00:00", "12:00:00"), "v2": (36_000_000, 46_800_000, 43_200_000)}[api]
    with hostile(api, rate=0.0, large=3) as terminal:
        whole = [get(terminal, HISTORY[api], start_time=hour[0], end_time=hour[1]) for _ in range(3)]
        half = get(terminal, HISTORY[api], start_time=hour[0], end_time=hour[2])
        listing = get(terminal, CONTRACTS[api])
        regular_hours = get(terminal, HISTORY[api])
        kinds = faults_of(terminal)

    assert [answer.status_code for answer in whole] == [570] * 3
    assert (half.status_code, listing.status_code, regular_hours.status_code) == (200, 200, 570)
    assert kinds == ["large"] * 3 + [None, None, "large"]


def test_a_window_that_makes_no_sense_is_refused_as_ever():
    with hostile("v3", rate=0.0, large=3) as terminal:
        assert get(terminal, HISTORY["v3"], interval="7m").status_code == 400
        assert faults_of(terminal) == [None]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("kind", "code", "word"),
    [("outage-disconnected", 474, "DISCONNECTED"), ("outage-starting", 571, "UNVERIFIED")],
)
def test_an_outage_is_over_after_so_many_requests(api, kind, code, word):
    status = (STATUS[api], {})
    with hostile(api, rate=0.0, outages=(Outage(2, 5, kind),)) as terminal:
        before = [get(terminal, status).text for _ in range(3)]
        codes = [get(terminal, asked[api]).status_code for asked in (HISTORY, HISTORY, CONTRACTS)]
        during = [get(terminal, status).text for _ in range(3)]
        after = get(terminal, HISTORY[api]).status_code
        kinds = faults_of(terminal)

    assert before == ["CONNECTED", "CONNECTED", "CONNECTED"]
    assert codes == [200, code, code]
    assert during == [word, word, "CONNECTED"]
    assert after == 200
    assert kinds == [None] * 4 + [kind] * 4 + [None] * 2


def test_a_page_in_an_outage_is_known_by_its_place_too():
    with hostile("v2", rate=0.0, page_size=20, outages=(Outage(2, 2),)) as terminal:
        following = get(terminal, HISTORY["v2"]).headers["next-page"]
        assert [requests.get(following, timeout=10).status_code for _ in range(2)] == [474, 200]
        _, lost, served = terminal.requests()

    assert (lost["identity"], lost["page_of"]) == (served["identity"], served["page_of"])
    assert lost["identity"].endswith("#page=2")


def test_a_slow_start_can_be_polled_to_its_end():
    with hostile("v3", rate=0.0, outages=(Outage(1, 3, "outage-starting"),)) as terminal:
        words = [get(terminal, (STATUS["v3"], {})).text for _ in range(4)]

    assert words == ["UNVERIFIED"] * 3 + ["CONNECTED"]


@pytest.mark.parametrize("api", APIS)
def test_an_outage_may_close_every_connection(api):
    with hostile(api, rate=0.0, outages=(Outage(1, 2, "outage-closed"),)) as terminal:
        for asked in (HISTORY[api], (STATUS[api], {})):
            assert raw(terminal, asked) == (b"", b"")
        assert get(terminal, HISTORY[api]).status_code == 200
        assert faults_of(terminal) == ["outage-closed", "outage-closed", None]


def requested(api, expirations=("20240102", "20240103", "20240119")):
    """Return several requests, a listing among them."""
    name = "exp" if api == "v2" else "expiration"
    path, query = HISTORY[api]
    return [CONTRACTS[api], *((path, {**query, name: label}) for label in expirations)]


def exhausted(terminal, asked, times):
    """Ask everything so often; whatever happens to the client is not the point here."""
    for one in asked * times:
        try:
            answer = get(terminal, one, timeout=10)
            following = answer.headers.get("next-page", "null")
            if following.startswith(terminal.url + "/v2/page/"):
                requests.get(following, timeout=10)
        except requests.RequestException:
            continue


def drawn(terminal):
    """Return the faults of each identity, in the order in which it was asked."""
    found = {}
    for record in terminal.requests():
        found.setdefault(record["identity"], []).append(record["fault"])
    return found


@pytest.mark.parametrize("api", APIS)
def test_a_seed_says_what_happens_whatever_the_order(api):
    # Pages lead wherever they like; whether a page is asked must not depend on the order.
    kinds = tuple(kind for kind in TRANSIENT if not kind.startswith("page-"))
    histories = []
    for seed, order in ((5, 1), (5, -1), (6, 1)):
        with hostile(api, *kinds, seed=seed, page_size=20, rate=0.6, stall_seconds=0.05) as terminal:
            exhausted(terminal, requested(api)[::order], times=4)
            histories.append(drawn(terminal))

    assert histories[0] == histories[1]
    assert histories[0] != histories[2]


def test_requests_at_the_same_time_change_no_fault():
    histories = []
    for workers in (1, 6):
        with hostile("v3", "html", "general", rate=0.5, most_per_request=3) as terminal:
            asked = [one for one in requested("v3") for _ in range(8)]
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(lambda one, terminal=terminal: get(terminal, one), asked))
            histories.append({name: sorted(map(str, kinds)) for name, kinds in drawn(terminal).items()})

    assert histories[0] == histories[1]


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_request_is_hit_so_often_and_no_more(most):
    with hostile("v3", "rate-limit", "html", most_per_request=most) as terminal:
        exhausted(terminal, requested("v3"), times=5)
        found = drawn(terminal)

    assert len(found) == 4
    assert all(
        [fault is not None for fault in kinds] == [True] * most + [False] * (5 - most)
        for kinds in found.values()
    )


def test_the_rate_is_the_share_of_requests_hit():
    target = Target(api="v3", subject="history", has_data=True, framed=True, later_page=False, has_next=False)
    lots = Lots(Faults(seed=3, rate=0.3))
    hit = sum(lots.draw(f"request {n}", target) is not None for n in range(2000))

    assert 500 < hit < 700


LATER = {Kind.PAGE_EXPIRED, Kind.PAGE_NO_DATA, Kind.PAGE_TOO_LARGE}
PAGES = {Kind.PAGE_LOOP, Kind.PAGE_TWICE, Kind.PAGE_ELSEWHERE} | LATER


@pytest.mark.parametrize(
    ("target", "never"),
    [
        (Target("v3", "history", True, True, False, False), PAGES | {Kind.HOSTILE_NAMES}),
        (Target("v3", "contracts", True, False, False, False), PAGES | {Kind.WRONG_DATE, Kind.HEADER_ONLY}),
        (
            Target("v2", "history", True, True, False, True),
            LATER | {Kind.HOSTILE_NAMES, Kind.SERVER_ERROR},
        ),
        (
            Target("v2", "history", True, True, True, False),
            {Kind.PAGE_TWICE, Kind.HOSTILE_NAMES, Kind.SERVER_ERROR},
        ),
    ],
    ids=["v3 history", "v3 contracts as ndjson", "v2 first page of many", "v2 last page of many"],
)
def test_every_kind_is_kindswhere_it_fits_and_nowhere_else(target, never):
    lots = Lots(Faults(seed=1, rate=1.0, kinds=ALL))

    kinds = {lots.draw(f"request {n}", target).kind for n in range(1500)}

    assert kinds == set(ALL) - never


def test_a_refusal_has_nothing_to_cut_or_edit():
    target = Target(
        api="v2", subject="history", has_data=False, framed=True, later_page=False, has_next=False
    )

    fitting = {kind for kind in ALL if fits(kind, target)}

    assert {Kind.GENERAL, Kind.RESET, Kind.SLOW_START, Kind.HTML, Kind.SENTENCE} <= fitting
    assert not fitting & {Kind.STALL, Kind.EMPTY, Kind.WRONG_DATE, Kind.PAGE_LOOP, Kind.SERVER_ERROR}


def test_no_tier_is_refused_unless_chosen():
    assert set(ALL) - set(TRANSIENT) == {Kind.REFUSED_TIER}
    assert Faults(seed=1).kinds == TRANSIENT


@pytest.mark.parametrize("api", APIS)
def test_other_lists_and_the_status_are_left_alone(api):
    with hostile(api, *ALL) as terminal:
        codes = [get(terminal, (path, {})).status_code for path in (OTHERS[api], STATUS[api])]
        assert (codes, faults_of(terminal)) == ([200, 200], [None, None])


@pytest.mark.parametrize("api", APIS)
def test_without_faults_nothing_changes(api, request):
    well_behaved = request.getfixturevalue(api)
    with hostile(api, *ALL, rate=0.0, page_size=1000) as terminal:
        for asked in requested(api) * 3:
            answers = [get(one, asked) for one in (well_behaved, terminal)]
            contents = [(answer.status_code, answer.content) for answer in answers]
            headers = [{k: v for k, v in a.headers.items() if k.lower() != "date"} for a in answers]

            assert contents[0] == contents[1]
            assert headers[0] == headers[1]
        assert set(faults_of(terminal)) == {None}


def test_the_log_file_names_the_fault(tmp_path):
    file = tmp_path / "requests.jsonl"
    faults = Faults(seed=1, rate=1.0, kinds=("reset",), most_per_request=1)
    settings = Settings(size="tiny", today=date(2024, 12, 31), request_log=file, faults=faults)
    with running(settings) as terminal:
        with pytest.raises(requests.ConnectionError):
            get(terminal, HISTORY["v3"])
        get(terminal, HISTORY["v3"])
        terminal.requests()

    log = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["fault"] for record in log] == ["reset", None]
    assert log[0]["identity"] == log[1]["identity"]


@pytest.mark.parametrize(
    "wrong", [{"kinds": ("bogus",)}, {"kinds": ("large",)}, {"rate": 1.5}, {"rate": -0.1}], ids=str
)
def test_faults_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match="fault"):
        Faults(seed=1, **wrong)


def test_an_outage_of_no_known_kind():
    with pytest.raises(ValueError, match="no outage"):
        Outage(1, 2, "reset")


def test_the_command_line_chooses_faults(tmp_path):
    path, query = CONTRACTS["v3"]
    body = tmp_path / "body"
    code = (
        "import os, pathlib, urllib.request as u;"
        f"answer = u.urlopen(os.environ['THETADATA_BASE_URL'] + '{path}?{urlencode(query)}');"
        f"pathlib.Path({str(body)!r}).write_bytes(answer.read())"
    )
    words = ["--size", "tiny", "--today", "2024-12-31"]
    faults = ["--faults", "7", "--fault-rate", "1", "--fault-kinds", "html,html"]

    assert __main__.main([*words, *faults, "--", sys.executable, "-c", code]) == 0
    assert body.read_bytes().startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize(
    "words",
    [
        ["--faults", "1", "--fault-kinds", "bogus"],
        ["--faults", "1", "--fault-rate", "2"],
        ["--fault-rate", "1"],
    ],
    ids=" ".join,
)
def test_the_command_line_refuses_nonsense(words, capsys):
    with pytest.raises(SystemExit):
        __main__.main(words)
    assert "fault" in capsys.readouterr().err.splitlines()[-1]
