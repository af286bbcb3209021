"""A date that would not fit on the disk is not begun."""

import pytest
from tests.rules.conftest import DAY, Date

from spx_data.errors import InsufficientDiskSpaceError
from spx_data.fill import disk_space
from spx_data.fill.listing import Listing
from spx_data.lake.session_states import Kind
from spx_data.store import files, journal, reads


@pytest.fixture
def listed(terminals, day):
    date = day(terminals["v3"])
    date.fetch()
    return date


def need_of(date):
    listing = Listing.of_json(date.listing())
    contracts = sum(entry.contracts for entry in listing.chains)
    return disk_space.estimate(date.layout, listing, date.settings.window, contracts)


def history_requests(date):
    return [event for event in date.events(journal.REQUEST) if "history" in event["url"]]


def test_a_date_without_room_names_both_figures_and_fetches_nothing(listed, monkeypatch):
    need = need_of(listed)
    monkeypatch.setattr(reads, "free_bytes", lambda _: 10_000)

    with pytest.raises(
        InsufficientDiskSpaceError, match=r"needs about .* MB .*, and 0\.0 MB are free"
    ) as caught:
        listed.download()

    assert caught.value.fields["available"] == 10_000
    assert caught.value.fields["required"] == round(1.5 * (need.staged + need.sealed + need.records))
    assert "Make room" in caught.value.cure
    assert history_requests(listed) == []
    assert (listed.state().kind, listed.state().tries) == (Kind.FAILED, 0)


@pytest.mark.parametrize("scarce", ["temp", "output", "data"])
def test_the_disks_of_all_directories_are_judged(listed, monkeypatch, scarce):
    need, layout = need_of(listed), listed.layout
    monkeypatch.setattr(reads, "device", lambda path: hash(path))
    enough = {
        layout.temp: 1.5 * need.staged,
        layout.output: 1.5 * need.sealed,
        layout.data: 1.5 * need.records,
    }
    enough = {folder: 1 + bytes_ for folder, bytes_ in enough.items()}
    enough[getattr(layout, scarce)] -= 2
    monkeypatch.setattr(reads, "free_bytes", enough.get)

    with pytest.raises(InsufficientDiskSpaceError, match=f"disk of {getattr(layout, scarce)} "):
        listed.download()


def test_what_is_staged_needs_no_room_again(listed, monkeypatch):
    listed.download()
    need = need_of(listed)
    listed.layout.manifest(DAY).unlink()
    monkeypatch.setattr(reads, "free_bytes", lambda _: 2 * (need.sealed + need.records))

    listed.download()

    assert listed.layout.manifest(DAY).exists()


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_the_guess_is_neither_too_small_nor_absurd(api, terminals, day):
    date = day(terminals[api])
    date.fetch()
    guess = need_of(date)

    date.download()
    date.merge()

    staged = sum(path.stat().st_size for path in date.layout.staging(DAY).glob("*.ndjson"))
    assert staged < 1.5 * guess.staged < 4 * staged
    assert date.layout.parquet(DAY).stat().st_size < 1.5 * guess.sealed


def test_a_neighbour_tells_better_than_the_guess(terminals, day):
    before = day(terminals["v3"])
    before.fill()
    date = Date(before.settings, before.date.replace(day=4))
    date.fetch()
    need = need_of(date)

    date.download()
    date.merge()

    staged = sum(path.stat().st_size for path in date.layout.staging(date.date).glob("*.ndjson"))
    assert staged == pytest.approx(need.staged, rel=0.1)
    assert date.layout.parquet(date.date).stat().st_size == pytest.approx(need.sealed, rel=0.2)


def test_a_neighbour_of_another_making_tells_nothing(terminals, day):
    before = day(terminals["v3"], interval="1h")
    before.fill()
    files.write_text(before.layout.passport(before.date.replace(day=5)), "{")
    date = day(terminals["v3"], before.date.replace(day=4), output_directory=str(before.layout.output))
    listing = Listing.of_json(before.listing() | {"date": "2024-01-04", "dataset": {"interval": "1m"}})

    window = date.settings.window._replace(interval="1m")
    need = disk_space.estimate(date.layout, listing, window, 10)

    assert need.staged == pytest.approx(10 * 391 * 100)
