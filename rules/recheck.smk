"""What the source changed behind our back: a target rule without outputs, so it runs whenever asked.

in:  sealed dates, and the Theta Terminal (or the simulator)
out: a table on the terminal; data/restatements/YYYY-MM-DD/<time>/report.json where something changed
"""


localrules:
    recheck,


rule recheck:
    """Fetch a few sealed dates again and report what the source changed."""
    resources:
        theta_share=terminal_share,
    shell:
        "exec {python} {scripts}/recheck.py"
