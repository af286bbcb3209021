"""Every status of the wire facts, section 8, and the error it becomes."""

import pickle

import pytest

from spx_data import errors as kinds
from spx_data.theta import errors

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
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
        (b"x" * 5000, "x" * 200),
    ],
)
def test_a_body_is_quoted_as_one_short_line(body, excerpt):
    assert of_status(400, body).fields["excerpt"] == excerpt


def test_only_a_full_queue_says_when_to_come_back():
    assert of_status(429, retry_after=3.0).fields["retry_after"] == 3.0
    assert "retry_after" not in of_status(474, retry_after=3.0).fields


def test_an_error_survives_the_way_to_another_process():
    error = of_status(472, b":No data")

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert (again.cause, again.cure, again.fields) == (error.cause, error.cure, error.fields)
