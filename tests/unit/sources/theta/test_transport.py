"""One request over real sockets: an answer is complete, or it is an error that says why."""

import contextlib
import datetime as dt
import threading
import time
from email.utils import format_datetime

import pytest

from spx_data.errors import (
    ApiConnectionError,
    ApiDataNotFoundError,
    ApiRateLimitError,
    ApiResponseInvalidError,
    RequestRefusedError,
    SpxDataError,
    ThetaTerminalNotRunningError,
)
from spx_data.sources.theta import transport as theta_transport
from spx_data.sources.theta.limits import REPORT, Patience, Stage
from spx_data.sources.theta.transport import Transport

ROW = "a,b\r\n1,2\r\n"


@pytest.fixture
def exchanges():
    return []


@pytest.fixture(autouse=True)
def nothing_was_slow_before(monkeypatch):
    """What an earlier test's server was given, who had the port that this one's has now, is forgotten."""
    monkeypatch.setattr(theta_transport, "_PATIENCE", Patience())


@pytest.fixture
def transport(wire, tmp_path, exchanges):
    found = Transport(wire.url, scratch=tmp_path / "scratch", connect_seconds=5, observer=exchanges.append)
    yield found
    found.close()


def get(transport, path="/v3/table", parameters=(), silence=5.0):
    with transport.get(path, dict(parameters), silence_seconds=silence, ceiling=REPORT) as answer:
        return answer.url, answer.content_type, answer.next_page, answer.body.read()


def test_a_whole_answer_is_handed_over(transport, wire):
    wire.says(ROW, "Text/CSV; charset=utf-8", Next_Page="http://127.0.0.1/v2/page/7")

    found = get(transport, parameters={"symbol": "SPX", "date": "2024-01-02"})

    asked = "/v3/table?symbol=SPX&date=2024-01-02"
    assert found == (wire.url + asked, "text/csv", "http://127.0.0.1/v2/page/7", ROW.encode())
    assert wire.asked == [asked]


def test_a_chunked_answer_is_put_together(transport, wire):
    wire.sends(
        b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\na,b\r\n\r\n5\r\n1,2\r\n\r\n0\r\n\r\n"
    )

    *_, content_type, page, body = get(transport)

    assert (content_type, page, body) == ("", None, ROW.encode())


def test_every_exchange_is_told_to_the_observer(transport, wire, exchanges):
    wire.says(ROW)
    wire.says("No data", "text/plain", 472)

    get(transport)
    with pytest.raises(ApiDataNotFoundError):
        get(transport)

    assert [(e.url, e.status, e.bytes) for e in exchanges] == [
        (f"{wire.url}/v3/table", 200, len(ROW)),
        (f"{wire.url}/v3/table", 472, len("No data")),
    ]
    assert all(0 <= exchange.seconds < 5 for exchange in exchanges)


@pytest.mark.parametrize("status", [200, 472])
def test_the_gate_is_held_while_the_terminal_is_at_work_and_no_longer(status, wire, tmp_path):
    events = []

    @contextlib.contextmanager
    def gate(_):
        time.sleep(1.2)  # longer than the silence that is allowed
        assert not wire.asked
        events.append("in")
        try:
            yield
        finally:
            assert wire.asked
            events.append("out")

    transport = Transport(
        wire.url, scratch=tmp_path, connect_seconds=5, observer=lambda _: events.append("told"), gate=gate
    )
    wire.says(ROW, "text/csv", status)

    with (
        contextlib.closing(transport),
        contextlib.suppress(ApiDataNotFoundError),
        transport.get("/v3/table", {}, silence_seconds=1.0, ceiling=REPORT),
    ):
        events.append("read")

    assert events == ["in", "out", "told", "read"][: 4 if status == 200 else 3]


