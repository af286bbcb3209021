"""One short question to a terminal: its answer, or the error that tells what is wrong there."""

import http.client
import socket
import threading
import time

import pytest

from spx_data.errors import ApiConnectionError, ThetaTerminalNotRunningError, WrongApiError
from spx_data.sources.theta import health


def test_the_answer_is_the_body_without_its_end(wire):
    wire.says("CONNECTED\r\n", "text/plain")

    assert health.text(f"{wire.url}/", "/v3/terminal/mdds/status", 5) == "CONNECTED"
    assert wire.asked == ["/v3/terminal/mdds/status"]


def test_a_status_is_the_error_it_stands_for(wire):
    wire.says("No such path", "text/plain", 404)

    with pytest.raises(WrongApiError, match=r"status 404: No such path\) at .*/v2/system"):
        health.text(wire.url, "/v2/system", 5)


@pytest.mark.parametrize("raw", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 \r\nContent-Length: 9\r\n\r\nCONN"])
def test_an_answer_that_breaks_off_is_a_broken_connection(raw, wire):
    wire.sends(raw)

    with pytest.raises(ApiConnectionError, match=f"the connection broke during {wire.url}/x"):
        health.text(wire.url, "/x", 5)


def test_silence_is_a_broken_connection_after_the_seconds_given(wire):
    given_up = threading.Event()
    wire.sends(b"", until=given_up)
    begun = time.monotonic()

    with pytest.raises(ApiConnectionError, match="timed out"):
        health.text(wire.url, "/x", 0.2)

    given_up.set()
    assert time.monotonic() - begun < 30


def test_nobody_listening_is_no_terminal(nobody):
    url = nobody()

    with pytest.raises(ThetaTerminalNotRunningError, match=r" \(connection refused\)") as caught:
        health.text(url, "/x", 5)

    assert url.removeprefix("http://") in str(caught.value)


@pytest.mark.parametrize(
    "error, details",
    [
        (TimeoutError("timed out"), "no connection within 5 s"),
        (socket.gaierror(8, "Name or service not known"), "Name or service not known"),
    ],
)
def test_no_connection_says_why(error, details, monkeypatch):
    def refuse(_):
        raise error

    monkeypatch.setattr(http.client.HTTPConnection, "connect", refuse)

    with pytest.raises(ThetaTerminalNotRunningError) as caught:
        health.text("http://terminal.example:25503", "/x", 5)

    assert caught.value.fields["details"] == details


def test_a_port_that_is_none_is_told():
    with pytest.raises(ApiConnectionError, match="Port out of range"):
        health.text("http://127.0.0.1:99999", "/x", 5)


def test_a_terminal_without_tls_at_a_https_address_is_no_terminal(wire):
    wire.says("CONNECTED", "text/plain")

    with pytest.raises(ThetaTerminalNotRunningError):
        health.text(wire.url.replace("http", "https"), "/x", 5)
