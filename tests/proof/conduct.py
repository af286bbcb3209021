"""How a client behaved, by the terminal's own log: what it asked for without cause, and how hard it pressed.

A request has no cause if its answer was had already. A chain is fetched as a whole, all its windows and pages
in turn, so an answer that was served well counts as had until a later one of the same chain is spoilt; then
the chain begins anew. What was had stays had in later runs, but for the listing of one root if the run failed
to get the other's. A window that was refused as too large is not asked for again in the same run; one that is
said to have no data is. Bad rows in an answer do not end a try: the rest of the chain is fetched,
because what is bad twice is the source's own, and then the chain begins anew.

A contract asked for by itself has an answer of its own: one that is spoilt is asked for again alone, or the
chain begins anew.

Spoilt is an answer with a fault that changes more than its pace, one that did not leave whole, one with any
status but 200 and 472 ("no data"), and the page behind `page-twice`, which is the wrong one. What is sealed
must rest on the others alone: every window and page of a chain was served well after its last spoilt answer.
"""

import datetime as dt
import re
from collections import Counter, defaultdict
from urllib.parse import parse_qsl, urlsplit

from theta_simulator.faults import Kind

_PACE = frozenset({Kind.SLOW_START, Kind.DRIP})
# What tells the parts of a question about one contract from each other.
_WINDOW = re.compile(r"(start|end)_time=[^&]*&?")
# These leave good rows in an answer; the last ones leave records that lack a value, and a second answer of
# that kind is taken as it is.
_LACKS = frozenset({Kind.NOT_A_NUMBER, Kind.MISSING_COLUMN})
_BAD_ROWS = frozenset({Kind.WRONG_CONTRACT, Kind.WRONG_DATE, *_LACKS})
_NO_DATA = 472
# The same in a 200, where it is not meant: the other windows of the chain stand.
_DENIALS = frozenset({Kind.EMPTY, Kind.SENTENCE, Kind.SENTENCE_AS_CSV})
# What one chain may ask in an outage: once for data, then how the terminal is until patience is over.
_QUESTIONS = 7


def spoilt(request):
    """Whether the answer was not what was asked for, or did not arrive."""
    if request["fault"] is not None:
        return request["fault"] not in _PACE
    return request["outcome"] != "sent" or request["status"] not in (200, _NO_DATA)


def chain_of(request):
    """The root and the expiration whose chain a request is about; the expiration is None for a listing.

    None for a request about neither.
    """
    parts = urlsplit(request["page_of"] or request["identity"])
    query = dict(parse_qsl(parts.query))
    if "list/contracts" in parts.path:
        return query.get("root") or query["symbol"], None
    if "greeks" in parts.path:
        expiration = dt.date.fromisoformat(query.get("exp") or query["expiration"])
        return query.get("root") or query["symbol"], expiration.isoformat()
    return None


def about_a_contract(request):
    """Whether a request asks for one contract by itself."""
    return "right=" in (request["page_of"] or request["identity"])


def is_no_advice(request):
    """Whether a request is for a listing or a chain, and not for a second opinion."""
    return chain_of(request) is not None and not about_a_contract(request)


class Had:
    """The answers of one chain that were had, as its requests go by."""

    def __init__(self):
        self.good = set()
        self.asked = set()
        self._hostile = set()
        self._denied = set()  # said to have no data: it is asked for again
        self.taken = set()  # though records of it, or beside it, lack a value
        self._too_large = set()
        self._behind_a_twin = False
        self._questions = set()
        self._tried = set()  # in the try at hand
        self._doubted_questions = set()
        self._just_denied = None  # asked again at once, it goes on with the try at hand
        self._doubted = self._bad_rows = self._owed = self._forgets = False

    def take(self, request):
        """Take the next request in; returns what is wrong with it."""
        name = request["identity"]
        finding = None
        if self._forgets:
            self._begin_anew()
        if about_a_contract(request) or request["status"] == _NO_DATA or request["fault"] in _DENIALS:
            self._too_large.clear()  # the whole chain may be asked for anew
        if about_a_contract(request):
            return self._take_question(request)
        if (self._doubted or self._owed) and name in self._tried and name != self._just_denied:
            self._begin_anew()
        if name in self.good and name not in self._denied:
            finding = f"asked again without cause: {name}"
        denied = request["status"] == _NO_DATA or request["fault"] in _DENIALS
        self._just_denied = name if denied else None
        if request["status"] == _NO_DATA:
            self._denied.add(name)
        if name in self._too_large:
            finding = f"asked again though too large: {name}"
        if request["fault"] == Kind.LARGE:
            self._too_large.add(name)
            self.asked.discard(name)
            return finding
        self.asked.add(name)
        self._tried.add(name)
        self._judge(request, name)
        self._behind_a_twin = request["fault"] == Kind.PAGE_TWICE
        return finding

    def _judge(self, request, name):
        """Count an answer as had, or what it spoils as not."""
        if request["fault"] == Kind.HOSTILE_NAMES and name in self._hostile:
            self.taken.add(name)  # names of others twice: they are left out
            return
        if request["fault"] == Kind.HOSTILE_NAMES:
            self._hostile.add(name)
        if request["fault"] in _DENIALS and not request["page_of"]:
            self._deny(name)
        elif spoilt(request) or (self._behind_a_twin and request["page_of"]):
            self.taken = self.taken | self.good | {name} if request["fault"] in _LACKS else set()
            self.good.clear()
            if request["fault"] in _BAD_ROWS:
                self._doubted = self._bad_rows = True
            else:
                self._tried.clear()
                self._doubted = self._bad_rows = False
        else:
            self.good.add(name)

    def _deny(self, name):
        """Take a "no data" in: said twice it is believed, and what that lost the sealed date tells."""
        (self.good.add if name in self._denied else self.good.discard)(name)
        self._denied.add(name)

    def _take_question(self, request):
        """Take a request about a contract by itself in; returns what is wrong with it."""
        name, window = request["identity"], _WINDOW.sub("", request["page_of"] or request["identity"])
        same = {other for other in self._questions if _WINDOW.sub("", other.partition("#")[0]) == window}
        if window in self._doubted_questions and name in self._tried:
            self.good -= same
            self._tried -= same
            self._doubted_questions.discard(window)
        again = name in self.good and name not in self._denied
        finding = f"asked again without cause: {name}" if again else None
        if request["status"] == _NO_DATA:
            self._denied.add(name)
        self.asked.add(name)
        self._questions.add(name)
        self._tried.add(name)
        if spoilt(request):
            self.good -= same | {name}
            self._doubted = True
            if request["fault"] in _BAD_ROWS:
                self._doubted_questions.add(window)
        else:
            self.good.add(name)
        return finding

    def _begin_anew(self):
        self.asked -= self._questions
        self.good.clear()
        self._questions.clear()
        self._tried.clear()
        self._doubted_questions.clear()
        self._doubted = self._bad_rows = self._owed = self._forgets = False

    def end_run(self, lasting):
        """Let the next run, if it asks, know no more than it can; *lasting* says whether the answers stay."""
        self._forgets = self._forgets or self._bad_rows or not lasting
        unanswered = self._questions - self.good
        self.asked -= unanswered
        # The run took the chain without them, or failed over them: only the client can tell.
        self._owed = self._owed or bool(unanswered)
        self._doubted = False
        self._tried = set(self.asked) if self._owed else set()
        self._questions.clear()
        self._too_large.clear()


