"""Pages to look at: target rules without outputs, so they run whenever asked.

in:  journals, passports, sidecars, Parquet
out: data/report/dashboard.html, data/report/days/YYYY-MM-DD.html
"""


localrules:
    report_dashboard,
    report_days,


rule report_dashboard:
    """Make the dashboard of the lake, and the pages of its newest days."""
    shell:
        "exec {python} {scripts}/report_dashboard.py"


rule report_days:
    """Make the pages of the sealed dates that --config dates=... names, or of all."""
    shell:
        "exec {python} {scripts}/report_days.py"
