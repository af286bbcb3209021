"""A terminal that answers from a recording: the bytes, the order, the framing, and nothing invented."""

import gzip
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from tests.recording import NOW, exchange, recorded

from theta_simulator import Settings, running

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
HISTORY = "/v3/option/history/greeks/first_order"
ASKED = f"{HISTORY}?symbol=SPXW&expiration=20241210&date=20241210"
STATUS = "/v3/terminal/mdds/status"
TABLE = b"a,b\r\n1,2\r\n"


@pytest.fixture
def replay(tmp_path):
    """Return a starter of replays of recordings made for the test."""
    with ExitStack() as stack:

        def start(*exchanges, options=(), **fields):
            path = recorded(tmp_path / "recording.zip", exchanges, **fields)
            return stack.enter_context(running(Settings(replay=path, **dict(options))))

        yield start


def get(terminal, target):
    return requests.get(terminal.url + target, timeout=30)


def raw(terminal, target):
    """Return every byte that comes on a connection of its own."""
    host, port = terminal.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: line.recv(65536), b""))


def test_an_answer_is_as_it_was_recorded(replay):
    headers = [["server", "Jetty(12.0.14)"], ["content-type", "text/csv;charset=x"], ["X-Odd-Case", "1 2"]]
    terminal = replay(exchange(ASKED, TABLE, headers=headers, bytes=12345))

    head, _, body = raw(terminal, ASKED).partition(b"\r\n\r\n")

    assert body == TABLE
    assert head.split(b"\r\n")[1:4] == [
        b"server: Jetty(12.0.14)",
        b"content-type: text/csv;charset=x",
        b"X-Odd-Case: 1 2",
    ]
    answer = get(terminal, ASKED)
    assert answer.headers["x-recorded-first-byte-seconds"] == "0.25"
    assert answer.headers["x-recorded-seconds"] == "1.5"
    assert answer.headers["x-recorded-bytes"] == "12345"
    assert answer.headers["content-length"] == str(len(TABLE))


