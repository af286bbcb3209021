"""Settings, the dates to do, and what happens before the first job and after the last."""

import contextlib
import datetime as dt
import functools
import os
import sys
from pathlib import Path

sys.path.insert(0, f"{workflow.basedir}/scripts")

from spx_data import config as configuration
from spx_data import faults, files, gaps, journal, lean, ledger, runs, seals, sessions
from spx_data import layout as layouts
from spx_data.settings import Settings
from spx_data.errors import SpxDataError
from spx_data.fill import sharing

# Jobs get a document that is complete and checked: they need not validate again, and the environment has
# had its say.
try:
    config = configuration.resolve(config)
    settings = Settings.of(config)
    # Before anything is written, the copy of the calendar included.
    files.restrict(owner_only=settings.owner_only)
    # Snakemake has made its own folder by now.
    files.restrict_folder(layouts.SNAKEMAKE, owner_only=settings.owner_only)
    moment = sessions.now()
    states = ledger.states(settings, moment)
except (SpxDataError, OSError) as error:
    sys.exit(f"spx-data: {faults.of(error)}")

layout = settings.layout
missing_dates = ledger.missing_dates(states, settings.dates)
hours = {session.date: session.hours for session in states}
# `spx-data`, which may have started this call, has named it already.
os.environ.setdefault(journal.RUN_VARIABLE, journal.new_run())
os.environ.update({**lean.ENVIRONMENT, **os.environ})


wildcard_constraints:
    **layouts.WILDCARDS,


def sidecars_to_make(wildcards):
    """The seals of all missing dates, and of those named with --until: a person may ask for a parked one."""
    named = {
        date
        for name in workflow.dag_settings.until
        if (date := layouts.date_of(Path(name)))
    }
    unsealed = {date for date in named if not seals.is_sealed(layout.parquet(date))}
    # With no input at all Snakemake would run the rule for its own sake; with one that exists it says that
    # there is nothing to be done.
    return [
        layout.sidecar(date) for date in {*missing_dates, *unsealed}
    ] or workflow.configfiles[0]


# A line must not begin with that name: Snakemake would take it for its keyword.
shown = report


def pages_to_show():
    """The pages that there are, for `snakemake --report`; no rule makes them for another one."""
    dashboard = shown(
        str(layout.dashboard),
        caption="docs/captions/dashboard.rst",
        category="Lake",
        labels={"page": "dashboard"},
    )
    days = [
        shown(
            str(page),
            caption="docs/captions/day.rst",
            category="Days",
            subcategory=page.stem[:4],
            labels={"trading date": page.stem},
        )
        for page in layout.day_pages()
    ]
    return [dashboard] * layout.dashboard.exists() + days


def terminal_share(wildcards):
    """What a job that asks the terminal takes of the resource that says how many do so side by side."""
    limit = settings.terminal.max_concurrent_requests
    return sharing.share(sharing.side_by_side(limit, workflow.cores or 1))


def all_cores(wildcards):
    """Every core there is; what only draws the rules need not be told how many that are."""
    return workflow.cores or 1


def trading_date(wildcards):
    """The date that a job is about."""
    return dt.date(int(wildcards.year), int(wildcards.month), int(wildcards.day))


@functools.cache
def missing_date_priorities():
    """The priority of every missing date, in the order of the gaps (`spx-data gaps`)."""
    return sharing.priorities(gaps.order(settings, moment, states))


def gap_priority(wildcards):
    """The order of the gaps; dates that are missing for nobody but whoever named them come first."""
    return sharing.priority(missing_date_priorities(), trading_date(wildcards))


def market_hours(wildcards):
    """Opening and closing of a date's session; nothing where a named date is none of the range's."""
    return hours.get(trading_date(wildcards), ())


# Rules that make pages.
PAGES = ("report_dashboard", "report_days")

# Closed after the last job, or when the process ends.
progress_display = contextlib.ExitStack()


def planned_dates():
    """The trading dates that this call's jobs are about, in the order they are filled in."""
    wildcards = (job.wildcards for job in workflow.dag.needrun_jobs())
    found = {trading_date(each) for each in wildcards if each}
    by_priority = functools.partial(sharing.priority, missing_date_priorities())
    return sorted(found, key=by_priority, reverse=True)


def before_the_first_job():
    """One message now, instead of one from every date, when the terminal or a directory cannot serve.

    Also says that this is the run at work: there is one at a time that asks the terminal.
    """
    from spx_data.fill.preflight import preflight

    planned = {job.rule.name for job in workflow.dag.needrun_jobs()}
    asking = planned & {"fetch_expirations", "download_expirations", "recheck"}
    if not asking and "merge_date" not in planned:
        return
    try:
        run = runs.begin(layout, " ".join(sys.argv), planned_dates())
        terminal = preflight(settings) if asking else None
    except (SpxDataError, OSError) as error:
        sys.exit(f"spx-data: {faults.of(error)}")
    if terminal:
        # Found once, for the whole run: no job looks again, and one run never mixes two APIs.
        config["thetadata"].update(base_url=terminal.base_url, api=terminal.api)
    show_progress(run)


def show_progress(run):
    """Show how the run gets on, unless Snakemake was told not to (--quiet)."""
    from spx_data.cli.progress import accompanied

    quiet = {kind.name for kind in workflow.output_settings.quiet or ()}
    if not quiet & {"ALL", "PROGRESS"}:
        progress_display.enter_context(accompanied(layout, run, logger))


def after_the_last_job():
    """Rebuild the status log, say what stands where, make pages if wanted, and tidy old logs up.

    Not after what only looks: `status` has done the first two, and who asked for pages has them.
    """
    progress_display.close()
    if not {"status", *PAGES}.isdisjoint(workflow.dag_settings.targets):
        return
    from spx_data import report, upkeep
    from spx_data.cli.tables import print_outcome
    from spx_data.status import rebuild

    moment = sessions.now()
    try:
        print_outcome(rebuild(settings, moment), settings, moment)
    except (SpxDataError, OSError) as error:
        sys.exit(f"spx-data: {faults.of(error)}")
    if dashboard := report.after_a_run(settings, moment):
        print(f"Dashboard in {dashboard}")
    upkeep.after_a_run(settings, moment)
