"""Finding the terminal and the API it speaks."""

import pytest

from spx_data.errors import (
    ApiConnectionError,
    ApiDataNotFoundError,
    ApiRateLimitError,
    ApiResponseInvalidError,
    TerminalDisconnectedError,
    TerminalSessionTakenError,
    ThetaTerminalNotRunningError,
    WrongApiError,
)
from spx_data.sources import access
from spx_data.sources.theta import capabilities, health


@pytest.fixture
def nowhere(nobody):
    """Return an address where nobody listens."""
    return nobody()


@pytest.fixture
def listens(monkeypatch):
    """Return a setter of the addresses that are looked at when none is configured."""

    def listens(**urls):
        known = [each._replace(address=urls[each.api]) for each in capabilities.APIS]
        monkeypatch.setattr("spx_data.sources.theta.access.APIS", tuple(known))

    return listens


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize("configured", ["auto", "same"])
def test_a_named_terminal_is_asked_what_it_speaks(api, configured, terminals, terminal_settings):
    wanted = terminal_settings(terminals[api].url, api=api if configured == "same" else "auto")

    found = access.locate(wanted)

    assert (found.api, found.base_url) == (api, terminals[api].url)


def test_v3_is_preferred(terminals, terminal_settings, listens):
    listens(v3=terminals["v3"].url, v2=terminals["v2"].url)

    assert access.locate(terminal_settings()).base_url == terminals["v3"].url


def test_v2_is_found_where_v3_is_not(terminals, terminal_settings, listens, nowhere):
    listens(v3=nowhere, v2=terminals["v2"].url)

    found = access.locate(terminal_settings())

    assert (found.api, found.base_url) == ("v2", terminals["v2"].url)


def test_nobody_anywhere_names_both_addresses(terminal_settings, listens, nobody):
    v3, v2 = nobody(), nobody()
    listens(v3=v3, v2=v2)

    with pytest.raises(ThetaTerminalNotRunningError) as caught:
        access.locate(terminal_settings())

    assert f"{v3} (v3) nor {v2} (v2)" in str(caught.value)
    assert "Start the Theta Terminal" in caught.value.cure


def test_nobody_at_the_named_address_names_it(terminal_settings, nowhere):
    with pytest.raises(ThetaTerminalNotRunningError, match=f"{nowhere} .connection refused"):
        access.locate(terminal_settings(nowhere))


@pytest.mark.parametrize("api, configured", [("v3", "v2"), ("v2", "v3")])
def test_another_api_than_configured_is_refused(api, configured, terminals, terminal_settings):
    wanted = terminal_settings(terminals[api].url, api=configured)

    with pytest.raises(WrongApiError, match=f"speaks {api}, but thetadata.api is {configured}"):
        access.locate(wanted)


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize(
    "word, kind",
    [
        ("UNVERIFIED", ThetaTerminalNotRunningError),
        ("DISCONNECTED", TerminalDisconnectedError),
        ("ERROR", TerminalDisconnectedError),
    ],
)
def test_a_terminal_that_cannot_serve_says_why(api, word, kind, simulated, terminal_settings):
    terminal = simulated(api=api, status=word)

    with pytest.raises(kind, match=word) as caught:
        access.locate(terminal_settings(terminal.url))

    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "body, kind", [("<html>hello</html>", "text/html"), ("fine", "text/plain"), ("", None)]
)
def test_another_server_is_no_terminal(body, kind, wire, terminal_settings):
    wire.says(body, kind)

    with pytest.raises(ApiResponseInvalidError, match="Theta Terminal's status word"):
        access.locate(terminal_settings(wire.url))


def test_a_server_that_knows_neither_path_is_no_terminal(wire, terminal_settings):
    wire.says("not found", "text/plain", 404)

    with pytest.raises(WrongApiError, match=r"thetadata\.base_url"):
        access.locate(terminal_settings(wire.url))

    assert wire.asked == ["/v3/terminal/mdds/status", "/v2/system/mdds/status"]


def test_trouble_of_a_v2_terminal_is_not_taken_for_the_wrong_version(wire, terminal_settings):
    wire.says("no such path", "text/plain", 404)
    wire.sends(b"")

    with pytest.raises(ApiConnectionError):
        access.locate(terminal_settings(wire.url))


def test_a_session_taken_by_another_terminal_is_told_as_such(wire, terminal_settings):
    wire.says("Invalid session", "text/plain", 478)

    with pytest.raises(TerminalSessionTakenError, match="Stop the other terminal"):
        access.locate(terminal_settings(wire.url))


def test_a_terminal_that_is_still_starting_is_not_said_to_be_absent(wire, terminal_settings):
    wire.says("Server is starting", "text/plain", 571)

    with pytest.raises(ThetaTerminalNotRunningError, match="still starting"):
        access.locate(terminal_settings(wire.url))


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_connect_speaks_what_was_found(api, terminals, terminal_settings, tmp_path):
    source = access.connect(terminal_settings(terminals[api].url), tmp_path)

    assert (source.api, source.base_url) == (api, terminals[api].url)
    assert source.greeks_version == {"v3": "latest", "v2": "1"}[api]
    source.close()


def test_a_located_terminal_is_taken_at_its_word(simulated, terminal_settings, tmp_path):
    terminal = simulated()

    access.connect(terminal_settings(terminal.url, api="v3"), tmp_path).close()

    assert terminal.requests() == []


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_terminal_knows_its_roots(api, terminals, terminal_settings, tmp_path):
    source = access.connect(terminal_settings(terminals[api].url), tmp_path)

    assert source.expirations("SPX") and source.expirations("SPXW")
    with pytest.raises(ApiDataNotFoundError):
        source.expirations("SPQR")
    source.close()


# Patience -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503, 571, 474, 500])
def test_whoever_is_patient_asks_a_terminal_again_that_answers_and_cannot_serve(
    status, wire, terminal_settings
):
    for _ in range(4):  # two addresses, twice
        wire.says("later", "text/plain", status)
    wire.says("CONNECTED", "text/plain")

    found = access.locate(terminal_settings(wire.url, retry_wait_factor=0), patient=True)

    assert (found.api, found.base_url) == ("v3", wire.url)
    assert len(wire.asked) == 5


@pytest.mark.parametrize("word", ["UNVERIFIED", "DISCONNECTED"])
def test_and_one_that_has_not_connected_yet(word, wire, terminal_settings):
    wire.says(word, "text/plain")
    wire.says("CONNECTED", "text/plain")

    assert access.locate(terminal_settings(wire.url, retry_wait_factor=0), patient=True).api == "v3"


def test_where_nobody_listens_patience_is_no_use(terminal_settings, nowhere, monkeypatch):
    asked = []
    glanced = health.glanced
    monkeypatch.setattr(health, "glanced", lambda *about: asked.append(about) or glanced(*about))

    with pytest.raises(ThetaTerminalNotRunningError):
        access.locate(terminal_settings(nowhere, retry_wait_factor=0), patient=True)

    assert len(asked) == 2  # once for each API


def test_patience_ends_with_something_true(wire, terminal_settings):
    wire.says("full", "text/plain", 429)

    with pytest.raises(ApiRateLimitError) as caught:
        access.locate(terminal_settings(wire.url, retry_wait_factor=0), patient=True)

    assert "max_concurrent_requests" not in str(caught.value)
    assert len(wire.asked) == 2 * (1 + ApiRateLimitError.retry.attempts)
