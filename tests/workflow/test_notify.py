"""Runs that people and monitors are told of: one cannot begin, one fills, one finds nothing to do."""

from tests.hook import listening
from tests.workflow.conftest import Lake

DATE = "2024-11-29"
SECRET = "t0k3n"


def test_of_a_run_that_cannot_begin_and_of_the_next_that_can(new_lake, v3, tmp_path):
    lake: Lake = new_lake(v3, DATE, DATE)
    figures = tmp_path / "spx.prom"
    with listening() as hook:
        lake.configure(
            **lake.sections(),
            alerts={"notify": [f"json://{hook.at}/{SECRET}"]},
            metrics={"textfile": str(figures), "ping": f"http://{hook.at}/run"},
        )
        answers = lake.environment | {"THETADATA_BASE_URL": v3.url}
        lake.environment["THETADATA_BASE_URL"] = "http://127.0.0.1:9"
        away = lake.snakemake()
        lake.environment = answers
        there = lake.snakemake()
        idle = lake.spx_data("process-gaps")

    assert (away.returncode, there.returncode, idle.returncode) == (1, 0, 0)
    assert hook.pinged == ["/run/start", "/run/fail", "/run/start", "/run", "/run"]
    (failed, why), (recovered, how) = hook.told
    assert (failed, recovered) == ("SPX failed", "SPX recovered")
    assert why.startswith("no Theta Terminal answers at http://127.0.0.1:9")
    assert how.startswith(f"1 day sealed, the newest is {DATE}")
    assert 'spx_data_sessions{state="sealed",symbol="SPX"} 1.0' in figures.read_text()
    # No address in what was said, nor in any file but the settings.
    assert SECRET not in away.stdout + there.stdout + idle.stdout + idle.stderr
    kept = [path for path in lake.folder.rglob("*") if path.is_file() and path.parent.name != "config"]
    assert [path for path in kept if SECRET.encode() in path.read_bytes()] == []
