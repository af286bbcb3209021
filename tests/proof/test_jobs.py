"""A bounded share of `make proof`: whatever ends a job of a real run, no sealed day is lost."""

import shutil

from tests.proof.jobs import ROOT, Proof

KILLS, SEED = 6, 1_000_000


def test_no_death_of_a_job_takes_a_sealed_day_back_or_goes_unsaid(tmp_path):
    with Proof(tmp_path) as proof:
        tally = proof.run(KILLS, SEED)

    print(f"{tally.kinds.total()} jobs killed, {tally.after_seal} after their seal: {dict(tally.kinds)}")
    assert tally.wrong == []
    assert tally.after_seal
    assert tally.kinds.total() >= KILLS


def test_an_engine_that_clears_away_what_a_failed_job_made_is_found_out(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(ROOT / "Snakefile", project)
    shutil.copytree(ROOT / "rules", project / "rules")
    shutil.copytree(ROOT / "config", project / "config")
    (project / "scripts").symlink_to(ROOT / "scripts")
    common = project / "rules" / "common.smk"
    common.write_text(common.read_text().replace("keep_incomplete = True", "keep_incomplete = False"))

    with Proof(tmp_path, project) as proof:
        assert any("lost" in finding for finding in proof.run(KILLS // 2, SEED).wrong)
