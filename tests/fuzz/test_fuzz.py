"""A bounded share of `make fuzz`, the whole corpus, and what would make the fuzzing worthless."""

import errno
import gzip
import json
import random

import hypothesis
import pytest
from hypothesis import strategies as st

from spx_data.errors import ApiDataNotFoundError, MachineError
from spx_data.market.records import Rejects
from spx_data.sources.theta.v3 import V3
from spx_data.store import seals
from tests import schemas
from tests.fuzz import corpus, crew, lake, oracle, said, seeds, shrink, wire
from tests.fuzz.__main__ import tried
from tests.fuzz.mutators import mutated
from tests.fuzz.table import PARSERS
from tests.fuzz.verdict import Fault, Outcome, Wrong, judged
from tests.fuzz.worker import Tally

INPUTS = 300
ROW = "SPXW,2024-12-10,5910.000,CALL,2024-12-10T09:30:00.000,1.5,2.5"
HEADER = "symbol,expiration,strike,right,timestamp,bid,ask"


def faults_of(tallies):
    """What is wrong, as a test shows it: the smallest input of each fault."""
    return [
        (name, fault.kind, fault.where, fault.what, data[:300])
        for name, tally in tallies.items()
        for found in tally.faults.values()
        for fault, _, data in [min(found, key=lambda each: len(each[2]))]
    ]


def test_a_share_of_the_fuzzing_finds_no_fault():
    tallies = tried(list(PARSERS.values()), INPUTS, seed=0, processes=1)

    assert faults_of(tallies) == []
    assert sum(tally.inputs for tally in tallies.values()) > INPUTS * 0.8  # shares are whole inputs


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_every_seed_of_a_parser_is_taken_or_refused(name, tmp_path):
    parser = PARSERS[name]
    found = [
        judged(lambda data: parser.run(data, tmp_path), seed, parser.known) for seed in seeds.for_parser(name)
    ]

    assert [one for one in found if isinstance(one, Fault)] == []
    assert any(not one.refused for one in found)


def kept():
    """Every file of the corpus, with its parser."""
    return [(name, path) for name in sorted(PARSERS) for path in corpus.entries(name)]


def test_no_input_of_the_corpus_is_a_fault():
    found = crew.replayed([(name, corpus.content(path)) for name, path in kept()])

    faults = [
        (path, one[0]) for (_, path), one in zip(kept(), found, strict=True) if isinstance(one[0], Fault)
    ]
    assert faults == []
    assert len(found) > 30


def test_every_folder_of_the_corpus_is_of_a_parser_and_every_file_is_small():
    folders = [path.name for path in corpus.FOLDER.iterdir()]

    assert set(folders) <= set(PARSERS)
    assert all(path.stat().st_size <= corpus.MOST_BYTES for _, path in kept())


# Dates, and the config -------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["2024", "2024-02", "2024-02-29", "..", ",", " ", "last ", "30 days", "9999", "0000", "today", "-", "13"]
)


@hypothesis.given(st.one_of(st.text(max_size=30), st.lists(WORDS, max_size=6).map("".join)))
def test_words_for_dates_mean_dates_or_are_refused(text):
    found = judged(lambda data: lake.dates(data, None), text.encode(errors="surrogatepass"))

    assert isinstance(found, Outcome), found


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.dates().map(str)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(["start_date", "roots", "interval", "start_time", "output_directory", "max_dte", "x"])


