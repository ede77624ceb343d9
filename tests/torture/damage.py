"""Damage to what may be damaged: snapshots, which are a cache, and sinks' offsets, which an operator may reset."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

NOISE_BYTES_MAX = 4096  # of one overwritten place


def snapshots(state: Path, dice: random.Random) -> str:
    """Damage the snapshots below a worker's state folder, each in a way of its own or not at all; tells what was done.

    The worker must be down. At least one is damaged where there is any.
    """
    found = sorted(path.parent for path in state.rglob("header.json") if not path.parent.name.startswith("."))
    if not found:
        return "there was no snapshot"
    chosen = [path for path in found if dice.random() < 0.7] or [dice.choice(found)]
    return ", ".join(f"{path.parent.name}/{path.name} {_damage(path, dice)}" for path in chosen)


def _damage(snapshot: Path, dice: random.Random) -> str:
    return dice.choice(_WAYS)(snapshot, dice)


def _delete(snapshot: Path, dice: random.Random) -> str:
    shutil.rmtree(snapshot)
    return "deleted"


def _delete_file(snapshot: Path, dice: random.Random) -> str:
    path = dice.choice(sorted(snapshot.iterdir()))
    path.unlink()
    return f"without {path.name}"


def _truncate(snapshot: Path, dice: random.Random) -> str:
    path = dice.choice(sorted(snapshot.iterdir()))
    size = dice.randrange(max(1, path.stat().st_size))
    with path.open("r+b") as file:
        file.truncate(size)
    return f"{path.name} cut to {size} bytes"


def _overwrite(snapshot: Path, dice: random.Random) -> str:
    path = dice.choice(sorted(snapshot.iterdir()))
    size = path.stat().st_size
    at = dice.randrange(max(1, size))
    noise = dice.randbytes(dice.randint(1, NOISE_BYTES_MAX))[: max(1, size - at)]
    with path.open("r+b") as file:
        file.seek(at)
        file.write(noise)
    return f"{path.name} has {len(noise)} bytes of noise at {at}"


_WAYS: tuple[Callable[[Path, random.Random], str], ...] = (_delete, _delete_file, _truncate, _overwrite)
