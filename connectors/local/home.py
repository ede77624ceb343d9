"""The folder of the local stack: its format, its lock, the hash seed, and stack.json, which says what runs."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connectors.local.faults import StackError
from connectors.local.locks import try_lock
from connectors.local.service import Service
from pipeline.settings import SEED_DIGITS, SEED_FILE, STACK_FILE

FORMAT = 1  # of the folder: raised when data of an older one can no longer be read
FORMAT_FILE = "format"
LOCK_FILE = "lock"
_ODD = frozenset("*?{},\\\n\r")  # in a path: patterns to the engine's INFILE, a list to Kafka's log.dirs
PARTS = {"kafka": "bootstrap_servers", "clickhouse": "url"}  # of the stack, and what stack.json calls their address
MONITORING = {"prometheus": "url", "alertmanager": "url"}  # beside them where it is wished
_ALL = PARTS | MONITORING


@contextlib.contextmanager
def opened(home: Path) -> Iterator[None]:
    """The folder is there, of this format, and nobody else starts or stops its stack meanwhile.

    Raises:
        StackError: not writable, of another format, or in use.
    """
    if odd := sorted(set(str(home.absolute())) & _ODD):
        raise StackError(
            f"the home {home.absolute()} has {' '.join(odd)} in its path, which Kafka or the ClickHouse engine would "
            "take for a list or a pattern. Choose another one with TALLY_HOME."
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / LOCK_FILE).open("a")
    except OSError as error:
        raise StackError(
            f"cannot use the home {home}: {error.strerror}. "
            "Make it a writable folder or choose another with TALLY_HOME."
        ) from None
    with lock:
        if not try_lock(lock):
            raise StackError(
                f"another `tally up` or `tally down` is at work in {home}; wait for it to end and try again."
            )
        _check_format(home)
        yield


def ensure_seed(home: Path) -> None:
    """A hash seed, made once, readable by its owner alone. Whoever knows it could craft collisions."""
    path = home / SEED_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(SEED_DIGITS // 2) + "\n")


def read(home: Path) -> dict[str, Service]:
    """What stack.json says, by part; empty where there is none or it is unreadable (then it is written anew)."""
    try:
        written = json.loads((home / STACK_FILE).read_text(encoding="utf-8"))
        return {part: Service.of(written[part], key) for part, key in _ALL.items() if part in written}
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return {}


def write(home: Path, services: dict[str, Service]) -> None:
    """Write stack.json, whole or not at all; without services there is none."""
    path = home / STACK_FILE
    if not services:
        path.unlink(missing_ok=True)
        return
    content: dict[str, Any] = {"format": FORMAT}
    content |= {part: service.entry(_ALL[part]) for part, service in services.items()}
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    aside.replace(path)


def _check_format(home: Path) -> None:
    path = home / FORMAT_FILE
    if not path.exists():
        if (home / "kafka").exists() or (home / "clickhouse").exists():
            raise StackError(
                f"{home} holds data, but no file `{FORMAT_FILE}`: it is of an older tally or of something else. "
                "Choose another home with TALLY_HOME, or move that folder away."
            )
        path.write_text(f"{FORMAT}\n", encoding="ascii")
        return
    found = path.read_text(encoding="utf-8", errors="replace").strip()
    if found != str(FORMAT):
        raise StackError(
            f"{home} has format {found[:20]!r}, this tally reads and writes format {FORMAT}. "
            "Use the tally that wrote it, choose another home with TALLY_HOME, or move that folder away; "
            "its tables can be rebuilt from its journal by the tally that wrote it."
        )
