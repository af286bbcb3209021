"""Jobs are forked from a process that has loaded what they need, and are like those that were not."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from spx_data.jobs import forks

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
PATIENCE = 480
OF_TESTS = ("PYTEST_CURRENT_TEST", "LINES", "COLUMNS")  # come and go: each job would differ by them

pytestmark = pytest.mark.skipif(not forks.POSSIBLE, reason="no process is forked here")

# What a job finds; whether it is a fork shows in what is loaded before its first line.
LOOK = """
import json, os, sys
loaded = "polars" in sys.modules
import resource, signal, tempfile
mask = os.umask(0)
print(json.dumps({
    "forked": loaded, "words": sys.argv, "folder": os.getcwd(), "mask": mask, "path": sys.path,
    "name": __name__, "file": __file__, "main": sys.modules["__main__"].__dict__.get("__file__"),
    "environment": dict(os.environ), "nice": os.nice(0), "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
    "signals": [str(signal.getsignal(each)) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)],
    "open": sorted(int(each) for each in os.listdir("/proc/self/fd"))[:-1],
    "group": os.getpgid(0), "threads": len(os.listdir("/proc/self/task")),
}))
print("to the log", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def served() -> Iterator[None]:
    """Jobs of this module are forked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENBLAS_NUM_THREADS", "1")
        for name in (*OF_TESTS, forks.VARIABLE):
            patch.delenv(name, raising=False)
        with forks.started(SCRIPTS):
            yield


@pytest.fixture(autouse=True)
def who_serves(monkeypatch):
    """A test that has its own does not take away that of the others, and has what Snakemake gives jobs."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    for name in OF_TESTS:
        monkeypatch.delenv(name, raising=False)
    if forks.VARIABLE in os.environ:
        monkeypatch.setenv(forks.VARIABLE, os.environ[forks.VARIABLE])


@pytest.fixture
def script(tmp_path):
    """A function that writes the script of a job."""

    def write(text: str) -> Path:
        path = tmp_path / "a_rule.py"
        path.write_text(text)
        return path

    return write


def command(script, *words):
    """The command by which a rule begins its *script*."""
    return [sys.executable, "-I", "-S", forks.BEGIN, script, *words]


def environment():
    """That of a run, as far as it is not a test's."""
    return {name: value for name, value in os.environ.items() if name not in OF_TESTS}


def done(script, *words, plain=False, more=(), **others):
    """A job that was run to its end, with *more* in its environment; *plain*, as if nobody served."""
    given = environment() | ({forks.VARIABLE: ""} if plain else {}) | dict(more)
    call = {"capture_output": True, "text": True, "env": given, "timeout": PATIENCE} | others
    return subprocess.run(command(script, *words), **call)


def waited_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_forked_job_finds_what_one_finds_that_began_by_itself(served, script, tmp_path):
    folder = tmp_path / "a lake of mine"
    folder.mkdir()
    seen = [
        done(script(LOOK), "SPX", "2024-12-02", "ö", plain=plain, cwd=folder, umask=0o027,
             more={"SPX_DATA_OF_A_TEST": "yes\nno", "TMPDIR": str(folder), "OMP_NUM_THREADS": "3"})
        for plain in (False, True)
    ]  # fmt: skip
    forked, plain = (json.loads(job.stdout) for job in seen)

    assert forked.pop("forked")
    assert not plain.pop("forked")
    for each in (forked, plain):
        each["environment"].pop(forks.VARIABLE, None)
        each["path"] = [path for path in each["path"] if path not in (str(SCRIPTS), str(tmp_path))]
    # Allocators of its libraries have begun nothing in it.
    assert forked == plain
    assert [job.stderr for job in seen] == ["to the log\n"] * 2


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("raise SystemExit('no more')", 1, "no more\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("import os; os._exit(7)", 7, ""),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
        ("import os; os.kill(os.getpid(), 15)", -15, ""),
        ("import os; os.kill(os.getpid(), 11)", -11, ""),
        ("import os; os.kill(os.getpid(), 2)", -2, "KeyboardInterrupt\n"),
        ("def", 1, "SyntaxError: invalid syntax\n"),
    ],
)
def test_a_forked_job_ends_as_one_that_began_by_itself(served, script, text, code, says):
    path = script(text)

    forked, plain = done(path), done(path, plain=True)

    assert forked.returncode == plain.returncode == code
    assert forked.stderr.endswith(says)
    assert plain.stderr.endswith(says)


@pytest.mark.parametrize(
    "differing",
    [
        {"more": {"LANG": "xx"}},
        {"more": {"PYTHONHASHSEED": "1"}},
        {"preexec_fn": lambda: os.nice(1)},
        {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))},
        {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)},
        {"more": {forks.VARIABLE: "nobody"}},
    ],
    ids=["language", "interpreter", "nice", "limits", "ignored", "nobody"],
)
def test_a_job_that_a_fork_would_not_be_like_begins_by_itself(served, script, differing):
    found = json.loads(done(script(LOOK), **differing).stdout)

    assert not found["forked"]


