"""Settings, the dates to do, and what happens before the first job and after the last."""

import contextlib
import datetime as dt
import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

from snakemake.common import SNAKEFILE_CHOICES

# Not `workflow.basedir`: of a module, that is the folder of the workflow that uses it.
project = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, f"{project}/scripts")

from spx_data.cli.output import make_safe, say
from spx_data.config import beginning, checking, laid_over
from spx_data.errors import AnotherRunError, DateValidationError, SpxDataError
from spx_data.jobs import forks, process, startup
from spx_data.lake import endings, runs
from spx_data.market import sessions
from spx_data.ops import engine, planning
from spx_data.ops.gaps import sharing
from spx_data.ops.notify.sending import Pings
from spx_data.ops.progress import Followed
from spx_data.settings import Lakes
from spx_data.sources import profile
from spx_data.store import cores, faults, files, journal, modes, names, room, seals
from spx_data.text import commands, printable

make_safe()

# Not by `configfile:`, which reads YAML in a way of its own and takes the last of two like keys. Jobs get a
# document that is complete and checked: they need not validate again, and the environment has had its say.
given = workflow.config_settings
if workflow.modifier.is_main_snakefile():
    handed = given.config
    configfiles = checking.files_of_a_run(
        given.configfiles, alone=given.replace_workflow_config
    )
    workflow.configfiles = list(map(str, configfiles))
else:
    # As a module: files and --config are those of the workflow that uses it, and what it hands on is all.
    handed, configfiles = config, []
# What a command takes that is pasted where this call was typed (--directory, --snakefile).
found_there = next(filter(Path.exists, SNAKEFILE_CHOICES), None)
commands.called_by(
    laid_over(configfiles),
    folder=workflow.overwrite_workdir,
    snakefile=(
        None
        if found_there
        and (
            found_there.samefile(workflow.main_snakefile)
            or beginning.leads_here(found_there)
        )
        else workflow.main_snakefile
    ),
)


# Symbol → why its lake takes no part in this run.
left_behind = {}


def said_of(error):
    """What was found and its cure, in one line, with the place in the config that it is about."""
    told = checking.located(str(faults.of(error)), configfiles)
    return commands.shown(printable.line(told))


def refuse(error):
    """End this call with what was found and its cure, in one line."""
    sys.exit(f"spx-data: {said_of(error)}")


def leave_out(symbol, error):
    """Say in one line why the lake of *symbol* takes no part, while the others go on."""
    commands.about(symbol)
    said = said_of(error)
    say(f"spx-data: {symbol} is left out: {said}", err=True)
    # A lake at which another run is at work is well.
    if not isinstance(error, AnotherRunError):
        left_behind[symbol] = said
    commands.about("")


try:
    config = checking.checked(configfiles, overrides=handed)
    lakes = Lakes.of(config)
    # What is no symbol's own: the terminal, and how private files are.
    shared = next(iter(lakes.values()))
    # Before anything is written, the copy of the calendar included.
    modes.restrict(owner_only=shared.owner_only)
    # Snakemake has made its own folder by now.
    modes.restrict_folder(names.SNAKEMAKE, owner_only=shared.owner_only)
    plan = planning.Plan.of(lakes, sessions.now())
    engine.check_folder(Path.cwd())
    # Before Snakemake looks for it: the lock of a run that was killed is in nobody's way.
    engine.take_stale_lock([settings.layout for settings in lakes.values()])
except (SpxDataError, OSError) as error:
    refuse(error)

for refused_symbol, found in plan.refused.items():
    leave_out(refused_symbol, found)

for lake in plan:
    if lake.left_out:
        say(f"spx-data: {lake.left_out}", err=True)

patterns = lakes.patterns
# `spx-data`, which may have started this call, has named it already.
called_by_hand = journal.RUN_VARIABLE not in os.environ
os.environ.setdefault(journal.RUN_VARIABLE, journal.new_run())
os.environ.update({**startup.ENVIRONMENT, **os.environ, **process.environment(config)})


def script(name):
    """How a rule starts its script; that of a date is told the symbol first.

    Not by `script:`, which puts the interpreter's path into a shell's line as it is: a blank in the path of the
    project or of its environment would end every job.
    """
    return (
        f"{shlex.quote(sys.executable)} {shlex.quote(f'{project}/scripts/{name}.py')}"
    )