def test_the_gate_is_told_that_a_request_continues_an_answer(wire, tmp_path):
    told = []
    transport = Transport(
        wire.url,
        scratch=tmp_path,
        connect_seconds=5,
        gate=lambda continues: contextlib.nullcontext(told.append(continues)),
    )
    wire.says(ROW)

    get(transport, f"{wire.url}/v2/page/7")
    transport.close()

    assert told == [True]


@pytest.mark.parametrize("content_type", ["text/csv", "text/html", "application/json", None])
def test_the_status_is_judged_before_the_content_type(content_type, transport, wire):
    wire.says("No data found for your request", content_type, 472)

    with pytest.raises(ApiDataNotFoundError, match="No data found for your request"):
        get(transport)


def test_a_body_shorter_than_its_length_is_no_answer(transport, wire):
    wire.sends(b"HTTP/1.1 200 \r\nContent-Length: 100\r\nContent-Type: text/csv\r\n\r\n" + ROW.encode())

    with pytest.raises(ApiConnectionError, match="connection broke") as caught:
        get(transport)

    assert caught.value.fields["base_url"] == wire.url


@pytest.mark.parametrize("end", [b"", b"5\r\n1,", b"zz\r\n"], ids=["no last chunk", "in a chunk", "no size"])
def test_a_chunked_body_without_its_end_is_no_answer(end, transport, wire):
    wire.sends(b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\na,b\r\n\r\n" + end)

    with pytest.raises(ApiConnectionError, match="connection broke"):
        get(transport)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 \r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.1 200 \r\nContent-Length: 100\r\n\r\nhalf",
    ],
    ids=["before the status", "before the body", "in the body"],
)
def test_silence_ends_after_the_time_allowed(said, transport, wire):
    over = threading.Event()
    wire.sends(said, until=over)

    with pytest.raises(ApiConnectionError, match="history_timeout_seconds"):
        get(transport, silence=0.1)

    over.set()


def waited(transport, path, silence=0.1):
    with pytest.raises(ApiConnectionError) as caught:
        get(transport, path, silence=silence)
    return caught.value.fields["waited"], str(caught.value)


def test_after_silence_the_next_try_waits_twice_as_long_and_the_message_says_so(transport, wire, tmp_path):
    wire.sends(b"", until=threading.Event())
    history, listing = "/v3/option/history/greeks/first_order", "/v3/option/list/contracts/quote"

    first, said = waited(transport, history)
    with contextlib.closing(Transport(wire.url, scratch=tmp_path / "other", connect_seconds=5)) as other:
        second, _ = waited(other, history)

    assert (first, second) == (0.1, 0.2)
    assert "silent for 0.1 s (thetadata.history_timeout_seconds)" in said
    assert "the next try waits 0.2 s" in said
    assert "raise thetadata.history_timeout_seconds" in said
    assert waited(transport, listing)[0] == 0.1


@pytest.mark.parametrize("path", ["/v3/terminal/mdds/status", "/v3/calendar/on_date", "/v2/list/expirations"])
def test_short_questions_stay_short(path, transport, wire):
    wire.sends(b"", until=threading.Event())

    first, said = waited(transport, path)

    assert (first, waited(transport, path)[0]) == (0.1, 0.1)
    assert "thetadata.timeout_seconds" in said


def test_patience_ends_where_no_answer_was_ever_seen():
    patience = Patience()

    grown = [
        patience.grown("http://127.0.0.1:1", Stage.HISTORY, seconds) for seconds in (300, 600, 1200, 1500)
    ]

    assert grown == [600, 1200, 1500, None]
    assert patience.of("http://127.0.0.1:1", Stage.HISTORY, 300) == 1500
    assert patience.of("http://127.0.0.1:2", Stage.HISTORY, 300) == 300


def test_a_server_that_hangs_up_at_once_is_a_broken_connection(transport, wire, exchanges):
    wire.sends(b"")

    with pytest.raises(ApiConnectionError):
        get(transport)

    assert [(exchange.status, exchange.bytes) for exchange in exchanges] == [(0, 0)]


