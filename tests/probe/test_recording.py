"""`probe --record`: what is kept answers as the original did, and says nothing about anybody."""

import contextlib
import gzip
import io
import json
import zipfile

import pytest

from spx_data.ops.probe import probing, recording, scrubbing
from spx_data.ops.probe.heard import Topic
from spx_data.store import seals
from theta_simulator.habits import Habit, Kind

STORIES = {
    "v3": {"full": True},
    "v3-ndjson": {"format": "ndjson"},
    "v3-json-rows": {"format": "json", "habits": [Kind.JSON_ROWS, Kind.BOM]},
    "v3-json-legacy": {"format": "json", "habits": [Kind.JSON_LEGACY, Kind.LAMBDA_NAN]},
    "v3-gzip": {"habits": [Kind.CHAIN_GZIP, Kind.LAMBDA_BLANK, Kind.LISTS_570]},
    "v3-spelling": {
        "habits": [
            Kind.HEADER_UPPER,
            Kind.TRAILING_COMMA,
            Kind.BOM,
            Kind.LEADING_BLANK_LINE,
            Kind.RIGHT_TITLE,
        ]
    },
    "v3-unended": {"habits": [Kind.NO_FINAL_NEWLINE, Kind.STAMP_OFFSET, Kind.HEADER_SPACED]},
    "v3-docs": {"style": "docs", "format": "json"},
    "v3-listing": {
        "habits": [Kind.LISTS_EXPIRED, Kind.LISTS_FOREIGN_ROOT, Kind.LISTS_ZERO_STRIKE, Kind.LISTS_UNQUOTED]
    },
    "v3-lacks": {
        "habits": [
            Kind.LOSES_FIRST_ROWS_EVERYWHERE,
            Kind.SINGLES_MORE_RANDOM_EVERYWHERE,
            Kind.ENDS_EARLY_TENTH,
            Kind.NO_ZERO_BID_ROWS,
        ]
    },
    "v3-change": {
        "habits": [Kind.ROWS_ON_CHANGE, Kind.DEAD_MINUTE, Kind.ZERO_ROWS_FIRST, Kind.SINGLES_RESET]
    },
    "v3-binary": {
        "habits": [Kind.CHAIN_500_BINARY, Kind.SINGLES_500],
        "seeds": range(40),
        "planted": ("jane doe of depository " * 12,),
    },
    "v2": {"api": "v2"},
    "v2-json-pages": {"api": "v2", "format": "json", "page_size": 300},
    "v2-csv-pages": {"api": "v2", "page_size": 200, "full": True},
}


@pytest.fixture
def told(simulated, lake, at, has_calendar, tmp_path):
    """Return a maker of recordings: the archive of one probe, and the probe's own table."""

    @contextlib.contextmanager
    def probe(*, full=False, format="csv", habits=(), seeds=(1,), moment=None, **keys):
        drawn = tuple(Habit(kind, seed=seed) for kind in habits for seed in seeds)
        terminal = simulated(**({"habits": drawn} if drawn else {}) | keys)
        settings = lake(terminal.url, start_date="2018-01-02", interval="5m", format=format)
        has_calendar(settings, at(2024, 12, 31, 12, 0))
        with probing(settings, moment or at(2024, 12, 31, 12, 0), full=full) as probed:
            yield terminal, probed, settings

    def make(name="recording.zip", **keys):
        with probe(**keys) as (_, probed, settings):
            made = recording.recording(probed.story, probed.profile, settings)
            made.write(tmp_path / name)
            return made, [row._asdict() for row in probed.profile.table]

    make.probe = probe
    return make


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest(content):
    return json.loads(members(content)[recording.MANIFEST])


# The same again -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORIES)
def test_a_probe_of_a_recording_finds_the_same_and_records_the_same(name, told, tmp_path):
    story = STORIES[name]
    made, table = told(**story)
    again, same = told("again.zip", replay=tmp_path / "recording.zip", full=story.get("full", False),
                       format=story.get("format", "csv"))  # fmt: skip

    assert manifest(made.content)["table"] == table
    assert same == table
    assert again.content == made.content
    assert 0 < len(made.content) < 300_000


