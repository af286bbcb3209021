"""What sealed days lack: a target rule without outputs, so it runs whenever asked.

in:  incomplete sealed dates, and the Theta Terminal (or the simulator)
out: a table on the terminal; the day sealed anew where there was more, the version before in data/restatements
"""


rule mend:
    """Ask again for what incomplete sealed dates lack, and seal them anew."""
    localrule: True
    resources:
        theta_share=terminal_share,
        memory_share=memory_share,
    params:
        run=script("mend"),
    shell:
        "exec {params.run}"
