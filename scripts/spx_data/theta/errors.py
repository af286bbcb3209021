"""What an HTTP status of the Theta Terminal means, as errors with a cure (wire-facts, section 8).

The body of an error is one line of plain text, sometimes with a leading colon; it is quoted, shortened.
"""

from __future__ import annotations

from dataclasses import dataclass

from spx_data.errors import (
    ApiConnectionError,
    ApiDataNotFoundError,
    ApiRateLimitError,
    ApiResponseInvalidError,
    LargeRequestError,
    PageExpiredError,
    RequestRefusedError,
    SpxDataError,
    SubscriptionError,
    TerminalDisconnectedError,
    TerminalSessionTakenError,
    ThetaTerminalNotRunningError,
    WrongApiError,
)

OK = 200
GONE = 410
EXCERPT = 200


@dataclass(frozen=True)
class _Meaning:
    kind: type[SpxDataError]
    says: str
    cure: str = ""


_WRONG_API = "Set thetadata.api to auto, or to the version this terminal speaks, and check thetadata.base_url"
_REPORT = "This is a defect of spx-data or a change of the terminal: please report it with this line"

_REDIRECT = _Meaning(
    RequestRefusedError,
    "redirects, which is not followed",
    "Set thetadata.base_url to the terminal itself",
)
_UPSTREAM = _Meaning(ApiConnectionError, "reports an error upstream", "Try later")
_UNKNOWN = _Meaning(ApiResponseInvalidError, "answers with a status unknown here", _REPORT)

_MEANINGS: dict[int, _Meaning] = {
    400: _Meaning(RequestRefusedError, "refuses the arguments", _REPORT),
    403: _Meaning(
        SubscriptionError,
        "says the subscription does not include this",
        "Upgrade it, or ask for less history",
    ),
    404: _Meaning(WrongApiError, "does not know the path", _WRONG_API),
    410: _Meaning(WrongApiError, "was asked in the way of v2, but this terminal speaks v3", _WRONG_API),
    429: _Meaning(
        ApiRateLimitError,
        "has its queue full",
        "Lower thetadata.max_concurrent_requests to what your subscription allows",
    ),
    470: _Meaning(ApiResponseInvalidError, "reports a general error", "Look into the terminal's own log"),
    471: _Meaning(
        SubscriptionError,
        "says the subscription does not include this",
        "Upgrade it, or ask for less history",
    ),
    472: _Meaning(ApiDataNotFoundError, "has no data"),
    473: _Meaning(RequestRefusedError, "refuses the parameters", _REPORT),
    474: _Meaning(
        TerminalDisconnectedError,
        "has lost its server",
        "Wait until the terminal's status is CONNECTED, or restart it",
    ),
    475: _Meaning(RequestRefusedError, "cannot read the request", _REPORT),
    476: _Meaning(RequestRefusedError, "refuses the host name", "Write 127.0.0.1 in thetadata.base_url"),
    477: _Meaning(
        PageExpiredError, "has dropped the page", "Lower thetadata.max_concurrent_requests, or use format csv"
    ),
    478: _Meaning(
        TerminalSessionTakenError,
        "lost its session to another terminal of the same account",
        "Stop the other terminal, restart this one",
    ),
    570: _Meaning(LargeRequestError, "says that one stamp of the chain is too large an answer", _REPORT),
    571: _Meaning(ThetaTerminalNotRunningError, "is still starting", "Wait until its status is CONNECTED"),
    572: _Meaning(
        ApiResponseInvalidError, "reports an error it did not catch", "Restart the terminal if it stays"
    ),
}


def excerpt(body: bytes) -> str:
    """The beginning of *body* as one line of text."""
    return " ".join(body[: 4 * EXCERPT].decode(errors="replace").split())[:EXCERPT].lstrip(":")


def of_status(
    status: int, body: bytes, url: str, *, base_url: str, retry_after: float | None
) -> SpxDataError:
    """The error that *status* stands for.

    A status nobody described is an invalid answer, a redirect or, from 500 on, a fault of the terminal.
    """
    meaning = _MEANINGS.get(status) or _meaning_of_class(status)
    text = excerpt(body)
    fields: dict[str, object] = {"url": url, "status": status, "excerpt": text, "base_url": base_url}
    if meaning.kind is ApiRateLimitError:
        fields["retry_after"] = retry_after
    said = f": {text}" if text else ""
    return meaning.kind(
        f"the terminal {meaning.says} (status {status}{said}) at {url}", cure=meaning.cure, **fields
    )


def _meaning_of_class(status: int) -> _Meaning:
    """What a status that nobody described means by its first digit."""
    if status >= 500:
        return _UPSTREAM
    return _REDIRECT if 300 <= status < 400 else _UNKNOWN


def not_running(base_url: str, details: str) -> ThetaTerminalNotRunningError:
    """Nothing answers at the address."""
    return ThetaTerminalNotRunningError(
        f"no Theta Terminal answers at {base_url} ({details})",
        cure="Start the Theta Terminal, or set thetadata.base_url (THETADATA_BASE_URL) to where it listens",
        base_url=base_url,
        details=details,
    )


def invalid(url: str, finding: str, expected: str, body: bytes = b"") -> ApiResponseInvalidError:
    """An answer with a good status that cannot be what was asked for."""
    text = excerpt(body)
    shown = f"; it begins {text!r}" if text else ""
    return ApiResponseInvalidError(
        f"the answer to {url} {finding}, expected {expected}{shown}",
        cure="If it stays, set thetadata.format to another format and report this line",
        url=url,
        excerpt=text,
        expected=expected,
    )
