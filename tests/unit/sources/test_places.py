"""Where the slots of a terminal are: one folder for all spellings of its address, whatever a session says."""

import os
import types

import pytest

from spx_data.errors import (
    ConfigurationValidationError,
    DeviceError,
    InsufficientDiskSpaceError,
    PermissionDeniedError,
    VolumeError,
)
from spx_data.sources import slots
from spx_data.store import disk

TERMINAL = "http://127.0.0.1:25503"
NAME = "127.0.0.1-25503"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a machine's folders, of which this user's processes know: a home, and two of the system's."""
    made = types.SimpleNamespace(
        home=tmp_path / "home", system=(tmp_path / "var", tmp_path / "tmp"), lake=tmp_path / "lake"
    )
    for folder in (made.home, *made.system):
        folder.mkdir()
    made.aside = [top / f"spx-data-{os.geteuid()}" for top in made.system]
    made.users = {os.geteuid(): types.SimpleNamespace(pw_dir=str(made.home))}
    monkeypatch.delenv(slots.VARIABLE)
    monkeypatch.setattr(slots, "pwd", types.SimpleNamespace(getpwuid=lambda user: made.users[user]))
    monkeypatch.setattr(slots, "_OF_THE_SYSTEM", made.system)
    made.place = lambda: slots.of_terminal(TERMINAL, made.lake)
    return made


# Addresses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:25503",
        "http://127.0.0.1:25503/",
        "HTTP://127.0.0.1:25503",
        "http://LocalHost:25503",
        "http://localhost.:25503/",
        "http://ip6-localhost:25503",
        "http://terminal.localhost:25503",
        "http://[::1]:25503",
        "http://[0:0:0:0:0:0:0:1]:25503",
        "http://[::ffff:127.0.0.1]:25503",
        "http://127.0.1.1:25503",
        "http://0.0.0.0:25503",
        "http://[::]:25503",
        "http://me:secret@127.0.0.1:25503",
        "http://127.0.0.1:025503",
        " http://127.0.0.1:25503 ",
    ],
)
def test_all_ways_to_write_an_address_are_one_terminal(address):
    assert slots.terminal_name(address) == NAME


def test_the_default_port_may_be_left_out():
    assert slots.terminal_name("http://box") == slots.terminal_name("http://BOX:80/") == "box-80"
    assert slots.terminal_name("https://box") == slots.terminal_name("https://box:443") == "box-443"


def test_other_terminals_have_other_names():
    others = ["127.0.0.1:25510", "10.0.0.5:25503", "box:25503", "box2:25503", "[fe80::1]:25503", "box"]

    assert len({NAME, *(slots.terminal_name(f"http://{other}") for other in others)}) == len(others) + 1


@pytest.mark.parametrize("host", ["..", "a%2F..%2Fb", "b*x", "ü" * 90, "x" * 400, ""])
def test_no_host_names_anything_but_one_folder(host, machine):
    name = slots.terminal_name(f"http://{host}:25503")

    assert name.isascii() and "/" not in name and name not in {"", ".", ".."} and len(name) <= 200
    assert (
        slots.of_terminal(f"http://{host}:25503", machine.lake).folder.parent == machine.place().folder.parent
    )


# Places -------------------------------------------------------------------------------------------------


def test_the_usual_place_is_a_folder_of_the_users_own(machine):
    place = machine.place()

    assert place.folder.is_relative_to(machine.home)
    assert (place.folder.name, place.instead_of) == (NAME, None)
    assert place.folder.parents[1].stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "variable", ["HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "TMPDIR", "USER", "SUDO_UID"]
)
@pytest.mark.parametrize("value", ["", "/nonexistent", "."])
def test_no_variable_of_a_session_leads_elsewhere(variable, value, machine, monkeypatch):
    before = machine.place()
    monkeypatch.setenv(variable, value)

    assert machine.place() == before


def without_home(machine):
    machine.home.rmdir()


def home_is_a_file(machine):
    machine.home.rmdir()
    machine.home.write_text("")


def state_is_a_file(machine):
    (machine.home / ".local").write_text("")
    (machine.home / "Library").write_text("")


def others_may_write(machine):
    folder = machine.place().folder.parents[1]
    folder.chmod(0o777)


def elsewhere_by_a_link(machine):
    folder = machine.place().folder.parents[1]
    folder.rename(machine.home / "there")
    folder.symlink_to(machine.home / "there")