@hypothesis.given(st.dictionaries(KEYS, VALUES, max_size=4))
@hypothesis.settings(max_examples=60, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_a_config_of_any_values_is_taken_or_refused(tmp_path, values):
    document = json.dumps({"processing": {"start_date": "2024-01-02"} | values}).encode()

    found = judged(lambda data: lake.settings_file(data, tmp_path), document)

    assert isinstance(found, Outcome), found


# The oracle itself -----------------------------------------------------------------------------------------


def batches_of(text, tmp_path):
    """What the product makes of a history in CSV."""
    rejects = Rejects()
    with wire._Asking(text.encode(), "v3", "csv", tmp_path, whole=False) as asking:
        assert isinstance(asking.source, V3)
        return list(asking.source.history(wire.CHAIN, wire.WINDOW, rejects)), rejects


def history(*rows):
    """A history in CSV."""
    return "\n".join([HEADER, *rows, ""])


def test_the_oracle_takes_what_is_right(tmp_path):
    text = history(ROW, ROW.replace("09:30", "10:30"), ROW.replace("1.5", "x"))
    found, rejects = batches_of(text, tmp_path)

    oracle.check_history(found, rejects, text.encode(), wire.CHAIN, schemas.GREEKS, False)


@pytest.mark.parametrize(
    ("one", "other", "word"),
    [
        ("1.5", "1.6", "invented"),  # another price
        ("1.5", "true", "invented"),  # a truth value is no price
        ("CALL", "PUT", "invented"),
        ("5910.000", "5910.001", "invented"),
        ("09:30", "10:30", "invented"),
        ("SPXW", "SPX", "invented"),
        ("2024-12-10,", "2024-12-11,", "invented"),
        (ROW, f"{ROW}\n{ROW}", "lost"),  # a row that nobody accounted for
    ],
)
def test_the_oracle_sees_a_value_that_the_bytes_do_not_say(one, other, word, tmp_path):
    text = history(ROW)
    found, rejects = batches_of(text, tmp_path)

    with pytest.raises(Wrong, match=word):
        oracle.check_history(
            found, rejects, text.replace(one, other).encode(), wire.CHAIN, schemas.GREEKS, False
        )


@pytest.mark.parametrize("text", ["true", "NaN", "1_0", "", " ", "0x10", "1e999", "\u0661"])
def test_what_is_no_number_says_none(text):
    assert said.number(text) is None


@pytest.mark.parametrize(
    ("text", "number"), [("9007199254740993", 9007199254740992.0), ("0.1", 0.1), ("1e5", 1e5)]
)
def test_a_number_is_the_nearest_double(text, number):
    assert said.number(text) == number


def test_every_stream_of_a_packed_body_is_read():
    assert said.unpacked(gzip.compress(b"a") + gzip.compress(b"b")) == b"ab"


# Limits, and what becomes of a worker ----------------------------------------------------------------------


def test_what_harms_a_worker_is_a_fault_and_the_next_input_is_tried():
    harms = {"dies": "crash", "hangs": "hang", "grows": "memory", "grew": "memory", "raises": "exception"}

    found = crew.replayed([*((name, b"") for name in harms), ("dates", b"2024")], patience=5.0)

    assert [one[0].kind for one in found] == [*harms.values(), "records"]


def test_a_file_without_an_end_is_a_fault():
    def writes(_):
        try:
            raise OSError(errno.EFBIG, "File too large")
        except OSError as error:
            raise MachineError("cannot write") from error

    assert judged(writes, b"").kind == "disk"


def test_an_error_that_could_steer_a_terminal_is_a_fault():
    error = ApiDataNotFoundError("x")
    error.args = ("\x1b[2J",)
    error.cause = "\x1b[2J"

    def says(_):
        raise error

    assert judged(says, b"").kind == "text"


def test_inputs_are_alike_for_the_same_seed():
    words = seeds.for_parser("dates")

    first, again, other = (
        [mutated(random.Random(seed), words, "words") for _ in range(50)] for seed in "aab"
    )

    assert first == again != other


def test_a_fault_is_made_small():
    data = b"".join(b"line %d\n" % number for number in range(300)).replace(b"line 77\n", b"li\x00ne 77\n")

    assert shrink.smaller(data, lambda part: b"\x00" in part) == b"\x00"


def test_tallies_add_up():
    one, other = Tally(inputs=2, kinds={"records": 1}), Tally(inputs=3, kinds={"records": 2, "refused": 1})
    one.fault(Fault("value", "a", "b"), 0, b"x")
    one.add(other)

    assert (one.inputs, one.kinds, one.faulty) == (5, {"records": 3, "refused": 1}, 1)


def test_a_document_signed_by_the_fuzzing_vouches_for_itself():
    (seed,) = seeds.for_parser("profile")

    assert seals.holds(lake.signed(seed.replace(b"SPXW", b"SPX")))
