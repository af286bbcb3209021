"""A second opinion on answers that lack something: the terminal's answers are edited on their way."""

import contextlib
import datetime as dt

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.restating import expiration_of, is_history, restating
from tests.rules.conftest import DAY
from tests.rules.test_fill import market_day, sealed_rows

from spx_data import journal, schema, theta
from spx_data.errors import (
    ApiConnectionError,
    ApiDataNotFoundError,
    ApiResponseInvalidError,
    SubscriptionError,
)
from spx_data.fill import inquiry
from spx_data.theta.chains import Chain
from theta_simulator import Faults

APIS = ["v3", "v2"]
EXPIRATION = dt.date(2024, 1, 3)
ROOT = "SPXW"


@pytest.fixture
def edited(terminals):
    """Return a maker of terminals whose answers somebody edits."""
    with contextlib.ExitStack() as stack:

        def make(api, edit):
            restater = stack.enter_context(restating(terminals[api].url))
            restater.edit = edit
            return restater

        yield make


def is_single(path, query):
    """Whether a request asks for one contract."""
    return "bulk" not in path and query.get("strike", "*") != "*"


def contract_of(row):
    """Return the contract of a row of either API: like C 4700."""
    strike = float(row["strike"]) / (1000 if "root" in row else 1)
    return f"{row['right'].strip(chr(34))[0]} {strike:g}"


def minute_of(row):
    """Return the time of day of a row of either API: like 10:31."""
    if "ms_of_day" in row:
        minutes = int(row["ms_of_day"]) // 60_000
        return f"{minutes // 60:02}:{minutes % 60:02}"
    return row["timestamp"].strip('"')[11:16]


def editing(drop, alone=None):
    """Return an edit of one chain: rows for which *drop* holds are left out of its answer.

    Of answers about single contracts, those for which *alone* holds: by default none.
    """

    def edit(path, query, rows):
        root = query.get("symbol") or query.get("root")
        if not is_history(path) or (root, expiration_of(query)) != (ROOT, EXPIRATION.isoformat()):
            return rows
        if is_single(path, query):
            strike = float(query["strike"]) / (1000 if "root" in query else 1)
            name = f"{query['right'][0].upper()} {strike:g}"
            kept = [row for row in rows if not (alone and alone(name, minute_of(row)))]
        else:
            kept = [row for row in rows if not drop(contract_of(row), minute_of(row))]
        return kept or None

    return edit


def singles(terminal):
    """Return how many contracts were asked for by themselves."""
    return sum("right=" in target for target in terminal.asked)


def chain(passport):
    """Return the report on the chain that is edited."""
    (found,) = [
        each
        for each in passport["chains"]
        if (each["root"], each["expiration"]) == (ROOT, EXPIRATION.isoformat())
    ]
    return found


def assert_is_the_market(date, terminal, truth):
    found = sealed_rows(date.layout.parquet(DAY))
    expected = market_day(terminal, DAY, truth).filter(pl.col("expiration") <= EXPIRATION)
    assert_frame_equal(found, expected.select(found.columns), check_exact=True)


# A contract by itself -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "api, format", [("v3", "csv"), ("v3", "json"), ("v3", "ndjson"), ("v2", "csv"), ("v2", "json")]
)
def test_a_contract_asked_for_by_itself_is_the_market_s(api, format, terminals, day, truth, tmp_path):
    settings = day(terminals[api], format=format).settings
    source = theta.connect(settings.terminal, tmp_path / "scratch")
    asked = Chain(ROOT, EXPIRATION, DAY, EXPIRATION)

    batches = list(source.contract_history(asked, "P", 4935.0, settings.window))

    found = pl.concat([pl.DataFrame(batch) for batch in batches])
    expected = truth(terminals[api], asked).filter(pl.col("strike") == 4935, pl.col("right") == "P")
    assert len(found) >= 390
    assert all(batch.schema.equals(schema.RECORD) for batch in batches)
    assert_frame_equal(found, expected.select(found.columns), check_exact=True)


def test_an_answer_about_another_contract_is_refused(edited, day, tmp_path):
    def other(path, query, rows):
        return [row | {"strike": "5000.000"} for row in rows] if is_single(path, query) else rows

    settings = day(edited("v3", other).url).settings
    source = theta.connect(settings.terminal, tmp_path / "scratch")

    with pytest.raises(ApiResponseInvalidError, match="only P 4935"):
        list(source.contract_history(Chain(ROOT, EXPIRATION, DAY, EXPIRATION), "P", 4935.0, settings.window))


