"""The engine behind the HTTP front: chDB on one folder, a few connections, sessions, bounded memory.

One process at a time may open a folder: the engine's own message about it says nothing, so a lock file does.
Data is written by the engine's MergeTree: what an insert acknowledged survives `kill -9`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from connectors.local.chdb_errors import NOT_ENOUGH_SPACE, RequestFault
from connectors.local.chdb_requests import Request, Statement, identifier, quote
from connectors.local.faults import StackError
from connectors.local.locks import lock_within

CONNECTIONS = 4  # statements at once; more of them share two cores no better
SESSIONS_MAX = 64  # a client makes one by default; each holds a connection of the engine, 0.1 MB
MEMORY_BYTES = 2 * 1024**3  # of the whole engine
QUERY_MEMORY_BYTES = 3 * 1024**3 // 2  # of one statement: one alone must not starve merges
MARK_CACHE_BYTES = 256 * 1024**2  # the engine's default of 5 GiB is a server's
LEFTOVERS_MAX = 3  # one answer takes them all
RESULT_BYTES_MAX = 256 * 1024**2  # an answer is held in memory as a whole, and its buffer grows by doubling
DYING_SECONDS = 2.0  # one that was just killed holds the folder until its last thread has ended
CLOSE_SECONDS = 1.0  # for a statement still running after the front has waited for it


class Result(NamedTuple):
    """What a statement gave: bytes in its format, and its summary as ClickHouse's header has it."""

    data: bytes
    summary: dict[str, str]


class _Session(NamedTuple):
    connection: Any
    lock: threading.Lock


class Engine:
    """An open folder. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Open a folder, making it where it is missing.

        Raises:
            StackError: another process has it, or the engine refuses it.
        """
        path.mkdir(parents=True, exist_ok=True)
        self._lock_file = _take(path)
        self._path = path
        self._free: queue.LifoQueue[Any] = queue.LifoQueue()
        self._sessions: dict[str, _Session] = {}
        self._ends: dict[str, float] = {}
        self._guard = threading.Lock()
        self._spool = Path(tempfile.mkdtemp(prefix="spool-", dir=_spools(path)))
        for _ in range(CONNECTIONS):
            self._free.put(_connect(path))
        self.time_zone = self._ask("SELECT serverTimezone()")
        self.version = self._ask("SELECT version()")

    def run(self, request: Request) -> Result:
        """Run a request's statement with its settings, database and session; the connection is left as it was.

        Raises:
            RuntimeError: of the engine, with ClickHouse's code in the text.
        """
        with self._connection(request) as connection, _surroundings(connection, request):
            if request.statement.rows is not None:
                return self._insert(connection, request.statement, request.parameters)
            result = _query(connection, request.statement.sql, request.statement.format, request.parameters)
            return Result(result.bytes() or b"", _summary(result))

    def close(self) -> None:
        """Close the engine, free the folder."""
        deadline = time.monotonic() + CLOSE_SECONDS
        for _ in range(CONNECTIONS):
            with contextlib.suppress(queue.Empty):
                self._free.get(timeout=max(0.0, deadline - time.monotonic())).close()
        with self._guard:
            for session in self._sessions.values():
                if session.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                    session.connection.close()
            self._sessions.clear()
        shutil.rmtree(self._spool, ignore_errors=True)
        self._lock_file.close()

    def _ask(self, sql: str) -> str:
        connection = self._free.get()
        try:
            return bytes(connection.query(sql, "TSV").bytes()).decode().strip()
        finally:
            self._free.put(connection)

    @contextlib.contextmanager
    def _connection(self, request: Request) -> Iterator[Any]:
        if request.session:
            session = self._session(request)
            try:
                yield session.connection
            finally:
                session.lock.release()
            return
        connection = self._free.get()
        try:
            yield connection
        finally:
            self._free.put(connection)

    def _session(self, request: Request) -> _Session:
        """The session, locked: its statements run one after the other."""
        while True:
            with self._guard:
                session = self._sessions.get(request.session)
                if session is None:
                    self._expire()
                    session = self._sessions[request.session] = _Session(_connect(self._path), threading.Lock())
                self._ends[request.session] = time.monotonic() + request.session_seconds
            session.lock.acquire()
            if self._sessions.get(request.session) is session:
                return session
            session.lock.release()  # closed as surplus while we waited: it gets a new one

    def _expire(self) -> None:
        """Close sessions that are over, and the oldest ones beyond the bound; one that is at work stays."""
        now = time.monotonic()
        surplus = len(self._sessions) - SESSIONS_MAX + 1
        for name in sorted(self._sessions, key=self._ends.__getitem__):
            if self._ends[name] >= now and surplus <= 0:
                return
            session = self._sessions[name]
            if session.lock.acquire(blocking=False):
                del self._sessions[name], self._ends[name]
                session.connection.close()
                session.lock.release()
                surplus -= 1

    def _insert(self, connection: Any, statement: Statement, parameters: dict[str, str]) -> Result:
        assert statement.rows is not None
        descriptor, name = tempfile.mkstemp(dir=self._spool)
        try:
            _spool(descriptor, statement.rows)
            return Result(b"", _summary(_query(connection, statement.from_file(name), "TSV", parameters)))
        finally:
            Path(name).unlink()


