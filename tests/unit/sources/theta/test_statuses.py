"""Every status of docs/wire.md, 8, and the error it becomes."""

import gzip
import pickle

import pytest

from spx_data import errors as kinds
from spx_data.sources.theta import errors
from spx_data.sources.theta.limits import Stage, stage_of

MEANINGS = {
    400: kinds.RequestRefusedError,
    403: kinds.SubscriptionError,
    404: kinds.WrongApiError,
    410: kinds.WrongApiError,
    429: kinds.ApiRateLimitError,
    470: kinds.ApiResponseInvalidError,
    471: kinds.SubscriptionError,
    472: kinds.ApiDataNotFoundError,
    473: kinds.RequestRefusedError,
    474: kinds.TerminalDisconnectedError,
    475: kinds.RequestRefusedError,
    476: kinds.RequestRefusedError,
    477: kinds.PageExpiredError,
    478: kinds.TerminalSessionTakenError,
    500: kinds.ApiConnectionError,
    570: kinds.LargeRequestError,
    571: kinds.ThetaTerminalNotRunningError,
    572: kinds.ApiResponseInvalidError,
    # Not in the table: a gateway's fault is a fault of the terminal, anything else is unknown.
    502: kinds.ApiConnectionError,
    503: kinds.ApiConnectionError,
    599: kinds.ApiConnectionError,
    204: kinds.ApiResponseInvalidError,
    301: kinds.RequestRefusedError,
    401: kinds.ApiResponseInvalidError,
    418: kinds.ApiResponseInvalidError,
}
URL = "http://127.0.0.1:25503/v3/x"


def of_status(status, body=b"", retry_after=None):
    return errors.of_status(status, body, URL, base_url="http://127.0.0.1:25503", retry_after=retry_after)


@pytest.mark.parametrize("status, kind", MEANINGS.items())
def test_a_status_has_one_meaning(status, kind):
    error = of_status(status, b"a sentence")

    assert type(error) is kind
    assert error.fields["status"] == status
    assert f"(status {status}: a sentence) at {URL}" in str(error)


@pytest.mark.parametrize("status", sorted(set(MEANINGS) - {472, 204, 301, 401, 418}))
def test_an_error_names_its_cure(status):
    assert of_status(status).cure


def test_an_empty_body_leaves_no_colon():
    assert "(status 472) at" in str(of_status(472))


@pytest.mark.parametrize(
    "body, excerpt",
    [
        (
            b":No data for the specified timeframe & contract.",
            "No data for the specified timeframe & contract.",
        ),
        (b"two\r\n\tlines ", "two lines"),
        (b"\xff\xfe\x01\x02", "4 bytes of binary"),
        (b"\x00\x9f" * 20_000, "40 kB of binary"),
        (gzip.compress(b"No data", mtime=0), "No data"),
        (b"\x1f\x8b" + b"\x00\x9f" * 27_000, "54 kB of binary, gzip"),
        (b"\x1b]0;title\x07and\x00 \x08bell", r"\x1b]0;title\x07and\x00 \x08bell"),
        (b"\x1b[31mred\x1b[0m \xc2\x9b2J", r"\x1b[31mred\x1b[0m \x9b2J"),
        ("right \u202eto\u202c left\u2066\u2028".encode(), r"right \u202eto\u202c left\u2066\u2028"),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), "caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
        (b"x" * 5000, "x" * 200),
    ],
)
def test_a_body_is_quoted_as_one_short_line(body, excerpt):
    assert of_status(400, body).fields["excerpt"] == excerpt


@pytest.mark.parametrize("status", [429, 503, 571, 474])
def test_whoever_says_when_to_come_back_is_heard(status):
    assert of_status(status, retry_after=3.0).fields["retry_after"] == 3.0
    assert of_status(status).fields.get("retry_after") is None


HISTORY = "http://127.0.0.1:25503/v3/option/history/greeks/first_order?symbol=SPXW&strike=%2A"
LISTING = "http://127.0.0.1:25503/v3/option/list/contracts/quote?symbol=SPXW"
STAGES = {
    "http://127.0.0.1:25503/v3/terminal/mdds/status": Stage.STATUS,
    "http://127.0.0.1:25510/v2/system/mdds/status": Stage.STATUS,
    "http://127.0.0.1:25503/v3/calendar/on_date?date=2024-01-02": Stage.CALENDAR,
    "http://127.0.0.1:25503/v3/option/list/expirations?symbol=SPX": Stage.EXPIRATIONS,
    "http://127.0.0.1:25510/v2/list/expirations?root=SPX": Stage.EXPIRATIONS,
    LISTING: Stage.LISTING,
    "http://127.0.0.1:25510/v2/list/contracts/option/quote?root=SPX": Stage.LISTING,
    "http://127.0.0.1:25503/v3/option/history/eod?symbol=SPX&expiration=*": Stage.REPORT,
    "http://127.0.0.1:25510/v2/bulk_hist/option/open_interest?root=SPX&exp=0": Stage.REPORT,
    HISTORY: Stage.HISTORY,
    "http://127.0.0.1:25510/v2/bulk_hist/option/greeks?root=SPX&exp=20240102": Stage.HISTORY,
    HISTORY.replace("%2A", "4700.000"): Stage.CONTRACT,
    "http://127.0.0.1:25510/v2/hist/option/greeks?root=SPX&strike=4700000": Stage.CONTRACT,
}


@pytest.mark.parametrize("url, stage", STAGES.items())
def test_a_url_says_what_is_asked(url, stage):
    assert stage_of(url) is stage


def cure(status, url, **more):
    return errors.of_status(status, b"", url, base_url="", retry_after=None, **more).cure


@pytest.mark.parametrize("status", [403, 471, 477, 570])
def test_a_cure_is_one_for_what_was_asked(status):
    words = ("format", "less history", "halve")

    assert any(word in cure(status, HISTORY) for word in words) or status == 570
    assert not any(word in cure(status, LISTING) for word in words)


def test_only_of_a_history_is_half_asked():
    ask = {"body": b"", "base_url": "", "retry_after": None}

    assert type(errors.of_status(570, url=HISTORY, **ask)) is kinds.LargeRequestError
    assert type(errors.of_status(570, url=LISTING, **ask)) is kinds.ApiResponseInvalidError


def test_the_format_is_named_where_it_can_help():
    assert "thetadata.format" in errors.invalid(HISTORY, "is odd", "a table").cure
    assert "thetadata.format" not in errors.invalid(LISTING, "is odd", "a table").cure
    page = "http://127.0.0.1:25510/v2/page/7"
    assert "thetadata.format" not in errors.invalid(page, "is odd", "a table", about=LISTING).cure


def test_a_page_is_of_what_was_asked_at_first():
    page = "http://127.0.0.1:25510/v2/page/7"

    assert "format" in cure(477, page)
    assert "format" not in cure(477, page, about=LISTING)


def test_a_full_queue_with_nothing_in_flight_is_not_cured_by_fewer_requests():
    assert "max_concurrent_requests" in cure(429, HISTORY)
    assert "max_concurrent_requests" not in cure(429, HISTORY, alone=True)


def test_what_a_library_quotes_of_the_wire_does_nothing_to_the_screen():
    error = errors.invalid(HISTORY, "cannot be read: got \x1b[2J\x00\u202e" + "x" * 5000, "a table")

    assert str(error).isprintable()
    assert len(error.cause) < 600


def test_an_error_survives_the_way_to_another_process():
    error = of_status(472, b":No data")

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert (again.cause, again.cure, again.fields) == (error.cause, error.cure, error.fields)