@pytest.mark.parametrize(
    "change", [without_home, home_is_a_file, state_is_a_file, others_may_write, elsewhere_by_a_link]
)
def test_a_home_that_cannot_be_used_is_passed_over_with_a_reason(change, machine):
    change(machine)

    place = machine.place()

    assert place.folder == machine.aside[0] / "slots" / NAME
    assert str(machine.home) in place.instead_of
    assert machine.aside[0].stat().st_mode & 0o777 == 0o700


def test_who_is_in_no_list_of_users_has_the_next_place_as_the_usual_one(machine):
    machine.users.clear()

    assert machine.place() == slots.Place(machine.aside[0] / "slots" / NAME)


@pytest.mark.parametrize("made", ["a folder for all", "a link", "a file"])
def test_what_somebody_else_may_have_put_there_is_not_used(made, machine, tmp_path):
    machine.users.clear()
    first, second = machine.aside
    if made == "a folder for all":
        first.mkdir()
        first.chmod(0o755)
    elif made == "a link":
        (tmp_path / "trap").mkdir(mode=0o700)
        first.symlink_to(tmp_path / "trap")
    else:
        first.write_text("")

    place = machine.place()

    assert place.folder == second / "slots" / NAME
    assert f"{first} is not for user {os.geteuid()} alone" in place.instead_of


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder away")
def test_another_users_folder_is_not_used(machine):
    machine.users.clear()
    first, second = machine.aside
    first.mkdir(mode=0o700)
    os.chown(first, 54321, 54321)

    place = machine.place()

    assert place.folder == second / "slots" / NAME
    assert "belongs to user 54321" in place.instead_of


def test_the_last_place_is_the_lake(machine):
    machine.home.rmdir()
    for top in machine.system:
        top.rmdir()

    place = machine.place()

    assert place.folder == machine.lake / NAME
    assert all(str(folder) in place.instead_of for folder in (machine.home, *machine.system))


def test_a_home_without_locks_is_passed_over(machine, monkeypatch):
    real = disk.lock

    def lock(descriptor, operation):
        found = os.fstat(descriptor)
        if found.st_ino in {path.stat().st_ino for path in machine.home.rglob("*.lock")}:
            raise OSError(37, "No locks available")
        real(descriptor, operation)

    monkeypatch.setattr(disk, "lock", lock)

    place = machine.place()

    assert place.folder == machine.aside[0] / "slots" / NAME
    assert "no file locks" in place.instead_of


def test_a_home_whose_locks_keep_nobody_out_is_passed_over(machine, monkeypatch):
    monkeypatch.setattr(disk, "lock", lambda *_: None)

    place = machine.place()

    assert place.folder == machine.lake / NAME
    assert "two had the same file lock" in place.instead_of


@pytest.mark.parametrize(("number", "kind"), [(28, InsufficientDiskSpaceError), (5, DeviceError)])
def test_a_disk_that_fails_is_no_reason_to_meet_elsewhere(number, kind, machine, monkeypatch):
    def fails(path):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(disk, "open_to_append", fails)

    with pytest.raises(kind, match=str(machine.home)):
        machine.place()


# A place that is named ----------------------------------------------------------------------------------


def test_the_folder_that_the_environment_names_is_used(machine, monkeypatch, tmp_path):
    monkeypatch.setenv(slots.VARIABLE, str(tmp_path / "named"))

    assert machine.place() == slots.Place(tmp_path / "named" / NAME)


def test_a_named_folder_that_cannot_be_used_is_an_error_and_not_another_folder(
    machine, monkeypatch, tmp_path
):
    (tmp_path / "named").write_text("")
    monkeypatch.setenv(slots.VARIABLE, str(tmp_path / "named"))

    with pytest.raises(PermissionDeniedError, match="named"):
        machine.place()

    monkeypatch.setenv(slots.VARIABLE, "named")
    with pytest.raises(ConfigurationValidationError, match="Write the whole path"):
        machine.place()


def test_a_named_folder_without_locks_says_what_to_set(machine, monkeypatch, tmp_path):
    monkeypatch.setenv(slots.VARIABLE, str(tmp_path / "named"))
    monkeypatch.setattr(disk, "lock", lambda *_: None)

    with pytest.raises(VolumeError, match=f"export {slots.VARIABLE}="):
        machine.place()
