"""Sealed days as objects elsewhere: a target rule without outputs, so it runs whenever asked.

in:  sealed dates, and the place that publish.url names
out: objects there; data/published.json, which says what is published
"""


rule publish:
    """Copy the sealed dates that are not published yet to publish.url; every byte is read back."""
    localrule: True
    params:
        run=script("publish"),
    shell:
        "exec {params.run}"
