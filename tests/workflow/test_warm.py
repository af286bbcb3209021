"""A command that is forked is as one that is started: the same words, on the same streams, the same code."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from tests import at_work, warm
from tests.workflow.conftest import BIN, REPOSITORY, wait_for

START = "2024-12-02"
pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="nothing is forked on a Mac")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("spx-data", ["list"]),
        ("spx-data", ["list", "--format", "xml"]),
        ("spx-data", ["process", "someday"]),
        ("spx-data", ["process-gaps"]),
        ("snakemake", ["--version"]),
        ("snakemake", ["--cores", "some"]),
    ],
)
def test_a_fork_says_what_a_process_of_its_own_says(name, words, new_lake):
    lake = new_lake(None, START, START, base_url="http://127.0.0.1:9")
    environment = os.environ | lake.environment

    started = subprocess.run(
        [BIN / name, *words], cwd=lake.folder, env=environment, capture_output=True, text=True
    )
    forked = warm.run(name, words, lake.folder, lake.environment, apart=True)

    assert (forked.returncode, forked.stdout, forked.stderr) == (
        started.returncode,
        started.stdout,
        started.stderr,
    )


def test_what_the_interpreter_is_told_is_told_to_the_process_that_forks(new_lake, tmp_path):
    lake = new_lake(None, START, START, base_url="http://127.0.0.1:9")
    (tmp_path / "sitecustomize.py").write_text("import spx_data\n\nspx_data.__version__ = 'another'\n")

    forked = warm.run("spx-data", ["version"], lake.folder, {"PYTHONPATH": str(tmp_path)}, apart=True)
    plain = warm.run("spx-data", ["version"], lake.folder, {}, apart=True)

    assert ("another" in forked.stdout, "another" in plain.stdout) == (True, False)


def test_what_is_asked_for_once_is_not_worth_its_while():
    assert [warm.fits({"PYTHONPATH": "elsewhere"}) for _ in range(3)] == [False, True, True]


def test_the_jobs_of_a_forked_run_are_forks(new_lake, holding):
    lake = new_lake(holding, START, START)
    words = ["--snakefile", REPOSITORY / "Snakefile", "--cores", "4"]
    with ThreadPoolExecutor() as beside:
        run = beside.submit(warm.run, "snakemake", words, lake.folder, lake.environment)

        wait_for(lambda: holding.asked or run.done())
        (job,) = (process.cmdline() for process, _, date in at_work.below(os.getpid()) if date == START)
        holding.let()

    assert run.result().returncode == 0, run.result().stdout
    assert "tests.forking" in job


# In a shell, which finds thin commands first (`warm.commands`) ----------------------------------------------

TELLS = """import os, signal, stat, sys
print("told", sys.argv, __name__, sys.path[0], sys.executable, sys.stdin.isatty(), sys.stdout.isatty())
print(sys.stdout.line_buffering, sys.stdout.encoding, os.getcwd(), oct(os.umask(0)), os.environ["WORD"])
print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGCHLD), sorted(os.listdir("/proc/self/fd")))
print(os.get_terminal_size(1) if sys.stdout.isatty() else "")
print("read", sys.stdin.readline(), sys.dont_write_bytecode)
print("on the other stream", file=sys.stderr)
"""
LISTENS = """import os, signal, sys
def heard(number, frame):
    print("heard", number, flush=True)
    sys.exit(number + 40)
signal.signal(signal.SIGTERM, heard)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
try:
    print("listening", os.getpid(), "spx_data.report" in sys.modules, flush=True)
    while True:
        signal.pause()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(7)
