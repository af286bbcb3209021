"""Lakes and configs wherever a machine may have them, and every command's word about those that cannot be."""

import os
import shlex
import signal
import socket
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests import warm
from tests.bad_configs import BAD
from tests.workflow.conftest import BIN, PATIENCE, Lake

DAY = "2024-11-27"
# Words for the lake, each with what some program would take for its own.
ODD = 'La ke\'s "ü" {a b} %d #é [1]*? $'.removesuffix(" $")
# A kind of each part of the reader; all of them are tried in `tests/rules/config/test_bad_configs.py`.
KINDS = ("a key twice", "a variable", "Latin-1")


@pytest.fixture(scope="module")
def odd_lake(tmp_path_factory, v3):
    """A lake of one sealed day whose project, config and directories all have odd names."""
    lake = Lake(tmp_path_factory.mktemp("odd") / ODD, {"SPX_DATA_NOW": f"{DAY}T23:00:00-05:00"})
    lake.folder.mkdir()
    lake.configure(
        thetadata={"base_url": v3.url, "retry_wait_factor": 0},
        processing={
            "start_date": DAY,
            "end_date": DAY,
            "output_directory": f"./{ODD}/parquet.",
            "temp_directory": f"./t ; {ODD}",
            "data_directory": f"./}}d&({ODD}",
            "publication_hours": 0,
        },
        database={"path": f"./{ODD}/{ODD}.db"},
    )
    (lake.folder / "o'ver {x y}.yaml").write_text("recheck: {sample: 1}\n")
    filled = lake.spx_data("--configfile", "o'ver {x y}.yaml", "process", DAY)
    assert filled.returncode == 0, filled.stdout + filled.stderr
    return lake


def parquet(lake):
    year, month, day = DAY.split("-")
    return f"{ODD}/parquet./{year}/{month}/{day}/spx-options-{DAY}.parquet"


# Lakes --------------------------------------------------------------------------------------------------


def test_a_lake_may_have_any_name(odd_lake):
    again = odd_lake.snakemake("--quiet", "rules")
    verified = odd_lake.spx_data("verify", "--all")

    assert (odd_lake.folder / f"{parquet(odd_lake)}.sha256").exists()
    assert "Nothing to be done" in again.stdout
    assert (verified.returncode, verified.stderr) == (0, "")
    assert odd_lake.spx_data("report", DAY).returncode == 0


def test_a_sealed_day_named_in_any_spelling_is_left_as_it_is(odd_lake):
    target = odd_lake.folder / parquet(odd_lake)
    before = target.stat().st_ino
    (odd_lake.folder / "link").symlink_to(target.parents[3])
    spellings = [
        parquet(odd_lake),
        str(target),
        f"./{ODD}/../{parquet(odd_lake)}",
        f"link/{'/'.join(target.parts[-4:])}",
    ]

    called = [odd_lake.snakemake("--until", *spellings), odd_lake.snakemake(*spellings)]

    assert ["Nothing to be done" in result.stdout for result in called] == [True, True], called
    assert target.stat().st_ino == before


def test_a_missing_day_is_filled_by_any_of_its_names(new_lake, v3):
    lake = new_lake(v3, "2024-12-02", "2024-12-03")
    (lake.folder / "link").symlink_to(lake.folder / "data")
    name = lake.parquet("2024-12-02")

    calls = [str(lake.folder / name), f"./x/../{name}", name.replace("data/", "link/", 1), f"{name}.sha256"]
    plan = lake.snakemake("-n", "--until", *calls).stdout
    lake.snakemake("--until", calls[0])

    assert "merge_date                  1" in plan, plan
    assert lake.sealed() == ["2024-12-02"]


def test_a_relative_name_fills_an_absolute_lake(new_lake, v3):
    lake = new_lake(v3, "2024-12-02", "2024-12-02")
    sections = lake.sections()
    sections["processing"]["output_directory"] = str(lake.folder / "data" / "parquet")
    lake.configure(**sections)

    lake.snakemake("--until", lake.parquet("2024-12-02"))

    assert lake.sealed() == ["2024-12-02"]


def test_a_name_of_nothing_is_one_line(new_lake):
    lake = new_lake(None, "2024-12-02", "2024-12-02")

    result = lake.snakemake("-n", "--until", "config/config.yaml")

    assert result.returncode == 1
    assert "spx-data: --until config/config.yaml: no rule has that name or makes that file" in result.stdout
    assert "Traceback" not in result.stdout


def test_a_lake_below_the_home_folder_is_there(new_lake, v3):
    lake = new_lake(v3, "2024-12-02", "2024-12-02")
    sections = lake.sections()
    sections["processing"]["output_directory"] = "~/spx/parquet"
    lake.configure(**sections)
    lake.environment["HOME"] = str(lake.folder / "home")
    lake.environment["DATABASE_PATH"] = "~/spx/status.db"
    (lake.folder / "home").mkdir()

    result = lake.snakemake()

    assert result.returncode == 0, result.stdout
    assert list((lake.folder / "home" / "spx" / "parquet").rglob("*.sha256"))
    assert (lake.folder / "home" / "spx" / "status.db").exists()
    assert not (lake.folder / "~").exists()