def forked(name):
    """How a rule of which each date has a job starts its script: in a fork, where this can be."""
    words = shlex.join([sys.executable, "-I", "-S", str(forks.BEGIN)])
    return (
        f"{words} {shlex.quote(f'{project}/scripts/{name}.py')}"
        if forks.POSSIBLE
        else script(name)
    )


engine_errors = endings.EngineErrors()
logger.addFilter(engine_errors)


wildcard_constraints:
    **names.WILDCARDS,
    symbol="|".join(lakes),
    stem="|".join(settings.layout.stem for settings in lakes.values()),


def in_any_spelling(as_snakemake_takes_it):
    """Let a file of the lake be named in any spelling on the command line: Snakemake compares texts.

    What it was called with is not known yet; what is named there comes through here when it is.
    """

    def spelled(path):
        text = str(path)
        found = text if "{year}" in text else plan.spelled(text)
        return as_snakemake_takes_it(path if found == text else found)

    return spelled


workflow.modifier.path_modifier.apply_default_storage = in_any_spelling(
    workflow.modifier.path_modifier.apply_default_storage
)


def sidecars_to_make(wildcards):
    """The seals of all missing dates, and of those named with --until: a person may ask for a parked one."""
    named = set()
    for name in workflow.dag_settings.until:
        if dated := plan.made(name):
            named.add(dated)
        elif not workflow.is_rule(name):
            # Snakemake would take any file that there is for done.
            example = shared.layout.parquet(plan.moment.date())
            said = (
                f"--until {printable.line(name)}: no rule has that name or makes that file. "
                f"Name a date's file, like {example}, or a rule: `snakemake --list-rules` shows them"
            )
            sys.exit(f"spx-data: {commands.shown(said)}")
    unsealed = {dated for dated in named if not plan.is_sealed(dated)}
    # With no input at all Snakemake would run the rule for its own sake; with one that exists it says that
    # there is nothing to be done.
    return [
        lakes[symbol].layout.sidecar(date)
        for symbol, date in {*plan.missing, *unsealed}
    ] or str(project / "Snakefile")


# A line must not begin with that name: Snakemake would take it for its keyword.
shown = report


def pages_to_show():
    """The pages that there are, for `snakemake --report`; no rule makes them for another one."""
    return [page for symbol in lakes for page in pages_of(symbol, lakes[symbol].layout)]


def pages_of(symbol, layout):
    """The pages of one lake."""
    of_several = {"symbol": symbol} if lakes.several else {}
    dashboard = shown(
        str(layout.dashboard),
        caption="docs/captions/dashboard.rst",
        category="Lake",
        labels={**of_several, "page": "dashboard"},
    )
    days = [
        shown(
            str(page),
            caption="docs/captions/day.rst",
            category="Days",
            subcategory=page.stem[:4],
            labels={**of_several, "trading date": page.stem},
        )
        for page in layout.day_pages()
    ]
    return [dashboard] * layout.dashboard.exists() + days


def jobs_at_once():
    """How many jobs the call allows at a time: by --cores here, by --jobs where an executor runs them elsewhere.

    What only draws the rules is told neither.
    """
    allowed = workflow.resource_settings
    return allowed.cores or allowed.nodes or 1


def terminal_share(wildcards):
    """What a job that asks the terminal takes of the resource that says how many do so side by side."""
    limit = shared.terminal.max_concurrent_requests
    return sharing.share(sharing.side_by_side(limit, jobs_at_once()))


# What a job takes of the resource that says how many of them fit into memory side by side. Asked once: a plan
# has three jobs for each of thousands of dates.
memory_share = sharing.share(sharing.fit(room.allowed()))


def memory_share_here(wildcards):
    """The same of a job that may go elsewhere (--executor), where this machine's memory says nothing."""
    return 0 if workflow.remote_exec else memory_share


def all_cores(wildcards):
    """Every core there is; where jobs go elsewhere (--executor), nobody knows how many a machine there has."""
    return workflow.resource_settings.cores or 1


missing_dates, usable_cores = len(plan.missing), cores.usable()