# What the chain's answer alone withholds ----------------------------------------------------------------

WITHHELD = {
    "a contract": (lambda name, _: name == "C 4935", 1),
    "a hole": (lambda name, minute: name == "P 5035" and "10:31" <= minute <= "10:45", 1),
    "an end": (lambda name, minute: name == "P 5035" and minute > "12:00", 1),
    "the end of its body": (
        lambda name, minute: name in ("C 5190", "P 5190") or (name == "P 5035" and minute > "11:11"),
        3,
    ),
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("what", WITHHELD)
def test_what_the_chains_answer_alone_lacks_is_taken_from_its_contracts(
    api, what, edited, terminals, day, truth
):
    drop, questions = WITHHELD[what]
    terminal = edited(api, editing(drop))
    date = day(terminal.url, max_dte=1)

    date.fill()

    passport = date.passport()
    assert_is_the_market(date, terminals[api], truth)
    assert passport["completeness"]["complete"]
    assert singles(terminal) == questions
    assert chain(passport)["second_opinion"]["asked"] == questions
    assert chain(passport)["second_opinion"]["recovered"] > 0
    asked = [event["url"] for event in date.events(journal.REQUEST) if "right=" in event["url"]]
    assert len(asked) == questions


def test_where_nothing_is_missing_nothing_is_asked(edited, day):
    terminal = edited("v3", None)

    day(terminal.url, max_dte=1).fill()

    assert singles(terminal) == 0


@pytest.mark.parametrize("api", APIS)
def test_a_half_day_is_not_asked_about_where_the_vendor_tells_its_hours(api, edited, day):
    terminal = edited(api, None)
    date = day(terminal.url, dt.date(2024, 7, 3), max_dte=1)

    date.fill()

    # v2 has no calendar: one contract of each chain is asked whether the day was that short.
    assert singles(terminal) == {"v3": 0, "v2": len(date.passport()["chains"])}[api]
    assert date.passport()["completeness"]["complete"]


def test_a_false_last_page_loses_nothing(simulated, day, truth, monkeypatch):
    terminal = simulated(api="v2", page_size=1000)
    with restating(terminal.url) as restater:
        answer = restater.answer

        def ending_early(target):
            status, headers, body = answer(target)
            return status, headers | ({"Next-Page": "null"} if "exp=20240103" in target else {}), body

        monkeypatch.setattr(restater, "answer", ending_early)
        date = day(restater.url, max_dte=1)

        date.fill()

        assert_is_the_market(date, terminal, truth)
        # The first page has two contracts, and a part of the third.
        assert singles(restater) == 6


def test_bad_rows_of_a_contract_that_the_chain_lacked_are_set_aside_once(edited, day):
    withheld = editing(lambda name, _: name == "C 4935")

    def edit(path, query, rows):
        rows = withheld(path, query, rows)
        for row in rows if is_single(path, query) else []:
            row["bid"] = "-1.0000" if minute_of(row) == "11:00" else row["bid"]
        return rows

    date = day(edited("v3", edit).url, max_dte=1)

    date.fill()

    passport = date.passport()
    assert passport["rejects"]["reasons"] == {"negative-price": 1}
    assert [(gap["contract"], gap["first"], gap["last"]) for gap in chain(passport)["gaps"]] == [
        ("C 4935", "11:00", "11:00")
    ]
    assert chain(passport)["second_opinion"]["recovered"] == 390


# What the source has not --------------------------------------------------------------------------------

# Places all over the chain and the day; the clock of v2 begins at 09:31.
CONTRACTS = ["C 4630", "P 4935", "C 5035", "P 5190"]
MINUTES = [("09:32", "09:32"), ("11:59", "12:30"), ("15:59", "15:59"), ("15:30", "16:00")]


def everywhere(which):
    """Return an edit that withholds from every answer what *which* holds for."""
    return editing(which, which)


@pytest.mark.parametrize("api, name", list(zip(2 * APIS, CONTRACTS, strict=True)))
def test_a_contract_withheld_everywhere_is_explained_by_its_own_answer(api, name, edited, day):
    date = day(edited(api, everywhere(lambda each, _: each == name)).url, max_dte=1)

    date.fill()

    found, completeness = chain(date.passport()), date.passport()["completeness"]
    assert found["contracts_explained"] == [name]
    assert found["contracts_missing"] == found["gaps"] == []
    assert (completeness["contracts_explained"], completeness["contracts_missing"]) == (1, 0)
    assert completeness["complete"]
    assert date.passport()["quality"]["parts"]["completeness"]["score"] == 100


@pytest.mark.parametrize("api, name, minutes", list(zip(2 * APIS, CONTRACTS, MINUTES, strict=True)))
def test_minutes_withheld_everywhere_are_missing_and_named(api, name, minutes, edited, day):
    first, last = minutes
    date = day(
        edited(api, everywhere(lambda each, minute: each == name and first <= minute <= last)).url, max_dte=1
    )

    date.fill()

    found, completeness = chain(date.passport()), date.passport()["completeness"]
    stamps = completeness["stamps_missing"]
    assert found["gaps"] == [
        {"contract": name, "first": first, "last": last, "stamps": stamps, "asked": True}
    ]
    assert stamps == 1 + int(last[:2]) * 60 + int(last[3:]) - int(first[:2]) * 60 - int(first[3:])
    assert not completeness["complete"]
    assert date.passport()["quality"]["parts"]["completeness"]["score"] < 100
    (check,) = [each for each in date.passport()["quality"]["checks"] if each["check"] == "missing"]
    assert (check["hits"], check["first"]) == (stamps, f"{ROOT} {EXPIRATION} {name} at {first}")


@pytest.mark.parametrize("api, minutes", list(zip(2 * APIS, MINUTES, strict=True)))
def test_minutes_that_a_whole_chain_lacks_are_named_once(api, minutes, edited, day):
    first, last = minutes
    terminal = edited(api, everywhere(lambda _, minute: first <= minute <= last))
    date = day(terminal.url, max_dte=1)

    date.fill()

    found = chain(date.passport())
    stamps = date.passport()["completeness"]["stamps_missing"]
    assert found["gaps"] == [
        {"contract": None, "first": first, "last": last, "stamps": stamps, "asked": True}
    ]
    assert stamps % 8 == 0
    assert singles(terminal) == 1


@pytest.mark.parametrize("api", APIS)
def test_an_expiration_without_records_is_explained_and_says_who_was_asked(api, edited, day):
    terminal = edited(api, everywhere(lambda *_: True))
    date = day(terminal.url, max_dte=1)

    date.fill()

    found, completeness = chain(date.passport()), date.passport()["completeness"]
    assert found["explained"] == (
        "the source has no data for it on this date (status 472), "
        "nor for P 4935, C 5035, P 5035 asked for by themselves"
    )
    assert completeness["contracts_explained"] == 8
    assert completeness["complete"]
    assert singles(terminal) == 3


# Answers that contradict each other ---------------------------------------------------------------------

FALSE = {
    "no data": lambda *_: True,
    "a minute of all": lambda _, minute: minute == "11:00",
    "the first minutes of all": lambda _, minute: minute < "10:00",
    "the afternoon of all": lambda _, minute: minute > "12:00",
}


@pytest.mark.parametrize("api, what", list(zip(2 * APIS, FALSE, strict=True)))
def test_an_answer_that_its_contracts_contradict_is_asked_for_again(api, what, edited, terminals, day, truth):
    false = editing(FALSE[what])
    answers = iter([false])

    def once(path, query, rows):
        about_chain = expiration_of(query) == EXPIRATION.isoformat() and not is_single(path, query)
        return next(answers, editing(lambda *_: False))(path, query, rows) if about_chain else rows

    date = day(edited(api, once).url, max_dte=1)

    date.fill()

    assert_is_the_market(date, terminals[api], truth)
    (retried,) = date.events(journal.RETRIED)
    assert retried["error"] == "ApiResponseInvalidError"
    assert "when it is asked for by itself" in retried["cause"]


def test_an_answer_that_stays_false_fails_the_date_and_seals_nothing(edited, day):
    date = day(edited("v3", editing(FALSE["no data"])).url, max_dte=1)
    date.fetch()

    with pytest.raises(ApiResponseInvalidError, match=r"SPXW 2024-01-03 on 2024-01-02 lacks records that"):
        date.download()

    assert not date.layout.manifest(DAY).exists()


def test_more_than_can_be_mended_one_by_one_is_refused_at_the_first_proof(edited, day, monkeypatch):
    monkeypatch.setattr(inquiry, "MOST_ASKED", 2)
    terminal = edited("v3", editing(lambda name, _: name in CONTRACTS))
    date = day(terminal.url, max_dte=1)
    date.fetch()

    with pytest.raises(ApiResponseInvalidError, match="C 4630 has when it is asked for by itself"):
        date.download()

    assert singles(terminal) == 3  # one for each try


def test_contracts_beyond_the_limit_stay_missing_and_are_counted(edited, day, monkeypatch):
    monkeypatch.setattr(inquiry, "MOST_ASKED", 2)
    terminal = edited("v3", everywhere(lambda name, _: name in CONTRACTS))
    date = day(terminal.url, max_dte=1)

    date.fill()

    found = chain(date.passport())
    assert found["second_opinion"] == {"asked": 2, "recovered": 0, "left_out": 2, "unanswered": []}
    assert sorted(found["contracts_explained"] + found["contracts_missing"]) == sorted(CONTRACTS)
    assert len(found["contracts_explained"]) == 2
    assert date.passport()["completeness"]["contracts_missing"] == 2
    (check,) = [each for each in date.passport()["quality"]["checks"] if each["check"] == "missing"]
    assert check["hits"] == 2 * 391


def test_a_few_contracts_that_confirm_their_holes_speak_for_the_others(edited, day, monkeypatch):
    monkeypatch.setattr(inquiry, "ENOUGH", 2)
    terminal = edited("v3", everywhere(lambda name, minute: name in CONTRACTS and minute == "10:31"))
    date = day(terminal.url, max_dte=1)

    date.fill()

    found = chain(date.passport())
    assert [(gap["first"], gap["stamps"]) for gap in found["gaps"]] == [("10:31", 1)] * len(CONTRACTS)
    assert [gap["asked"] for gap in found["gaps"]] == [True, True, *[False] * (len(CONTRACTS) - 2)]
    assert singles(terminal) == found["second_opinion"]["asked"] == 2
    assert found["second_opinion"]["left_out"] == len(CONTRACTS) - 2


def test_holes_are_asked_about_to_the_end_once_one_of_them_was_false(
    edited, terminals, day, truth, monkeypatch
):
    monkeypatch.setattr(inquiry, "ENOUGH", 1)
    terminal = edited("v3", editing(lambda name, minute: name in CONTRACTS and minute == "10:31"))
    date = day(terminal.url, max_dte=1)

    date.fill()

    assert singles(terminal) == len(CONTRACTS)
    assert_is_the_market(date, terminals["v3"], truth)


# Questions that are not answered ------------------------------------------------------------------------


@pytest.mark.parametrize("status, tries", [(404, 1), (400, 1), (470, 3)])
def test_a_question_that_is_refused_leaves_its_contract_missing(status, tries, edited, day, monkeypatch):
    terminal = edited("v3", editing(lambda name, _: name == "C 4935"))
    answer = terminal.answer

    def refusing(target):
        told = answer(target)
        return (status, {"Content-Type": "text/plain"}, b"no") if "right=" in target else told

    monkeypatch.setattr(terminal, "answer", refusing)
    date = day(terminal.url, max_dte=1)

    date.fill()

    found = chain(date.passport())
    assert found["contracts_missing"] == ["C 4935"]
    assert found["second_opinion"]["unanswered"][0].startswith("C 4935: the terminal ")
    assert singles(terminal) == tries


@pytest.mark.parametrize("status, kind, tries", [(500, ApiConnectionError, 6), (403, SubscriptionError, 1)])
def test_a_terminal_that_fails_a_question_fails_the_chain(status, kind, tries, edited, day, monkeypatch):
    terminal = edited("v3", editing(lambda name, _: name == "C 4935"))
    answer, refusal = terminal.answer, (status, {"Content-Type": "text/plain"}, b"no")
    monkeypatch.setattr(terminal, "answer", lambda target: refusal if "right=" in target else answer(target))
    date = day(terminal.url, max_dte=1)
    date.fetch()

    with pytest.raises(kind):
        date.download()

    # Its own patience, and not once more for each try at the chain.
    assert sum("right=" in event["url"] for event in date.events(journal.REQUEST)) == tries
    assert not date.layout.manifest(DAY).exists()


def test_a_date_of_which_nothing_has_records_is_no_data_after_a_few_questions(edited, day):
    terminal = edited("v3", None)
    date = day(terminal.url, dt.date(2016, 12, 30))
    date.fetch()

    with pytest.raises(ApiDataNotFoundError, match="has records of none"):
        date.download()

    assert 0 < singles(terminal) <= 3 * len(date.listing()["chains"])


def test_a_chain_in_pieces_is_asked_about_in_pieces(simulated, day, truth):
    terminal = simulated(faults=Faults(seed=1, rate=0.0, large=200))
    with restating(terminal.url) as restater:
        restater.edit = editing(lambda name, minute: name == "C 4935" and minute > "12:00")
        date = day(restater.url, max_dte=1)

        date.fill()

        assert_is_the_market(date, terminal, truth)
        assert singles(restater) == 2