def asked_without_cause(runs, sealed, given_up=frozenset()):
    """By the rule at the top, chain by chain; the listing of a root is a chain of its own.

    What is *given_up* may rest on nothing: the sealed date says so.
    """
    chains = defaultdict(Had)
    for number, (run, requests) in enumerate(runs, start=1):
        for request in filter(chain_of, requests):
            if finding := chains[chain_of(request)].take(request):
                yield f"run {number}: {finding}"
        for (_, expiration), had in chains.items():
            had.end_run(lasting=run.listed or expiration is not None)
    for chain, had in chains.items():
        if sealed and chain not in given_up and (spoiled := had.asked - had.good - had.taken):
            yield f"{chain} rests on a spoilt answer: {sorted(spoiled)}"


def failed_without_cause(runs):
    """A run fails only if an answer was spoilt."""
    for number, (run, requests) in enumerate(runs, start=1):
        if run.error is not None and not any(map(spoilt, requests)):
            yield f"run {number} failed, and every answer was good: {run.error!r}"


def too_many_at_once(log, limit, silence_seconds):
    """No request arrives while *limit* others are in flight; one that stalls is, until patience is over."""
    counted = [request for request in log if request["counted"]]
    for request in counted:
        begun = request["received"]
        others = sum(other["n"] < request["n"] and begun < _end(other, silence_seconds) for other in counted)
        if others >= limit:
            yield f"{others + 1} requests in flight, {limit} are allowed"


def _end(request, silence_seconds):
    if request["fault"] == Kind.STALL:
        return min(request["finished"], request["received"] + silence_seconds)
    return request["finished"]


def hammered(runs, outages, at_work):
    """In an outage a chain asks for data once, and each of those *at_work* meets it once before it stops."""
    for number, (_, requests) in enumerate(runs, start=1):
        hit = [request for request in requests if (request["fault"] or "").startswith("outage-")]
        chains = Counter(map(chain_of, filter(chain_of, hit)))
        if any(count > outages for count in chains.values()):
            yield f"run {number} asks for data in an outage, again and again: {chains}"
        # A connection that closes without a word may be the trouble of one chain: the others are still asked.
        down = [request for request in filter(chain_of, hit) if request["fault"] != Kind.OUTAGE_CLOSED]
        if len(down) > outages * at_work:
            yield f"run {number} begins {len(down)} chains in an outage"
        if len(hit) > (len(set(map(chain_of, requests))) + 1) * outages * _QUESTIONS:
            yield f"run {number} asks {len(hit)} times in an outage"


def went_on_refused(log, at_work):
    """A refusal that meets every chain alike is met once by each of those *at_work*."""
    refused = sum(request["fault"] == Kind.REFUSED_TIER for request in log)
    if refused > at_work:
        yield f"{refused} requests were refused to {at_work} at work"


def doubted_too_much(runs, most):
    """A run asks about single contracts within the date's budget."""
    for number, (_, requests) in enumerate(runs, start=1):
        asked = sum(about_a_contract(request) and not request["page_of"] for request in requests)
        if asked > most:
            yield f"run {number} asks {asked} questions about contracts, {most} are allowed"