def merge_threads(wildcards):
    """The cores that a merge gets: where fewer dates are missing than cores are there, its share; else one.

    Where jobs go elsewhere nobody knows how many a machine there has: one, and there it is given no more.
    """
    if workflow.remote_exec:
        return 1
    there = min(workflow.resource_settings.cores or 1, usable_cores)
    return max(1, there // max(1, missing_dates))


def trading_date(wildcards):
    """The date that a job is about."""
    return dt.date(int(wildcards.year), int(wildcards.month), int(wildcards.day))


def symbol_of(wildcards):
    """The symbol of the lake that a job of a date is about."""
    return wildcards.symbol if lakes.several else shared.product.symbol


def dated(wildcards):
    """The symbol and the date that a job is about."""
    return symbol_of(wildcards), trading_date(wildcards)


def gap_priority(wildcards):
    """The order of the gaps; dates that are missing only because they were named come first."""
    return plan.priority(dated(wildcards))


def market_hours(wildcards):
    """Opening and closing of a date's session; nothing where a named date is none of the range's."""
    lake = plan.lakes.get(symbol_of(wildcards))
    return lake.hours.get(trading_date(wildcards), ()) if lake else ()


# A log's name has every wildcard of its rule's outputs.
merge_log = patterns.log_pattern(
    f"merge_date-{patterns.stem}" if lakes.several else "merge_date"
)

# Rules that work on a date, and those that ask for others.
RULES = (*endings.STAGES, "recheck", "mend")
# Rules that make pages.
PAGES = ("report_dashboard", "report_days")

# Who watches that runs come and end well, if anybody does.
pings = Pings.of(shared.metrics)

# What lasts while there are jobs: closed after the last one, or when the process ends.
beside_jobs = contextlib.ExitStack()


def rule_of(job):
    """The rule of RULES that a job runs, by where it is written; None where it is none of them.

    A workflow that uses this one as a module names the rules as it likes, and has its own beside them.
    """
    written = job.rule.snakefile, job.rule.lineno
    own = ((name, getattr(rules, name).rule) for name in RULES)
    return next(
        (name for name, rule in own if (rule.snakefile, rule.lineno) == written), None
    )


def planned_dates():
    """The trading dates that this call's jobs are about, by symbol, in the order they are filled in."""
    found = {
        dated(job.wildcards)
        for job in workflow.dag.needrun_jobs()
        if rule_of(job) in endings.STAGES
    }
    dates = {symbol: [] for symbol in plan.lakes}
    for symbol, date in sorted(found, key=plan.priority, reverse=True):
        dates.setdefault(symbol, []).append(date)
    return dates


# The runs that this call is, by symbol: one of each lake at which it works.
at_work = {}


def before_the_first_job():
    """One message now, instead of one from every date, when the terminal or a directory cannot serve.

    Also says that this is the run at work: each lake has one at a time that asks the terminal.
    """
    # What a failed job leaves is whole or not there (docs/decisions/0006): nothing is to be cleared away after it.
    workflow.execution_settings.keep_incomplete = True
    planned = set(map(rule_of, workflow.dag.needrun_jobs()))
    # What a date needs on its way goes when it is sealed. Behind a stage that is the last one asked for there is
    # nobody who needs it, and Snakemake would take it at once.
    workflow.storage_settings.notemp |= (
        shared.keep_ndjson or "merge_date" not in planned
    )
    asking = planned & {
        "fetch_expirations",
        "download_expirations",
        "recheck",
        "mend",
    }
    if not asking and "merge_date" not in planned:
        return
    everywhere = planned & {"recheck", "mend"}
    wanted = {
        symbol: dates
        for symbol, dates in planned_dates().items()
        if dates or everywhere or not lakes.several
    }
    left_out = {
        symbol: plan.refused[symbol] for symbol in wanted if symbol in plan.refused
    }
    for symbol in wanted:
        try:
            if symbol not in left_out:
                at_work[symbol] = begun(lakes[symbol], wanted[symbol])
        except (SpxDataError, OSError) as error:
            go_on_without(symbol, error)
    hear_stops_aside()
    pings.begin()
    try:
        if asking and at_work:
            find_the_terminal()
        drop_jobs_of_others(wanted)
    except SystemExit as refused:
        said = str(refused.code).removeprefix("spx-data: ")
        left_behind.update(dict.fromkeys(at_work, said))
        tell_of_the_run({}, well=False)
        raise
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop_on_purpose)
    if forks.POSSIBLE and at_work and planned & {*endings.STAGES}:
        beside_jobs.enter_context(forks.started(project / "scripts"))
    show_progress()


def begun(settings, dates):
    """This call as the run at work in one lake."""
    from spx_data.ops import team

    layout = settings.layout
    runs.check_idle(layout)
    endings.settle_last(layout)
    run = runs.begin(layout, " ".join(sys.argv), dates)
    leave_sealed_days_alone(layout, run.dates)
    runs.clear_jobs(layout, run)
    if called_by_hand:
        team.note(settings, ["snakemake", *sys.argv[1:]])
    return run


