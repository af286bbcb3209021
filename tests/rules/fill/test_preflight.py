"""One look before the first job, and one message for what would make every date fail alike."""

from dataclasses import replace

import pytest

from spx_data.errors import (
    ApiConnectionError,
    ConfigurationValidationError,
    DatasetMismatchError,
    PermissionDeniedError,
    ThetaTerminalNotRunningError,
    WrongApiError,
)
from spx_data.fill.preflight import preflight
from spx_data.sources import slots
from spx_data.store import dataset


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_good_beginning_names_the_terminal(api, terminals, lake):
    settings = lake(terminals[api].url)

    found = preflight(settings)

    assert (found.api, found.base_url) == (api, terminals[api].url)
    assert not settings.layout.dataset.exists()


@pytest.mark.parametrize("directory", ["parquet", "temp", "data", "database"])
def test_a_directory_nobody_can_write_to_is_named(directory, terminals, lake, tmp_path):
    # Root may write anywhere, but nobody makes a folder of a file.
    (tmp_path / directory).touch()

    with pytest.raises(PermissionDeniedError, match=str(tmp_path / directory)):
        preflight(lake(terminals["v3"].url))


def test_directories_are_looked_at_before_the_terminal(lake, simulated):
    terminal = simulated()
    settings = lake(terminal.url)
    settings.layout.output.touch()

    with pytest.raises(PermissionDeniedError):
        preflight(settings)

    assert terminal.requests() == []


def test_a_limit_that_holds_for_fewer_than_usual_is_said(terminals, lake, monkeypatch, caplog, tmp_path):
    elsewhere = slots.Place(tmp_path / "elsewhere", "cannot write to /home/me: Read-only file system")
    monkeypatch.setattr(slots, "of_terminal", lambda *_: elsewhere)

    preflight(lake(terminals["v3"].url))

    assert f"who see {elsewhere.folder} alone: {elsewhere.instead_of}" in caplog.text


def test_no_terminal_is_one_message(lake, nobody):
    url = nobody()

    with pytest.raises(ThetaTerminalNotRunningError, match=url):
        preflight(lake(url))


@pytest.mark.parametrize(
    "word, kind", [("UNVERIFIED", ThetaTerminalNotRunningError), ("DISCONNECTED", ApiConnectionError)]
)
def test_a_terminal_that_cannot_serve_is_one_message(word, kind, lake, simulated):
    with pytest.raises(kind, match=word):
        preflight(lake(simulated(status=word).url))


def test_another_api_is_one_message(terminals, lake):
    with pytest.raises(WrongApiError, match="speaks v3"):
        preflight(lake(terminals["v3"].url, api="v2"))


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_an_unknown_root_is_named(api, terminals, lake):
    with pytest.raises(ConfigurationValidationError, match="knows no option root SPQR") as caught:
        preflight(replace(lake(terminals[api].url), roots=("SPX", "SPQR")))

    assert caught.value.fields["what"] == "processing.roots"


def test_another_data_set_is_refused_before_anything_is_asked_for(terminals, lake):
    settings = lake(terminals["v3"].url)
    dataset.claim(settings.layout, settings.identity("latest"))

    with pytest.raises(DatasetMismatchError, match="interval"):
        preflight(lake(terminals["v3"].url, interval="5m"))


def test_the_greeks_model_is_the_one_the_terminal_really_has(terminals, lake):
    settings = lake(terminals["v3"].url)
    dataset.claim(settings.layout, settings.identity("latest"))

    with pytest.raises(DatasetMismatchError, match="greeks_version is latest there and 1 now"):
        preflight(lake(terminals["v2"].url))


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("status", [429, 503, 571])
def test_the_first_questions_of_a_run_have_the_patience_of_all_others(place, status, lake, wire):
    # How it is, then of each root whether it is known: one of these is refused once.
    says = ["CONNECTED", *(f"symbol,expiration\r\n{root},2024-01-05\r\n" for root in ("SPX", "SPXW"))]
    for number, body in enumerate(says):
        if number == place:
            for _ in range(2 if number == 0 else 1):  # the other API is looked for too
                wire.says("later", "text/plain", status, Retry_After="1")
        wire.says(body, "text/plain")

    found = preflight(lake(wire.url, roots=["SPX", "SPXW"]))

    assert found.base_url == wire.url
    assert len(wire.asked) == len(says) + (2 if place == 0 else 1)
