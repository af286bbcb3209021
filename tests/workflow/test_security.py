"""What docs/security.md says of files and of the network, by real runs: modes, credentials, who is asked."""

import os
import re
import shlex
import shutil
import stat
import subprocess

import pytest

DAY = "2024-11-27"
# Whatever a command does on the network, from Python: a line each, into the file that SEEN names.
WATCHED = """
import os, sys

def told(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.sendto"):
        said = f"{event} {arguments[1]}"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        said = f"{event} {arguments[0]}"
    else:
        return
    with open(os.environ["SEEN"], "a") as file:
        file.write(said + "\\n")

sys.addaudithook(told)
"""
# A name of this machine's, no address: a run's own jobs are begun there (`jobs.forks`).
OWN_JOBS = re.compile(r"socket\.bind \0spx-data-[0-9a-f]{32}")


def modes(folder):
    """Return how each file and folder below *folder*, and itself, may be used, by its path."""
    return {path: stat.S_IMODE(path.lstat().st_mode) for path in (folder, *folder.rglob("*"))}


def filled(lake, *more):
    """Fill a date, and have whatever else commands write: a recording, a profile."""
    shutil.rmtree(lake.folder / "data")  # as a user begins
    runs = [
        lake.spx_data("probe", "--record", "recording.zip"),
        lake.snakemake(),
        *(lake.spx_data(*command) for command in more),
    ]
    assert [run.returncode for run in runs] == [0] * len(runs), [run.stdout for run in runs]
    assert lake.sealed() == [DAY]


@pytest.fixture(scope="module")
def watched(new_lake, v3, tmp_path_factory):
    """Return a lake that was filled with the usual mask, and what its commands did on the network."""
    lake, folder = new_lake(v3, DAY, DAY), tmp_path_factory.mktemp("watched")
    (folder / "sitecustomize.py").write_text(WATCHED)
    lake.environment |= {"PYTHONPATH": str(folder), "SEEN": str(folder / "seen")}
    # By these an HTTP client would go elsewhere, or take credentials along.
    (folder / "netrc").write_text("machine 127.0.0.1 login user7 password s3cr3tword\n")
    lake.environment |= {"http_proxy": "http://127.0.0.1:1", "NETRC": str(folder / "netrc")}
    before = os.umask(0o022)

    filled(lake, ["report"], ["report", DAY], ["verify"], ["status"], ["health"], ["metrics"])

    os.umask(before)
    return lake, set((folder / "seen").read_text().splitlines())


def assert_private(lake):
    found = modes(lake.folder / "data")
    assert {oct(mode) for path, mode in found.items() if path.is_dir()} == {"0o700"}
    assert {oct(mode) for path, mode in found.items() if not path.is_dir()} == {"0o600"}
    assert modes(lake.folder / "recording.zip") == {lake.folder / "recording.zip": 0o600}
    # What is in it is Snakemake's, and others do not come so far.
    assert stat.S_IMODE((lake.folder / ".snakemake").stat().st_mode) == 0o700


def test_files_are_their_owner_s_alone_with_the_usual_mask(watched):
    assert_private(watched[0])


def test_files_are_their_owner_s_alone_with_a_strict_mask(new_lake, v3):
    lake = new_lake(v3, DAY, DAY)
    os.umask(0o077)

    filled(lake)

    assert_private(lake)


def test_whoever_shares_a_lake_has_the_modes_that_the_mask_gives(new_lake, v3):
    lake = new_lake(v3, DAY, DAY)
    sections = lake.sections()
    lake.configure(**sections | {"processing": sections["processing"] | {"owner_only": False}})
    os.umask(0o027)

    filled(lake, ["report", DAY])

    found = modes(lake.folder / "data")
    assert {oct(mode) for path, mode in found.items() if path.is_dir()} == {"0o750"}
    assert {oct(mode) for path, mode in found.items() if not path.is_dir()} == {"0o640"}


DESK, READER, STRANGER = 54321, 65532, 65533  # a group, and two users who have no account


@pytest.fixture(scope="module")
def of_a_group(new_lake, v3):
    """Return a lake that was filled for the group of its folder."""
    lake = new_lake(v3, DAY, DAY)
    sections = lake.sections()
    lake.configure(**sections | {"processing": sections["processing"] | {"owner_only": "group"}})
    shutil.rmtree(lake.folder / "data")
    (lake.folder / "data").mkdir()
    if os.geteuid() == 0:
        os.chown(lake.folder / "data", -1, DESK)
    (lake.folder / "data").chmod(0o2750)
    before = os.umask(0o022)

    ended = [lake.snakemake(), lake.spx_data("report", DAY), lake.spx_data("health")]

    os.umask(before)
    assert ended[0].returncode == 0, ended[0].stdout
    assert "ok      permissions" in ended[2].stdout, ended[2].stdout
    return lake


