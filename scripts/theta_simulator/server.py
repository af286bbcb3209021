"""The HTTP server: admit a request, decide its answer, send it.

`_decide` knows nothing of sockets and `_send` nothing of markets; between them
stands an `Answer`. Answers are built in worker threads, so the loop stays free.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from theta_simulator import answers, pages, sessions, wire_v2, wire_v3
from theta_simulator.admission import Admission, Full
from theta_simulator.answers import Answer, Paged, Refusal
from theta_simulator.cache import AnswerCache
from theta_simulator.market import Market
from theta_simulator.pages import Pages
from theta_simulator.request_log import Entry, RequestLog, now
from theta_simulator.settings import Settings

HOST = "127.0.0.1"
CONNECTED = "CONNECTED"
# Jetty sends what fits its buffer with a length, the rest in chunks.
_SMALL = 32 * 1024
_PIECE = 512 * 1024
_V2_HEADERS = (
    ("access-control-allow-headers", "*"),
    ("access-control-request-headers", "*"),
    ("access-control-allow-origin", "https://http-docs.thetadata.us"),
)
_V3_HEADERS = (("server", "Jetty(12.0.14)"),)


class Server:
    """One simulated terminal on one port."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.market = Market(settings.seed, settings.size)
        self.log = RequestLog(settings.request_log)
        self.status = settings.status
        self.url = ""
        v2 = settings.api == "v2"
        self._wire = (wire_v2.V2 if v2 else wire_v3.V3)(settings, self.market)
        self._status_paths = wire_v2.STATUS_PATHS if v2 else wire_v3.STATUS_PATHS
        self._headers = _V2_HEADERS if v2 else _V3_HEADERS
        self._admission = Admission(settings.outstanding, None if v2 else settings.queue)
        self._pages = Pages(2 * settings.outstanding, settings.page_expire_ms, settings.latency_ms)
        self._cache = AnswerCache(settings.cache_mb * 1_000_000)
        self._builders = ThreadPoolExecutor(max_workers=2, thread_name_prefix="build")
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen, and return the base URL."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_response_prepare.append(self._name_the_server)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self.settings.port)
        await site.start()
        self.url = f"http://{HOST}:{self._runner.addresses[0][1]}"
        # The calendar takes two seconds to load; the first request should not pay for it.
        self._builders.submit(sessions.is_session, self.settings.trading_today())
        return self.url

    async def stop(self) -> None:
        """Stop listening, drop what is in flight, close the log."""
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
            if not counted:
                return await self._send(request, self._polite(request) or answers.text(self.status), entry)
            try:
                async with self._admission.slot():
                    entry.started = now()
                    if self.settings.latency_ms:
                        await asyncio.sleep(self.settings.latency_ms / 1000.0)
                    return await self._send(request, await self._decide(request, query), entry)
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

    async def _decide(self, request: web.Request, query: dict[str, str]) -> Answer:
        """Return the answer to a data request."""
        if refusal := self._polite(request):
            return refusal
        if self.status != CONNECTED:
            return answers.text(answers.DISCONNECTED, 474)
        try:
            if self.settings.api == "v2" and request.path.startswith(pages.PATH):
                return self._pages.fetch(request.path.removeprefix(pages.PATH), self.url)
            answer = await self._built(request.path, query)
        except Refusal as refusal_:
            return refusal_.answer()
        return self._pages.first(answer, self.url) if isinstance(answer, Paged) else answer

    async def _built(self, path: str, query: dict[str, str]) -> Answer | Paged:
        """Return the answer from the cache, or from a worker thread."""
        loop = asyncio.get_running_loop()
        key = (path, tuple(sorted(query.items())), self.settings.trading_today())
        return await self._cache.get(
            key, lambda: loop.run_in_executor(self._builders, self._wire.answer, path, query)
        )

    async def _send(self, request: web.Request, answer: Answer, entry: Entry) -> web.StreamResponse:
        """Send an answer; the log learns how much of it left."""
        entry.status = answer.status
        reason = answers.REASONS.get(answer.status, "") if self.settings.api == "v2" else ""
        response = web.StreamResponse(status=answer.status, reason=reason)
        response.headers.extend([*self._headers, *answer.headers, ("content-type", answer.content_type)])
        if answer.size > _SMALL:
            response.enable_chunked_encoding()
        else:
            response.content_length = answer.size
        try:
            await response.prepare(request)
            for part in answer.body:
                for offset in range(0, len(part), _PIECE):
                    piece = memoryview(part)[offset : offset + _PIECE]
                    await response.write(piece)
                    entry.bytes += len(piece)
            await response.write_eof()
        except ConnectionError:
            return response
        entry.outcome = "sent"
        return response

    async def _name_the_server(self, _request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Keep the library's own name off the wire: the v2 terminal gives none."""
        if self.settings.api == "v2":
            response.headers.popall("server", None)
