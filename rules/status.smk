"""What stands where, read from the tree: target rules without outputs, so they run whenever asked.

in:  journals, passports, sidecars, benchmarks
out: the SQLite status log, and a table on the terminal
"""


rule status:
    """Rebuild the status log from the file tree and print a summary."""
    localrule: True
    params:
        run=script("status"),
    shell:
        "exec {params.run}"
