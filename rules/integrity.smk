"""What is sealed, held against its checksums: a target rule without output, so it runs whenever asked.

in:  sidecars, Parquet, passports
out: a report on the terminal, the lake's journal; damaged dates in quarantine
"""


rule verify:
    """Re-check every byte of every sealed date; damaged dates go to quarantine and become gaps."""
    localrule: True
    threads: all_cores
    params:
        run=script("verify"),
    shell:
        "exec {params.run} {threads}"
