"""A second opinion on answers that lack something: the terminal's answers are edited on their way."""

import contextlib
import datetime as dt
import itertools
import zlib

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests import schemas
from tests.restating import expiration_of, is_history, restating
from tests.rules.conftest import DAY
from tests.rules.fill.test_fill import market_day, sealed_rows

from spx_data.errors import ApiDataNotFoundError, ApiResponseInvalidError
from spx_data.fill import second_opinion
from spx_data.market.chains import Chain
from spx_data.sources import access
from spx_data.store import journal
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


def questions(date):
    """Return how many requests about single contracts the journal has."""
    return sum("right=" in event["url"] for event in date.events(journal.REQUEST))


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
    source = access.connect(settings.terminal, tmp_path / "scratch")
    asked = Chain(ROOT, EXPIRATION, DAY, EXPIRATION)

    batches = list(source.contract_history(asked, "P", 4935.0, settings.window))

    found = pl.concat([pl.DataFrame(batch) for batch in batches])
    expected = truth(terminals[api], asked).filter(pl.col("strike") == 4935, pl.col("right") == "P")
    assert len(found) >= 390
    assert all(batch.schema.equals(schemas.RECORD) for batch in batches)
    assert_frame_equal(found, expected.select(found.columns), check_exact=True)


def test_an_answer_about_another_contract_is_refused(edited, day, tmp_path):
    def other(path, query, rows):
        return [row | {"strike": "5000.000"} for row in rows] if is_single(path, query) else rows

    settings = day(edited("v3", other).url).settings
    source = access.connect(settings.terminal, tmp_path / "scratch")

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

    found = chain(date.passport())
    assert_is_the_market(date, terminals[api], truth)
    # Whoever answers twice, and differently, is not believed to be whole.
    assert found["state"] == "contradicted"
    assert not date.passport()["completeness"]["complete"]
    assert singles(terminal) == questions
    assert (found["second_opinion"]["asked"], found["second_opinion"]["asked_again"]) == (questions, 1)
    assert found["second_opinion"]["recovered"] > 0
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

    # v2 has no calendar: a few contracts of the date are asked whether the day was that short.
    assert singles(terminal) <= {"v3": 0, "v2": 2}[api]
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
        assert chain(date.passport())["state"] == "contradicted"


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
def test_minutes_withheld_everywhere_are_explained_and_named(api, name, minutes, edited, day):
    first, last = minutes
    date = day(
        edited(api, everywhere(lambda each, minute: each == name and first <= minute <= last)).url, max_dte=1
    )

    date.fill()

    found, completeness = chain(date.passport()), date.passport()["completeness"]
    stamps = 1 + int(last[:2]) * 60 + int(last[3:]) - int(first[:2]) * 60 - int(first[3:])
    assert found["gaps"] == [
        {"contract": name, "first": first, "last": last, "stamps": stamps, "explained": True}
    ]
    assert (found["state"], completeness["complete"], completeness["stamps_missing"]) == ("whole", True, 0)
    assert date.passport()["quality"]["parts"]["completeness"]["score"] < 100
    (check,) = [each for each in date.passport()["quality"]["checks"] if each["check"] == "none-at-source"]
    assert (check["hits"], check["first"]) == (stamps, f"{ROOT} {EXPIRATION} {name} at {first}")


@pytest.mark.parametrize("api, minutes", list(zip(2 * APIS, MINUTES, strict=True)))
def test_minutes_that_a_whole_chain_lacks_are_named_once(api, minutes, edited, day):
    first, last = minutes
    terminal = edited(api, everywhere(lambda _, minute: first <= minute <= last))
    date = day(terminal.url, max_dte=1)

    date.fill()

    found = chain(date.passport())
    (gap,) = found["gaps"]
    assert gap["stamps"] % 8 == 0
    assert gap == {"contract": None, "first": first, "last": last, "stamps": gap["stamps"], "explained": True}
    assert found["state"] == "whole"
    assert singles(terminal) == 2


# Chains without any record ------------------------------------------------------------------------------


def reporting(edit, *, named):
    """Return *edit* for histories, and a report of the day in which its chain is or is not."""

    def edited_(path, query, rows):
        if not path.endswith("eod") or named:
            return edit(path, query, rows)
        others = [
            row for row in rows if expiration_of(row | {"exp": row.get("expiration", "")}) != str(EXPIRATION)
        ]
        return others or None

    return edited_


