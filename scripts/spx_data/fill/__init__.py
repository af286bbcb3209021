"""What a job does, as functions of plain values: list a date's chains, stage them, seal them.

`scripts/<rule>.py` call these; nothing here has heard of Snakemake.
"""

DISK_MARGIN = 1.5  # times what a date is estimated to take must be free
