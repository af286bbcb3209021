"""`spx-data serve`: a lake over HTTP, as pages to look at, or as a Theta Terminal that programs ask."""

from __future__ import annotations

import errno
import ipaddress
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import Call
from spx_data.cli.output import say
from spx_data.errors import SpxDataError

if TYPE_CHECKING:
    from spx_data.ops.as_terminal.answers import AsTerminal
    from spx_data.report.live import Pages, PagesOfAll, Watch

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
    from spx_data.ops.serving.server import Server

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
    from spx_data.ops.as_terminal.answers import AsTerminal
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