@pytest.mark.parametrize("name", ["v3-unended", "v3-spelling", "v2"])
def test_what_is_kept_of_a_table_is_kept_byte_for_byte(name, told):
    with told.probe(**STORIES[name], size="small") as (_, probed, settings):
        made = recording.recording(probed.story, probed.profile, settings)
        kept = members(made.content)
        came = {raw.target: raw.content() for raw in probed.story.raws if raw.status == 200}
        chains = [
            each.raws[-1].target for each in probed.story.of(Topic.ORDINARY, Topic.LISTING, Topic.HALF_DAY)
        ]

    named = {each["request"]: kept[each["body"]] for each in manifest(made.content)["exchanges"]}
    for target in chains:
        lines = came[target].splitlines(keepends=True)
        left = named[target].splitlines(keepends=True)
        assert 3 < len(left) < len(lines) / 2
        assert (left[:2], left[-1]) == (lines[:2], lines[-1])
        assert set(left) <= set(lines)
        assert sorted(left, key=lines.index) == left


def test_the_same_answers_make_the_same_file(told):
    with told.probe() as (_, probed, settings):
        one, other = (recording.recording(probed.story, probed.profile, settings) for _ in range(2))

    assert one.content == other.content
    assert one.sha256 == other.sha256


def test_a_manifest_says_what_each_answer_was(told):
    made, _ = told()
    found = manifest(made.content)

    assert seals.holds(members(made.content)[recording.MANIFEST])
    assert found["fill"] == {"date": "2024-12-17", "roots": ["SPXW"], "max_dte": 0}
    assert [each["request"] for each in found["exchanges"]] == [each.request for each in made.members]
    chains = [each for each in made.members if each.contracts]
    assert all(0 < each.contracts[0] <= each.contracts[1] for each in chains)
    assert len(chains) >= 4


def test_what_came_of_a_terminal_that_died_is_kept(told, at):
    with told.probe() as (terminal, _, settings):
        terminal.set_status("CONNECTED")

        def dies(line):
            if line.startswith(" 4/"):
                terminal.set_status("DISCONNECTED")

        with probing(settings, at(2024, 12, 31, 12, 0), tell=dies) as probed:
            assert probed.ended_by is not None
            made = recording.recording(probed.story, probed.profile, settings)

    statuses = [each.status for each in made.members]
    assert statuses[:3] == [200, 200, 200]
    assert 474 in statuses


# Refused ------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_recording_is_never_replaced(told, tmp_path):
    target = tmp_path / "recording.zip"
    target.write_text("mine")

    with pytest.raises(recording.RecordingRefusedError, match="is there, and is no recording"):
        told()

    assert target.read_text() == "mine"


@pytest.mark.parametrize("kind", ["zip", "folder", "link"])
def test_nor_is_another_zip_or_a_folder_or_a_link(kind, tmp_path):
    target = tmp_path / "there"
    if kind == "zip":
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("manifest.json", '{"kind": "else"}')
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")

    with pytest.raises(recording.RecordingRefusedError):
        recording.check_target(target)


def test_a_recording_is_replaced(told, tmp_path):
    told()
    made, _ = told(habits=[Kind.LISTS_EXPIRED])

    assert (tmp_path / "recording.zip").read_bytes() == made.content


def test_one_that_is_too_large_keeps_fewer_contracts_or_is_refused(told, monkeypatch):
    with told.probe(size="small") as (_, probed, settings):
        whole = recording.recording(probed.story, probed.profile, settings)
        monkeypatch.setattr(recording, "MOST_BYTES", len(whole.content) - 1)
        fewer = recording.recording(probed.story, probed.profile, settings)
        monkeypatch.setattr(recording, "MOST_BYTES", 1000)

        with pytest.raises(recording.RecordingRefusedError, match="expected at most 1,000"):
            recording.recording(probed.story, probed.profile, settings)

    assert len(fewer.content) < len(whole.content)


