"""Missing dates become sealed Parquet: three jobs for each date.

in:  the Theta Terminal (or the simulator)
out: output/YYYY/MM/DD/spx-options-YYYY-MM-DD.parquet, its passport and its sidecar; beside them the day's
     contracts, which no rule names: days that were sealed before have none, and are done
"""


rule fetch_expirations:
    """List the expirations that had quotes on one trading date."""
    output:
        listing=temp(patterns.listing_pattern),
    log:
        patterns.log_pattern("fetch_expirations"),
    priority: gap_priority
    # Where an executor sends jobs elsewhere: the terminal answers on this machine alone, and its slots are here.
    localrule: True
    resources:
        theta_share=terminal_share,
        memory_share=memory_share,
    params:
        symbol=symbol_of,
        run=forked("fetch_expirations"),
    shell:
        "exec {params.run} {params.symbol} {wildcards.year}-{wildcards.month}-{wildcards.day} 2> {log:q}"


rule download_expirations:
    """Stage every listed expiration of one trading date as a checkpoint of its own."""
    input:
        listing=patterns.listing_pattern,
    output:
        manifest=temp(patterns.manifest_pattern),
    log:
        patterns.log_pattern("download_expirations"),
    priority: gap_priority
    localrule: True
    resources:
        theta_share=terminal_share,
        memory_share=memory_share,
    params:
        symbol=symbol_of,
        run=forked("download_expirations"),
        hours=market_hours,
    shell:
        "exec {params.run} {params.symbol} {wildcards.year}-{wildcards.month}-{wildcards.day} {params.hours} 2> {log:q}"


rule merge_date:
    """Seal one trading date: its checkpoints become one Parquet file, its passport and its sidecar."""
    input:
        manifest=patterns.manifest_pattern,
    output:
        parquet=patterns.parquet_pattern,
        passport=patterns.passport_pattern,
        sidecar=patterns.sidecar_pattern,
    log:
        merge_log,
    priority: gap_priority
    # Whatever --retries says: before it tries a job again, Snakemake deletes what it has sealed.
    retries: 0
    threads: merge_threads
    resources:
        memory_share=memory_share_here,
    params:
        symbol=symbol_of,
        run=forked("merge_date"),
        hours=market_hours,
    shell:
        "exec {params.run} {params.symbol} {wildcards.year}-{wildcards.month}-{wildcards.day} {threads} {params.hours} 2> {log:q}"
