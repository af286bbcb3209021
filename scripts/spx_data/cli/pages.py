"""`spx-data report` and `serve`: pages to look at, as files or over HTTP; the lake as a Theta Terminal."""

from __future__ import annotations

import datetime as dt
import errno
import ipaddress
import traceback
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.output import console, hand_out, say
from spx_data.errors import SpxDataError
from spx_data.jobs import memory
from spx_data.market.dates import Dates

if TYPE_CHECKING:
    from spx_data.ops.as_terminal import AsTerminal
    from spx_data.report.live import Pages, PagesOfAll, Watch
    from spx_data.report.many import Made
    from spx_data.settings import Settings

# Where the pages are that were made, the last one last; and whether none of them failed.
Outcome = tuple[list[Path], bool]


@click.command(short_help="Write HTML pages: the dashboard and days.")
@click.argument("dates", type=DATES, required=False)
@click.option("--open", "show", is_flag=True, help="Open the last page in your browser.")
@click.pass_context
def report(ctx: click.Context, dates: Dates | None, show: bool) -> None:
    r"""Make the dashboard and the pages of the newest days, or the pages of DATES; print where they are.

    Without DATES: those of the newest sealed days (`report.day_pages`) that have none, or one from before
    their seal or of another release, and then the dashboard. DATES are trading dates: a day, a month, a year,
    a range, or several with commas; each that is sealed gets its page anew. A page is one HTML file that
    needs nothing but itself. The exit code is 1 where a page could not be made.

    \b
    spx-data report --open
    spx-data report 2024-01-02 --open
    spx-data report 2024-01
    spx-data config set report.after_runs true    the dashboard after every run
    """
    call: Call = ctx.obj
    paths: list[Path] = []

    def make() -> int:
        if dates is None:
            made, well = make_dashboard(call.settings, call.moment, call.lakes, debug=call.debug)
        else:
            made, well = make_days(call.settings, call.moment, dates, debug=call.debug)
        paths.extend(made)
        return int(not well)

    code = call.in_each(make)
    if dates is None and call.several:
        from spx_data.report import write_symbols

        paths.append(write_symbols(call.lakes, call.moment))
        hand_out(str(paths[-1]))
    if show and paths:
        _open(paths[-1])
    ctx.exit(code)


