"""Tells the Prometheus of a home which tally processes serve metrics there, on which port.

A process writes one small file at its start, and removes it when it ends. What a killed one has left is removed by
the next process of its kind, once nothing listens there any more. A home without monitoring gets no files.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

from connectors.local import ports

FOLDER = "monitoring"  # of a home; `targets` in it has the files
_ANY = {"0.0.0.0", "::", ""}  # addresses that mean all of this machine's: loopback is one of them

log = logging.getLogger(__name__)


def announce(home: Path, process: str, name: str | None, host: str, port: int) -> None:
    """This process serves metrics there from now on. Where that cannot be written, the log says so: it serves on.

    `name`: tells it from others of its kind; None: its pid does.
    """
    folder = home / FOLDER / "targets"
    if not folder.is_dir():
        return
    path = folder / f"{process}-{quote(name or str(os.getpid()), safe='')}.json"
    try:
        for other in folder.glob(f"{process}-*.json"):
            if _is_left(other):
                other.unlink(missing_ok=True)
        write(path, f"{ports.LOOPBACK if host in _ANY else host}:{port}")
    except OSError as error:
        log.warning("Prometheus is not told of this %s: %s: %s", process, path, error.strerror)
        return
    atexit.register(path.unlink, missing_ok=True)


def write(path: Path, address: str) -> None:
    """An address for Prometheus to find, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as aside:
        json.dump([{"targets": [address]}], aside)
    Path(aside.name).replace(path)


def _is_left(path: Path) -> bool:
    """Whether a file names a port of this machine where nobody listens."""
    try:
        ((address,),) = (group["targets"] for group in json.loads(path.read_text(encoding="utf-8")))
        host, _, port = address.rpartition(":")
        return host == ports.LOOPBACK and ports.is_free(int(port))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False
