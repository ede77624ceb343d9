"""ClickHouse's HTTP interface over an embedded engine, for a machine without a ClickHouse server.

    python -m connectors.local.chdb_server --path .tally/clickhouse/data --port 8123

Serves clickhouse-connect's ordinary client on the loopback interface: statements, inserts in any format, sessions,
settings, parameters, four compressions. SIGTERM and SIGINT end it: running statements finish, the engine is closed.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from connectors.local.chdb_engine import Engine
from connectors.local.chdb_handler import Handler
from connectors.local.faults import StackError
from connectors.local.ports import LOOPBACK

BODY_BYTES_MAX = 512 * 1024 * 1024  # as sent and as decompressed; a sink's insert of 100,000 rows is 20-60 MB
CONNECTIONS_MAX = 128  # each is a thread; a client keeps up to eight
DRAIN_SECONDS = 8.0  # what requests at work have to end when the front stops
CONNECTION_WAIT_SECONDS = 5.0  # for a slot, then the connection is closed


class Front(ThreadingHTTPServer):
    """The server: one engine, one thread a connection."""

    daemon_threads = True
    request_queue_size = CONNECTIONS_MAX

    def __init__(self, address: tuple[str, int], engine: Engine, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        super().__init__(address, Handler)
        self.engine = engine
        self.body_bytes_max = body_bytes_max
        self._slots = threading.BoundedSemaphore(CONNECTIONS_MAX)
        self._at_work = 0
        self._idle = threading.Condition()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Around a request, from its first byte understood to its answer sent."""
        with self._idle:
            self._at_work += 1
        try:
            yield
        finally:
            with self._idle:
                self._at_work -= 1
                self._idle.notify_all()

    def drain(self, seconds: float) -> bool:
        """Wait until every request is answered; False: some were not, within that time."""
        with self._idle:
            return self._idle.wait_for(lambda: self._at_work == 0, seconds)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, as long as there is a slot."""
        if not self._slots.acquire(timeout=CONNECTION_WAIT_SECONDS):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """As the parent, and the slot is free again."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error; anything else ends up in the log."""
        if not isinstance(sys.exc_info()[1], ConnectionError | socket.timeout):
            super().handle_error(request, client_address)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", type=Path, required=True, help="folder of the data; one process at a time")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--host", default=LOOPBACK, help="nobody is asked for a password: keep it on this machine")
    options = parser.parse_args()
    try:
        front = _open(options.host, options.port, options.path)
    except StackError as error:
        raise SystemExit(f"chdb_server: {error}") from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=front.shutdown).start())
    host, port = front.server_address[:2]
    sys.stdout.write(f"ClickHouse engine {front.engine.version} at http://{host!s}:{port}, data in {options.path}\n")
    sys.stdout.flush()
    front.serve_forever(poll_interval=0.1)
    front.server_close()
    front.drain(DRAIN_SECONDS)
    front.engine.close()


def _open(host: str, port: int, path: Path) -> Front:
    engine = Engine(path.absolute())
    try:
        return Front((host, port), engine)
    except OSError as error:
        engine.close()
        raise StackError(f"cannot listen at {host}:{port}: {error.strerror}. Choose another --port.") from None


if __name__ == "__main__":
    main()
