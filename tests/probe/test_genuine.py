"""The vendor's genuine payloads, served by a replay, and probed as far as they reach."""

import datetime as dt
import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from tests.recording import exchange, recorded

from spx_data.ops.probe import probing
from spx_data.ops.probe.heard import Topic

_MOST_ROUNDS = 12
_TEXT = [["content-type", "text/plain"]]
_STATUS = {"v3": "/v3/terminal/mdds/status", "v2": "/v2/system/mdds/status"}
_TYPES = {"csv": "text/csv", "json": "application/json", "ndjson": "application/x-ndjson"}


@pytest.fixture
def served(samples, simulated, lake, tmp_path):
    """Return a prober of a replay that answers what *genuine* has, and nothing else."""

    def serve(api, moment, genuine, **keys):
        exchanges = [exchange(_STATUS[api], b"CONNECTED", headers=_TEXT)]
        known = {(_STATUS[api], ())}
        for number in range(_MOST_ROUNDS):
            now = moment.isoformat()
            path = recorded(tmp_path / f"{number}.zip", exchanges, api=api, now=now, fill=None)
            with_answers = simulated(replay=path)
            settings = lake(with_answers.url, api=api, start_date="2020-01-02", **keys)
            # A root of no product: genuine samples are of AAPL.
            settings = replace(settings, roots=("AAPL",))
            with probing(settings, moment) as found:
                profile, story = found.profile, found.story
            new = [
                (request["path"], request["query"])
                for request in with_answers.requests()
                if (request["path"], tuple(sorted(request["query"].items()))) not in known
            ]
            answers = [(target(*each), genuine(samples, *each)) for each in new]
            known |= {(path_, tuple(sorted(query.items()))) for path_, query in new}
            exchanges += [exchange(asked, body, **fields) for asked, (body, fields) in answers if fields]
            if not any(fields for _, (_, fields) in answers):
                return profile, story
        raise AssertionError("it asks something new each time")

    return serve


def target(path, query):
    return path + (f"?{urlencode(query)}" if query else "")


def of_v3(samples, path, query):
    """Return the genuine body for a request of v3, and what else is told of it; else nothing."""
    form = query.get("format", "csv")
    headers = [["server", "Jetty(12.0.14)"], ["content-type", _TYPES.get(form, "")]]
    if path.endswith("/list/expirations"):
        own = (samples / "v3_option_list_expirations.AAPL.csv").read_bytes().rstrip()
        return own + b"\r\nAAPL,2024-11-08\r\nAAPL,2024-11-22\r\n", {"headers": headers}
    if not path.endswith("/greeks/first_order"):
        return b"", {}
    if query["date"] == "2024-11-18":
        return (samples / "error_v3_400_current_day.txt").read_bytes(), {"status": 400, "headers": _TEXT}
    alone = query.get("strike", "*")
    if query["date"] == "2024-11-04" and alone in ("*", "262.500") and query.get("right", "call") == "call":
        name = f"v3_option_history_greeks_first_order.AAPL_20241108.{form}"
        return (samples / name).read_bytes(), {"headers": headers}
    if query["date"] in ("2024-11-03", "2024-11-04"):
        return (samples / "error_v3_472.txt").read_bytes(), {"status": 472, "headers": _TEXT}
    return b"", {}


def of_v2(samples, path, query):
    """Return the same for v2."""
    headers = [["next-page", "null"], ["content-type", "application/json"]]
    if path.endswith("/list/expirations"):
        told = json.loads((samples / "v2_list_expirations.AAPL.json").read_text())
        # Without a year before: the day of the sample has no expiration of its own, so no other may.
        told["response"] = [each for each in told["response"] if not 20220800 < each < 20230915]
        return json.dumps(told).encode(), {"headers": headers}
    if path == "/v2/bulk_hist/option/greeks" and query["start_date"] == "20230911":
        return (samples / "v2_bulk_hist_option_greeks.AAPL_20230915.json").read_bytes(), {"headers": headers}
    if query.get("start_date") == "20230910" or path == "/v2/hist/option/greeks":
        return (samples / "error_v2_472_hist.txt").read_bytes(), {"status": 472, "headers": _TEXT}
    return b"", {}


def rows(profile):
    return {row.code: row for row in profile.table}


def test_of_v3(served, at):
    profile, story = served("v3", at(2024, 11, 18, 12, 0), of_v3, interval="5m")
    ordinary, table = story.one(Topic.ORDINARY), rows(profile)

    assert (ordinary.date, ordinary.has_rows) == (dt.date(2024, 11, 4), True)
    assert {each.format for each in story.of(Topic.CONTRACT) if each.has_rows} >= {"csv"}
    assert profile.api == "v3"
    assert "timestamp '2024-11-04T09:30:00'" in table["stamps"].seen
    assert not table["stamps"].as_assumed
    assert "'symbol,expiration,strike,right,timestamp" in table["header"].seen
    assert table["header"].as_assumed
    assert "status 472 'No data found for your request'" in table["no-data"].seen
    assert table["no-data"].as_assumed
    assert "Cannot fetch current-day data" in table["today"].seen
    assert not any("could not be looked at" in row.seen for row in profile.table)


def test_of_v2(served, at):
    profile, story = served("v2", at(2023, 9, 25, 12, 0), of_v2, interval="30s", format="json")
    ordinary, table = story.one(Topic.ORDINARY), rows(profile)

    assert (ordinary.date, ordinary.has_rows) == (dt.date(2023, 9, 11), True)
    assert {(right, strike) for right, strike in ordinary.there} >= {("C", 65.0)}
    assert profile.api == "v2"
    assert table["expirations"].as_assumed
    assert "'20120601' to" in table["expirations"].seen
    assert "No data for the specified timeframe" in table["no-data"].seen
    assert not any("could not be looked at" in row.seen for row in profile.table)