@pytest.mark.parametrize("api", APIS)
def test_a_chain_that_neither_history_nor_report_has_is_explained(api, edited, day):
    terminal = edited(api, reporting(everywhere(lambda *_: True), named=False))
    date = day(terminal.url, max_dte=1)

    date.fill()

    found, completeness = chain(date.passport()), date.passport()["completeness"]
    assert found["explained"].startswith("the source has no data for it on this date (status 472, 2 times)")
    assert found["state"] == "whole"
    assert completeness["contracts_explained"] == 8
    assert completeness["complete"]
    assert singles(terminal) == 0
    # For the chain and for the day's contracts alike.
    assert sum("eod" in target for target in terminal.asked) == 1


@pytest.mark.parametrize("api", APIS)
def test_a_chain_that_the_report_names_holds_its_date_and_is_then_sealed_as_unavailable(api, edited, day):
    date = day(edited(api, reporting(everywhere(lambda *_: True), named=True)).url, max_dte=1, max_attempts=2)
    date.fetch()

    with pytest.raises(ApiResponseInvalidError, match="its report of the day has quotes or trades of it"):
        date.download()

    assert not date.layout.manifest(DAY).exists()
    date.download()
    date.merge()
    passport = date.passport()
    assert chain(passport)["state"] == "unavailable"
    assert "its report of the day" in chain(passport)["error"]
    assert not passport["completeness"]["complete"]
    assert passport["completeness"]["unknown"][0].startswith(
        "SPXW 2024-01-03 unavailable: ApiResponseInvalid"
    )


def misnaming(edit, answers, growing=0):
    """Return *edit* for histories; in so many reports the chain's rows are another root's.

    Each has *growing* more of them than the one before.
    """
    number = itertools.count()

    def edited_(path, query, rows):
        if not path.endswith("eod") or (at := next(number)) >= answers:
            return edit(path, query, rows)
        own = [
            row for row in rows if expiration_of(row | {"exp": row.get("expiration", "")}) == str(EXPIRATION)
        ]
        for row in own:
            row["root" if "root" in row else "symbol"] = "XSP"
        return [*rows, *own[: at * growing]]

    return edited_


@pytest.mark.parametrize("api", APIS)
def test_a_report_that_spoils_the_chain_once_is_asked_for_again(api, edited, day):
    date = day(edited(api, misnaming(everywhere(lambda *_: True), 1)).url, max_dte=1)
    date.fetch()

    with pytest.raises(ApiResponseInvalidError, match="its report of the day has quotes or trades of it"):
        date.download()


def test_a_report_that_leaves_out_the_same_rows_twice_is_believed(edited, day):
    date = day(edited("v3", misnaming(everywhere(lambda *_: True), 2)).url, max_dte=1)

    date.fill()

    assert chain(date.passport())["state"] == "whole"


def test_a_report_that_leaves_out_other_rows_each_time_explains_nothing(edited, day):
    terminal = edited("v3", misnaming(everywhere(lambda *_: True), 9, growing=1))
    date = day(terminal.url, max_dte=1)

    date.fill()

    found = chain(date.passport())
    assert found["state"] == "unavailable"
    assert "it leaves out other rows each time" in found["second_opinion"]["silence"]["eod"]
    assert not date.passport()["completeness"]["complete"]
    assert singles(terminal) > 0


def test_without_a_report_a_chain_without_data_is_sealed_and_never_complete(edited, day, monkeypatch):
    terminal = edited("v3", everywhere(lambda *_: True))
    answer = terminal.answer
    monkeypatch.setattr(
        terminal,
        "answer",
        lambda target: (404, {"Content-Type": "text/plain"}, b"no") if "/eod" in target else answer(target),
    )
    date = day(terminal.url, max_dte=1)

    date.fill()

    found, completeness = chain(date.passport()), date.passport()["completeness"]
    assert (found["state"], completeness["complete"]) == ("unavailable", False)
    assert completeness["chains"]["unavailable"] == 1
    assert "status 404" in found["second_opinion"]["silence"]["eod"]


def test_a_no_data_that_is_over_at_the_end_of_the_date_costs_nothing(edited, terminals, day, truth):
    answers = iter([editing(lambda *_: True)])

    def once(path, query, rows):
        about_chain = is_history(path) and expiration_of(query) == EXPIRATION.isoformat()
        return next(answers, editing(lambda *_: False))(path, query, rows) if about_chain else rows

    date = day(edited("v3", once).url, max_dte=1)

    date.fill()

    assert_is_the_market(date, terminals["v3"], truth)
    assert date.passport()["completeness"]["complete"]


# Answers that contradict each other ---------------------------------------------------------------------

