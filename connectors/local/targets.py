"""Tells the Prometheus of a home which tally processes serve metrics there, on which port.

A process writes one small file at its start, and removes it when it ends. What a killed one has left is removed by
the next process of its kind, once nothing listens there any more. A home without monitoring gets no files.
"""

from __future__ import annotations

import atexit
import json
from pathlib import Path
from urllib.parse import quote

from connectors.local import ports
from connectors.local.monitoring import FOLDER, write_target


def announce(home: Path, process: str, name: str, host: str, port: int) -> None:
    """This process serves metrics there from now on.

    Raises:
        OSError: the home's folder cannot be written.
    """
    folder = home / FOLDER / "targets"
    if not folder.is_dir():
        return
    for path in folder.glob(f"{process}-*.json"):
        if _is_left(path):
            path.unlink(missing_ok=True)
    path = folder / f"{process}-{quote(name, safe='')}.json"
    write_target(path, f"{host}:{port}")
    atexit.register(path.unlink, missing_ok=True)


def _is_left(path: Path) -> bool:
    """Whether a file names a port of this machine where nobody listens."""
    try:
        ((address,),) = (group["targets"] for group in json.loads(path.read_text(encoding="utf-8")))
        host, _, port = address.rpartition(":")
        return host == ports.LOOPBACK and ports.is_free(int(port))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False
