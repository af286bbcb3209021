"""What a probe finds about the wire, the listings, the report and refusals: habit by habit."""

import datetime as dt
import functools
import io
import re
from dataclasses import replace

import pytest

from spx_data.ops.probe import ASSUMPTIONS, findings, wire
from spx_data.ops.probe.heard import CHAINS, Topic
from spx_data.sources.profile import Wire
from theta_simulator.faults import Faults
from theta_simulator.habits import V3_ONLY, Habit, Kind

ORDINARY = dt.date(2024, 12, 17)  # the day that a probe of 2024-12-31 asks most about, and its chain
MINE = ASSUMPTIONS[: [each.code for each in ASSUMPTIONS].index("opening-row")]
CODES = {each.code for each in MINE}
LONG = {"report", "report-chains", "report-rows", "calendar"}  # rows of the long probe
APIS = ("v3", "v2")
NONE = {"v3": "status 472 'No data found for your request'", "v2": "status 472 'No data for the specified"}
UNLISTED = {"v3": NONE["v3"], "v2": "status 472 'No listed contracts for the date: 20241217'"}
TIER = "Requesting this endpoint requires a higher subscription"


@pytest.fixture
def mine(probed):
    """Return a prober that looks at these rows of the table alone."""
    return functools.partial(probed, assumptions=MINE)


def texts(found):
    """Return what was seen, by code, of what differs from what is assumed."""
    return {row.code: row.seen for row in found.profile.others if row.code in CODES}


def agree(seen, expected, api):
    """Say whether what was seen is what was expected, and nothing besides."""
    assert seen.keys() == expected.keys(), seen
    for code, words in expected.items():
        assert (words if isinstance(words, str) else words[api]) in seen[code]


def pinned(kind):
    """Return a habit of one chain: the one that is asked about most."""
    return Habit(kind, 3, root="SPXW", expiration=ORDINARY, day=ORDINARY)


# A terminal as it is assumed ----------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True], ids=["short", "full"])
@pytest.mark.parametrize("api", APIS)
def test_a_plain_terminal_is_as_assumed(api, full, simulated, mine):
    with mine(simulated(api=api), full=full, api=api) as found:
        rows = {row.code: row for row in found.profile.table if row.code in CODES}

    assert texts(found) == {}
    assert rows.keys() == CODES
    without = ({"ndjson", "calendar"} if api == "v2" else set()) | (set() if full else LONG)
    assert {code for code, row in rows.items() if not row.known} == without
    assert found.profile.wire == Wire()
    assert found.profile.server == ("Jetty(12.0.14)" if api == "v3" else None)


@pytest.mark.parametrize(
    ("api", "said"),
    [
        (
            "v3",
            {
                "quoting": """'"SPXW","2024-12-17",6020.000,"PUT",2024-12-1'…""",
                "line-ends": r"lines end in '\r\n'",
                "last-line": r"15:59:59.715,6485.6000\r\n'",
                "stamps": "timestamp '2024-12-17T09:30:00.000'",
                "numbers": "strike '6020.000', bid '0.0000', delta '0.0000'",
                "content-type": "csv: text/csv, json: application/json, ndjson: application/x-ndjson",
                "framing": "with its length (listing), in chunks (ordinary day)",
                "expirations": "SPXW from '2012-06-01' to '2025-12-31'",
            },
        ),
        (
            "v2",
            {
                "quoting": "'SPXW,20241217,6020000,C,34260000,489.0000,49'…",
                "stamps": "ms_of_day '34260000', date '20241217'",
                "rights": "right 'C'",
                "pages": "next-page 'null'",
                "json": "rows under a header's names",
                "expirations": "SPXW from '20120601' to '20251231'",
            },
        ),
    ],
)
def test_what_it_says_of_a_plain_terminal(api, said, simulated, mine):
    with mine(simulated(api=api), api=api) as found:
        rows = {row.code: row.seen for row in found.profile.table}

    for code, words in said.items():
        assert words in rows[code]


# The wire -----------------------------------------------------------------------------------------------

