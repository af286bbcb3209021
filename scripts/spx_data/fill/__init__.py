"""What a job does, as functions of plain values: list a date's chains, stage them, seal them.

`scripts/<rule>.py` call these; nothing here has heard of Snakemake.
"""