FALSE = {
    "a minute of all": lambda _, minute: minute == "11:00",
    "the first minutes of all": lambda _, minute: minute < "10:00",
    "the afternoon of all": lambda _, minute: minute > "12:00",
    "half of the contracts": lambda name, _: name.startswith("P"),
}


@pytest.mark.parametrize("api, what", list(zip(2 * APIS, FALSE, strict=True)))
def test_a_chain_that_its_contracts_contradict_is_asked_for_again(api, what, edited, terminals, day, truth):
    answers = iter([editing(FALSE[what])])

    def once(path, query, rows):
        about_chain = is_history(path) and expiration_of(query) == EXPIRATION.isoformat()
        if not about_chain or is_single(path, query):
            return rows
        return next(answers, editing(lambda *_: False))(path, query, rows)

    terminal = edited(api, once)
    date = day(terminal.url, max_dte=1)

    date.fill()

    found = chain(date.passport())
    assert_is_the_market(date, terminals[api], truth)
    assert (found["state"], found["second_opinion"]["asked_again"]) == ("whole", 1)
    assert found["second_opinion"]["regained"] > 0
    assert date.passport()["completeness"]["complete"]
    assert singles(terminal) == 1


@pytest.mark.parametrize("api, what", list(zip(2 * APIS, FALSE, strict=True)))
def test_of_a_chain_that_stays_false_the_union_is_kept(api, what, edited, terminals, day, truth):
    date = day(edited(api, editing(FALSE[what])).url, max_dte=1)

    date.fill()

    assert_is_the_market(date, terminals[api], truth)
    passport = date.passport()
    assert chain(passport)["state"] == "contradicted"
    assert chain(passport)["second_opinion"]["recovered"] > 0
    assert "records are in one answer and not in another" in passport["completeness"]["unknown"][0]


def test_beyond_the_budget_contracts_stay_missing_and_are_named(edited, day):
    terminal = edited("v3", editing(lambda name, _: name in CONTRACTS))
    date = day(terminal.url, max_dte=1, second_opinions=3)

    date.fill()

    found = chain(date.passport())
    assert singles(terminal) == 2  # the third question is the chain's
    assert found["state"] == "contradicted"
    assert len(found["contracts_missing"]) == 2
    assert date.passport()["completeness"]["contracts_missing"] == 2
    (check,) = [each for each in date.passport()["quality"]["checks"] if each["check"] == "missing"]
    assert check["hits"] == 2 * 391


def test_without_a_budget_nothing_is_asked_and_nothing_explained(edited, day):
    terminal = edited("v3", everywhere(lambda name, _: name in CONTRACTS))
    date = day(terminal.url, max_dte=1, second_opinions=0)

    date.fill()

    assert singles(terminal) == 0
    assert (chain(date.passport())["state"], len(chain(date.passport())["contracts_missing"])) == ("short", 4)


def test_a_few_contracts_that_confirm_their_holes_speak_for_the_others(edited, day, monkeypatch):
    monkeypatch.setattr(second_opinion, "ENOUGH", 2)
    terminal = edited("v3", everywhere(lambda name, minute: name in CONTRACTS and minute == "10:31"))
    date = day(terminal.url, max_dte=1)

    date.fill()

    found = chain(date.passport())
    assert [(gap["first"], gap["explained"]) for gap in found["gaps"]] == [("10:31", True)] * len(CONTRACTS)
    assert singles(terminal) == found["second_opinion"]["asked"] == 2
    assert found["second_opinion"]["opinions"]["holes"]["believed"] == "chain"
    assert found["state"] == "whole"


def some_absent(path, query, rows):
    """Edit histories: a quarter of all contracts has no record, whoever asks."""
    if not is_history(path):
        return rows
    return [row for row in rows if zlib.crc32(contract_of(row).encode()) % 4] or None


def opinions_of(date, lack):
    """Return what each chain's second opinion says of a lack, where it says anything."""
    chains = date.passport()["chains"]
    return [
        found["second_opinion"]["opinions"][lack]
        for found in chains
        if lack in found["second_opinion"]["opinions"]
    ]


