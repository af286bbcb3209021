"""A tiny loopback server that answers with exactly the bytes it was told, or mended in three places.

An answer to be mended may hold `{base}`, the server's address, `{n}`, the number of the request, and
`{length}`, the length of its body. Several answers stand one behind the other, with `PAGE` between them; the
last one is given for ever.
"""

import socket
import threading

from spx_data.sources.theta import limits

PAGE = b"\x1e\n"
_END = b"\r\n\r\n"
_MOST_REQUESTS = limits.PAGES + 10  # of one input: who asks for more pages has no ceiling, and is cut off


class Loopback:
    """The server, in a thread of its own."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._answers, self.asked, self._mends = [b""], 0, False
        threading.Thread(target=self._serve, daemon=True).start()

    def says(self, data, *, mended):
        """Answer with *data* from now on, as it is or *mended*."""
        self._answers, self.asked = data.split(PAGE) if mended else [data], 0
        self._mends = mended

    def is_endless(self):
        """Whether it was asked more often than anybody should."""
        return self.asked > _MOST_REQUESTS

    def _serve(self):
        while True:
            connection, _ = self._socket.accept()
            with connection:
                try:
                    self._reply(connection)
                except OSError:
                    continue  # whoever asked has heard enough

    def _reply(self, connection):
        request = b""
        while _END not in request:
            if not (more := connection.recv(1 << 16)):
                return
            request += more
        number, self.asked = self.asked, self.asked + 1
        if self.is_endless():
            return
        answer = self._answers[min(number, len(self._answers) - 1)]
        connection.sendall(self._mended(answer, number) if self._mends else answer)

    def _mended(self, answer, number):
        answer = answer.replace(b"{base}", self.url.encode()).replace(b"{n}", str(number).encode())
        head, end, body = answer.partition(_END)
        return head.replace(b"{length}", str(len(body)).encode()) + end + body


def answer(body, content_type, *headers, length="{length}"):
    """A whole answer with status 200."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {length}", "Connection: close"]
    lines += [f"Content-Type: {content_type}", *headers]
    return "\r\n".join(lines).encode() + _END + body
