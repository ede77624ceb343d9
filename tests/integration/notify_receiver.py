"""A webhook's receiver: a real HTTP server on loopback that verifies each request, logs it, answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from standardwebhooks.webhooks import Webhook

HANG_SECONDS = 30.0
TAKEN = 204


class Reply(NamedTuple):
    """How to answer."""

    status: int = TAKEN
    headers: Mapping[str, str] = {}
    hang: bool = False


class Met(NamedTuple):
    """A request. `at`: Unix time when it came."""

    id: str
    at: float
    status: int
    body: dict[str, Any]


class Receiver:
    """`reply` is asked what to answer to the nth request (from 1) of an alert."""

    def __init__(self, secret: str, reply: Callable[[str, int], Reply] = lambda _id, _nth: Reply()) -> None:
        self.reply = reply
        self.met: list[Met] = []
        self.faults: list[str] = []
        self.closing = threading.Event()
        self._secret = secret
        self._times: Counter[str] = Counter()
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook/path"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def take(self, request: BaseHTTPRequestHandler) -> None:
        """One request: verified with the library of the Standard Webhooks, logged, answered."""
        at, webhook_id = time.time(), request.headers["webhook-id"]
        body = request.rfile.read(int(request.headers["content-length"]))
        try:
            Webhook(self._secret).verify(body, dict(request.headers))
        except Exception as error:  # a thread of the server: the test looks at the faults
            self.faults.append(repr(error))
        with self._lock:
            self._times[webhook_id] += 1
            reply = self.reply(webhook_id, self._times[webhook_id])
            self.met.append(Met(webhook_id, at, 0 if reply.hang else reply.status, json.loads(body)))
        if reply.hang:
            self.closing.wait(HANG_SECONDS)
            request.close_connection = True
            return
        request.send_response(reply.status)
        for name, value in reply.headers.items():
            request.send_header(name, value)
        request.send_header("content-length", "0")
        request.end_headers()

    def taken(self) -> Counter[str]:
        """How often each alert was answered with 2xx."""
        with self._lock:
            return Counter(met.id for met in self.met if 200 <= met.status < 300)

    def close(self) -> None:
        """The server ends."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
