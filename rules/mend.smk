"""What sealed days lack: a target rule without outputs, so it runs whenever asked.

in:  incomplete sealed dates, and the Theta Terminal (or the simulator)
out: a table on the terminal; the day sealed anew where there was more, the version before in data/restatements
"""


localrules:
    mend,


rule mend:
    """Ask again for what incomplete sealed dates lack, and seal them anew."""
    resources:
        theta_share=terminal_share,
    shell:
        "exec {python} {scripts}/mend.py"