def test_nobody_listening_is_a_terminal_that_does_not_run(nobody, tmp_path):
    url = nobody()

    with (
        contextlib.closing(Transport(url, scratch=tmp_path, connect_seconds=5)) as transport,
        pytest.raises(ThetaTerminalNotRunningError, match="Start the Theta Terminal") as caught,
    ):
        get(transport)

    assert caught.value.fields == {"base_url": url, "details": "connection refused"}


def test_a_redirect_is_refused_and_not_followed(transport, wire):
    wire.says("", None, 302, Location=f"{wire.url}/elsewhere")

    with pytest.raises(RequestRefusedError, match=r"redirects, which is not followed \(status 302\)"):
        get(transport)

    assert wire.asked == ["/v3/table"]


def test_retry_after_may_be_a_date(transport, wire):
    wire.says("", None, 429, Retry_After=format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)))

    with pytest.raises(ApiRateLimitError) as caught:
        get(transport)

    assert 25 < caught.value.fields["retry_after"] <= 30


@pytest.mark.parametrize(
    "header, seconds",
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("soon", None),
        ("²", None),
        ("-1", None),
    ],
)
def test_retry_after_is_read_as_seconds(header, seconds, transport, wire):
    raw = f"HTTP/1.1 429 \r\nContent-Length: 0\r\nRetry-After: {header}\r\n\r\n"
    wire.sends(raw.encode("latin-1"))

    with pytest.raises(ApiRateLimitError) as caught:
        get(transport)

    assert caught.value.fields["retry_after"] == seconds


@pytest.mark.parametrize("status", [503, 571])
def test_retry_after_counts_for_every_status_that_waiting_helps(status, transport, wire):
    wire.says("later", "text/plain", status, Retry_After="7")

    with pytest.raises(SpxDataError) as caught:
        get(transport)

    assert caught.value.fields["retry_after"] == 7


def test_a_full_queue_with_nothing_else_in_flight_is_not_of_our_making(transport, wire):
    wire.says("Too many requests", "text/plain", 429)

    with pytest.raises(ApiRateLimitError, match="Nothing else of this program was in flight"):
        get(transport)


def test_a_full_queue_beside_another_request_may_be(transport, wire):
    arrived, over = threading.Event(), threading.Event()
    wire.sends(b"HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\n", until=over)
    wire.says("Too many requests", "text/plain", 429)
    asked = wire.reply
    wire.reply = lambda target: (arrived.set(), asked(target))[1]
    beside = threading.Thread(target=quiet, args=(transport,))
    beside.start()
    arrived.wait(10)

    with pytest.raises(ApiRateLimitError, match="max_concurrent_requests"):
        get(transport)

    over.set()
    beside.join()


def quiet(transport):
    with contextlib.suppress(ApiConnectionError):
        get(transport)


def test_a_full_queue_may_not_say_for_how_long(transport, wire):
    wire.says("Too many requests", "text/plain", 429)

    with pytest.raises(ApiRateLimitError) as caught:
        get(transport)

    assert caught.value.fields["retry_after"] is None


def test_a_proxy_of_the_environment_has_no_part(transport, wire, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    wire.says(ROW)

    assert get(transport)[-1] == ROW.encode()


def test_nothing_stays_in_the_scratch_folder(transport, wire, tmp_path):
    wire.says(ROW)
    wire.sends(b"HTTP/1.1 200 \r\nContent-Length: 100\r\n\r\nhalf")

    get(transport)
    with pytest.raises(ApiConnectionError):
        get(transport)

    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_body_that_does_not_say_where_it_ends_is_no_answer(transport, wire):
    wire.sends(b"HTTP/1.1 200 \r\nConnection: close\r\nContent-Type: text/csv\r\n\r\na,b\r\n1,2\r\n")

    with pytest.raises(ApiResponseInvalidError, match="does not say where it ends"):
        get(transport)