def test_nothing_is_said_that_was_not_recorded(replay):
    terminal = replay(exchange(ASKED, TABLE, headers=[]))

    head, _, _ = raw(terminal, ASKED).partition(b"\r\n\r\n")

    names = {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
    assert names - {b"connection"} == {
        b"content-length",
        b"x-recorded-first-byte-seconds",
        b"x-recorded-seconds",
        b"x-recorded-bytes",
    }


def test_how_a_body_ends_is_told_as_it_was_and_never_twice(replay):
    told = [["content-type", "text/csv"], ["Content-Length", "7"], ["Transfer-Encoding", "chunked"]]
    large = b"1,2\r\n" * 20_000
    small = exchange("/v3/small", TABLE, framing="chunked", headers=told)
    terminal = replay(
        small,
        exchange("/v3/large", large, framing="length", headers=told),
        exchange("/v3/endless", TABLE, framing="none", headers=told),
        exchange("/v3/nothing", b"", framing="chunked"),
    )

    chunked, length, endless = (raw(terminal, f"/v3/{which}") for which in ("small", "large", "endless"))

    assert chunked.endswith(b"\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(TABLE), TABLE))
    assert b"content-length" not in chunked.lower()
    assert b"content-length: %d\r\n" % len(large) in length.lower()
    assert length.endswith(b"\r\n\r\n" + large)
    assert b"transfer-encoding" not in length.lower()
    assert endless.endswith(b"\r\n\r\n" + TABLE)
    assert b"content-length" not in endless.lower()
    assert b"transfer-encoding" not in endless.lower()
    assert get(terminal, "/v3/nothing").content == b""


def test_a_body_in_gzip_stays_as_it_is(replay):
    packed = gzip.compress(TABLE, mtime=0)
    headers = [["content-type", "text/csv"], ["content-encoding", "gzip"]]
    terminal = replay(exchange("/v3/said", packed, headers=headers), exchange("/v3/unsaid", packed))

    assert raw(terminal, "/v3/said").endswith(b"\r\n\r\n" + packed)
    assert get(terminal, "/v3/said").content == TABLE
    assert get(terminal, "/v3/unsaid").content == packed


@pytest.mark.parametrize(
    "target",
    [
        f"{HISTORY}?date=20241210&expiration=20241210&symbol=SPXW",
        f"{HISTORY}?date=20241210&expiration=2024%31210&symbol=SPXW&symbol=SPXW",
        "/v3/option/history%2Fgreeks/first_order?date=20241210&expiration=20241210&symbol=SPXW",
    ],
)
def test_a_request_is_known_by_its_path_and_the_set_of_its_parameters(replay, target):
    assert get(replay(exchange(ASKED, TABLE)), target).content == TABLE


@pytest.mark.parametrize(
    "target",
    [
        HISTORY,
        ASKED + "&interval=1m",
        ASKED + "&interval=",
        ASKED.replace("SPXW", "SPX"),
        ASKED.replace("first_order", "all"),
        "/",
        "//[",
        STATUS,
    ],
)
def test_what_was_not_recorded_is_never_no_data(replay, target):
    answer = raw(replay(exchange(ASKED, TABLE)), target)

    assert answer.startswith(b"HTTP/1.1 470 ")
    assert answer.endswith(b"\r\n\r\nThis recording has no answer to that request")


def test_the_same_request_is_answered_in_order_and_the_last_answer_stays(replay):
    busy = exchange(ASKED, b"Too many requests", status=429, headers=[["retry-after", "2"]])
    terminal = replay(
        exchange(STATUS, b"UNVERIFIED"), busy, exchange(STATUS, b"CONNECTED"), exchange(ASKED, TABLE)
    )

    asked = [get(terminal, ASKED) for _ in range(3)]

    assert [answer.status_code for answer in asked] == [429, 200, 200]
    assert asked[0].headers["retry-after"] == "2"
    assert [get(terminal, STATUS).text for _ in range(3)] == ["UNVERIFIED", "CONNECTED", "CONNECTED"]


def test_where_no_answer_came_none_comes(replay):
    terminal = replay(exchange(ASKED, None), exchange(ASKED, TABLE), exchange(STATUS, None))

    assert raw(terminal, ASKED) == b""
    assert raw(terminal, STATUS) == b""
    assert get(terminal, ASKED).content == TABLE


def test_pages_lead_to_this_terminal(replay):
    first = b'{"header": {"format": ["a"], "next_page": "/v2/page/3"}, "response": [[1]]}'
    last = b'{"header": {"format": ["a"], "next_page": "null"}, "response": [["/v2/page/3"]]}'
    terminal = replay(
        exchange("/v2/x", first, headers=[["Next-Page", "/v2/page/3"]]),
        exchange("/v2/page/3", last, headers=[["next-page", "null"]]),
        api="v2",
    )

    begin = get(terminal, "/v2/x")
    following = begin.headers["next-page"]
    end = requests.get(following, timeout=30)

    assert following == terminal.url + "/v2/page/3"
    assert begin.json() == {"header": {"format": ["a"], "next_page": following}, "response": [[1]]}
    assert begin.headers["content-length"] == str(len(begin.content))
    assert (end.content, end.headers["next-page"]) == (last, "null")


def test_the_other_api_is_not_there_unless_it_was_recorded(replay):
    v2 = replay(exchange("/v2/system/mdds/status", b"CONNECTED"), api="v2")
    v3 = replay(exchange(STATUS, b"CONNECTED"), exchange("/v2/odd", b"here", status=404))

    assert get(v2, STATUS).status_code == 404
    assert get(v3, "/v2/system/mdds/status").status_code == 410
    assert (get(v3, "/v2/odd").status_code, get(v3, "/v2/odd").text) == (404, "here")
    assert (v2.settings.api, v3.settings.api) == ("v2", "v3")


def test_limits_of_a_terminal_still_apply(replay):
    terminal = replay(exchange(ASKED, TABLE), options={"outstanding": 1, "queue": 0, "latency_ms": 400})

    with ThreadPoolExecutor(3) as pool:
        codes = [answer.status_code for answer in pool.map(lambda _: get(terminal, ASKED), range(3))]

    assert sorted(codes) == [200, 429, 429]


def test_its_connection_can_be_lost_as_any_terminals(replay):
    terminal = replay(exchange(STATUS, b"CONNECTED"), exchange(ASKED, TABLE))

    terminal.set_status("DISCONNECTED")

    assert get(terminal, STATUS).text == "DISCONNECTED"
    assert get(terminal, ASKED).status_code == 474


@pytest.mark.parametrize("status", [200, 204, 304, 302, 472, 599])
@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
def test_every_status_comes_to_an_end(replay, status, framing):
    terminal = replay(exchange(ASKED, b"words", status=status, framing=framing))

    answer = requests.get(terminal.url + ASKED, timeout=30, allow_redirects=False)

    assert answer.status_code == status
    assert answer.text == ("" if status in (204, 304) else "words")


@pytest.mark.parametrize("options", [{"seed": 2}, {"api": "v2"}, {"planted": ("me",)}, {"size": "tiny"}])
def test_what_a_replay_cannot_be_is_refused(tmp_path, options):
    path = recorded(tmp_path / "recording.zip", [exchange(ASKED, TABLE)])

    with pytest.raises(ValueError, match=f"takes no {next(iter(options))}"):
        Settings(replay=path, **options)


def test_a_replay_stays_as_it_was_recorded(replay):
    with pytest.raises(ValueError, match="stays as it was recorded"):
        replay(exchange(ASKED, TABLE)).change(habits=())


# From the command line ----------------------------------------------------------------------------------


def simulator(*words):
    return subprocess.run(
        [sys.executable, "-m", "theta_simulator", *words],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        text=True,
        capture_output=True,
        timeout=240,
        check=False,
    )


def test_a_command_gets_the_address_and_the_moment(tmp_path):
    path = recorded(tmp_path / "recording.zip", [exchange(STATUS, b"AS IT WAS")])
    code = (
        "import os, urllib.request as u;"
        f"print(u.urlopen(os.environ['THETADATA_BASE_URL'] + '{STATUS}').read().decode());"
        "print(os.environ['SPX_DATA_NOW'])"
    )

    run = simulator("--replay", str(path), "--", sys.executable, "-c", code)

    first, *rest = run.stdout.splitlines()
    assert first.startswith("Theta Terminal simulator (v3) on http://127.0.0.1:")
    assert first.endswith(f"(replay of {path}, SPX_DATA_NOW={NOW})")
    assert rest == ["AS IT WAS", NOW]
    assert run.returncode == 0


def test_a_bad_archive_is_one_line_and_code_two(tmp_path):
    path = tmp_path / "recording.zip"
    path.write_text("no zip")

    run = simulator("--replay", str(path), "--", "false")

    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr == (
        f"theta_simulator: {path} is no recording that can be replayed: "
        "expected a whole zip file, found File is not a zip file\n"
    )


def test_options_of_a_market_do_not_go_with_a_replay(tmp_path):
    path = recorded(tmp_path / "recording.zip", [exchange(STATUS, b"CONNECTED")])

    run = simulator("--replay", str(path), "--today", "2024-01-02", "--habit", "bom")

    assert run.returncode == 2
    assert "it takes no today, habits" in run.stderr
