"""The HTTP server: admit a request, decide its answer, send it.

`_decide` knows nothing of sockets and `_send` nothing of markets; between them
stands an `Answer`, with a fault or without. Answers are built in worker threads,
so the loop stays free.
"""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from aiohttp import web

from theta_simulator import (
    answers,
    conduct,
    delivery,
    faults,
    habit_spelling,
    kinds,
    mischief,
    pages,
    planting,
    recording,
    sessions,
    wire_v2,
    wire_v3,
)
from theta_simulator.admission import Admission, Full
from theta_simulator.answers import Answer, Paged, Refusal
from theta_simulator.cache import AnswerCache, Answers
from theta_simulator.conduct import Conduct
from theta_simulator.delivery import Delivery, HangUp
from theta_simulator.faults import Fault, Kind, Lots, Target
from theta_simulator.habits import V3_ONLY
from theta_simulator.habitual import HabitualMarket
from theta_simulator.pages import Page, Pages
from theta_simulator.replay import NOT_RECORDED, Replay
from theta_simulator.request_log import Entry, RequestLog, now
from theta_simulator.settings import Settings
from theta_simulator.store import AnswerStore, without_conduct

HOST = "127.0.0.1"
CONNECTED = "CONNECTED"
# What terminals of one process have answered, in bytes: tests start hundreds that are alike.
_ANSWERED = Answers(64_000_000)
NOT_OF_DATA = conduct.KINDS | habit_spelling.CHANGES.keys()
_V2_HEADERS = (
    ("access-control-allow-headers", "*"),
    ("access-control-request-headers", "*"),
    ("access-control-allow-origin", "https://http-docs.thetadata.us"),
)
_V3_HEADERS = (("server", "Jetty(12.0.14)"),)