# Configs ------------------------------------------------------------------------------------------------


def test_a_run_refuses_what_validate_refuses_in_the_same_words(tmp_path):
    lakes = {kind: Lake(tmp_path / str(number)) for number, kind in enumerate(KINDS)}
    for kind, lake in lakes.items():
        (lake.folder / "config").mkdir(parents=True)
        (lake.folder / "config" / "config.yaml").write_bytes(BAD[kind][0])

    with ThreadPoolExecutor(2) as pool:
        ran = dict(zip(KINDS, pool.map(lambda kind: lakes[kind].snakemake("-n"), KINDS), strict=True))

    for kind, lake in lakes.items():
        validated = lake.spx_data("config", "validate")
        filled = lake.spx_data("process-gaps")
        line = f"spx-data: {validated.stdout.splitlines()[0]}"
        assert [each.returncode for each in (validated, filled, ran[kind])] == [1, 1, 1], kind
        assert filled.stderr == f"{line}\n", kind
        assert [said for said in ran[kind].stdout.splitlines() if said.startswith("spx-data:")] == [line], (
            kind
        )
        assert "Traceback" not in ran[kind].stdout, kind
        assert not (lake.folder / "data").exists(), kind


def test_an_override_is_checked_too_and_named(new_lake):
    lake = new_lake(None, "2024-12-02", "2024-12-02")
    (lake.folder / "over.yaml").write_text("recheck: {sample: 1}\nrecheck: {sample: 2}\n")

    override = lake.snakemake("-n", "--config", "dates=2024-13")
    twice = lake.snakemake("-n", "--configfile", "over.yaml")

    assert "spx-data: --config: dates: '2024-13'" in override.stdout
    assert "spx-data: over.yaml line 2: recheck: it stands there once more" in twice.stdout


@pytest.mark.parametrize("command", [["list"], ["serve", "--port", "0"], ["process-gaps"]])
def test_outside_of_the_project_each_command_says_so_with_a_cure_that_works(command, tmp_path):
    lake = Lake(tmp_path)

    called = lake.spx_data(*command)
    cure = called.stderr.partition("begin one here with ")[2].strip()
    told = os.environ | {"PATH": warm.path()}
    subprocess.run(cure, cwd=tmp_path, env=told, shell=True, stdin=subprocess.DEVNULL, check=True)

    assert called.returncode == 1
    assert called.stderr.startswith("spx-data: there is no config file spx-data.yaml. ")
    assert called.stderr.count("\n") == 1
    assert lake.spx_data("list").returncode == 0


def test_a_file_of_another_encoding_is_cured_by_its_cure(tmp_path):
    lake = Lake(tmp_path / "a b's")
    (lake.folder / "config").mkdir(parents=True)
    (lake.folder / "config" / "config.yaml").write_text("processing: {start_date: 2024-01-02}\n", "utf-16")

    cure = lake.spx_data("list").stderr.partition("Save it as UTF-8: ")[2].strip()
    subprocess.run(cure, cwd=lake.folder, shell=True, check=True)

    assert lake.spx_data("config", "validate").returncode == 0


# The server ---------------------------------------------------------------------------------------------


