"""spx-data: every SPX options trading day as sealed Parquet.

`snakemake --cores 4` fills all missing dates, newest first; a second run finds nothing to be done.
"""


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/fill.smk"
include: "rules/integrity.smk"
include: "rules/recheck.smk"
include: "rules/status.smk"


rule all:
    """Every session between the start and the end date that is not sealed."""
    default_target: True
    input:
        # With no input at all Snakemake would run this rule for its own sake; with one that exists it says
        # that there is nothing to be done.
        [layout.sidecar(date) for date in missing_dates] or workflow.configfiles[0],


onstart:
    before_the_first_job()


onsuccess:
    after_the_last_job()


onerror:
    after_the_last_job()
