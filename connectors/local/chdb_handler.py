"""The HTTP side of the front: reads requests, lets the engine run them, answers as ClickHouse does."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.local import chdb_codecs
from connectors.local.chdb_errors import BAD_ARGUMENTS, RequestFault, describe
from connectors.local.chdb_requests import parse

if TYPE_CHECKING:
    from connectors.local.chdb_server import Front

IDLE_SECONDS = 60  # a connection without a request is closed
WRITE_BUFFER_BYTES = 64 * 1024  # headers and body of most replies leave together
DRAIN_BYTES_MAX = 16 * 1024 * 1024  # of a refused body, so that the client reads why before the connection ends


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = WRITE_BUFFER_BYTES
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: Front

    def do_GET(self) -> None:
        """`/ping`, `/` and statements."""
        url = urlsplit(self.path)
        if url.path.rstrip("/").endswith("/ping") or not url.query:
            self._reply(HTTPStatus.OK, b"Ok.\n", {"Content-Type": "text/plain; charset=UTF-8"})
            return
        self.do_POST()

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self.do_GET()

    def do_POST(self) -> None:
        """A statement."""
        with self.server.working():
            self._answer()

    def _answer(self) -> None:
        body = self._body()
        headers = {
            "X-ClickHouse-Query-Id": str(uuid.uuid4()),
            "X-ClickHouse-Server-Display-Name": "chdb",
            "X-ClickHouse-Timezone": self.server.engine.time_zone,
        }
        try:
            self._refuse_browsers()
            request = parse(urlsplit(self.path).query, self.headers.get("Content-Type", ""), body)
            headers["X-ClickHouse-Query-Id"] = request.query_id or headers["X-ClickHouse-Query-Id"]
            result = self.server.engine.run(request)
        except (RequestFault, RuntimeError, UnicodeDecodeError) as error:
            self._fault(error, headers, body)
            return
        except ConnectionError:
            self.close_connection = True
            return
        headers["X-ClickHouse-Summary"] = json.dumps(result.summary)
        headers["Content-Type"] = "application/octet-stream"
        if request.statement.answers:
            headers["X-ClickHouse-Format"] = request.statement.format
        data, encoding = result.data, None
        if request.compress:
            data, encoding = chdb_codecs.compressed(data, self.headers.get("Accept-Encoding", ""))
        if encoding:
            headers["Content-Encoding"] = encoding
        self._reply(HTTPStatus.OK, data, headers)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: statements may hold personal data."""

    def _refuse_browsers(self) -> None:
        """A web page must not reach the local engine; no other client sends Origin."""
        if self.headers.get("Origin"):
            raise RequestFault(BAD_ARGUMENTS, "requests of web pages are refused", "BAD_ARGUMENTS", status=403)

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            sent = chdb_codecs.chunked(self.rfile)
        else:
            length = self.headers.get("Content-Length") or "0"
            sent = chdb_codecs.sized(self.rfile, int(length) if length.isdigit() else 0)
        limit = self.server.body_bytes_max
        plain = chdb_codecs.decompressed(self.headers.get("Content-Encoding", ""), chdb_codecs.bounded(sent, limit))
        return chdb_codecs.bounded(plain, limit)

    def _fault(self, error: Exception, headers: dict[str, str], body: Iterator[bytes]) -> None:
        status, code, text = describe(error)
        if getattr(error, "close", False) or not self._drained(body):
            self.close_connection = True
            headers["Connection"] = "close"
        headers |= {"X-ClickHouse-Exception-Code": code, "Content-Type": "text/plain; charset=UTF-8"}
        self._reply(status, text.encode() + b"\n", headers)

    def _drained(self, body: Iterator[bytes]) -> bool:
        """Read what is left of the body, up to a bound: only then can the connection go on."""
        left = DRAIN_BYTES_MAX
        try:
            for piece in body:
                left -= len(piece)
                if left < 0:
                    return False
        except (RequestFault, ConnectionError):
            return False
        return True

    def _reply(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()
