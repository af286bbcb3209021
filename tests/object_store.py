"""A small object storage that creates on condition, lists, and fails as it is told to.

It speaks as much as is needed of S3, of Google's XML API, which is nearly the same, and of Azure's blobs.
"""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "bucket"
ACCOUNT = "devstoreaccount1"  # of Azure: what its emulators have, which no secret is in
_MOMENT, _HTTP_MOMENT = "2026-11-01T00:00:00.000Z", "Sun, 01 Nov 2026 00:00:00 GMT"


class Storage:
    """The objects of one bucket, and what goes wrong with requests."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.conditional = True  # some servers write over whatever the condition says
        # Given the method and the key: a status to fail with, other bytes, "cut" for half of a body, "stall"
        # for half of it (of a PUT: no answer) and nothing more until the client hangs up, or None.
        self.trouble: Callable[[str, str], int | str | bytes | None] = lambda *_: None
        self._lock = threading.Lock()

    def put(self, key: str, content: bytes, only_if_absent: bool) -> bool:
        """Put an object; whether it was done."""
        with self._lock:
            if only_if_absent and self.conditional and key in self.objects:
                return False
            self.objects[key] = content
            return True


def _listing(storage: Storage, prefix: str) -> bytes:
    each = "<Key>{}</Key><LastModified>{}</LastModified><ETag>&quot;{}&quot;</ETag><Size>{}</Size>"
    each = f"<Contents>{each}</Contents>"
    found = "".join(
        each.format(escape(key), _MOMENT, hashlib.md5(content).hexdigest(), len(content))
        for key, content in sorted(storage.objects.items())
        if key.startswith(prefix)
    )
    head = f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><IsTruncated>false</IsTruncated>"
    return f"<ListBucketResult>{head}{found}</ListBucketResult>".encode()


def _listing_of_azure(storage: Storage, prefix: str) -> bytes:
    found = "".join(
        f"<Blob><Name>{escape(key)}</Name><Properties><Last-Modified>{_HTTP_MOMENT}</Last-Modified>"
        f"<Content-Length>{len(content)}</Content-Length><Content-Type>application/octet-stream</Content-Type>"
        f"<Etag>{hashlib.md5(content).hexdigest()}</Etag></Properties></Blob>"
        for key, content in sorted(storage.objects.items())
        if key.startswith(prefix)
    )
    return f"<EnumerationResults><Blobs>{found}</Blobs><NextMarker /></EnumerationResults>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    storage: Storage

    def _key(self) -> str | None:
        path = unquote(urlsplit(self.path).path).removeprefix(f"/{ACCOUNT}")
        bucket, _, key = path.lstrip("/").partition("/")
        self.storage.requests.append((self.command, key))
        return key if bucket == BUCKET else None

    def _stall(self) -> None:
        self.close_connection = True
        self.connection.recv(1)

    def _answer(
        self, status: int, body: bytes = b"", *, of: bytes | None = None, trouble: object = None
    ) -> None:
        """Answer with a *body*, half of it in *trouble*; it is a part *of* an object, or a whole one."""
        whole = body if of is None else of
        self.send_response(status)
        self.send_header("ETag", f'"{hashlib.md5(whole).hexdigest()}"')
        self.send_header("Last-Modified", _HTTP_MOMENT)
        self.send_header("x-goog-generation", "1")
        self.send_header("Content-Length", str(len(body)))
        if of is not None:
            first = len(of) - len(body)
            self.send_header("Content-Range", f"bytes {first}-{len(of) - 1}/{len(of)}")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if trouble in ("cut", "stall") else body)
        self.close_connection |= trouble == "cut"
        if trouble == "stall":
            self._stall()

    @property
    def _is_azure(self) -> bool:
        return self.path.startswith(f"/{ACCOUNT}/")

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _troubled(self, key: str | None, trouble: object) -> bool:
        """Whether the request is refused for the bucket's name, or as it was told to be."""
        if key is None:
            self._refuse(404, "ContainerNotFound" if self._is_azure else "NoSuchBucket")
        elif isinstance(trouble, int):
            self._refuse(trouble, "AccessDenied" if trouble == 403 else "InternalError")
        else:
            return False
        return True

    def do_PUT(self) -> None:
        key, content = self._key(), self.rfile.read(int(self.headers["Content-Length"]))
        trouble = self.storage.trouble("PUT", key or "")
        if self._troubled(key, trouble):
            return
        if trouble == "stall":
            self._stall()
            return
        content = trouble if isinstance(trouble, bytes) else content
        absent = self.headers["If-None-Match"] == "*" or self.headers["x-goog-if-generation-match"] == "0"
        if self.storage.put(key or "", content, absent):
            self._answer(201 if self._is_azure else 200)
        elif self._is_azure:
            self._refuse(409, "BlobAlreadyExists")
        else:
            self._refuse(412, "PreconditionFailed")

    def do_GET(self) -> None:
        key = self._key()
        trouble = self.storage.trouble("GET", key or "")
        if self._troubled(key, trouble):
            return
        if key and key not in self.storage.objects:
            self._refuse(404, "NoSuchKey")
            return
        body = self.storage.objects[key] if key else self._listed()
        body = trouble if isinstance(trouble, bytes) else body
        if wanted := re.fullmatch(
            r"bytes=(\d+)-.*", self.headers["Range"] or ""
        ):  # up to the end: a cut one's rest
            self._answer(206, body[int(wanted[1]) :], of=body, trouble=trouble)
        else:
            self._answer(200, body, trouble=trouble)

    def _listed(self) -> bytes:
        query = parse_qs(urlsplit(self.path).query)
        listing = _listing_of_azure if self._is_azure else _listing
        return listing(self.storage, query.get("prefix", [""])[0])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running() -> Iterator[tuple[Storage, str]]:
    """Run a storage for the block; it and its address."""
    storage = Storage()
    handler = type("Handler", (_Handler,), {"storage": storage})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield storage, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