def _spool(descriptor: int, rows: Iterator[bytes]) -> None:
    # Without a buffer: a full disk is met here, not when the file is closed.
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        for piece in rows:
            try:
                _write(file, piece)
            except OSError as error:
                text = f"the rows could not be written to disk before their insert: {error.strerror}"
                raise RequestFault(NOT_ENOUGH_SPACE, text, "NOT_ENOUGH_SPACE", close=True) from None


def _write(file: io.FileIO, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]


def _take(path: Path) -> Any:
    lock = path.with_name(path.name + ".lock").open("a+")
    if not lock_within(lock, DYING_SECONDS):
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        raise StackError(
            f"{path} is in use by another process, pid {holder}, and only one at a time may open a chDB folder. "
            f"Use the one that runs, end it, or choose another folder."
        )
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _spools(path: Path) -> Path:
    """Where rows wait for their insert; what a killed process left is removed."""
    folder = path.with_name(path.name + ".spool")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _connect(path: Path) -> Any:
    import chdb

    limits = {
        "max_server_memory_usage": MEMORY_BYTES,
        "max_memory_usage": QUERY_MEMORY_BYTES,
        "mark_cache_size": MARK_CACHE_BYTES,
        "max_result_bytes": RESULT_BYTES_MAX,
    }
    try:
        return chdb.connect(f"{path}?" + "&".join(f"{name}={value}" for name, value in limits.items()))
    except RuntimeError as error:
        raise StackError(
            f"the ClickHouse engine cannot open {path}: {error}\n"
            "Another program may have it open (end it), or it was written by a newer engine (install that one)."
        ) from None


def _query(connection: Any, sql: str, form: str, parameters: dict[str, str]) -> Any:
    """Run a statement. One that fails half way leaves its output in the connection, in front of the next answer
    (chDB 4.4, seen): it is taken out at once.
    """
    try:
        return connection.query(sql, form, params=parameters) if parameters else connection.query(sql, form)
    except RuntimeError:
        for _ in range(LEFTOVERS_MAX):
            if connection.query("SELECT 1", "TSV").bytes() == b"1\n":
                break
        else:
            sys.stderr.write("fatal: the engine goes on to answer with what a failed statement left\n")
            os._exit(1)  # wrong answers are worse than none; what was acknowledged is on disk
        raise


@contextlib.contextmanager
def _surroundings(connection: Any, request: Request) -> Iterator[None]:
    """Database and settings of one request; the settings are put back afterwards to what the connection had."""
    before = _current(connection, list(request.settings)) if request.settings and request.session else {}
    try:
        if request.database:
            connection.query(f"USE {identifier(request.database)}", "TSV")
        if request.settings:
            pairs = (f"{name} = {quote(value)}" for name, value in request.settings.items())
            connection.query(f"SET {', '.join(pairs)}", "TSV")
        yield
    finally:
        for name in request.settings:
            value = quote(before[name]) if name in before else "DEFAULT"
            with contextlib.suppress(RuntimeError):  # a setting that does not exist was refused above
                connection.query(f"SET {name} = {value}", "TSV")
        if request.database and not request.session:
            connection.query("USE default", "TSV")


def _current(connection: Any, names: list[str]) -> dict[str, str]:
    """Those of the settings that the session itself had changed."""
    listed = ", ".join(map(quote, names))
    sql = f"SELECT name, value FROM system.settings WHERE changed AND name IN ({listed})"
    rows = bytes(connection.query(sql, "JSONEachRow").bytes() or b"").splitlines()
    return {row["name"]: row["value"] for row in map(json.loads, rows)}


def _summary(result: Any) -> dict[str, str]:
    """X-ClickHouse-Summary: what was read and what was written."""
    values = {
        "read_rows": result.storage_rows_read(),
        "read_bytes": result.storage_bytes_read(),
        "written_rows": result.rows_written(),
        "written_bytes": result.bytes_written(),
        "total_rows_to_read": 0,
        "result_rows": result.rows_read(),
        "result_bytes": result.bytes_read(),
        "elapsed_ns": int(result.elapsed() * 1e9),
    }
    return {name: str(value) for name, value in values.items()}