LOOSE = {"reading": "histories are read word by word"}
SPELLINGS = {
    Kind.HEADER_UPPER: {"header": {"v3": "'SYMBOL,EXPIRATION,STRIKE", "v2": "'ROOT,EXPIRATION,STRIKE"}},
    Kind.HEADER_SPACED: {"header": {"v3": "'symbol, expiration, ", "v2": "'root, expiration, "}},
    Kind.TRAILING_COMMA: {"trailing-comma": r",\r\n'"},
    Kind.NO_FINAL_NEWLINE: {"last-line": {"v3": "15:59:59.715,6485.6000'", "v2": "6485.6000,20241217'"}},
    Kind.LEADING_BLANK_LINE: {"beginning": r"it begins '\r\n"},
    Kind.BOM: {"beginning": r"it begins '\xef\xbb\xbf"},
    Kind.RIGHT_TITLE: {"rights": {"v3": "right 'Put'", "v2": "right 'Call'"}},
    Kind.COMPACT_DATES: {"dates": "expiration '20241217'"},
    Kind.SIX_DIGITS: {"stamps": "'2024-12-17T09:30:00.000000'", **LOOSE},
    Kind.STAMP_OFFSET: {"stamps": "'2024-12-17T09:30:00.000-05:00'", **LOOSE},
    Kind.STAMP_ZULU: {"stamps": "'2024-12-17T14:30:00.000Z'", **LOOSE},
    Kind.JSON_LEGACY: {"json": """an array for each column: '{"response": {"symbol": ["SPXW", """},
    Kind.JSON_ROWS: {"json": """rows under a header's names: '{"header": {"format": ["symbol","""},
    Kind.JSON_TYPE_ON_CSV: {"content-type": "csv: application/json"},
    Kind.TEXT_TYPE_ON_CSV: {"content-type": "csv: text/plain"},
    Kind.BUSY_FIRST: {"status": "status 429 'Too many requests', then CONNECTED"},
    Kind.UNAVAILABLE_FIRST: {"status": "status 503 'Service unavailable', then CONNECTED"},
    Kind.STARTING_FIRST: {"status": "status 571 'The server is starting', then CONNECTED"},
}
NDJSON = {  # what v3 alone is asked for
    Kind.NO_FINAL_NEWLINE: {"ndjson": """T16:00:00.000"}'"""},
    Kind.BOM: {"ndjson": r"""'\xef\xbb\xbf{"symbol":"SPXW",""" + '"'},
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", SPELLINGS)
def test_a_spelling_is_recognised(kind, api, simulated, mine):
    if api == "v2" and kind in V3_ONLY:
        pytest.skip("v2 has no such habit")
    with mine(simulated(api=api, habits=(Habit(kind, 3),)), api=api) as found:
        agree(texts(found), SPELLINGS[kind] | (NDJSON.get(kind, {}) if api == "v3" else {}), api)

    reading = "loose" if "reading" in SPELLINGS[kind] else "typed"
    assert found.profile.wire == Wire(reading, unended=kind is Kind.NO_FINAL_NEWLINE)


def test_the_style_of_the_documentation(simulated, mine):
    with mine(simulated(style="docs")) as found:
        expected = {
            "quoting": "'SPXW,2024-12-17,6020.000,PUT,",
            "stamps": "timestamp '2024-12-17T09:30:00'",
            "numbers": "bid '0.00'",
            "ndjson": """:00:00"}'""",
        }
        agree(texts(found), expected, "v3")


def test_pages(simulated, mine):
    with mine(simulated(api="v2", page_size=300), api="v2") as found:
        agree(texts(found), {"pages": "SPXW 2024-12-17 goes on at /v2/page/…"}, "v2")

    assert found.profile.wire == Wire()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb"symbol,right\n%s\n", {"line-ends": r"lines end in '\n'", "header": "lacks expiration"}),
        (rb"SYMBOL,date,ms_of_day\r\n%s\n", {"line-ends": r"'\r\n' and '\n'", "stamps": "date '20241217'"}),
        (rb"symbol,%s\r\n", None),
    ],
)
def test_lines_and_names_that_no_habit_has(text, expected, simulated, mine):
    body = text.replace(rb"\r", b"\r").replace(rb"\n", b"\n") % b"SPXW,20241217,34200000"
    with mine(simulated()) as found:
        story = replace(found.story, heard=[replace(each) for each in found.story.heard])
        for heard in story.heard:
            if heard.topic in {Topic.CONTRACT, *CHAINS}:
                heard.raws = [replace(raw, body=io.BytesIO(body)) for raw in heard.raws]
        seen = {row.code: row.seen for row in findings(story, MINE)}

    for code, words in (expected or dict.fromkeys(("quoting", "header"), "nothing that tells")).items():
        assert words in seen[code]


# What is listed -----------------------------------------------------------------------------------------