def _open(page: Path) -> None:
    """Show *page* in the browser of the system, or in that of the variable BROWSER."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        raise click.ClickException(
            f"no browser could be started. Open {page} yourself, name a browser in the variable BROWSER,"
            " or look from another machine: `spx-data serve`"
        )


def make_dashboard(
    settings: Settings,
    moment: dt.datetime,
    beside: Mapping[str, Settings] | None = None,
    *,
    debug: bool = False,
) -> Outcome:
    """Make the pages of the newest days that have none, and then the dashboard; print where they are.

    The dashboard leads to those of the lakes *beside* it, by symbol.

    Raises:
        PermissionDeniedError, InsufficientDiskSpaceError: they cannot be written.
    """
    from spx_data.report import newest_stale, write_dashboard

    paths, well = _make(settings, moment, newest_stale(settings), debug)
    # After the days, for it leads to the pages that are there.
    paths.append(write_dashboard(settings, moment, beside))
    hand_out(str(paths[-1]))
    return paths, well


def make_days(
    settings: Settings, moment: dt.datetime, dates: Dates | None, *, debug: bool = False
) -> Outcome:
    """Make the pages of *dates*, all sealed ones where None, and print where they are.

    Raises:
        DateValidationError: none of them is sealed.
        PermissionDeniedError, InsufficientDiskSpaceError: they cannot be written.
    """
    from spx_data.report import named_dates, write_dashboard

    outcome = _make(settings, moment, named_dates(settings.layout, dates), debug)
    if outcome[0] and not settings.layout.dashboard.exists():  # to which pages lead
        write_dashboard(settings, moment)
    return outcome


def _make(settings: Settings, moment: dt.datetime, dates: Sequence[dt.date], debug: bool) -> Outcome:
    """Make the pages of *dates*: each path as soon as it is there, and in the end what got in the way.

    For *debug* in this process alone, which has the tracebacks.
    """
    from spx_data.cli.screen import bar
    from spx_data.report import write_days

    to, processes = console(), 1 if debug else None
    paths, bad = [], []
    try:
        # In a pipe the paths say how far it is.
        with bar("making pages", "pages", to) if to.is_terminal else nullcontext() as show:
            for number, made in enumerate(write_days(settings, moment, dates, processes), start=1):
                if made.path:
                    paths.append(made.path)
                    to.print(str(made.path), markup=False, soft_wrap=True)
                else:
                    bad.append(made)
                if show:
                    show(number, len(dates), "")
    finally:  # also where the rest is not waited for
        for made in bad:
            if debug:
                traceback.print_exception(made.error)
            say(f"spx-data: no page of {made.date}: {_told(made)}", err=True)
    return paths, not bad


def _told(made: Made) -> str:
    said = " ".join(str(made.error).split())
    if isinstance(made.error, SpxDataError):
        return said
    return f"unexpected {type(made.error).__name__}: {said}. spx-data --debug report {made.date} shows where"


# serve ------------------------------------------------------------------------------------------------------


_PORT, _TERMINALS_PORT = 8765, 25503  # where programs look for a terminal of v3


@click.command(short_help="Show the dashboard live, or answer as a terminal.")
@click.option(
    "--as-terminal",
    is_flag=True,
    help="Answer programs from the sealed days as a Theta Terminal (v3) does.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    show_default=f"{_PORT}; as a terminal {_TERMINALS_PORT}",
    help="The port to listen on; 0 picks a free one.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on. There is no password: anyone who can reach it can look.",
)
@click.option(
    "--refresh",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Seconds between refreshes of a page; at most 10 during a run.",
)
@click.pass_obj
def serve(call: Call, as_terminal: bool, port: int | None, host: str, refresh: int) -> None:
    r"""Show the dashboard as it is now, and the page of any sealed day.

    It changes nothing, takes up settings that you change, and answers this machine alone unless --host says
    otherwise. From elsewhere: ssh -L 8765:127.0.0.1:8765 MACHINE, then the same address. Ctrl-C ends it.

    With --as-terminal, programs that speak to a Theta Terminal work offline: status, lists, calendar, quotes
    and greeks come from sealed days, as CSV, JSON or NDJSON. What is not sealed has status 472; what the lake
    is not made of (other records, stamps or symbols) is refused with 403. Only this machine is answered.

    \b
    spx-data serve
    spx-data serve --port 0 --refresh 5
    spx-data serve --as-terminal
    """
    from spx_data.ops.serving import Server

    host = host.strip().removeprefix("[").removesuffix("]")
    if not host:
        raise click.UsageError("--host is empty. Write 127.0.0.1, ::1, or 0.0.0.0 for every address")
    if as_terminal and not _is_loopback(host):
        raise click.UsageError("a terminal answers this machine alone: leave --host out, or write 127.0.0.1")
    if port is None:
        port = _TERMINALS_PORT if as_terminal else _PORT
    shown = f"[{host}]" if ":" in host else host
    site = _terminal(call) if as_terminal else _pages(call, refresh)
    try:
        server = Server(host, port, site)
    except (OSError, UnicodeError, OverflowError) as error:
        raise click.ClickException(_explained(error, shown, port, as_terminal)) from error
    with server:
        does = "answers as a terminal (v3) from" if as_terminal else "shows"
        say(f"http://{shown}:{server.server_port} {does} {_what(call)}; Ctrl-C ends it")
        if not _is_loopback(host):
            say(f"spx-data: no password: open to anyone who can reach {host}", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("\nended")


def _what(call: Call) -> str:
    return ", ".join(call.lakes) if call.several else str(call.settings.layout.output)


def _pages(call: Call, refresh: int) -> Pages | PagesOfAll:
    from spx_data.report import check_installed

    check_installed()
    from spx_data.report.live import Pages, PagesOfAll, Watch

    def watch(symbol: str) -> Watch:
        """Takes up settings that change."""
        named = symbol if call.lakes.several else None
        return Watch(call.files, lambda: Call(call.overlays, symbol=named).settings)

    if call.several:
        return PagesOfAll(call.lakes, refresh, {symbol: watch(symbol) for symbol in call.lakes})
    return Pages(call.settings, refresh, watch(call.settings.product.symbol))


def _terminal(call: Call) -> AsTerminal:
    """The lakes of *call* that hold something; of several, one that does not is said and left out."""
    memory.keep()
    from spx_data.ops.as_terminal import AsTerminal
    from spx_data.ops.as_terminal.held import Held

    found, wrong = dict[str, Held](), list[SpxDataError]()
    for symbol, settings in call.lakes.items():
        try:
            found[symbol] = Held(settings)
        except SpxDataError as error:
            wrong.append(error)
            if call.several:
                say(f"spx-data: {symbol} is left out: {error}", err=True)
    if not found:
        raise wrong[0]
    return AsTerminal(found)


def _is_loopback(host: str) -> bool:
    """Whether this machine alone can reach *host*."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _explained(error: OSError | UnicodeError | OverflowError, host: str, port: int, as_terminal: bool) -> str:
    """Why nobody can listen there, and what to do."""
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        if as_terminal:
            return (
                f"port {port} is taken, maybe by a Theta Terminal: end that one, or take another port and "
                "name it to your programs: `spx-data serve --as-terminal --port 0`"
            )
        return (
            f"port {port} is taken, maybe by another `spx-data serve`: look at http://{host}:{port}, "
            f"or take another one: `spx-data serve --port 0`"
        )
    said = error.strerror if isinstance(error, OSError) else error
    return (
        f"cannot listen at {host}, port {port}: {said}. Name an address of this machine and a port above "
        "1023: `spx-data serve --host 127.0.0.1 --port 0`"
    )