# Nothing about anybody ----------------------------------------------------------------------------------

PLANTED = (
    "trading-desk-7.corp.example",
    "WORKSTATION42",
    "jane.doe",
    "JaneDoe77",
    "/home/janedoe/vault/depository.jar",
    r"C:\Users\JaneDoe\Depository\vault.properties",
    "/Users/janedoe/Library/Preferences",
    "jane.doe@corp.example",
    "9f86d081884c7d659a2feaa0c55ad015",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lZG9lIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r",
    "c2VjcmV0LXRva2VuLWZvci1qYW5l",
    "550e8400-e29b-41d4-a716-446655440000",
    "192.168.178.23",
    "token=s3cr3tpassphrase",
    "4111111111111111",
)


def parts(word):
    """The parts of a planted word that tell something by themselves."""
    found, run = [], ""
    for letter in word + " ":
        if letter.isalnum():
            run += letter
        else:
            found.append(run)
            run = ""
    return {word, *(part for part in found if len(part) >= 6)}


def everything(content):
    """All bytes of an archive: as they are, and of each member as it is, packed once more or less."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        yield archive.comment
        for entry in archive.infolist():
            body = archive.read(entry)
            yield from (entry.filename.encode(), entry.comment, entry.extra, body)
            if body.startswith(b"\x1f\x8b"):
                yield gzip.decompress(body)
    yield content


TROUBLE = {
    "v3": {},
    "v2": {"api": "v2", "page_size": 300, "format": "json"},
    "refusals": {"habits": [Kind.SINGLES_500, Kind.EOD_TIER, Kind.CHAIN_NO_DATA_TEXT], "full": True},
    "listings": {"habits": [Kind.LISTS_570, Kind.LISTED_472_ALWAYS, Kind.UNAVAILABLE_FIRST]},
    "text": {"habits": [Kind.CHAIN_NO_DATA_TEXT_CSV, Kind.DATE_472, Kind.SINGLES_429], "api": "v2"},
    "packed": {"habits": [Kind.CHAIN_GZIP, Kind.CHAIN_470, Kind.BUSY_FIRST]},
    "binary": {"habits": [Kind.CHAIN_500_BINARY, Kind.NO_EOD], "seeds": range(40), "full": True},
}


@pytest.mark.parametrize("name", TROUBLE)
def test_nothing_that_identifies_anybody_is_in_it(name, told):
    made, table = told(planted=PLANTED, **TROUBLE[name])

    sought = {part.lower().encode() for word in PLANTED for part in parts(word)}
    leaked = {part for content in everything(made.content) for part in sought if part in content.lower()}
    assert leaked == set()
    assert manifest(made.content)["table"] == table  # findings quote nothing of it either


def test_what_was_planted_was_there(told):
    with told.probe(planted=PLANTED) as (_, probed, _settings):
        said = " ".join(value for raw in probed.story.raws for value in raw.headers.values())

    assert all(word in said for word in PLANTED)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"said by jane@corp.example", "an e-mail address"),
        (b"see /home/jane/x", "a path of a machine"),
        (rb"see C:\Users\x", "a path of a machine"),
        (b"by WORKER-seven", "the value of SOME_API_KEY"),
        (gzip.compress(b"by janetheuser", mtime=0), "the name of the user"),
    ],
)
def test_a_last_look_refuses_what_is_there_all_the_same(body, what, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "worker-seven")
    monkeypatch.setenv("LOGNAME", "janetheuser")

    with pytest.raises(scrubbing.PersonalError, match=rf"would hold {what} in 003.bin"):
        scrubbing.check_nothing_personal({"003.bin": body}, [], [])


def test_a_last_look_takes_no_word_that_answers_hold_for_a_name(monkeypatch):
    monkeypatch.setenv("LOGNAME", "root")

    scrubbing.check_nothing_personal({"003.csv": b"root,expiration,strike,right"}, [], [])
