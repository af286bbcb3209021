"""What a request is answered with, before anybody sends it.

Deciding an answer and sending it are two steps with this value between them;
whatever a test wants to go wrong on the wire happens to an `Answer`.
"""

from dataclasses import dataclass
from typing import Literal

from theta_simulator.faults import Fault

CSV = "text/csv"
JSON = "application/json"
NDJSON = "application/x-ndjson"
TEXT = "text/plain"
HTML = "text/html"
V3_TYPES = {"csv": CSV, "json": JSON, "ndjson": NDJSON}

V2_NO_DATA = ":No data for the specified timeframe & contract."
V2_NO_CONTRACTS = ":No listed contracts for the date: {date:%Y%m%d}"
V3_NO_DATA = "No data found for your request"
DISCONNECTED = "Connection lost to Theta Data MDDS."
TOO_MUCH = "Too much data requested; split the request"
V3_ONLY = (
    "We have upgraded to API v3. Please use API v3 instead. Update your endpoint URLs to /v3/* format. "
    "Consult API v3 documentation for more information: https://docs.thetadata.us/"
)
V3_NAMES_ONLY = (
    "We have upgraded to API v3. Please use API v3 query parameters instead. \n"
    "Deprecated query parameters:\n"
    "{names}"
    "Consult API v3 documentation for more information: https://docs.thetadata.us/"
)

# Status lines carry these after the number on a v2 terminal; a v3 terminal sends the number alone.
REASONS = {
    200: "OK",
    302: "Found",
    404: "NO_IMPL",
    405: "Method Not Allowed",
    429: "OS_LIMIT",
    470: "GENERAL",
    471: "PERMISSION",
    472: "NO_DATA",
    473: "INVALID_PARAMS",
    474: "DISCONNECTED",
    476: "WRONG_IP",
    477: "NO_PAGE_FOUND",
    570: "LARGE_REQUEST",
    571: "SERVER_STARTING",
    572: "UNCAUGHT_ERROR",
}


# How the end of a body is told: before it, piece by piece, or by the end of the connection alone.
Framing = Literal["length", "chunked", "none"]


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of one response, and what is wrong with it, if anything is."""

    status: int
    content_type: str  # empty where the headers say it, or nobody does
    body: tuple[bytes, ...]
    headers: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None
    framing: Framing | None = None  # None: as its size demands

    @property
    def size(self) -> int:
        """The body's length in bytes."""
        return sum(map(len, self.body))


@dataclass(frozen=True)
class Paged:
    """A v2 answer of one or more pages; the terminal hands them out one by one."""

    content_type: str
    fields: tuple[str, ...] | None
    pages: tuple[bytes, ...]
    filename: str

    @property
    def size(self) -> int:
        """The length of all pages in bytes."""
        return sum(map(len, self.pages))


class Refusal(Exception):
    """A request that gets a sentence instead of data."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text

    def answer(self) -> Answer:
        """Return the plain-text answer."""
        return text(self.text, self.status)


def text(sentence: str, status: int = 200) -> Answer:
    """Return a plain-text answer without a line end."""
    return Answer(status, TEXT, (sentence.encode(),))
