"""A probe of a replay hears what the probe of the original heard, to the byte and to the figure."""

import datetime as dt

import pytest
from tests.recording import exchange, manifest, recorded, signed

from spx_data.ops.probe import probing
from spx_data.store import seals
from theta_simulator import Habit

MOMENT = dt.datetime.fromisoformat("2024-12-31T12:00:00-05:00")
CASES = [
    pytest.param({"api": "v3"}, True, id="v3"),
    pytest.param({"api": "v3", "habits": (Habit("chain-gzip"), Habit("json-legacy"))}, False, id="v3-habits"),
    pytest.param({"api": "v3", "habits": (Habit("busy-first"), Habit("chain-500"))}, False, id="v3-trouble"),
    pytest.param({"api": "v2"}, True, id="v2"),
    pytest.param({"api": "v2", "page_size": 300}, True, id="v2-pages"),
]


def heard(lake, terminal, full):
    """Return what is kept of a probe: its answers, and its table."""
    with probing(lake(terminal.url, start_date="2018-01-02"), MOMENT, full=full) as probed:
        here = terminal.url.encode()
        answers = [
            (
                raw.target,
                raw.status,
                [(name, value.replace(terminal.url, "")) for name, value in raw.headers.items()],
                raw.content().replace(here, b""),
                (raw.first_byte_seconds, raw.seconds, raw.size),
            )
            for raw in probed.story.raws
        ]
        return answers, [row.seen for row in probed.profile.table]


def as_kept(target, status, headers, body, figures):
    """Return an answer as the manifest of a recording has it."""
    ends = {"content-length": "length", "transfer-encoding": "chunked"}
    (framing,) = (ends[name] for name, _ in headers if name in ends)
    first_byte, seconds, size = figures
    return exchange(
        target,
        body,
        status=status,
        headers=[[name, value] for name, value in headers if name not in ends],
        framing=framing,
        first_byte_seconds=first_byte,
        seconds=seconds,
        bytes=size,
    )


@pytest.mark.parametrize(("options", "full"), CASES)
def test_a_probe_of_a_replay_hears_the_same(options, full, lake, simulated, tmp_path):
    answers, table = heard(lake, simulated(**options), full)
    path = recorded(tmp_path / "recording.zip", (as_kept(*each) for each in answers), api=options["api"])

    replay = simulated(replay=path)
    again, same_table = heard(lake, replay, full)

    for one, other in zip(answers, again, strict=True):
        assert (one[:2], one[3:]) == (other[:2], other[3:])
        assert {name: value for name, value in one[2] if name != "content-length"} == {
            name: value for name, value in other[2] if name != "content-length"
        }
    assert same_table == table
    assert any("/v2/page/" in target for target, *_ in again) == ("page_size" in options)
    assert {each["status"] for each in replay.requests()} == {each[1] for each in answers}


def test_a_manifest_vouches_for_itself_as_the_products_documents_do():
    content = signed(manifest({}, [exchange("/v3/x")]))

    assert seals.holds(content)
    assert not seals.holds(content.replace(b"/v3/x", b"/v3/y"))
