"""How a terminal says that it is there, that there is nothing, and what it refuses."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Iterator, Sequence

from spx_data.errors import ApiDataNotFoundError, SubscriptionError
from spx_data.market.second_opinion import contract
from spx_data.ops.probe import looking
from spx_data.ops.probe.heard import CHAINS, Heard, Raw, Story, Topic
from spx_data.ops.probe.looking import Seen
from spx_data.sources.profile import Floor, Speed, Volume
from spx_data.sources.theta.health import CONNECTED

_NO_DATA = 472
_REFUSED = (403, 471)
_OTHER_API = (404, 410)  # what a terminal says to questions of the other API
# Of sessions that were over.
_FINISHED = CHAINS[: CHAINS.index(Topic.TODAY)]
_HELD = "its date is held for some runs, then sealed without it, and `spx-data mend` asks again"
_TELLING_SECONDS = 0.05  # of a body: what takes less time tells no rate
_WAITING_SECONDS = 0.2  # of an answer that comes alone: one that comes sooner may wait for this machine
_WAITED = 1.5  # times what an answer takes that waits for none
_TOO_MANY = 429
_FIRST_BYTE_SECONDS = 60.0  # a terminal that takes longer to begin is slower than any that was described


def status(story: Story) -> Seen | None:
    """The status word, and what came before it."""
    heard = story.one(Topic.STATUS)
    raws = [raw for raw in heard.raws if raw.status not in _OTHER_API] if heard else []
    if not raws:
        return None
    said = list(dict.fromkeys(map(_how_it_is, raws)))
    follows = "what is busy or starting is asked again, and waited for"
    return Seen(", then ".join(said), said == [CONNECTED], follows)


def _how_it_is(raw: Raw) -> str:
    return (
        raw.content(40).decode(errors="replace").strip() if raw.status == looking.OK else looking.words(raw)
    )


# No data ------------------------------------------------------------------------------------------------


def no_data(story: Story) -> Seen | None:
    """The answer about a date that was no session (docs/wire.md, 8: status 472 and a sentence)."""
    heard = story.one(Topic.NO_SESSION)
    if heard is None or not heard.raws:
        return None
    raw = heard.raws[-1]
    text = f"{heard.date} was no session: {looking.words(raw)}"
    if isinstance(heard.error, ApiDataNotFoundError):
        usual = raw.status == _NO_DATA
        return Seen(text, usual, "it is taken as no data" + ("" if usual else ", as if it were status 472"))
    if heard.has_rows:
        return Seen(f"{text}, with rows", False, "the date's rows are judged as those of any other")
    return Seen(text, False, "days that were none count as failures: report this line")


def third_friday(story: Story) -> Seen | None:
    """Whether an AM-settled chain has rows on the morning of its settlement (docs/wire.md, 10: none)."""
    heard = story.one(Topic.THIRD_FRIDAY)
    if heard is None or not heard.raws:
        return None
    name = heard.name
    if heard.has_rows:
        text = f"{name} has rows from {heard.begins}"
        return Seen(text, False, "such rows are kept where the chain is listed on its last morning")
    usual = heard.was_answered
    return Seen(f"{name}: {looking.words(heard.raws[-1])}", usual, "it is not missed on that day")


def sessions(story: Story) -> Iterator[Seen]:
    """Whether every session that is over has data."""
    for heard in story.of(*_FINISHED):
        known = story.entry(heard.chain, Topic.LISTING) or _speaks(story, heard)  # that there is something
        if isinstance(heard.error, ApiDataNotFoundError) and heard.raws and not known:
            text = f"{heard.date} was a session, {heard.name}: {looking.words(heard.raws[-1])}"
            follows = "such a date is asked for again, less and less often, and told among the gaps"
            yield Seen(text, False, follows)
        elif heard.has_rows:
            text = f"{heard.date} has data, as all that were asked for"
            yield Seen(text, True, "a session that is over is published")


# Chains that do not answer ------------------------------------------------------------------------------


def _speaks(story: Story, heard: Heard) -> Heard | None:
    """A contract of a chain that has rows by itself."""
    return next(
        (each for each in story.of(Topic.CONTRACT) if each.chain == heard.chain and each.has_rows), None
    )


def chain_answers(story: Story) -> Iterator[Seen]:
    """Whether chains answer, at the first question."""
    return filter(None, (_chain(story, heard) for heard in story.of(*_FINISHED)))


def _chain(story: Story, heard: Heard) -> Seen | None:
    name = heard.name
    early = next((raw for raw in heard.raws if raw.status != looking.OK), None)
    if heard.has_rows and early:
        text = f"{name} came only after {looking.words(early)}"
        return Seen(text, False, "what is listed and does not come is asked for again")
    if heard.has_rows:
        return Seen(f"{name} answers at the first question", True, "a chain is one question")
    answer = looking.told(heard)
    if alone := _speaks(story, heard):
        assert alone.contract
        text = f"{name}: {answer}, and {contract(*alone.contract)} by itself has rows"
        return Seen(text, False, _HELD)
    if heard.error is None or isinstance(heard.error, ApiDataNotFoundError | SubscriptionError):
        return None
    return Seen(f"{name}: {answer}", False, _HELD)


def today(story: Story) -> Seen | None:
    """What there is of a session that is not over."""
    heard = story.one(Topic.TODAY)
    if heard is None or not heard.raws:
        return None
    name, follows = heard.name, "a session is downloaded once it is over"
    if heard.has_rows:
        text = f"{name} has rows from {heard.begins}"
        return Seen(text, True, follows)
    return Seen(f"{name}: {looking.words(heard.raws[-1])}", False, f"nothing hangs on it: {follows}")


def refusals(story: Story) -> Seen | None:
    """What the subscription does not include: each kind of question that was refused so."""
    if not story.raws:
        return None
    raws = [(heard.topic.value, raw) for heard in story.heard for raw in heard.raws]
    refused = {topic: looking.words(raw) for topic, raw in raws if raw.status in _REFUSED}
    if not refused:
        return Seen("nothing was refused with status 403 or 471", True, "everything can be asked for")
    answers: dict[str, list[str]] = {}
    for topic, answer in refused.items():
        answers.setdefault(answer, []).append(topic)
    text = "; ".join(f"{', '.join(topics)}: {answer}" for answer, topics in answers.items())
    return Seen(text, False, "what is refused is told as such by each command that needs it")


def _histories(story: Story) -> list[tuple[Heard, Raw]]:
    """The last answer of each history of a chain."""
    return [(heard, heard.raws[-1]) for heard, _ in looking.chains(story) if heard.raws]


def speed(story: Story) -> Speed:
    """Medians of the histories; of a recording they are its original's."""
    found = _histories(story)
    begins = [raw.first_byte_seconds for _, raw in found]
    rows = [_rows(heard, raw) / raw.seconds for heard, raw in found if raw.seconds > 0]
    return Speed(
        first_byte_seconds=statistics.median(begins) if begins else None,
        slowest_first_byte_seconds=max(begins, default=None),
        bytes_per_second=_rate(found),
        rows_per_second=statistics.median(rows) if rows else None,
        at_once=_at_once(story),
    )