WAIT = """
import os, sys, time
open(sys.argv[1] + ".part", "w").write(str(os.getpid()))
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(600)
"""


@contextlib.contextmanager
def waiting(script, told):
    """A job that waits: the program that began it, and where it does its work."""
    begun = subprocess.Popen(
        command(script(WAIT), told), env=environment(), stderr=subprocess.PIPE, text=True
    )
    waited_for(told.exists)
    job = psutil.Process(int(told.read_text()))
    assert job.pid != begun.pid
    try:
        yield begun, job
    finally:
        begun.kill()
        begun.communicate()


def ended(process):
    with contextlib.suppress(psutil.Error):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_job_dies_with_the_program_that_began_it(served, script, tmp_path, number):
    with waiting(script, tmp_path / "told") as (begun, job):
        begun.send_signal(number)

        assert begun.wait(PATIENCE) == -number
        waited_for(lambda: ended(job))


def test_a_job_that_is_killed_is_told_of_as_killed(served, script, tmp_path):
    with waiting(script, tmp_path / "told") as (begun, job):
        assert job.name() == "a_rule"

        job.kill()

        assert begun.wait(PATIENCE) == -signal.SIGKILL


def test_jobs_die_with_what_they_were_forked_from_and_the_next_begin_by_themselves(
    script, tmp_path, monkeypatch
):
    monkeypatch.delenv(OF_TESTS[0])
    monkeypatch.delenv(forks.VARIABLE, raising=False)
    with forks.started(SCRIPTS):
        with waiting(script, tmp_path / "told") as (begun, job):
            job.parent().kill()

            assert begun.wait(PATIENCE) == 1
            assert "was ended, and this job with it" in begun.stderr.read()
            waited_for(lambda: ended(job))
        assert not json.loads(done(script(LOOK)).stdout)["forked"]


def test_what_jobs_are_forked_from_is_told_to_end_and_lets_its_jobs_do_so(script, tmp_path, monkeypatch):
    monkeypatch.delenv(OF_TESTS[0])
    monkeypatch.delenv(forks.VARIABLE, raising=False)
    with forks.started(SCRIPTS):
        with waiting(script, tmp_path / "told") as (begun, job):
            server = job.parent()
            server.terminate()
            assert not json.loads(done(script(LOOK)).stdout)["forked"]
            assert not ended(server)
            assert not ended(job)

            job.terminate()

            assert begun.wait(PATIENCE) == -signal.SIGTERM
            assert not begun.stderr.read()
        waited_for(lambda: ended(server))


def test_what_jobs_are_forked_from_is_told_to_end_and_has_none(script, monkeypatch):
    monkeypatch.delenv(OF_TESTS[0])
    monkeypatch.delenv(forks.VARIABLE, raising=False)
    with forks.started(SCRIPTS):
        server = psutil.Process(int(done(script("import os; print(os.getppid())")).stdout))
        assert "forks.serve()" in " ".join(server.cmdline())

        server.terminate()

        waited_for(lambda: ended(server))


def test_what_jobs_are_forked_from_ends_with_its_run_and_not_before_its_jobs(script, tmp_path):
    run = (
        "import os, subprocess, sys\nfrom pathlib import Path\nfrom spx_data.jobs import forks\n"
        "os.environ.pop(forks.VARIABLE, None)\n"
        f"with forks.started(Path({str(SCRIPTS)!r})):\n"
        "    subprocess.Popen(sys.argv[1:])\n"
        "    sys.stdin.read()"
    )
    told = tmp_path / "told"
    words = [sys.executable, "-c", run, *command(script(WAIT), told)]
    running = subprocess.Popen(words, cwd=SCRIPTS, env=environment(), stdin=subprocess.PIPE)
    waited_for(told.exists)
    job = psutil.Process(int(told.read_text()))
    server = job.parent()

    running.kill()
    running.wait()
    assert not ended(job)
    job.terminate()

    waited_for(lambda: ended(server))
    assert ended(job)
    running.stdin.close()


def test_nobody_is_forked_who_cannot_load(script, monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'forks' in ''.join(sys.orig_argv): sys.modules['polars'] = None\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv(forks.VARIABLE, raising=False)

    with forks.started(SCRIPTS):
        assert not json.loads(done(script(LOOK)).stdout)["forked"]


def test_a_run_that_is_told_to_has_jobs_that_begin_by_themselves(script, monkeypatch):
    monkeypatch.setenv(forks.VARIABLE, "none")

    with forks.started(SCRIPTS):
        assert os.environ[forks.VARIABLE] == "none"
        assert not json.loads(done(script(LOOK)).stdout)["forked"]


def test_polars_and_arrow_work_in_a_fork(served, script):
    job = done(
        script(
            "import sys\nassert 'polars' in sys.modules\nimport polars, pyarrow, pyarrow.compute\n"
            "frame = polars.DataFrame({'a': range(200_000)}).lazy().sort('a', descending=True)\n"
            "print(frame.collect()[0, 0], pyarrow.compute.sum(pyarrow.array(range(5))))"
        )
    )

    assert job.stdout == "199999 10\n", job.stderr