def test_the_server_listens_at_an_address_of_the_new_kind(odd_lake):
    if not _has_ipv6():
        pytest.skip("this machine has no ::1")
    command = [BIN / "spx-data", "serve", "--host", "::1", "--port", "0"]
    environment = os.environ | odd_lake.environment | {"PYTHONUNBUFFERED": "1"}

    with subprocess.Popen(
        command, cwd=odd_lake.folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as serving:
        address = serving.stdout.readline().split()[0]
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            page = answer.read().decode()
        serving.send_signal(signal.SIGINT)
        code = serving.wait(timeout=PATIENCE)

    assert address.startswith("http://[::1]:")
    assert DAY in page
    assert code == 0


def _has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("host", ["1.2.3.4", "a" * 300, "::zz"])
def test_an_address_that_is_none_is_one_line(host, odd_lake):
    called = odd_lake.spx_data("serve", "--host", host, "--port", "0")

    assert called.returncode in {1, 2}
    assert (called.stdout, called.stderr.count("\n")) == ("", 1)
    assert "unexpected" not in called.stderr
    assert "127.0.0.1" in called.stderr


# Streams ------------------------------------------------------------------------------------------------

_COMMANDS = (
    "list",
    "quality",
    f"quality {DAY}",
    "status --offline",
    "gaps",
    "errors",
    "metrics",
    "inventory",
)


@pytest.fixture(scope="module")
def usual(odd_lake):
    """What each command prints on usual streams."""
    return {command: odd_lake.spx_data(*command.split()) for command in _COMMANDS}


@pytest.mark.parametrize(("encoding", "commands"), [("ascii", _COMMANDS), ("cp1252", _COMMANDS[:3])])
def test_whatever_the_streams_encoding_everything_is_printed(encoding, commands, odd_lake, usual):
    odd_lake.environment["PYTHONIOENCODING"] = encoding

    try:
        called = {command: _bytes(odd_lake, command) for command in commands}
        looked = odd_lake.snakemake("verify") if encoding == "ascii" else None
    finally:
        del odd_lake.environment["PYTHONIOENCODING"]

    for command, result in called.items():
        assert result.returncode == usual[command].returncode, command
        assert result.stderr == b"", command
        assert len(result.stdout.splitlines()) == len(usual[command].stdout.splitlines()), command
        result.stdout.decode(encoding)
    assert looked is None or (looked.returncode, "Traceback" in looked.stdout) == (0, False)


def _bytes(lake, command):
    return subprocess.run(
        [BIN / "spx-data", *command.split()],
        cwd=lake.folder,
        env=os.environ | lake.environment,
        capture_output=True,
        timeout=PATIENCE,
    )


def test_streams_that_are_closed_or_read_no_more_are_no_error(odd_lake):
    command = shlex.quote(str(BIN / "spx-data"))
    calls = {
        f"{command} list >&-": 0,
        f"{command} list >&- 2>&-": 0,
        f"{command} list <&- > /dev/null": 0,
        f"set -o pipefail; {command} config get | head -1 > /dev/null": 0,
        f"{command} no-such-command 2>&-": 2,
    }

    for call, code in calls.items():
        result = subprocess.run(
            ["bash", "-c", call],
            cwd=odd_lake.folder,
            env=os.environ | odd_lake.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert (result.returncode, result.stderr) == (code, ""), call


@pytest.mark.parametrize(
    "variables",
    [
        {"COLUMNS": "0", "LINES": "0"},
        {"COLUMNS": "wide", "TERM": "dumb"},
        {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"},
        {"HOME": "", "TERM": "", "LANG": ""},
        {"TMPDIR": "/nonexistent"},
    ],
    ids=str,
)
def test_looking_needs_nothing_of_the_surroundings(variables, odd_lake):
    lake = Lake(odd_lake.folder, odd_lake.environment | variables)

    called = lake.spx_data("list")

    assert (called.returncode, called.stderr) == (0, "")
    assert DAY in called.stdout


def heard_by(odd, command, lake):
    """What becomes of a *command* whose both streams are *odd*, or standard output alone."""
    reading, unread = os.pipe()
    os.close(reading)
    full = os.open("/dev/full", os.O_WRONLY)
    out = {"unread": unread, "full": full}[odd.partition(" ")[0]]
    error = subprocess.PIPE if odd.endswith("alone") else out
    try:
        return subprocess.run(
            [BIN / "spx-data", *command],
            cwd=lake.folder,
            env=os.environ | lake.environment,
            stdout=out,
            stderr=error,
            text=True,
            timeout=PATIENCE,
        )
    finally:
        os.close(unread)
        os.close(full)


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")


@needs_full
@pytest.mark.parametrize(("streams", "code"), [("unread", 0), ("full", 1)])
def test_a_fill_is_done_whether_or_not_anybody_can_hear_of_it(streams, code, new_lake, v3):
    lake = new_lake(v3, DAY, DAY)

    filled = heard_by(streams, ["process-gaps"], lake)

    assert (filled.returncode, lake.sealed()) == (code, [DAY])


@needs_full
def test_what_cannot_be_printed_is_said_of_the_output_and_of_no_disk(odd_lake):
    called = heard_by("full alone", ["list"], odd_lake)

    said = "spx-data: not all could be printed: [Errno 28] No space left on device\n"
    assert (called.returncode, called.stderr) == (1, said)


def test_a_locale_without_the_lakes_letters_says_what_to_set(odd_lake):
    lake = Lake(
        odd_lake.folder,
        odd_lake.environment | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )

    called = lake.spx_data("list")

    assert called.returncode == 1
    assert "this shell's locale knows ASCII alone. Set another one before: export LC_ALL=" in called.stderr
    assert called.stderr.count("\n") == 1


def test_a_folder_that_is_gone_is_one_line(tmp_path):
    gone = tmp_path / "gone"
    call = f"mkdir {gone} && cd {gone} && rmdir {gone} && {BIN / 'spx-data'} list"

    called = subprocess.run(["bash", "-c", call], capture_output=True, text=True, timeout=PATIENCE)

    assert called.returncode == 1
    assert called.stderr.startswith("spx-data: there is no config file spx-data.yaml. ")
    assert called.stderr.count("\n") == 1
