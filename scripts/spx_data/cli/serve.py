"""`spx-data serve`: the dashboard live, in a browser."""

from __future__ import annotations

import errno
import ipaddress

import click

from spx_data.cli.call import Call
from spx_data.cli.output import say


@click.command(short_help="Show the dashboard live, in a browser.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8765,
    show_default=True,
    help="Where to listen; 0 takes a port that is free.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen at. There is no password: whoever reaches it may look.",
)
@click.option(
    "--refresh",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Seconds between two looks; 10 at most while a run is at work.",
)
@click.pass_obj
def serve(call: Call, port: int, host: str, refresh: int) -> None:
    r"""Show the dashboard, made anew as often as it is looked at, and the page of any sealed day.

    It only looks, at the lake and the settings it was started with, and answers this machine alone unless
    --host says otherwise. From elsewhere: ssh -L 8765:127.0.0.1:8765 MACHINE, then the same address. Ctrl-C
    ends it.

    \b
    spx-data serve
    spx-data serve --port 0 --refresh 5
    """
    from spx_data.report.server import Pages, Server

    pages = Pages(call.settings, refresh)
    host = host.strip().removeprefix("[").removesuffix("]")
    if not host:
        raise click.UsageError("--host is empty. Write 127.0.0.1, ::1, or 0.0.0.0 for every address")
    shown = f"[{host}]" if ":" in host else host
    try:
        server = Server(host, port, pages)
    except (OSError, UnicodeError, OverflowError) as error:
        raise click.ClickException(_explained(error, shown, port)) from error
    with server:
        say(f"http://{shown}:{server.server_port} shows {call.settings.layout.output}; Ctrl-C ends it")
        if not _is_loopback(host):
            say(f"spx-data: without a password, to whoever can reach {host}", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("\nended")


def _is_loopback(host: str) -> bool:
    """Whether this machine alone can reach *host*."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _explained(error: OSError | UnicodeError | OverflowError, host: str, port: int) -> str:
    """Why nobody can listen there, and what to do."""
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is taken, maybe by another spx-data serve: look at http://{host}:{port}, "
            f"or take another one: spx-data serve --port 0"
        )
    said = error.strerror if isinstance(error, OSError) else error
    return (
        f"cannot listen at {host}, port {port}: {said}. Name an address of this machine and a port above "
        "1023: spx-data serve --host 127.0.0.1 --port 0"
    )
