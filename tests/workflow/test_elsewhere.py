"""The workflow in other hands: an executor that runs jobs elsewhere, and as a module of another workflow."""

import yaml
from tests.workflow.conftest import PATIENCE, REPOSITORY

DATE = "2024-11-29"
ELSEWHERE = ("--executor", "cluster-generic", "--cluster-generic-submit-cmd", "bash", "--jobs", "2")
GROUPED = ("--groups", "fetch_expirations=a", "download_expirations=a", "merge_date=a")

OUTER = """
module spx:
    snakefile: "{snakefile}"
    config: config["spx"]

use rule * from spx as spx_*
use rule merge_date from spx as spx_merge_date with: threads: 1

onstart: spx.onstart()
onsuccess: spx.onsuccess()
onerror: spx.onerror()

rule recommend:
    output: "{{what}}.recommended"
    shell: "touch {{output}}"

rule count:
    default_target: True
    input: rules.spx_all.input, "lunch.recommended"
    output: "count.txt"
    shell: "find data/parquet -name '*-options-*.parquet' | wc -l > {{output}}"
"""


def run_elsewhere(lake, *arguments):
    """Run without --cores: how many jobs there may be, --jobs says."""
    process = lake.start(*arguments, cores=None)
    output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def test_a_group_of_jobs_that_an_executor_runs_elsewhere_seals_and_nothing_is_taken_back(v3, new_lake):
    lake = new_lake(v3, DATE, DATE)

    code, output = run_elsewhere(lake, *ELSEWHERE, *GROUPED)

    assert code == 0, output
    assert lake.sealed() == [DATE]
    assert lake.spx_data("verify").returncode == 0
    assert not list((lake.folder / "data/temp").glob("2024*"))


def test_as_a_module_it_fills_an_empty_lake_and_leaves_a_full_one(v3, new_lake):
    lake = new_lake(v3, DATE, DATE)
    outer = lake.folder / "workflow" / "Snakefile"
    outer.parent.mkdir()
    outer.write_text(OUTER.format(snakefile=REPOSITORY / "Snakefile"))
    sections = lake.sections()
    (lake.folder / "outer.yaml").write_text(yaml.safe_dump({"spx": sections}))
    (lake.folder / "config" / "config.yaml").unlink()

    first = lake.snakemake("--configfile", "outer.yaml", snakefile=outer)
    before = lake.bytes_of_all()
    asked = len(v3.requests())
    for name in ("count.txt", "lunch.recommended"):
        (lake.folder / name).unlink()
    second = lake.snakemake("--configfile", "outer.yaml", snakefile=outer)

    assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout
    assert "localrules" not in first.stdout
    assert len(before) == 1
    assert lake.bytes_of_all() == before
    # Neither an outer rule's name, which has one of ours in it, nor its wildcards make it a job of a date.
    assert len(v3.requests()) == asked
    assert (lake.folder / "count.txt").read_text().split() == ["1"]
