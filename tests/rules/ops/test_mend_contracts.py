"""A sealed day's contracts, made again: of days sealed without them, that lost them, or lack a report."""

import dataclasses
import datetime as dt
import io
import json
import random
import shutil

import pytest
from rich.console import Console
from tests.proof.disk import Disk
from tests.rules.conftest import DAY, Date

import spx_data
from spx_data.cli.again import print_mended
from spx_data.lake.verify import Damage, Standing, verify
from spx_data.market import sessions
from spx_data.ops import mend as mending
from spx_data.ops.mend import contracts
from spx_data.ops.mend.sealed import SealedDay
from spx_data.ops.recheck import versions
from spx_data.store import files, journal, reads, seals
from theta_simulator import Habit

NOW = dt.datetime(2024, 6, 3, 12, tzinfo=dt.UTC)


def sealed_before(date):
    """Make a sealed day one of before there were files of contracts; returns the bytes that it had."""
    path, parquet = date.layout.contracts(DAY), date.layout.parquet(DAY)
    had, passport = path.read_bytes(), json.loads(date.layout.passport(DAY).read_text())
    del passport["contracts"]
    seals.seal(parquet, passport["parquet"]["sha256"], passport)
    files.remove(path)
    return had


def mended(date, moment=NOW):
    """Mend what is lacking; returns the only outcome."""
    (outcome,) = mending.mend(date.settings, moment)
    assert outcome.error is None, outcome.error
    return outcome


def asked_for(date):
    """The same date, named by a person."""
    date.settings = dataclasses.replace(date.settings, dates=sessions.named(str(DAY), NOW))
    return date


def kept(date):
    """The bytes of what a mend of contracts leaves alone."""
    layout = date.layout
    return [path.read_bytes() for path in (layout.parquet(DAY), layout.passport(DAY), layout.journal(DAY))]


@pytest.fixture(params=["v3", "v2"])
def old(request, terminals, day, tmp_path, tmp_path_factory):
    """Return a day that was sealed without contracts, and the bytes of those that it should have."""
    date = day(terminals[request.param], interval="1h", keep_ndjson=False)
    lake = tmp_path_factory.getbasetemp() / f"sealed-before-{request.param}"
    if lake.exists():
        shutil.copytree(lake, tmp_path, dirs_exist_ok=True)
    else:
        date.fill()
        shutil.copytree(tmp_path, lake)
    return date, sealed_before(date)


def test_a_day_sealed_without_is_healthy_and_gets_them_without_a_chain_asked_for(old):
    date, whole = old
    before = kept(date)
    assert verify(date.settings).all_is_well
    assert mending.named(date.settings, NOW) == [DAY]

    outcome = mended(date)

    assert date.layout.contracts(DAY).read_bytes() == whole
    assert seals.read(date.layout.parquet(DAY)).contracts == reads.digest(date.layout.contracts(DAY))
    assert kept(date) == before
    assert (outcome.lacked, outcome.lacks, outcome.asked) == ([contracts.ALL], [], 4)
    assert outcome.folder is None
    assert verify(date.settings).all_is_well
    assert mending.named(date.settings, NOW) == []
    (event,) = [e for e in journal.read(date.layout.lake_journal) if e["event"] == journal.MENDED]
    assert (event["changed"], event["contracts"]) == (True, [])
    assert not list(date.layout.temp.rglob("*.*"))


@pytest.mark.parametrize("damage", [Damage.CONTRACTS_LOST, Damage.CONTRACTS_CHANGED, Damage.SIDECAR_DAMAGED])
def test_what_was_lost_or_changed_is_named_costs_no_day_and_is_made_again(damage, old):
    date, whole = old
    mended(date)
    path, sidecar = date.layout.contracts(DAY), date.layout.sidecar(DAY)
    said = sidecar.read_text()
    if damage is Damage.CONTRACTS_LOST:
        path.unlink()
    elif damage is Damage.CONTRACTS_CHANGED:
        path.write_bytes(whole[:100] + b"\0" + whole[101:] + b"\0")
    else:
        digest = seals.read(date.layout.parquet(DAY)).contracts
        sidecar.write_text(said.replace(digest, digest[:-1] + ("0" if digest[-1] != "0" else "1")))

    report = verify(date.settings)
    assert [day.standing for day in report.days] == [Standing.HEALTHY]
    ((finding,),) = [day.examination.beside for day in report.beside]
    assert finding.damage is damage
    assert f"`spx-data mend {DAY}`" in finding.text
    rows = spx_data.scan(lake=date.layout.output, data=date.layout.data).collect()
    assert len(rows) == date.passport()["rows"]

    mended(date)

    assert (path.read_bytes(), sidecar.read_text()) == (whole, said)
    assert verify(date.settings).all_is_well


