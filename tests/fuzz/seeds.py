"""What is mutated: answers of the simulator in all its spellings, and files that the product itself wrote."""

import contextlib
import datetime as dt
import functools
import re

import requests

import theta_simulator
from tests.fuzz import loopback
from theta_simulator.habits import Habit

_TODAY = dt.date(2024, 12, 31)
# How terminals spell otherwise (`theta_simulator.habits`).
_SPELLINGS = (
    "header-upper", "header-spaced", "trailing-comma", "no-final-newline", "leading-blank-line",
    "compact-dates",
    "six-digits", "stamp-offset", "stamp-zulu", "right-title", "bom", "json-legacy", "json-rows",
    "lambda-nan",
    "lambda-blank", "greeks-blank", "underlying-time-blank",
)  # fmt: skip
_V3_ASKED = "symbol=SPXW&expiration=2024-12-10&date=2024-12-10&interval=1h"
_V3_ASKED += "&start_time=09:30:00&end_time=12:30:00&format="
_V3 = f"/v3/option/history/greeks/first_order?{_V3_ASKED}"
_V2 = "exp=20241210&start_date=20241210&end_date=20241210&ivl=3600000&start_time=34200000&end_time=45000000"
_V2_CHAIN = f"/v2/bulk_hist/option/greeks?root=SPXW&{_V2}&use_csv="
_V2_ALONE = f"/v2/hist/option/greeks?root=SPXW&{_V2}&strike=5910000&right=C&use_csv="
_DAY = "start_date=2024-12-10&end_date=2024-12-10"
_V2_DAY = "start_date=20241210&end_date=20241210&use_csv=true"
_STATUS = {"v3": "/v3/terminal/mdds/status", "v2": "/v2/system/mdds/status"}
_V2_LISTING = "/v2/list/contracts/option/quote?root=SPXW&start_date=20241210&use_csv=true"
_PLAIN = {
    "v3-listing": "/v3/option/list/contracts/quote?symbol=SPXW&date=2024-12-10",
    "v3-eod": f"/v3/option/history/eod?symbol=SPXW&expiration=*&{_DAY}",
    "v3-report": f"/v3/option/history/eod?symbol=SPXW&expiration=*&{_DAY}",
    "v3-interest": f"/v3/option/history/open_interest?symbol=SPXW&expiration=*&{_DAY}",
    "v3-expirations": "/v3/option/list/expirations?symbol=SPXW",
    "v3-calendar": "/v3/calendar/on_date?date=2024-12-10",
    "v2-listing": _V2_LISTING,
    "v2-eod": f"/v2/bulk_hist/option/eod?root=SPXW&exp=0&{_V2_DAY}",
    "v2-report": f"/v2/bulk_hist/option/eod?root=SPXW&exp=0&{_V2_DAY}",
    "v2-interest": f"/v2/bulk_hist/option/open_interest?root=SPXW&exp=0&{_V2_DAY}",
    "v2-expirations": "/v2/list/expirations?root=SPXW",
}
_HISTORIES = {
    "v3": {
        **{f"v3-{form}": _V3 + form for form in ("csv", "json", "ndjson")},
        **{f"v3-quotes-{form}": f"/v3/option/history/quote?{_V3_ASKED}{form}" for form in ("csv", "json")},
        **{
            f"v3-greeks-all-{form}": f"/v3/option/history/greeks/all?{_V3_ASKED}{form}"
            for form in ("csv", "json")
        },
    },
    "v2": {
        "v2-csv": f"{_V2_CHAIN}true",
        "v2-json": f"{_V2_CHAIN}false",
        "v2-quotes-csv": f"/v2/bulk_hist/option/quote?root=SPXW&{_V2}&use_csv=true",
        "v2-greeks-all-csv": f"/v2/bulk_hist/option/all_greeks?root=SPXW&{_V2}&use_csv=true",
        "v2-contract-csv": f"{_V2_ALONE}true",
        "v2-contract-json": f"{_V2_ALONE}false",
    },
}


@functools.cache
def of_the_wire():
    """Seeds of every parser of the wire, by its name."""
    found = {}
    for api, histories in _HISTORIES.items():
        settings = theta_simulator.Settings(api=api, size="tiny", today=_TODAY, page_size=12)
        with theta_simulator.running(settings) as terminal:
            ask = functools.partial(_asked, terminal.url)
            for name, path in _PLAIN.items():
                if name.startswith(api):
                    found[name] = [_shortened(ask(path)) if "csv" in ask(path)[0] else ask(path)[2]]
            for spelling in (None, *_SPELLINGS):
                terminal.change(habits=() if spelling is None else (Habit(spelling),))
                for name, path in histories.items():
                    _add(found, name, ask(path))
            terminal.change(habits=())
            _add_whole(found, api, ask, histories)
    return found


def _asked(url, path):
    answer = requests.get(url + path, timeout=30)
    content = answer.content.replace(url.encode(), b"{base}")
    return answer.headers.get("Content-Type", ""), answer.headers.get("Next-Page"), content


def _add(found, name, told):
    body = _single(told[2])
    if body not in found.setdefault(name, []):
        found[name].append(body)


def _single(body):
    """A body that leads to no page: of pages there are inputs of their own."""
    return re.sub(rb'"next_page": ?"[^"]*"', b'"next_page": null', body)


def _shortened(told):
    """A list with a few dozen lines: what is mutated is met sooner."""
    return b"".join(told[2].splitlines(keepends=True)[:25])


def _add_whole(found, api, ask, histories):
    """Inputs that are whole answers: errors, status words, pages."""
    found[f"{api}-status-http"] = [
        loopback.answer(b"CONNECTED", "text/plain"),
        loopback.answer(b"DISCONNECTED", "text/plain"),
        loopback.answer(b"No data\n", "text/plain").replace(b"200 OK", b"472 "),
    ]
    found[f"{api}-history-http"] = [
        _as_answers(ask, path) for name, path in histories.items() if "contract" not in name
    ]
    found[f"{api}-listing-http"] = [_as_answers(ask, _PLAIN[f"{api}-listing"], shorter=True)]


def _as_answers(ask, path, *, shorter=False):
    """The answer to *path* with all its pages, as the server sends them."""
    pages = []
    while path is not None:
        kind, page, body = told = ask(path)
        following = re.search(rb'"next_page": ?"\{base\}([^"]*)"', body)
        headers = (
            ["Next-Page: " + page.replace(page.split("/v2/")[0], "{base}")] if page and "/v2/" in page else []
        )
        pages.append(loopback.answer(_shortened(told) if shorter else body, kind, *headers))
        path = "/v2/" + page.split("/v2/")[1] if headers else following and following[1].decode()
    return loopback.PAGE.join(pages)


def for_parser(name):
    """The seeds of one parser."""
    from tests.fuzz import seeds_of_lakes

    with contextlib.suppress(KeyError):
        return seeds_of_lakes.found()[name]
    return of_the_wire()[name]