def test_what_a_date_and_a_lake_have_confirmed_needs_few_questions(simulated, day, tmp_path):
    terminal = simulated(size="small")
    with restating(terminal.url) as restater:
        restater.edit = some_absent
        first = day(restater.url, interval="30m")
        first.fill()
        asked = singles(restater)
        second = day(restater.url, dt.date(2024, 1, 3), interval="30m")
        second.fill()

    absent = opinions_of(first, "absent")
    assert len(absent) > 5
    assert {each["believed"] for each in absent} <= {"chain", "date"}
    assert "date" in {each["believed"] for each in absent}
    assert sum(each["doubtful"] for each in absent) > 2 * asked
    assert {each["believed"] for each in opinions_of(second, "absent")} == {"lake"}
    assert sum(len(each["confirmed"]) for each in opinions_of(second, "absent")) == 1
    assert first.passport()["completeness"]["complete"]
    assert second.passport()["completeness"]["complete"]


# Questions that are not answered ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status, body",
    [(404, b"no"), (400, b"no"), (403, b"no"), (470, b"no"), (500, b"no"), (429, b"no"), (200, b"")],
)
def test_a_question_that_is_not_answered_explains_nothing_and_is_asked_once(
    status, body, edited, day, monkeypatch
):
    terminal = edited("v3", editing(lambda name, _: name == "C 4935"))
    answer, refusal = terminal.answer, (status, {"Content-Type": "text/csv"}, body or b"symbol\r\n")
    monkeypatch.setattr(terminal, "answer", lambda target: refusal if "right=" in target else answer(target))
    date = day(terminal.url, max_dte=1)

    date.fill()

    found = chain(date.passport())
    assert (found["state"], found["contracts_missing"]) == ("short", ["C 4935"])
    assert found["second_opinion"]["unanswered"][0].startswith("C 4935: ")
    assert questions(date) == 1
    assert not date.passport()["completeness"]["complete"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_the_first_sign_of_overload_ends_the_questions_of_the_date(status, edited, day, monkeypatch):
    terminal = edited("v3", editing(lambda name, _: name in CONTRACTS))
    answer, refusal = terminal.answer, (status, {"Content-Type": "text/plain"}, b"busy")
    monkeypatch.setattr(terminal, "answer", lambda target: refusal if "right=" in target else answer(target))
    date = day(terminal.url, max_dte=3)

    date.fill()

    assert questions(date) == 1
    assert len(chain(date.passport())["contracts_missing"]) == len(CONTRACTS)


def test_a_date_of_which_nothing_has_records_is_no_data_after_a_few_questions(edited, day):
    terminal = edited("v3", None)
    date = day(terminal.url, dt.date(2016, 12, 30))
    date.fetch()

    with pytest.raises(ApiDataNotFoundError, match="has records of none"):
        date.download()

    chains = len(date.listing()["chains"])
    assert sum("greeks" in target for target in terminal.asked) <= chains + 3


def test_a_chain_in_pieces_is_asked_about_in_pieces(simulated, day, truth):
    terminal = simulated(faults=Faults(seed=1, rate=0.0, large=200))
    with restating(terminal.url) as restater:
        restater.edit = editing(lambda name, minute: name == "C 4935" and minute > "12:00")
        date = day(restater.url, max_dte=1)

        date.fill()

        assert_is_the_market(date, terminal, truth)
        assert singles(restater) == 3  # too large an answer, and its halves


def test_a_rerun_does_not_ask_what_was_answered(edited, day):
    failing = [EXPIRATION]

    def edit(path, query, rows):
        rows = editing(lambda name, _: name in CONTRACTS, lambda name, _: name in CONTRACTS)(
            path, query, rows
        )
        if is_history(path) and expiration_of(query) == "2024-01-02" and failing:
            return [row | {"bid": "-1.0000"} for row in rows or ()]  # not one good row
        return rows

    terminal = edited("v3", edit)
    date = day(terminal.url, max_dte=1)
    date.fetch()
    with pytest.raises(ApiResponseInvalidError):
        date.download()
    before = singles(terminal)
    failing.clear()

    date.download()
    date.merge()

    assert (before, singles(terminal)) == (len(CONTRACTS), len(CONTRACTS))
    assert chain(date.passport())["state"] == "whole"


@pytest.mark.parametrize("again, state", [(b"", "whole"), (None, "contradicted")])
def test_a_body_without_content_about_a_contract_is_believed_when_it_comes_twice(
    again, state, edited, day, monkeypatch
):
    terminal = edited("v3", editing(lambda name, _: name == "C 4935"))
    answer, bodies = terminal.answer, iter([b"", again])

    def hiccup(target):
        body = next(bodies, None) if "right=" in target else None
        return answer(target) if body is None else (200, {"Content-Type": "text/csv"}, body)

    monkeypatch.setattr(terminal, "answer", hiccup)
    date = day(terminal.url, max_dte=1)

    date.fill()

    assert chain(date.passport())["state"] == state
    assert questions(date) == 2
