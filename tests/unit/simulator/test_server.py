"""The server around the answers: admission, log, refusals, and the command line."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
import requests

from theta_simulator import Settings, __main__, running
from theta_simulator.answers import Answer
from theta_simulator.cache import AnswerCache
from theta_simulator.market import few_rows

DAY = date(2024, 1, 2)
SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
SYMBOLS = "/v3/option/list/symbols"


def get(terminal, path=SYMBOLS, **query):
    return requests.get(terminal.url + path, params=query, timeout=30)


def together(terminal, count, path=SYMBOLS):
    with ThreadPoolExecutor(count) as pool:
        return [answer.status_code for answer in pool.map(lambda _: get(terminal, path), range(count))]


def at_work(terminal):
    """Whether it has a request that it has not answered."""
    return bool(terminal._server.log.open)


def most_at_once(records):
    """Return the largest number of requests served at the same moment."""
    edges = sorted([(r["started"], 1) for r in records] + [(r["finished"], -1) for r in records])
    served, most = 0, 0
    for _, change in edges:
        served += change
        most = max(most, served)
    return most


def test_only_so_many_are_served_at_a_time():
    with running(Settings(size="tiny", today=DAY, outstanding=2, latency_ms=60)) as terminal:
        codes = together(terminal, 6)
        records = terminal.requests()

    assert codes == [200] * 6
    assert most_at_once(records) == 2
    assert max(record["in_flight"] for record in records) > 2


def test_a_full_queue_turns_away():
    with running(Settings(size="tiny", today=DAY, outstanding=1, queue=2, latency_ms=1000)) as terminal:
        codes = together(terminal, 6)

    assert sorted(codes) == [200] * 3 + [429] * 3


def test_a_v2_terminal_lets_everybody_wait():
    settings = Settings(api="v2", size="tiny", today=DAY, outstanding=2, queue=1, latency_ms=30)
    with running(settings) as terminal:
        assert together(terminal, 8, "/v2/list/roots/option") == [200] * 8


def test_status_is_free_of_limits_and_never_counted():
    with running(Settings(size="tiny", today=DAY, outstanding=1, queue=0, latency_ms=3000)) as terminal:
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(get, terminal)
            wait_for(lambda: at_work(terminal))
            status = get(terminal, "/v3/terminal/mdds/status")
            assert not busy.done()
        records = terminal.requests()

    assert (status.status_code, status.content) == (200, b"CONNECTED")
    assert status.headers["content-type"] == "text/plain"
    assert [record["counted"] for record in records] == [True, False]


def test_a_lost_connection_is_474_until_it_is_back(samples):
    with running(Settings(size="tiny", today=DAY, status="UNVERIFIED")) as terminal:
        assert get(terminal, "/v3/terminal/fpss/status").text == "UNVERIFIED"
        lost = get(terminal)
        terminal.set_status("CONNECTED")
        back = get(terminal)

    assert (lost.status_code, lost.text) == (474, (samples / "error_v2_474.txt").read_text().rstrip("\n"))
    assert back.status_code == 200


@pytest.mark.parametrize("fixture", ["v3", "v2"])
def test_a_host_name_is_476(fixture, request):
    terminal = request.getfixturevalue(fixture)
    paths = ("/v2/list/roots/option", SYMBOLS, f"/{fixture}/terminal/mdds/status", "/v2/system/mdds/status")

    codes = {
        requests.get(terminal.url + path, headers={"Host": "localhost:25503"}, timeout=30).status_code
        for path in paths
    }

    assert codes == {476}


def test_only_get_is_served(v3):
    assert requests.post(v3.url + SYMBOLS, timeout=30).status_code == 405


def test_the_log_tells_what_was_asked(tmp_path):
    file = tmp_path / "requests.jsonl"
    path = "/v3/option/history/greeks/first_order"
    with running(Settings(size="tiny", today=DAY, request_log=file)) as terminal:
        sent = get(terminal, path, symbol="SPXW", expiration="20240119", date="20240102", interval="1m")
        get(terminal, path, symbol="SPXW", expiration="20240120", date="20240102")
        records = terminal.requests()

    assert [json.loads(line) for line in file.read_text().splitlines()] == records
    assert [record["n"] for record in records] == [1, 2]
    assert [record["status"] for record in records] == [200, 472]
    assert records[0]["query"]["expiration"] == "20240119"
    assert records[0]["bytes"] == len(sent.content)
    assert records[0]["received"] <= records[0]["started"] <= records[0]["finished"]
    assert {record["outcome"] for record in records} == {"sent"}


def test_a_client_that_vanishes_is_logged_and_frees_its_slot():
    with running(Settings(size="tiny", today=DAY, outstanding=1, latency_ms=60_000)) as terminal:
        host, port = terminal.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(f"GET {SYMBOLS} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            wait_for(lambda: at_work(terminal))
        wait_for(lambda: not at_work(terminal))
        records = terminal.requests()

    assert [(record["outcome"], record["status"], record["bytes"]) for record in records] == [
        ("vanished", None, 0)
    ]
    assert records[0]["finished"] - records[0]["received"] < 30.0


def test_order_of_requests_changes_no_byte():
    path = "/v3/option/history/greeks/first_order"
    queries = [
        {"symbol": "SPXW", "expiration": label, "date": "20240102", "interval": "1m"}
        for label in ("20240102", "20240103", "20240119")
    ]

    bodies = []
    for order in (queries, queries[::-1]):
        few_rows.cache_clear()
        with running(Settings(size="tiny", today=DAY, cache_mb=0)) as terminal:
            bodies.append({query["expiration"]: get(terminal, path, **query).content for query in order})

    assert bodies[0] == bodies[1]


def test_too_much_is_refused_before_it_is_built(v3):
    path = "/v3/option/history/greeks/first_order"

    answer = get(v3, path, symbol="SPXW", expiration="20240119", date="20240102", interval="10ms")

    assert answer.status_code == 570


def test_the_cache_builds_once_and_stays_within_its_limit():
    built = []

    async def build(name):
        built.append(name)
        await asyncio.sleep(0.01)
        return Answer(200, "text/plain", (bytes(400),))

    async def ask():
        cache = AnswerCache(limit=1_000)
        await asyncio.gather(*(cache.get("a", lambda: build("a")) for _ in range(5)))
        for name in ("b", "a", "c", "a", "b"):
            await cache.get(name, lambda name=name: build(name))

    asyncio.run(ask())

    assert built == ["a", "b", "c", "b"]


def simulator(*words, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "theta_simulator", "--size", "tiny", "--today", "2024-01-02", *words],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        text=True,
        stdout=subprocess.PIPE,
        **options,
    )


def test_a_command_sees_the_terminal_and_gives_its_exit_code():
    code = (
        "import os, sys, urllib.request as u;"
        "print(u.urlopen(os.environ['THETADATA_BASE_URL'] + '/v3/terminal/mdds/status').read().decode());"
        "sys.exit(7)"
    )

    run = simulator("--", sys.executable, "-c", code)
    output, _ = run.communicate(timeout=240)

    assert run.returncode == 7
    assert output.splitlines()[0].startswith("Theta Terminal simulator (v3) on http://127.0.0.1:")
    assert output.splitlines()[1] == "CONNECTED"


def test_a_signal_reaches_the_command_and_leaves_nothing_running(tmp_path):
    ready, begun = tmp_path / "ready", tmp_path / "begun"
    command = f"touch '{begun}'; exec sleep 600"
    run = simulator("--ready-file", str(ready), "--", "sh", "-c", command)
    wait_for(begun.exists)
    url = ready.read_text().strip()

    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=240)

    assert run.returncode == 128 + signal.SIGTERM
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_alone_it_serves_until_told_to_stop(tmp_path):
    ready = tmp_path / "ready"
    run = simulator("--api", "v2", "--ready-file", str(ready))
    wait_for(ready.exists)

    status = requests.get(ready.read_text().strip() + "/v2/system/mdds/status", timeout=30)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=240)

    assert status.text == "CONNECTED"
    assert run.returncode == 0


def test_a_command_that_does_not_exist(capsys):
    assert __main__.main(["--size", "tiny", "--today", "2024-01-02", "--", "no-such-command-here"]) == 127
    assert "no-such-command-here" in capsys.readouterr().err


def wait_for(condition, seconds=240.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
