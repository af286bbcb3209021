"""How a terminal says that it is there, that there is nothing, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

from spx_data.errors import ApiDataNotFoundError, SubscriptionError
from spx_data.market.second_opinion import contract
from spx_data.ops.probe.findings import listing, looking, peeking
from spx_data.ops.probe.findings.assumption import Assumption, Seen, of_places
from spx_data.ops.probe.heard import CHAINS, Heard, Raw, Story, Topic
from spx_data.quality.panel import clock
from spx_data.sources.theta.health import CONNECTED

_NO_DATA = 472
_REFUSED = (403, 471)
_OTHER_API = (404, 410)  # what a terminal says to questions of the other API
# Of sessions that were over.
_FINISHED = CHAINS[: CHAINS.index(Topic.TODAY)]


def _status(story: Story) -> Seen | None:
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
        raw.content(40).decode(errors="replace").strip() if raw.status == peeking.OK else peeking.words(raw)
    )


# No data ------------------------------------------------------------------------------------------------


def _no_data(story: Story) -> Seen | None:
    """The answer about a date that was no session (docs/wire.md, 8: status 472 and a sentence)."""
    heard = story.one(Topic.NO_SESSION)
    if heard is None or not heard.raws:
        return None
    raw = heard.raws[-1]
    text = f"{heard.date} was no session: {peeking.words(raw)}"
    if isinstance(heard.error, ApiDataNotFoundError):
        usual = raw.status == _NO_DATA
        return Seen(text, usual, "it is taken as no data" + ("" if usual else ", as if it were status 472"))
    if heard.has_rows:
        return Seen(f"{text}, with rows", False, "the date's rows are judged as those of any other")
    return Seen(text, False, "days that were none count as failures: report this line")


def _third_friday(story: Story) -> Seen | None:
    """Whether an AM-settled chain has rows on the morning of its settlement (docs/wire.md, 10: none)."""
    heard = story.one(Topic.THIRD_FRIDAY)
    if heard is None or not heard.raws:
        return None
    name = looking.said(heard)
    if heard.has_rows and heard.records is not None:
        text = f"{name} has rows from {clock(heard.records['timestamp'].sort()[0])}"
        return Seen(text, False, "such rows are kept where the chain is listed on its last morning")
    usual = heard.error is None or isinstance(heard.error, ApiDataNotFoundError)
    return Seen(f"{name}: {peeking.words(heard.raws[-1])}", usual, "it is not missed on that day")


def _sessions(story: Story) -> Iterator[Seen]:
    """Whether every session that is over has data."""
    for heard in story.of(*_FINISHED):
        if isinstance(heard.error, ApiDataNotFoundError) and heard.raws and not _is_known(story, heard):
            text = f"{heard.date} was a session, {looking.said(heard)}: {peeking.words(heard.raws[-1])}"
            follows = "such a date is asked for again, less and less often, and told among the gaps"
            yield Seen(text, False, follows)
        elif heard.has_rows:
            yield Seen(f"{heard.date} has data, as all that were asked for", True, _PUBLISHED)


_PUBLISHED = "a session that is over is published"


def _is_known(story: Story, heard: Heard) -> bool:
    """Whether anything else says that there is something of a chain without data."""
    return listing.entry(story, heard) is not None or _speaks(story, heard) is not None


# Chains that do not answer ------------------------------------------------------------------------------


def _speaks(story: Story, heard: Heard) -> Heard | None:
    """A contract of a chain that has rows by itself."""
    return next(
        (each for each in story.of(Topic.CONTRACT) if each.chain == heard.chain and each.has_rows), None
    )


def _chains(story: Story) -> Iterator[Seen]:
    """Whether chains answer, at the first question."""
    return filter(None, (_chain(story, heard) for heard in story.of(*_FINISHED)))


def _chain(story: Story, heard: Heard) -> Seen | None:
    name = looking.said(heard)
    early = next((raw for raw in heard.raws if raw.status != peeking.OK), None)
    if heard.has_rows and early:
        text = f"{name} came only after {peeking.words(early)}"
        return Seen(text, False, "what is listed and does not come is asked for again")
    if heard.has_rows:
        return Seen(f"{name} answers at the first question", True, "a chain is one question")
    answer = peeking.told(heard)
    if alone := _speaks(story, heard):
        assert alone.right
        assert alone.strike is not None
        text = f"{name}: {answer}, and {contract(alone.right, alone.strike)} by itself has rows"
        return Seen(text, False, _HELD)
    if heard.error is None or isinstance(heard.error, ApiDataNotFoundError | SubscriptionError):
        return None
    return Seen(f"{name}: {answer}", False, _HELD)


_HELD = "its date is held for some runs, then sealed without it, and `spx-data mend` asks again"


def _today(story: Story) -> Seen | None:
    """What there is of a session that is not over."""
    heard = story.one(Topic.TODAY)
    if heard is None or not heard.raws:
        return None
    name, follows = looking.said(heard), "a session is downloaded once it is over"
    if heard.has_rows and heard.records is not None:
        text = f"{name} has rows from {clock(heard.records['timestamp'].sort()[0])}"
        return Seen(text, True, follows)
    return Seen(f"{name}: {peeking.words(heard.raws[-1])}", False, f"nothing hangs on it: {follows}")


def _refusals(story: Story) -> Seen | None:
    """What the subscription does not include: each kind of question that was refused so."""
    if not story.raws:
        return None
    refused = {
        heard.topic.value: peeking.words(raw)
        for heard in story.heard
        for raw in heard.raws
        if raw.status in _REFUSED
    }
    if not refused:
        return Seen("nothing was refused with status 403 or 471", True, "everything can be asked for")
    answers: dict[str, list[str]] = {}
    for topic, answer in refused.items():
        answers.setdefault(answer, []).append(topic)
    text = "; ".join(f"{', '.join(topics)}: {answer}" for answer, topics in answers.items())
    return Seen(text, False, "what is refused is told as such by each command that needs it")


ASSUMPTIONS = (
    Assumption("status", "the terminal says CONNECTED", _status),
    Assumption("refusals", "the subscription includes all that is asked for", _refusals),
    Assumption("no-data", "what there is not is status 472, with a sentence", _no_data),
    Assumption("chain-answers", "a chain answers, at the first question", of_places(_chains)),
    Assumption("sessions", "a session that is over has data", of_places(_sessions)),
    Assumption("third-friday", "a chain settled at the open has no rows on its last morning", _third_friday),
    Assumption("today", "a session that is not over has the rows so far", _today),
)