class Server:
    """One simulated terminal on one port."""

    def __init__(self, settings: Settings) -> None:
        self.replay = Replay(recording.read(settings.replay)) if settings.replay else None
        if self.replay:
            settings = self.replay.as_recorded(settings)
        self.become(settings)
        self.log = RequestLog(settings.request_log)
        self.status = settings.status
        self.url = ""
        v2 = settings.api == "v2"
        self._status_paths = wire_v2.STATUS_PATHS if v2 else wire_v3.STATUS_PATHS
        self._subjects = wire_v2.SUBJECTS if v2 else wire_v3.SUBJECTS
        usual = _V2_HEADERS if v2 else _V3_HEADERS
        self._headers = () if self.replay else planting.headers(usual, settings.planted)
        # What the library says unless it is said: a v2 terminal does not give its name.
        self._unsaid = ("server", "date", "content-type") if self.replay else ("server",)
        self._admission = Admission(settings.outstanding, None if v2 else settings.queue)
        self._pages = Pages(2 * settings.outstanding, settings.page_expire_ms, settings.latency_ms)
        self._cache = AnswerCache(settings.cache_mb * 1_000_000)
        self._faults = settings.faults or faults.NONE
        self._lots = Lots(self._faults)
        self._delivery = Delivery(self._faults.stall_seconds)
        self._builders = ThreadPoolExecutor(max_workers=2, thread_name_prefix="build")
        self._runner: web.AppRunner | None = None

    def become(self, settings: Settings) -> None:
        """Have other data, another date or other habits from now on; all else stays as it began."""
        self.settings = settings
        self.served = HabitualMarket(settings.seed, settings.size, settings.blemishes, settings.habits)
        self.market, self.places = self.served.clean, self.served.places
        self._conduct = Conduct(settings, self.served)
        self._wire = (wire_v2.V2 if settings.api == "v2" else wire_v3.V3)(settings, self.served)
        self._store = AnswerStore(settings.cache, settings) if settings.cache else None
        of_data = tuple(habit for habit in settings.habits if habit.kind not in NOT_OF_DATA)
        self._alike = replace(without_conduct(settings), habits=of_data)

    async def start(self) -> str:
        """Listen, and return the base URL."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_response_prepare.append(self._strip)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self.settings.port)
        await site.start()
        self.url = f"http://{HOST}:{self._runner.addresses[0][1]}"
        if not self.replay:
            # The calendar takes two seconds to load; the first request should not pay for it.
            self._builders.submit(sessions.is_session, self.settings.trading_today())
        return self.url

    async def stop(self) -> None:
        """Stop listening, drop what is in flight, close the log."""
        self._delivery.stop()
        self._admission.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        self._builders.shutdown(wait=False, cancel_futures=True)
        await self._cache.settle()
        self._builders.shutdown(wait=True)
        self.log.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one request and record it."""
        counted = request.path not in self._status_paths
        query = dict(request.query)
        with self.log.entry(request.method, request.path, query, counted) as entry:
            if greeting := self._conduct.greeting():
                return await self._send(request, greeting, entry)
            if outage := self._lots.arrive(counted):
                with contextlib.suppress(Refusal):
                    self._page(entry)
                lost = self._refused(outage) if counted else mischief.status(outage)
                return await self._send(request, lost, entry)
            if not counted:
                return await self._send(request, self._polite(request) or self._word(request), entry)
            try:
                seconds = self.settings.latency_ms / 1000.0
                async with self._admission.slot(seconds if self._conduct.slow_slots else 0.0):
                    entry.started = now()
                    if seconds:
                        await asyncio.sleep(seconds)
                    answer = await self._dressed(await self._decide(request, entry))
                    return await self._send(request, answer, entry)
            except Full:
                full = answers.text("Too many requests: the queue is full", 429)
                return await self._send(request, full, entry)

    def _polite(self, request: web.Request) -> Answer | None:
        """Return the refusal of a request no terminal looks into, or nothing."""
        if request.host.partition(":")[0] == "localhost":
            return answers.text("Wrong IP: use 127.0.0.1 instead of localhost", 476)
        if request.method != "GET":
            return answers.text("Method not allowed", 405)
        return None

    async def _decide(self, request: web.Request, entry: Entry) -> Answer:
        """Return the answer to a data request."""
        if refusal := self._polite(request):
            return refusal
        if self.status != CONNECTED:
            return answers.text(answers.DISCONNECTED, 474)
        if self.replay:
            return self._replayed(self.replay, request, entry)
        if sentence := kinds.refused(entry.path, self.settings.tier):
            v2 = self.settings.api == "v2"
            return answers.text(f":{sentence}" if v2 else sentence, 471 if v2 else 403)
        if self._is_too_large(entry):
            return self._refused(Fault(Kind.LARGE))
        if instead := self._conduct.instead(entry.path, entry.query):
            return instead
        try:
            found = self._conduct.changed(entry.path, entry.query, await self._found(entry))
        except Refusal as refusal_:
            return refusal_.answer()
        if fault := self._drawn(found, entry):
            # Now, not when it is sent: the client may be gone by then.
            entry.fault = fault.kind
            return await self._spoilt(found, fault)
        return self._pages.hand_out(found, self.url) if isinstance(found, Page) else found

    def _word(self, request: web.Request) -> Answer:
        """Return what the status endpoints say: of a replay what they said then, unless it was changed."""
        if self.replay and self.status == CONNECTED:
            return self.replay.answer(request.raw_path, self.url) or NOT_RECORDED
        return answers.text(self.status)

    def _replayed(self, replay: Replay, request: web.Request, entry: Entry) -> Answer:
        """Return what was recorded; to paths of the other API what terminals say that speak one alone."""
        if found := replay.answer(request.raw_path, self.url):
            return found
        foreign = "/v3/" if self.settings.api == "v2" else "/v2/"
        refused = self._wire.answer(entry.path, entry.query) if entry.path.startswith(foreign) else None
        return refused if isinstance(refused, Answer) else NOT_RECORDED

    async def _dressed(self, answer: Answer) -> Answer:
        """Return an answer as this terminal's habits spell it."""
        if not habit_spelling.spells(self.settings.habits):
            return answer
        v3 = self.settings.api == "v3"
        chosen = [habit for habit in self.settings.habits if v3 or habit.kind not in V3_ONLY]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._builders, habit_spelling.spelt, answer, chosen)

    async def _found(self, entry: Entry) -> Answer | Page:
        """Return what answers a request; a page is not handed out yet."""
        if page := self._page(entry):
            return page
        answer = await self._built(entry.path, entry.query)
        return Page(answer, 0, entry.identity) if isinstance(answer, Paged) else answer

    def _page(self, entry: Entry) -> Page | None:
        """Return the waiting page that is asked for, and name it in the record; None for other requests."""
        if not entry.path.startswith(pages.PATH) or self.settings.api != "v2":
            return None
        page = self._pages.find(entry.path.removeprefix(pages.PATH))
        entry.identity, entry.page_of = page.identity, page.request
        return page

    async def _built(self, path: str, query: dict[str, str]) -> Answer | Paged:
        """Return the answer from the cache, or from a worker thread."""
        loop = asyncio.get_running_loop()
        settings = self.settings
        key = (path, *sorted(query.items()), settings.trading_today(), settings.habits, settings.blemishes)
        return await self._cache.get(
            key, lambda: loop.run_in_executor(self._builders, self._answer, path, query)
        )

    def _answer(self, path: str, query: dict[str, str]) -> Answer | Paged:
        """Return the answer from the disk, where it is kept there, or as this process has it; or build it."""
        build = self._wire.answer
        if self._store:
            return self._store.get(path, query, build)
        if not self.settings.cache_mb:
            return build(path, query)
        key = (path, *sorted(query.items()), self.settings.trading_today(), self._alike)
        return _ANSWERED.get(key, lambda: build(path, query))

    def _is_too_large(self, entry: Entry) -> bool:
        """Say whether a request for history exceeds the limit set for it."""
        if self._faults.large is None or self._subjects.get(entry.path) != "history":
            return False
        try:
            return self._wire.stamps(entry.query) > self._faults.large
        except Refusal:
            # What makes no sense is refused as it always is.
            return False

    def _drawn(self, found: Answer | Page, entry: Entry) -> Fault | None:
        """Return what goes wrong with a request this time, or nothing."""
        subject = self._subjects.get((entry.page_of or entry.path).partition("?")[0])
        if subject is None:
            return None
        content = found.answer if isinstance(found, Page) else found
        target = Target(
            api=self.settings.api,
            subject=subject,
            has_data=isinstance(found, Page) or found.status == 200,
            framed=content.content_type != answers.NDJSON,
            later_page=entry.page_of is not None,
            has_next=isinstance(found, Page) and found.has_next,
        )
        return self._lots.draw(entry.identity, target)

    async def _spoilt(self, found: Answer | Page, fault: Fault) -> Answer:
        """Return the answer with its fault; a page refused keeps waiting."""
        if mischief.refuses(fault.kind):
            if isinstance(found, Page) and fault.kind is Kind.PAGE_EXPIRED:
                self._pages.drop(found)
            return self._refused(fault)
        if isinstance(found, Page):
            astray = mischief.next_page(found, fault, self.url)
            page = mischief.twisted(found, fault)
            found = self._pages.spelt(page, astray) if astray else self._pages.hand_out(page, self.url)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._builders, mischief.spoilt, found, fault)

    def _refused(self, fault: Fault) -> Answer:
        """Return the refusal that a fault is."""
        return mischief.refusal(fault, self.settings.api, self._faults.retry_after)

    async def _send(self, request: web.Request, answer: Answer, entry: Entry) -> web.StreamResponse:
        """Send an answer; the log learns how much of it left, and what was wrong with it."""
        if answer.fault:
            entry.fault = answer.fault.kind
        reason = answers.REASONS.get(answer.status, "") if self.settings.api == "v2" else ""
        answer = planting.spoken(answer, self.settings.planted)
        response = delivery.response(answer, reason, self._headers)

        async def write(piece: memoryview) -> None:
            await response.write(piece)
            entry.bytes += len(piece)

        try:
            await self._delivery.begin(answer)
            entry.status = answer.status
            await response.prepare(request)
            await self._delivery.body(answer, write)
            await response.write_eof()
        except HangUp:
            delivery.hang_up(request, answer)
            entry.outcome = "cut"
        except ConnectionError:
            pass
        else:
            entry.outcome = "sent"
        return response

    async def _strip(self, _request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Take headers of the library off the wire."""
        delivery.strip(response, self._unsaid)