ROW = {"v3": '\'"SPXW","2024-12-16",5805.000,"CALL"\'', "v2": "'SPXW,20241216,5805000,C'"}
ONLY = {"v3": '\'"SPXW","2024-12-16",6020.000,"CALL"\'', "v2": "'SPXW,20241216,6020000,C'"}
LISTINGS = {
    Kind.LISTS_EXPIRED: {"listed-rows": ROW},
    Kind.LISTS_ZERO_STRIKE: {"listed-rows": "names a strike that is none, "},
    Kind.LISTS_FOREIGN_ROOT: {"listed-rows": "names a contract of another root, "},
    Kind.LISTS_ONLY_EXPIRED: {"listed-rows": ONLY, "listing": "cannot be had: status 200"},
    Kind.LISTS_570: {"listing": "cannot be had: status 570 'Too much data requested"},
    Kind.LISTS_477: {"listing": "cannot be had: status 477 'No page found'"},
}
ALONE = "by itself has rows"
NO_ROWS = {"listed-chains": "SPXW 2024-12-17 is listed, and has no rows: "}
NO_SESSION_DATA = {"sessions": {api: f"was a session, SPXW 2024-12-17: {NONE[api]}" for api in APIS}}
NOT_LISTED = {"listing": {api: f"nothing is listed of SPXW on 2024-12-17: {UNLISTED[api]}" for api in APIS}}
OF_THE_CHAIN = {
    Kind.ROOT_MISSING_ONCE: {"listing": "came only the second time: at first status 472"},
    Kind.ROOT_MISSING: NOT_LISTED,
    Kind.UNLISTED_OWN_DATE: {"listed-chains": "SPXW 2024-12-17 has rows, and is not listed"},
    Kind.UNLISTED_CHAIN: {"listed-chains": "SPXW 2024-12-17 has rows, and is not listed"},
    Kind.UNLISTED_AND_GONE: {"listed-chains": "not listed of the date, and has no rows", **NO_SESSION_DATA},
    Kind.CHAIN_500: {"chain-answers": "status 500 'Internal server error', and C 6410 by itself has rows"},
    Kind.CHAIN_500_BINARY: {"chain-answers": "status 500 '1 kB of binary', and C 6410 by itself has rows"},
    Kind.CHAIN_470: {"chain-answers": "status 470 'General error', and C 6410 by itself has rows"},
    Kind.CHAIN_HEADER_ALONE: {
        "chain-answers": {"v3": "status 200 'symbol,exp", "v2": "status 200 'root,exp"}
    },
    Kind.CHAIN_NO_DATA_TEXT: {"chain-answers": "status 200 'No data for the specified", **NO_ROWS},
    Kind.CHAIN_NO_DATA_TEXT_CSV: {"chain-answers": "status 200 'No data for the specified", **NO_ROWS},
    Kind.CHAIN_EMPTY_BODY: {"chain-answers": "status 200 '', and C 6410 by itself has rows", **NO_ROWS},
    Kind.CHAIN_GZIP: {"compression": r"SPXW 2024-12-17: '\x1f\x8b\x08\x00', content-encoding identity"},
    Kind.LISTED_472: {"chain-answers": ALONE, **NO_ROWS},
    Kind.LISTED_472_ALWAYS: NO_ROWS,
    Kind.LISTED_EMPTY: NO_ROWS,
    Kind.DATE_472: NO_SESSION_DATA | NOT_LISTED,
    Kind.DATE_CLOSED: NO_SESSION_DATA | NOT_LISTED,
    Kind.DATE_LATE: NO_SESSION_DATA | NOT_LISTED,
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", [*LISTINGS, *OF_THE_CHAIN])
def test_a_habit_of_listings_and_answers_is_recognised(kind, api, simulated, mine):
    habit, expected = (
        (Habit(kind, 3), LISTINGS[kind]) if kind in LISTINGS else (pinned(kind), OF_THE_CHAIN[kind])
    )
    with mine(simulated(api=api, habits=(habit,)), api=api) as found:
        agree(texts(found), expected, api)

    assert found.profile.wire == Wire()


@pytest.mark.parametrize("api", APIS)
def test_a_chain_that_comes_the_second_time(api, simulated, mine):
    habit = replace(pinned(Kind.LISTED_472), times=1)
    with mine(simulated(api=api, habits=(habit,)), api=api) as found:
        agree(texts(found), {"chain-answers": {each: f"came only after {NONE[each]}" for each in APIS}}, api)


@pytest.mark.parametrize("api", APIS)
def test_the_last_session_is_late(api, simulated, mine):
    late = Habit(Kind.DATE_LATE, 3, day=dt.date(2024, 12, 30))
    with mine(simulated(api=api, habits=(late,)), api=api) as found:
        agree(texts(found), {"sessions": "2024-12-30 was a session"}, api)


# The long probe -----------------------------------------------------------------------------------------

REPORTS = {
    Kind.NO_EOD: {"report": {"v3": "status 404 'Not found'", "v2": "status 404 'No implementation"}},
    Kind.EOD_TIER: {
        "report": {"v3": f"status 403 '{TIER}'", "v2": f"status 471 '{TIER}'"},
        "refusals": {"v3": "end-of-day report: status 403", "v2": "end-of-day report: status 471"},
    },
    Kind.EOD_500: {"report": "status 500 'Internal server error'"},
    Kind.EOD_TWICE: {"report-rows": "is not the only one of its contract"},
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", REPORTS)
def test_a_habit_of_the_report_is_recognised(kind, api, simulated, mine):
    with mine(simulated(api=api, habits=(Habit(kind, 3),)), full=True, api=api) as found:
        agree(texts(found), REPORTS[kind], api)


@pytest.mark.parametrize("api", APIS)
def test_the_report_lacks_a_chain_that_has_rows(api, simulated, mine):
    with mine(simulated(api=api, habits=(pinned(Kind.EOD_LACKS_CHAIN),)), full=True, api=api) as found:
        expected = {"report-chains": "SPXW 2024-12-17 has rows, and the report does not name it"}
        agree(texts(found), expected, api)


@pytest.mark.parametrize("api", APIS)
def test_another_root_is_not_listed(api, simulated, mine):
    with mine(
        simulated(api=api, habits=(Habit(Kind.ROOT_MISSING, root="SPX"),)), full=True, api=api
    ) as found:
        agree(texts(found), {"listing": "nothing is listed of SPX on 2024-12-17: status 472"}, api)


def test_the_vendors_calendar_says_closed(simulated, mine):
    with mine(simulated(habits=(Habit(Kind.DATE_CLOSED, day=ORDINARY),)), full=True) as found:
        seen = texts(found)

    assert seen["calendar"] == "2024-12-17: full_close; the exchange's: 09:30 to 16:00"
    assert {"sessions", "listing"} <= seen.keys()


@pytest.mark.parametrize("api", APIS)
def test_what_the_subscription_refuses(api, simulated, mine):
    terminal = simulated(api=api, faults=Faults(1, 1.0, ("refused-tier",), most_per_request=99))
    with mine(terminal, api=api) as found:
        seen = texts(found)["refusals"]

    assert re.search(r"ordinary day, .*earliest date: status (403|471) '", seen)


# A recording --------------------------------------------------------------------------------------------


def cut(body):
    """Return a CSV body with its first and last row, and the rows of the lowest contract of each chain."""
    header, *lines = body.splitlines(keepends=True)
    chains = {}
    for line in lines:
        root, expiration, strike, right = line.decode().split(",")[:4]
        chains.setdefault((root, expiration), []).append((float(strike), right.strip(), line))
    firsts = {chain: min(rows)[:2] for chain, rows in chains.items()}
    lowest = {line for chain, rows in chains.items() for *key, line in rows if tuple(key) == firsts[chain]}
    kept = [line for at, line in enumerate(lines) if line in lowest or at in (0, len(lines) - 1)]
    return b"".join([header, *kept])


@pytest.mark.parametrize("kinds", [(), (Kind.LISTS_EXPIRED, Kind.EOD_TWICE, Kind.NO_FINAL_NEWLINE)])
@pytest.mark.parametrize("api", APIS)
def test_what_is_kept_of_answers_tells_the_same(api, kinds, simulated, mine):
    terminal = simulated(api=api, habits=tuple(Habit(kind, 3) for kind in kinds))
    with mine(terminal, full=True, api=api) as found:
        whole = findings(found.story, MINE)
        story = replace(found.story, heard=[replace(each) for each in found.story.heard])
        fewer = 0
        for heard in story.heard:
            if (
                heard.raws[-1].status != 200
                or heard.right
                or heard.topic
                in (
                    Topic.STATUS,
                    Topic.EXPIRATIONS,
                    Topic.CALENDAR,
                )
            ):
                continue
            kept = cut(heard.raws[-1].content())
            fewer += len(kept) < 0.5 * heard.raws[-1].size
            heard.raws = [replace(heard.raws[-1], body=io.BytesIO(kept))]
        assert findings(story, MINE) == whole
        assert wire.wire(story) == found.profile.wire
        assert fewer > 5