def _rows(heard: Heard, raw: Raw) -> float:
    """Rows of the original answer, of which a recording has a part."""
    raw.body.seek(0, 2)
    here = raw.body.tell()
    return heard.rows * (raw.size / here if here else 1.0)


def _rate(found: Sequence[tuple[Heard, Raw]]) -> float | None:
    """Bytes a second from an answer's first byte to its last."""
    rates = [
        raw.size / (raw.seconds - raw.first_byte_seconds)
        for _, raw in found
        if raw.seconds - raw.first_byte_seconds > _TELLING_SECONDS
    ]
    return statistics.median(rates) if rates else None


def _at_once(story: Story) -> int | None:
    """How many of the contracts that were asked for together were served without waiting.

    The first contract is asked for alone, and tells how long an answer takes. Those after the first wave
    wait for other reasons too.
    """
    asked = list(story.of(Topic.CONTRACT, Topic.NEVER_QUOTED))
    if len(asked) < 3 or not all(heard.raws for heard in asked) or not asked[0].has_rows:
        return None
    alone, together = asked[0].raws[-1], asked[1:]
    wave = [heard.raws[0] for heard in together[: together[0].together]]
    served = [raw for raw in wave if raw.status != _TOO_MANY]
    if len(served) < len(wave):
        return max(1, len(served))
    if alone.first_byte_seconds < _WAITING_SECONDS or len(wave) < 2:
        return None
    return max(1, sum(raw.first_byte_seconds < _WAITED * alone.first_byte_seconds for raw in wave))


# Rows of the table --------------------------------------------------------------------------------------


