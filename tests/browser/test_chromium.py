"""Which browser the tests take, and what they say where there is none."""

import pytest
from tests import debian
from tests.browser import chromium


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Return a maker of programs that are all there is on this machine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(chromium.VARIABLE, raising=False)
    monkeypatch.setattr(chromium, "APPLICATIONS", (tmp_path / "Applications",))

    def make(name):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o700)
        return path

    return make


def test_the_browser_that_a_person_names_comes_first(programs, monkeypatch):
    programs("chromium")
    named = programs("mine")
    monkeypatch.setenv(chromium.VARIABLE, str(named))

    assert chromium.find() == named


def test_a_name_of_nothing_is_not_passed_over(programs, monkeypatch):
    programs("chromium")
    monkeypatch.setenv(chromium.VARIABLE, "no-such-browser")

    with pytest.raises(chromium.NoBrowserError, match="names no-such-browser"):
        chromium.find_or_install(1)


def test_chromium_comes_before_chrome_and_a_mac_has_its_own_place(programs):
    on_a_mac = programs("../Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
    assert chromium.find().resolve() == on_a_mac.resolve()

    chrome = programs("google-chrome")
    assert chromium.find() == chrome

    assert programs("chromium") == chromium.find()


@pytest.mark.parametrize("hindrance", ["no apt-get", "not root"])
def test_where_nothing_can_be_installed_the_search_and_the_cure_are_told(programs, monkeypatch, hindrance):
    if hindrance == "not root":
        programs("apt-get")
        monkeypatch.setattr(debian.os, "geteuid", lambda: 1000)

    with pytest.raises(chromium.NoBrowserError, match=r"looked for chromium, .*; install Chromium"):
        chromium.find_or_install(1)


def test_what_apt_says_when_it_fails_is_passed_on(programs, monkeypatch):
    programs("apt-get").write_text("#!/bin/sh\necho 'E: no mirror answers'\nexit 100\n")
    monkeypatch.setattr(debian.os, "geteuid", lambda: 0)

    with pytest.raises(chromium.NoBrowserError, match=r"update --quiet failed \(E: no mirror answers\)"):
        chromium.find_or_install(10)


def test_a_browser_that_apt_brings_is_found(programs, monkeypatch):
    apt = programs("apt-get")
    target = apt.with_name("chromium")
    apt.write_text(f"#!/bin/sh\n[ $1 = update ] || {{ echo > {target}; /bin/chmod 700 {target}; }}\n")
    monkeypatch.setattr(debian.os, "geteuid", lambda: 0)

    assert chromium.find_or_install(10) == target