"""


@pytest.fixture
def shell(new_lake):
    """Return a lake with the programs that tell and listen, and the environments: forked and started."""
    lake = new_lake(None, START, START, base_url="http://127.0.0.1:9")
    (lake.folder / "tells.py").write_text(TELLS)
    (lake.folder / "listens.py").write_text(LISTENS)
    (lake.folder / "folder of its own").mkdir()
    started = os.environ | lake.environment | {"WORD": "a word", "BASH_ENV": ""}
    return lake.folder, [
        started | {"PATH": f"{each}:{os.environ['PATH']}"} for each in (warm.commands(), BIN)
    ]


@pytest.mark.parametrize(
    "typed",
    [
        "spx-data list",
        "cd folder* && spx-data process someday; echo $?",
        "spx-data help | head -n 1; echo ${PIPESTATUS[0]}",
        "spx-data list >&-; echo $?",
        "mkdir gone && cd gone && rmdir ../gone && echo 'print(5)' | python -",
        "echo a line | PYTHONDONTWRITEBYTECODE=1 python tells.py one 'two words'",
        "umask 027; (cat tells.py; echo rest) | WORD=another python - three",
        "ulimit -n 200; echo 'import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE))' | python -",
        "trap '' HUP; python listens.py & sleep 0; kill -9 $!; wait $!; echo $?",
        "echo 'import os; os.kill(os.getpid(), 11)' | python -; echo $?",
        "echo 'raise SystemExit(\"in words\")' | python -; echo $?",
        "echo '1 / 0' | python -; echo $?",
        "python -c 'import sys; print(sys.argv, __name__, sys.path[0])' six",
        "python -m calendar 2024 1; python -m tells two; python -V",
    ],
)
def test_what_a_shell_types_says_what_it_says_when_it_is_started(typed, shell):
    folder, environments = shell

    forked, started = (
        subprocess.run(["bash", "-c", typed], cwd=folder, env=each, input="", capture_output=True, text=True)
        for each in environments
    )

    assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout)
    numbers = r"(?<=line 1:) +\d+|^ +\d+"  # of processes that were killed
    assert re.sub(numbers, "", forked.stderr, flags=re.M) == re.sub(numbers, "", started.stderr, flags=re.M)


@pytest.mark.parametrize(
    ("number", "ends"), [(signal.SIGTERM, 55), (signal.SIGINT, 7), (signal.SIGHUP, -1), (signal.SIGKILL, -9)]
)
def test_a_command_of_a_shell_is_signalled_and_ends_as_one_that_is_started(number, ends, shell):
    folder, environments = shell
    forked, started = (
        subprocess.Popen(["python", "listens.py"], cwd=folder, env=each, stdout=subprocess.PIPE, text=True)
        for each in environments
    )

    said = [process.stdout.readline().split() for process in (forked, started)]
    for process in (forked, started):
        process.send_signal(number)
    then = [process.communicate()[0] for process in (forked, started)]

    assert [words[2] for words in said] == ["True", "False"]  # it was forked from what has loaded all
    assert [process.returncode for process in (forked, started)] == [ends, ends]
    assert then[0] == then[1]
    wait_for(lambda: not psutil.pid_exists(int(said[0][1])))


def test_a_command_at_a_terminal_knows_it_and_is_interrupted_by_its_key(shell):
    folder, environments = shell
    typed = "stty cols 77 rows 11 -echo noflsh; python tells.py; python listens.py; echo $?"

    forked, started = (at_a_terminal(typed, folder, each) for each in environments)

    assert "columns=77" in started and "interrupted" in started
    assert forked == started


def at_a_terminal(typed, folder, environment):
    """What a shell prints at a terminal of its own: a line is typed, and Ctrl-C when somebody listens."""
    process, terminal = pty.fork()
    if process == 0:
        os.closerange(3, 1 << 10)
        os.chdir(folder)
        os.execvpe("bash", ["bash", "-c", typed], environment)
    os.write(terminal, b"a line\n")
    said, interrupted = b"", False
    with contextlib.suppress(OSError):  # which is how Linux says that nobody is there any more
        while block := os.read(terminal, 1 << 12):
            said += block
            # The whole line: a signal that meets the rest of it on its way is heard before that.
            if re.search(rb"listening \d+ \w+\r\n", said) and not interrupted:
                os.write(terminal, b"\x03")
                interrupted = True
    os.close(terminal)
    os.waitpid(process, 0)
    return re.sub(r"listening \d+ \w+", "listening", said.decode())
