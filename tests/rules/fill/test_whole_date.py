"""All chains of a root at once: split into checkpoints as by requests for each, whatever comes."""

import pytest
from tests.conftest import TODAY
from tests.rules.conftest import DAY

import theta_simulator
from spx_data.fill.listing import Listing, checkpoint_of
from spx_data.store import journal, staging
from theta_simulator.faults import Faults

PATH = "/v3/option/history/quote"
_ALONE = {}


@pytest.fixture
def quotes(day, tmp_path):
    """Return a maker of listed dates of quotes, every quarter of an hour, each in a lake of its own."""

    def listed(terminal, name="lake", **keys):
        folders = {f"{each}_directory": str(tmp_path / name / each) for each in ("output", "temp", "data")}
        date = day(
            terminal, **({"records": "quotes", "interval": "15m", "second_opinions": 0} | folders | keys)
        )
        date.fetch()
        return date

    return listed


def terminal_of(**keys):
    """Return a terminal with six chains of SPXW and two of SPX."""
    return theta_simulator.running(theta_simulator.Settings(size="small", today=TODAY, **keys))


def chains(date):
    """Return each chain's records as they are staged, and what its receipt says that is no accident."""
    listing, found = Listing.of_json(date.listing()), {}
    for entry in listing.chains:
        checkpoint = checkpoint_of(date.layout, entry)
        receipt = staging.staged(checkpoint, listing.identity(entry))
        assert receipt is not None, entry
        told = receipt.as_json()
        for accident in ("seconds", "attempts"):
            del told[accident]
        found[entry.chain.root, entry.chain.expiration] = checkpoint.records.read_bytes(), told
    return found


def asked(terminal):
    """Return the root and the expiration of each history that was asked for."""
    return [
        (one["query"]["symbol"], one["query"]["expiration"])
        for one in terminal.requests()
        if one["path"] == PATH
    ]


@pytest.fixture
def alone(quotes):
    """Return what requests for each chain bring, in each format; computed once."""

    def of(form="csv"):
        if form not in _ALONE:
            with terminal_of(star="refused") as terminal:
                date = quotes(terminal, "alone", format=form)
                date.download()
                _ALONE[form] = chains(date), len(asked(terminal))
        return _ALONE[form]

    return of


@pytest.mark.parametrize("form", ["csv", "ndjson", "json"])
def test_a_date_in_two_requests_is_staged_as_by_one_for_each_chain(form, quotes, alone):
    expected, singly = alone(form)
    with terminal_of() as terminal:
        date = quotes(terminal, format=form)

        date.download()

        assert sorted(asked(terminal)) == [("SPX", "*"), ("SPXW", "*")]
        assert singly == len(expected) + 2  # each root's refusal
    assert chains(date) == expected
    assert len(date.events(journal.STAGED)) == len(expected)
    date.merge()
    assert date.passport()["completeness"]["complete"]


@pytest.mark.parametrize(
    ("star", "again"), [("interleaved", 8), ("twice", 2), ("stranger", 0), ("cut", None), ("refused", 8)]
)
def test_an_odd_answer_costs_the_chains_that_are_not_whole(star, again, quotes, alone):
    expected, _ = alone()
    with terminal_of(star=star) as terminal:
        date = quotes(terminal)

        date.download()

        by_themselves = [one for one in asked(terminal) if one[1] != "*"]
    assert chains(date) == expected
    assert len(set(by_themselves)) == len(by_themselves)
    if again is None:
        assert 2 <= len(by_themselves) < len(expected)
    else:
        assert len(by_themselves) == again
    broken = [event["error"] for event in date.events(journal.RETRIED)]
    assert broken == {"cut": ["ApiConnectionError"] * 2, "refused": ["RequestRefusedError"] * 2}.get(star, [])


def test_rows_in_no_order_are_the_same_records(quotes, alone):
    expected, _ = alone()
    with terminal_of(star="shuffled") as terminal:
        date = quotes(terminal)

        date.download()

        assert [label for _, label in asked(terminal)] == ["*", "*"]
    lines = {key: sorted(records.splitlines()) for key, (records, _) in chains(date).items()}
    assert lines == {key: sorted(records.splitlines()) for key, (records, _) in expected.items()}


@pytest.mark.parametrize("kind", ["server-error", "rate-limit", "half-written", "not-a-number"])
def test_after_a_fault_the_rest_is_asked_for_by_itself(kind, quotes, alone):
    expected, _ = alone()
    with terminal_of(faults=Faults(3, 1.0, (kind,), most_per_request=1)) as terminal:
        date = quotes(terminal)

        date.download()

        assert {label for _, label in asked(terminal)} > {"*"}
    found = chains(date)
    assert found.keys() == expected.keys()
    assert {key: records for key, (records, _) in found.items()} == {
        key: records for key, (records, _) in expected.items()
    }


def test_only_what_is_lacking_is_asked_for(quotes, alone):
    expected, _ = alone()
    with terminal_of() as terminal:
        date = quotes(terminal)
        date.download()
        before = chains(date)
        date.layout.manifest(DAY).unlink()
        lost = [date.checkpoint(number) for number in (0, 4)]
        for checkpoint in lost:
            checkpoint.receipt.unlink()
        untouched = {
            path: path.stat().st_mtime_ns
            for path in date.layout.staging(DAY).glob("*.ndjson")
            if path not in [checkpoint.records for checkpoint in lost]
        }

        date.download()

        assert sum(label != "*" for _, label in asked(terminal)) == len(lost)
        assert len([label for _, label in asked(terminal) if label == "*"]) == 2
        assert {path: path.stat().st_mtime_ns for path in untouched} == untouched
    assert chains(date) == before == expected


@pytest.mark.parametrize("keys", [{"interval": "30s", "end_time": "09:32:00"}, {"api": "v2"}], ids=str)
def test_where_a_date_cannot_be_asked_for_chains_are(keys, quotes):
    with terminal_of(api=keys.get("api", "v3")) as terminal:
        date = quotes(terminal, **keys)

        date.download()

        histories = [one["path"] for one in terminal.requests() if one["path"].endswith("/quote")]
        assert "*" not in {label for _, label in asked(terminal)}
    listings = 2
    assert len(histories) == len(date.listing()["chains"]) + listings


def test_no_more_than_max_dte_is_asked_for(quotes):
    with terminal_of() as terminal:
        date = quotes(terminal, max_dte=10)

        date.download()

        queries = [one["query"] for one in terminal.requests() if one["path"] == PATH]
    assert {query.get("max_dte") for query in queries if query["expiration"] == "*"} == {"10"}
