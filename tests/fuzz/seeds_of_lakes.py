"""Files that the product itself wrote: a small date is filled, and what is there then is taken."""

import datetime as dt
import functools
import json
import tempfile
from pathlib import Path

import theta_simulator
from spx_data.config import shipped
from spx_data.lake import runs, snapshots
from spx_data.market.records import Reject
from spx_data.store import archive, seals, staging
from spx_data.store.names import Checkpoint, compressed_of
from tests.fuzz import wire
from tests.proof import fills

_ROOT = Path(__file__).resolve().parents[2]
_RECORDINGS = _ROOT / "tests" / "recordings"
_MOST = 60_000  # bytes of a recording that is a seed
_DATES = (b"2024-01-02", b"2024-01..2024-03", b"2024", b"last 30 days", b"today, 2024-02-29", b"this year")
_VARIABLES = b"MAX_CONCURRENT_REQUESTS=4\nPROCESSING_START_DATE=2020-01-02\nOUTPUT_DIRECTORY=data/parquet\n"


@functools.cache
def found():
    """Seeds of every parser of `lake`, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        seeds = _of_a_fill(Path(folder))
    commented = shipped.CONFIG.read_bytes().replace(b"# start_date: 2024", b"start_date: 2024", 1)
    small = sorted(_RECORDINGS.glob("*.zip"), key=lambda path: path.stat().st_size)[:3]
    return seeds | {
        "recording": [path.read_bytes() for path in small],
        "config": [commented, _uncommented(commented)],
        "environment": [_VARIABLES],
        "dates": list(_DATES),
    }


def _uncommented(content):
    return b"".join(line for line in content.splitlines(keepends=True) if not line.strip().startswith(b"#"))


def _of_a_fill(folder):
    terminal = theta_simulator.Settings(api="v3", size="tiny", today=dt.date(2024, 12, 31))
    with theta_simulator.running(terminal) as running:
        keys = {"roots": ["SPXW"], "interval": "1h", "max_dte": 0, "keep_ndjson": True}
        fill = fills.Fill(fills.lake(folder, running.url, wire.DATE, **keys), wire.DATE)
        listing, manifest = fill._stages()[:2]
        for stage, _ in (listing, manifest):
            stage()
        layout, staged = fill.layout, {}
        for name, path in (("listing", layout.listing(wire.DATE)), ("manifest", layout.manifest(wire.DATE))):
            staged[name] = [path.read_bytes()]
        (receipt,) = layout.receipts(wire.DATE)
        checkpoint = Checkpoint.of(receipt.with_name(receipt.name.replace(".receipt.json", ".ndjson")))
        staged |= {"receipt": [receipt.read_bytes()], "staged": [checkpoint.records.read_bytes()]}
        if error := fill.run():
            raise error
    return staged | _sealed(layout, folder)


def _sealed(layout, folder):
    note = runs.Run("run-1", 1, dt.datetime(2024, 12, 31, tzinfo=dt.UTC), ".", "fill", (wire.DATE,))
    lines = layout.journal(wire.DATE).read_bytes()
    rejects = Checkpoint(folder / "r.ndjson", folder / "r.receipt.json")
    staging.write_rejects(rejects, [Reject("fields", 'SPXW,"x', 1), Reject("strike", "", 7)])
    archive.pack(layout.journal(wire.DATE), lambda kept: (kept, {}))
    return {
        "journal": [lines],
        "journal-gz": [compressed_of(layout.journal(wire.DATE)).read_bytes()],
        "passport": [layout.passport(wire.DATE).read_bytes()],
        "sidecar": [layout.sidecar(wire.DATE).read_bytes()],
        "rejects": [rejects.rejects.read_bytes()],
        "run-note": [json.dumps(note.as_json()).encode(), b'{"run": "run-1"}\n'],
        "outage-note": [_outage_note()],
        "dataset": [layout.dataset.read_bytes()],
        "incident": [json.dumps({"date": "2024-12-10", "damages": ["sidecar lost"]}).encode()],
        "profile": [_profile(folder)],
        "snapshot": [_snapshot(layout)],
    }


def _outage_note():
    """A note of today, for others are none."""
    today = dt.datetime.combine(dt.datetime.now(dt.UTC), dt.time(), dt.UTC).isoformat()
    return json.dumps({"run": "run-1", **dict.fromkeys(("since", "again", "until", "at"), today)}).encode()


def _snapshot(layout):
    snapshots.create(layout, "paper", {wire.DATE: seals.read(layout.parquet(wire.DATE)).parquet})
    return layout.snapshot("paper").read_bytes()


def _profile(folder):
    """A profile with something in every field."""
    from spx_data.sources import profile

    clock, volume = (
        profile.Clock("SPXW", True, "to 16:00"),
        profile.Volume(wire.DATE, {"SPXW": 3}, {"SPXW": 20}),
    )
    found = profile.Profile(
        dt.datetime(2024, 12, 31, 12, tzinfo=dt.UTC), True, False, "v3", "http://127.0.0.1:25503",
        clocks=(clock,),
        volume=volume, floor=profile.Floor(dt.date(2020, 1, 2), dt.date(2019, 12, 31), "471: no"),
        speed=profile.Speed(0.1, 0.2, 1e6, 1e4, 4), confirmed=dict.fromkeys(list(profile.Lack)[:1], 2),
        table=(profile.Finding("at-once", "a", "b", "c", "d"),), answers={"/v3/x": "0" * 64},
    )  # fmt: skip
    profile.write(folder / "profile.json", found)
    return (folder / "profile.json").read_bytes()