def test_a_report_that_was_refused_is_not_asked_for_unasked_and_had_when_it_can_be(
    terminals, simulated, day, monkeypatch
):
    refusing = simulated(api="v3", habits=(Habit("interest-tier"),))
    date = day(refusing, interval="1h", keep_ndjson=False)
    date.fill()
    before = date.layout.contracts(DAY).read_bytes()
    assert mending.named(date.settings, NOW) == []  # a subscription does not grow by itself

    named = asked_for(day(refusing, interval="1h"))
    outcome = mended(named)
    lacking = ["open_interest of SPX", "open_interest of SPXW"]
    assert (outcome.lacked, outcome.lacks) == (lacking, lacking)
    assert date.layout.contracts(DAY).read_bytes() == before

    paid = asked_for(day(terminals["v3"], interval="1h"))
    outcome = mended(paid)
    assert (outcome.lacked, outcome.lacks) == (lacking, [])
    found = spx_data.contracts(lake=date.layout.output, data=date.layout.data).collect()
    assert found["open_interest"].null_count() < len(found)
    monkeypatch.setenv("COLUMNS", "160")
    said = io.StringIO()
    print_mended([outcome], Console(file=said, width=160))
    assert "mended" in said.getvalue() and "open_interest of SPX" in said.getvalue()


def test_a_mend_that_knows_less_leaves_what_is_there(simulated, day):
    date = day(simulated(api="v3", habits=(Habit("interest-500"),)), interval="1h", keep_ndjson=False)
    date.fill()
    before = date.layout.contracts(DAY).read_bytes()
    assert mending.named(date.settings, NOW) == [DAY]  # it failed: another time it may not

    worse = day(simulated(api="v3", habits=(Habit("interest-500"), Habit("eod-500"))), interval="1h")
    outcome = mended(worse)

    assert outcome.lacked == outcome.lacks != []
    assert date.layout.contracts(DAY).read_bytes() == before
    assert verify(date.settings).all_is_well


def test_what_an_old_day_has_not_is_settled_and_a_new_days_report_may_come():
    nothing = {"reports": {"end_of_day": {"unknown": {"SPX": "ApiDataNotFoundError, status 472"}}}}

    assert contracts.is_worth_asking(nothing, DAY, DAY + dt.timedelta(days=1))
    assert not contracts.is_worth_asking(nothing, DAY, DAY + dt.timedelta(days=30))
    assert contracts.is_worth_asking(None, DAY, DAY + dt.timedelta(days=900))


@pytest.mark.parametrize("power", [False, True])
def test_a_stop_at_any_operation_leaves_the_day_sealed_and_whole(power, old):
    """Of the whole mend's operations on the disk a share, each followed by a mend that ends."""
    date, whole = old
    aside, before = mending.aside(date.settings), kept(date)[:2]
    bare = date.layout.sidecar(DAY).read_bytes()

    def add():
        contracts.add(
            date.settings,
            aside,
            SealedDay(date.layout, DAY, json.loads(date.layout.passport(DAY).read_text())),
        )

    with Disk() as disk:
        add()
    assert date.layout.contracts(DAY).read_bytes() == whole
    for at in sorted(random.Random(1).sample(range(1, disk.count + 1), min(12, disk.count))):
        date.layout.sidecar(DAY).write_bytes(bare)
        files.remove(date.layout.contracts(DAY))
        with Disk(at, power=power, seed=at):
            add()
        assert seals.is_sealed(date.layout.parquet(DAY)), at
        assert kept(date)[:2] == before
        (day,) = verify(date.settings).days
        assert day.standing is Standing.HEALTHY and not day.examination.beside, at
        add() if contracts.told(date.layout, DAY) is None else None
        assert date.layout.contracts(DAY).read_bytes() == whole
        assert verify(date.settings).all_is_well
        assert not list(date.layout.output.rglob("*.part"))


def test_a_replaced_day_brings_its_contracts_and_keeps_those_of_before(old):
    date, _ = old
    folder = date.layout.restatements(DAY) / "now"
    other = Date(date.settings, DAY)
    there = versions.aside(other.settings)
    versions.fetch(there, DAY, date.session)
    versions.keep(there.layout, DAY, folder / versions.AFTER)
    versions.exchange(date.layout, DAY, folder)

    assert verify(date.settings).all_is_well
    assert seals.read(date.layout.parquet(DAY)).contracts is not None
    assert not (folder / versions.BEFORE / date.layout.contracts(DAY).name).exists()
