"""spx-data: every SPX options trading day as sealed Parquet.

`snakemake --cores 4` fills all missing dates, in the order of `spx-data gaps`; a second run finds nothing to
be done.
"""


include: "rules/common.smk"
include: "rules/fill.smk"
include: "rules/integrity.smk"
include: "rules/recheck.smk"
include: "rules/mend.smk"
include: "rules/publish.smk"
include: "rules/report.smk"
include: "rules/status.smk"


rule all:
    """Every session between the start and the end date that is due."""
    default_target: True
    input:
        sidecars_to_make,
        *pages_to_show(),


onstart:
    before_the_first_job()


onsuccess:
    after_the_last_job(well=True)


onerror:
    after_the_last_job(well=False)