def go_on_without(symbol, error):
    """End the call for what is wrong with its only lake; of several, leave this one out."""
    if not lakes.several:
        refuse(error)
    at_work.pop(symbol, None)
    leave_out(symbol, error)


def find_the_terminal():
    """Find it once for the whole run: no job looks again, and one run never mixes two APIs."""
    from spx_data.fill.preflight import preflight_of

    try:
        terminal, refused = preflight_of([lakes[symbol] for symbol in at_work])
    except (SpxDataError, OSError) as error:
        for symbol in at_work:
            runs.mention_failure(lakes[symbol].layout, faults.of(error))
        refuse(error)
    for symbol, error in refused.items():
        runs.mention_failure(lakes[symbol].layout, error)
        go_on_without(symbol, error)
    if terminal:
        config["thetadata"].update(base_url=terminal.base_url, api=terminal.api)
        if profile.is_first_contact(shared.layout):
            say(profile.OFFER, err=True)


def drop_jobs_of_others(wanted):
    """Start no job of a lake that is left out; the jobs behind those never become ready."""
    if wanted and not at_work:
        sys.exit(1)  # why, is said already
    if lakes.several:
        config["symbols"] = {symbol: config["symbols"][symbol] for symbol in at_work}
        ready = workflow.dag.ready_jobs
        others = [
            job for job in ready if symbols_of(job) and not symbols_of(job) & {*at_work}
        ]
        ready.difference_update(others)
        if others:
            workflow.scheduler._errors = True
    os.environ.update(process.environment(config))


def symbols_of(job):
    """The symbols that a job, or those of a group, are about."""
    every = job.jobs if job.is_group() else [job]
    return {
        symbol_of(each.wildcards) for each in every if rule_of(each) in endings.STAGES
    }


def leave_sealed_days_alone(layout, dates):
    """Refuse to make a day that is sealed: before it runs a job, Snakemake deletes what that is to make."""
    sealed = [date for date in dates if seals.is_sealed(layout.parquet(date))]
    if sealed:
        raise DateValidationError(
            f"{sealed[0]} is sealed already, and what is sealed is never made anew",
            cure="Start again without naming or forcing it; `snakemake --cores 4 recheck` asks the source again",
            what=str(sealed[0]),
            reason="sealed",
        )


def note_stops():
    """Remember that this call was asked to stop: what that ends has not failed, and nothing follows it."""
    for symbol, run in [*at_work.items()]:
        runs.note_stop(lakes[symbol].layout, run)


def stop_on_purpose(number, frame):
    """Ctrl-C: what it ends has not failed."""
    note_stops()
    signal.default_int_handler(number, frame)


def hear_stops_aside():
    """Let a thread note a stop and tell the scheduler of it.

    Its own handler of SIGTERM takes a lock that the thread which the signal interrupts may hold, and then
    both wait for ever.
    """
    told, one_by_one = signal.getsignal(signal.SIGTERM), threading.Lock()

    def follow(*words):
        try:
            with one_by_one:
                note_stops()
        finally:
            told(*words)

    def tell(*words):
        threading.Thread(target=follow, args=words).start()

    if callable(told):
        signal.signal(signal.SIGTERM, tell)
        if workflow.scheduler._user_kill:  # it was told before there was a run
            note_stops()


def show_progress():
    """Show how the run gets on, unless Snakemake was told not to (--quiet)."""
    from spx_data.cli.progress import accompanied

    quiet = {kind.name for kind in workflow.output_settings.quiet or ()}
    if not quiet & {"ALL", "PROGRESS"}:
        followed = [
            Followed(lakes[symbol].layout, run, symbol)
            for symbol, run in at_work.items()
        ]
        beside_jobs.enter_context(accompanied(followed, logger))