def first_byte(story: Story) -> Seen | None:
    """How long histories took to begin."""
    found = speed(story)
    if found.first_byte_seconds is None or found.slowest_first_byte_seconds is None:
        return None
    slowest = found.slowest_first_byte_seconds
    text = (
        f"the first byte of a history after {_seconds(found.first_byte_seconds)}, {_seconds(slowest)} at most"
    )
    follows = "thetadata.history_timeout_seconds must leave it that time"
    return Seen(text, slowest < _FIRST_BYTE_SECONDS, follows, "speed")


def throughput(story: Story) -> Seen | None:
    """How fast the bytes of histories came."""
    rate = _rate(_histories(story))
    whole = [raw.seconds for _, raw in _histories(story)]
    if rate is None:
        return None
    text = (
        f"{rate / 1e6:.3g} MB a second from first to last byte, a history in {_seconds(max(whole))} at most"
    )
    return Seen(text, as_assumed=True, consequence="estimates of duration rest on it", set="speed")


def at_once(story: Story) -> Seen | None:
    """How long contracts took that were asked for together."""
    served = _at_once(story)
    if served is None:
        return None
    asked = list(story.of(Topic.CONTRACT, Topic.NEVER_QUOTED))
    alone, together = asked[0].raws[-1].first_byte_seconds, asked[1:]
    wave = together[: together[0].together]
    each = ", ".join(
        "refused with 429"
        if heard.raws[0].status == _TOO_MANY
        else _seconds(heard.raws[0].first_byte_seconds)
        for heard in wave
    )
    text = f"alone {_seconds(alone)}; {len(wave)} at once {each}"
    follows = f"thetadata.max_concurrent_requests above {served} gains nothing here"
    if served == len(wave):
        follows = "the terminal serves at least as many at once"
    return Seen(text, served == len(wave), follows, "speed")


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g} s"


def volume(story: Story) -> Volume | None:
    """What the listings of the ordinary day hold; None where there is none."""
    found = {
        heard.root: heard.listed.chains
        for heard in story.of(Topic.LISTING)
        if heard.listed is not None and heard.root is not None
    }
    first = story.one(Topic.LISTING)
    if not found or first is None or first.date is None:
        return None
    return Volume(
        first.date,
        {root: len(chains) for root, chains in found.items()},
        {root: sum(chain.contracts for chain in chains) for root, chains in found.items()},
    )


def floor(story: Story) -> Floor:
    """The earliest date with data among those that were asked for, and the last one before it without."""
    had = [heard.date for heard, _ in looking.chains(story, Topic.FLOOR, *CHAINS) if heard.date]
    earliest = min(had, default=None)
    nothing = [heard for heard in story.of(Topic.FLOOR) if _has_none(heard, earliest)]
    last = max(nothing, key=_date, default=None)
    refused = [heard for heard in nothing if isinstance(heard.error, SubscriptionError) and heard.raws]
    refusal = looking.sentence(max(refused, key=_date).raws[-1]) if refused else None
    return Floor(earliest, _date(last) if last else None, refusal)


def _has_none(heard: Heard, earliest: dt.date | None) -> bool:
    """Whether there is no data of a date before the *earliest* with any."""
    silent = heard.error is None or isinstance(heard.error, ApiDataNotFoundError | SubscriptionError)
    return silent and not heard.has_rows and (earliest is None or _date(heard) < earliest)


def _date(heard: Heard) -> dt.date:
    assert heard.date
    return heard.date


def earliest_date(story: Story) -> Seen | None:
    """Where the history begins."""
    asked, found = story.one(Topic.FLOOR), floor(story)
    if asked is None or asked.date is None:
        return None
    if asked.has_rows:
        further = " (and of none before it that was asked for)" if found.none_on else ""
        further = f", and of {found.earliest}" if found.earliest != asked.date else further
        text = f"there is data of {asked.date}, the lake's first date{further}"
        return Seen(text, True, "every date of the lake can be asked for", "floor")
    if found.none_on is None:
        return None
    raws = next(heard.raws for heard in story.of(Topic.FLOOR) if heard.date == found.none_on)
    said = found.refusal or (looking.sentence(raws[-1]) if raws else "no answer")
    none = f"{found.none_on}: {said}"
    if found.earliest is None:
        return Seen(f"no date that was asked for has data; {none}", False, "nothing can be filled", "floor")
    unknown = any(found.none_on < session.date < found.earliest for session in story.sessions)
    between = "begins no later than" if unknown else "begins on"
    cure = f"`spx-data config set processing.start_date {found.earliest}` spares asking in vain"
    return Seen(f"data {between} {found.earliest}; none of {none}", False, cure, "floor")
