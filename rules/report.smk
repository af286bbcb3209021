"""Pages to look at: target rules without outputs, so they run whenever asked.

in:  journals, passports, sidecars, Parquet
out: data/report/dashboard.html, data/report/days/YYYY-MM-DD.html
"""


rule report_dashboard:
    """Make the dashboard of the lake, and the pages of its newest days."""
    localrule: True
    params:
        run=script("report_dashboard"),
    shell:
        "exec {params.run}"


rule report_days:
    """Make the pages of the sealed dates that --config dates=... names, or of all."""
    localrule: True
    params:
        run=script("report_days"),
    shell:
        "exec {params.run}"