def settle_the_run():
    """Write into the journals how those jobs ended that could not do so themselves."""
    ended = (
        each
        for job in workflow.scheduler.failed
        for each in (job.jobs if job.is_group() else [job])
    )
    failed = [job for job in ended if rule_of(job) in endings.STAGES]
    deaths = {
        dated(job.wildcards): endings.Death(
            rule_of(job),
            Path(job.log[0]),
            engine_errors.jobs.get(job.jobid, ""),
            engine_errors.elsewhere.get(job.jobid, ""),
        )
        for job in failed
    }
    for symbol, run in at_work.items():
        layout = lakes[symbol].layout
        stopped = runs.was_stopped(layout, run.name)
        own = {date: death for (of, date), death in deaths.items() if of == symbol}
        endings.settle(layout, run.name, run.dates, own, stopped=stopped)
        for date in run.dates:
            files.remove_empty(layout.staging(date), layout.temp)
        # Snakemake removes folders that its outputs have left empty, and those above them.
        files.make_directory(layout.temp)


def mend_what_is_due():
    """Ask again for what sealed days lack, in a process of its own; whatever comes of it, the run is what it was.

    Not after a run that was to stop, that found the terminal down, or that another one follows.
    """
    from spx_data.ops.mend import due

    for symbol, run in at_work.items():
        settings = lakes[symbol]
        if not settings.mend.after_runs or not run.dates or run.more:
            continue
        if (
            runs.was_stopped(settings.layout, run.name)
            or settings.layout.terminal_down.exists()
        ):
            continue
        try:
            if due(settings, sessions.now()):
                subprocess.run(
                    [
                        sys.executable,
                        f"{project}/scripts/mend.py",
                        "--after-a-run",
                        symbol,
                    ]
                )
        except (SpxDataError, OSError) as error:
            say(f"spx-data: nothing was mended: {said_of(error)}", err=True)


def publish_what_is_due():
    """Publish what is sealed and not published yet, where publish.url says to, in a process of its own.

    As for a mend, whatever comes of it, the run is what it was; what failed is published after the next one.
    """
    for symbol, run in at_work.items():
        settings = lakes[symbol]
        if settings.publish_url is None or not run.dates or run.more:
            continue
        if not runs.was_stopped(settings.layout, run.name):
            words = [f"{project}/scripts/publish.py", "--after-a-run", symbol]
            subprocess.run([sys.executable, *words])


def after_the_last_job(well):
    """Mend, publish, refresh the status log, say what stands where, make pages if wanted, and tidy old logs up.

    Not after what only looks: `status` has done the first two, and who asked for pages has them.
    """
    beside_jobs.close()
    # Its default again: there is nothing that a person must be warned of.
    workflow.execution_settings.keep_incomplete = False
    settle_the_run()
    if not {"status", *PAGES}.isdisjoint(workflow.dag_settings.targets):
        return
    mend_what_is_due()
    publish_what_is_due()
    found = {}
    for lake in plan:
        if lakes.several:
            commands.about(lake.symbol)
            say(f"{lake.symbol}:")
        found[lake.symbol] = tell_of_the_end(lake.settings)
    commands.about("")
    if at_work:
        tell_of_the_run(found, well)


def tell_of_the_run(found, well):
    """Tell people and monitors how the lakes are, each as it was *found* or as it is now."""
    from spx_data.ops.notify import standing, telling

    moment = sessions.now()
    looks = [
        found.get(symbol)
        or standing.look(settings, moment, left_behind.get(symbol, ""))
        for symbol, settings in lakes.items()
    ]
    for line in telling.after_a_run(looks, moment, shared.metrics, pings, well=well):
        say(f"spx-data: {line}", err=True)


def tell_of_the_end(settings):
    """The end of a run in one lake; gives how it was found."""
    from spx_data import report
    from spx_data.cli.overview import print_outcome
    from spx_data.lake import frames
    from spx_data.ops import cleanup, team
    from spx_data.ops.health import met_otherwise
    from spx_data.ops.notify import standing
    from spx_data.status import refresh

    moment, layout = sessions.now(), settings.layout
    try:
        overview = refresh(settings, moment)
        alerts = print_outcome(overview, settings, moment)
    except (SpxDataError, OSError) as error:
        if not lakes.several:
            refuse(error)
        say(f"spx-data: {said_of(error)}", err=True)
        return None
    if said := team.after_a_run(settings):
        say(f"spx-data: {said}", err=True)
    run = runs.current(layout)
    if run and (said := met_otherwise(layout, run.dates)):
        say(said)
    if dashboard := report.after_a_run(
        settings, moment, beside=lakes if lakes.several else None
    ):
        say(f"Dashboard in {dashboard}")
    cleanup.after_a_run(settings, moment)
    if run and run.dates:
        frames.keep(layout)
    why = left_behind.get(settings.product.symbol, "")
    return standing.Look(settings, overview.dates, alerts, why)
