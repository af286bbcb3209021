"""`spx-data publish`, `verify --published` and `mend --from-published`: sealed days as objects elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

import click

from spx_data.cli.call import Call, dates_argument
from spx_data.cli.lists import in_each_lake
from spx_data.cli.output import console, say
from spx_data.market.dates import Dates
from spx_data.text.words import counted, size

if TYPE_CHECKING:
    from spx_data.ops.publish.publishing import Done
    from spx_data.ops.publish.restoring import Restored
    from spx_data.settings import Settings

    _Outcome = TypeVar("_Outcome", Done, Restored)

_NOWHERE = (
    "nobody says where to: name it with --to, or once and for all with "
    "`spx-data config set publish.url s3://bucket/spx`"
)


@click.command(short_help="Copy sealed days to object storage.")
@dates_argument()
@click.option("--to", "url", metavar="URL", help="s3://…, gs://…, az://… or file://…; default: publish.url.")
@click.option("--workers", type=click.IntRange(1, 64), default=4, show_default=True, help="Days at a time.")
@in_each_lake
@click.pass_context
def publish(ctx: click.Context, dates: Dates | None, url: str | None, workers: int) -> None:
    r"""Copy the sealed days that are not published yet to object storage; every byte is read back and hashed.

    An object is created only where there is none, and never written over: a day that was sealed anew gets a
    folder of its own, and a pointer says which one holds. Called again it does the rest. Credentials come
    from the environment alone (AWS_ACCESS_KEY_ID and their like). It needs the package's extra `publish`.

    \b
    Examples:
      spx-data publish --to file:///mnt/nas/spx
      spx-data publish 2024-03 --to s3://bucket/spx
      spx-data verify --published
    """
    call: Call = ctx.obj
    place, several = _place(call, url), call.lakes.several
    ctx.exit(int(not published(call.settings, place, dates, workers=workers, several=several)))


def published(
    settings: Settings,
    place: str | None,
    dates: Dates | None,
    *,
    workers: int = 4,
    several: bool = False,
    quiet: bool = False,
) -> bool:
    """Publish what is due of a lake at *place*, and print how it goes; says whether nothing failed.

    Of *several* lakes it is one's folder in the place of all. *quiet* says nothing where there is nothing to
    be done.

    Raises:
        ConfigurationValidationError: nobody says where to; or there is no such place, or it refuses.
        SpxDataError: whatever else would meet every day.
    """
    from spx_data.ops.publish import publishing

    with publishing.begun(settings, place, several=several) as publisher:
        days = publisher.due(dates)
        done = _shown("publishing", publisher.publish(days, workers), len(days))
    good = [each for each in done if each.error is None]
    if days:
        told = f", {size(sum(each.bytes for each in good))}" if good else ""
        say(f"{counted(len(good), 'day')} published{told}", err=True)
    elif not quiet:
        say("every sealed day is published", err=True)
    return len(good) == len(done)


def verify_published(call: Call, dates: Dates | None, workers: int) -> int:
    """Read back what is published, and print how it stands; the exit code."""
    from spx_data.ops.publish.publishing import ABSENT, AS_PUBLISHED, Publisher

    publisher = Publisher(call.settings, _place(call, None))
    done = _shown("reading back", publisher.verify(dates, workers), None)
    publisher.note()
    for each in sorted(done, key=lambda each: each.date):
        if each.error is None and each.what != AS_PUBLISHED:
            say(f"{each.date} {each.what}")
    good = [each for each in done if each.what == AS_PUBLISHED]
    absent = sum(each.what == ABSENT for each in done)
    say(
        f"{counted(len(good), 'day')} as sealed, {size(sum(each.bytes for each in good))} read back; "
        f"{counted(absent, 'day')} not published",
        err=True,
    )
    return int(len(good) + absent < len(done))


def mend_from_published(call: Call, dates: Dates | None) -> int:
    """Bring back from where they are published the days that are lost, and print which; the exit code."""
    from spx_data.ops.publish import restoring

    there = restoring.published_for(call.settings, _place(call, None))
    wanted = restoring.lost(call.settings, there, dates)
    done = _shown("bringing back", restoring.restore(call.settings, there, wanted), len(wanted))
    back = [each for each in done if each.error is None and each.bytes]
    for each in back:
        other = ", a version before the one that was lost" if each.is_other else ""
        say(f"{each.date} is sealed again{other}")
    told = f", {size(sum(each.bytes for each in back))}" if back else ""
    say(f"{counted(len(back), 'day')} back{told}" if wanted else "no sealed day is lost", err=True)
    return int(any(each.error is not None for each in done))


def _place(call: Call, url: str | None) -> str:
    """Where the lake at which the work is, is published."""
    from spx_data.ops.publish import place_of

    if (place := place_of(call.settings, url, several=call.lakes.several)) is None:
        raise click.UsageError(_NOWHERE)
    return place


def _shown(doing: str, days: Iterable[_Outcome], total: int | None) -> list[_Outcome]:
    """All of *days*, with a bar on a terminal; what got in the way of one is said at once."""
    from spx_data.cli.screen import bar

    found: list[_Outcome] = []
    with bar(doing, "days", console(stderr=True)) as show:
        for each in days:
            found.append(each)
            if each.error is not None:
                say(f"spx-data: {each.date}: {each.error}", err=True)
            show(len(found), total or len(found), size(sum(one.bytes for one in found)))
    return found
