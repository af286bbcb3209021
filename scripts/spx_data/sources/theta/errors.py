"""What an HTTP status of the Theta Terminal means, as errors with a cure (docs/wire.md, 8).

What a status means, and what helps, hangs on what was asked (`Stage`). The body of an error is one line of
plain text, sometimes with a leading colon; it is quoted, shortened, and only as far as it is text.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from typing import NamedTuple
from urllib.parse import urlsplit

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
from spx_data.sources.theta.limits import RATE, Stage, stage_of
from spx_data.text.printable import EXCERPT as EXCERPT
from spx_data.text.printable import excerpt as excerpt
from spx_data.text.printable import shown as shown

OK = 200
GONE = 410


class _Meaning(NamedTuple):
    kind: type[SpxDataError]
    says: str
    cure: str = ""


_WRONG_API = "Set thetadata.api to auto, or to the version this terminal speaks, and check thetadata.base_url"
_REPORT = "This is a defect of spx-data or a change of the terminal: please report it with this line"

_REDIRECT = _Meaning(
    RequestRefusedError, "redirects, which is not followed", "Set thetadata.base_url to the terminal itself"
)
_NOT_INCLUDED = _Meaning(
    SubscriptionError, "says the subscription does not include this", "Upgrade it, or ask for less history"
)
_LISTS_NOT_INCLUDED = _NOT_INCLUDED._replace(cure="Upgrade it: lists of contracts need Value or more")
_UPSTREAM = _Meaning(ApiConnectionError, "reports an error upstream", "Try later")
_UNKNOWN = _Meaning(ApiResponseInvalidError, "answers with a status unknown here", _REPORT)

_MEANINGS: dict[int, _Meaning] = {
    400: _Meaning(RequestRefusedError, "refuses the arguments", _REPORT),
    403: _NOT_INCLUDED,
    404: _Meaning(WrongApiError, "does not know the path", _WRONG_API),
    410: _Meaning(WrongApiError, "was asked in the way of v2, but this terminal speaks v3", _WRONG_API),
    429: _Meaning(
        ApiRateLimitError,
        "has its queue full",
        "Lower thetadata.max_concurrent_requests to what your subscription allows",
    ),
    470: _Meaning(ApiResponseInvalidError, "reports a general error", "Look into the terminal's own log"),
    471: _NOT_INCLUDED,
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


# The kind of records that a lesser subscription has, by how the path of a history ends.
_LESS = {"/all": "greeks", "/all_greeks": "greeks", "/first_order": "quotes", "/greeks": "quotes"}
_LOG = "Look into the terminal's own log; restart it if it stays"
# What means something else where no history was asked for.
_ELSEWHERE: dict[int, _Meaning] = {
    403: _LISTS_NOT_INCLUDED,
    471: _LISTS_NOT_INCLUDED,
    477: _Meaning(
        PageExpiredError,
        "has dropped the page",
        "Lower thetadata.max_concurrent_requests: pages wait for a few seconds only",
    ),
    570: _Meaning(ApiResponseInvalidError, "says that this is too large an answer", _LOG),
}
_ALONE = (
    "Nothing else of this program was in flight: another one fills the terminal's queue, or it is starting; "
    "wait, then run again"
)


# Errors ---------------------------------------------------------------------------------------------------


def of_status(
    status: int,
    body: bytes,
    url: str,
    *,
    base_url: str,
    retry_after: float | None,
    about: str | None = None,
    alone: bool = False,
) -> SpxDataError:
    """The error that *status* stands for.

    A status nobody described is an invalid answer, a redirect or, from 500 on, a fault of the terminal.
    *about* is the URL that was asked at first, where *url* is a page of its answer; *alone* says that no
    other request of this process was in flight. The field `retry_after` (seconds) is there where the terminal
    said when to come back.
    """
    meaning = _meaning(status, stage_of(about or url))
    if meaning is _NOT_INCLUDED:
        meaning = meaning._replace(cure=_with_less(about or url))
    if alone and meaning.kind is ApiRateLimitError:
        meaning = meaning._replace(cure=_ALONE)
    text = excerpt(body)
    fields: dict[str, object] = {"url": url, "status": status, "excerpt": text, "base_url": base_url}
    if meaning.kind is ApiRateLimitError or retry_after is not None:
        fields["retry_after"] = retry_after
    said = f": {text}" if text else ""
    return meaning.kind(
        f"the terminal {meaning.says} (status {status}{said}) at {url}", cure=meaning.cure, **fields
    )


def _with_less(url: str) -> str:
    """What to do about a history that the subscription does not include (docs/wire.md, 6 and 11.2)."""
    path = urlsplit(url).path
    less = next((records for ending, records in _LESS.items() if path.endswith(ending)), None)
    if less is None:
        return _NOT_INCLUDED.cure
    return f"{_NOT_INCLUDED.cure}; or, for a lake of {less}: `spx-data config set processing.records {less}`"


def _meaning(status: int, stage: Stage) -> _Meaning:
    """What *status* means as an answer to what was asked."""
    other = None if stage.is_history else _ELSEWHERE.get(status)
    return other or _MEANINGS.get(status) or _meaning_of_class(status)


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


def no_data(url: str, body: bytes) -> ApiDataNotFoundError:
    """An answer with a good status that holds nothing, or a sentence which says so."""
    text = excerpt(body)
    said = f"says {text!r}" if text else "is empty"
    return ApiDataNotFoundError(
        f"the terminal has no data: its answer to {url} {said} (status {OK})",
        url=url,
        status=OK,
        excerpt=text,
    )


_NO_DATA = re.compile(rb"\bno[ _](?:listed[ _])?(?:data|contracts|results|records)\b", re.IGNORECASE)
_A_SENTENCE = 1000  # bytes; a table is longer, or has no such words


def says_no_data(body: bytes, url: str) -> bool:
    """Whether a whole *body* with a good status says that there is nothing (docs/wire.md, 8)."""
    if stage_of(url) is Stage.STATUS:
        return False
    text = body.removeprefix(BOM_UTF8).strip()
    return not text or (len(text) < _A_SENTENCE and bool(_NO_DATA.search(text)))


def broken(url: str, *, base_url: str, error: Exception) -> ApiConnectionError:
    """The connection broke before the answer was complete."""
    kind = type(error).__name__
    return ApiConnectionError(
        f"the connection broke during {url} ({kind}: {error})",
        cure="If it stays, restart the terminal",
        cause_type=kind,
        base_url=base_url,
        url=url,
    )


def silent(
    url: str, *, base_url: str, waited: float, next_wait: float | None, kind: str
) -> ApiConnectionError:
    """No byte came for *waited* seconds; *next_wait* is the patience of the next try, where it grows."""
    setting = _setting(stage_of(url))
    longer = f"; the next try waits {next_wait:g} s" if next_wait else ""
    return ApiConnectionError(
        f"the terminal was silent for {waited:g} s ({setting}) during {url} ({kind}){longer}",
        cure=f"If it stays, raise {setting}; what was given up may be at work in the terminal still",
        cause_type=kind,
        base_url=base_url,
        url=url,
        waited=waited,
        setting=setting,
    )


def slow(
    url: str, *, base_url: str, seconds: float, size: int, next_wait: float | None
) -> ApiConnectionError:
    """A head or a body came so slowly that it was given up; *next_wait* as in `silent`."""
    setting = _setting(stage_of(url))
    longer = f"; the next try waits {next_wait:g} s" if next_wait else ""
    return ApiConnectionError(
        f"the terminal sent {size:,} bytes of its answer in {seconds:.0f} s, fewer than {RATE:,} a second, "
        f"during {url}{longer}",
        cure=f"If it stays, raise {setting}, or look at what else the terminal and its machine are doing",
        cause_type="Slow",
        base_url=base_url,
        url=url,
        waited=seconds,
        setting=setting,
    )


def _setting(stage: Stage) -> str:
    """The setting that says how long an answer is waited for."""
    return f"thetadata.{'timeout_seconds' if stage.is_brief else 'history_timeout_seconds'}"


_INVALID_CURES = {
    Stage.STATUS: "Check that the Theta Terminal listens at thetadata.base_url, and no other server",
    Stage.HISTORY: "If it stays, set thetadata.format to another format and report this line",
    Stage.CONTRACT: "If it stays, set thetadata.format to another format and report this line",
}


def invalid(
    url: str,
    finding: str,
    expected: str,
    body: bytes = b"",
    *,
    size: int | None = None,
    about: str | None = None,
) -> ApiResponseInvalidError:
    """An answer with a good status that cannot be what was asked for; *size* is that of its whole body."""
    text = excerpt(body, size)
    says = f"; it begins {text!r}" if text else ""
    stage = stage_of(about or url)
    return ApiResponseInvalidError(
        f"the answer to {url} {_one_line(finding)}, expected {expected}{says}",
        cure=_INVALID_CURES.get(stage, "If it stays, restart the terminal and report this line"),
        url=url,
        excerpt=text,
        expected=expected,
    )


def _one_line(finding: str) -> str:
    """What was found, in which a library may quote bytes of the wire."""
    return finding if finding.isprintable() and len(finding) < 2 * EXCERPT else shown(finding)
