"""What the source changed behind our back: a target rule without outputs, so it runs whenever asked.

in:  sealed dates, and the Theta Terminal (or the simulator)
out: a table on the terminal; data/restatements/YYYY-MM-DD/<time>/report.json where something changed
"""


rule recheck:
    """Fetch a few sealed dates again and report what the source changed."""
    localrule: True
    resources:
        theta_share=terminal_share,
        memory_share=memory_share,
    params:
        run=script("recheck"),
    shell:
        "exec {params.run}"