def test_a_lake_of_a_group_is_the_groups_to_read(of_a_group):
    found = modes(of_a_group.folder / "data")

    assert {oct(mode) for path, mode in found.items() if path.is_dir()} == {"0o2750"}
    assert {oct(mode) for path, mode in found.items() if not path.is_dir()} == {"0o640"}
    assert {path.lstat().st_gid for path in found} == {(of_a_group.folder / "data").stat().st_gid}
    assert stat.S_IMODE((of_a_group.folder / ".snakemake").stat().st_mode) == 0o750


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_who_is_of_the_group_reads_all_and_writes_nothing_and_strangers_see_nothing(of_a_group):
    for above in (of_a_group.folder, *of_a_group.folder.parents):
        if above.stat().st_uid == 0 and "pytest" in str(above):
            above.chmod(above.stat().st_mode | 0o011)

    day = (of_a_group.folder / of_a_group.parquet(DAY)).parent

    def does(command, user, *groups):
        # By programs of the system: Python itself may be where another user cannot go.
        return subprocess.run(
            command,
            shell=True,
            user=user,
            group=user,
            extra_groups=groups,
            cwd="/",
            capture_output=True,
            text=True,
        )

    proved = does(f"cd {shlex.quote(str(day))} && sha256sum -c *.sha256", READER, DESK)
    every = does(
        f"find {shlex.quote(str(of_a_group.folder / 'data'))} -type f -exec cat {{}} + >/dev/null",
        READER,
        DESK,
    )
    assert (proved.returncode, proved.stderr, proved.stdout.count(": OK")) == (0, "", 3)
    assert (every.returncode, every.stderr) == (0, "")
    for command, who in (
        ("touch mine", (READER, DESK)),
        ("rm -f *.json", (READER, DESK)),
        ("cat *.json", (STRANGER,)),
        ("ls", (STRANGER,)),
    ):
        done = does(f"cd {shlex.quote(str(day))} && {command}", *who)
        assert done.returncode and re.search("denied|can't cd", done.stderr), (command, who)
    assert does(f"cd {shlex.quote(str(of_a_group.folder))}", STRANGER).returncode == 0


def test_nobody_is_asked_but_the_terminal_and_nothing_listens(watched, v3):
    terminal = f"('127.0.0.1', {v3.url.rpartition(':')[2]})"

    assert f"socket.connect {terminal}" in watched[1]
    assert {line for line in watched[1] if not OWN_JOBS.fullmatch(line)} <= {
        f"socket.connect {terminal}",
        "socket.getaddrinfo 127.0.0.1",
        "socket.bind ('::1', 0)",  # urllib3 looks whether there is IPv6; it listens to nobody
    }


def test_settings_keep_the_mode_that_they_have(new_lake, v3):
    lake = new_lake(v3, DAY, DAY)
    config = lake.folder / "config" / "config.yaml"
    config.chmod(0o640)

    assert lake.spx_data("config", "set", "thetadata.timeout_seconds", "31").returncode == 0

    assert stat.S_IMODE(config.stat().st_mode) == 0o640


def test_credentials_are_refused_in_the_address_and_written_and_said_nowhere(new_lake, v3):
    lake = new_lake(v3, DAY, DAY)
    address = v3.url.replace("://", "://user7:s3cr3tword@")
    asked = len(v3.requests())
    said = ""

    lake.configure(thetadata={"base_url": address}, processing={"start_date": DAY, "end_date": DAY})
    for command in ("status", "health", "probe", "process-gaps"):
        run = lake.spx_data(command)
        assert run.returncode != 0, command
        said += run.stdout + run.stderr
    said += lake.snakemake().stdout
    lake.configure(processing={"start_date": DAY, "end_date": DAY})
    lake.environment |= {"THETADATA_BASE_URL": address}
    run = lake.spx_data("probe")
    said += run.stdout + run.stderr + lake.snakemake().stdout

    assert "***@127.0.0.1" in said
    assert "s3cr3tword" not in said
    assert len(v3.requests()) == asked
    holding = [path for path in lake.folder.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
    assert holding == []  # the config file has been written anew, without it
