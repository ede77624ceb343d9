"""Files of figures: put in place whole or not at all, read or refused in a sentence, one run at a time for each."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path


class Unreadable(RuntimeError):
    """A file that is not there, cannot be read, or is none of ours; the message says which and what would be right."""


class Unwritable(RuntimeError):
    """A file could not be written and is as it was; the message says why."""


class Held(RuntimeError):
    """Another run writes this file; the message has its process."""


def text_of(path: Path) -> str:
    """A file's text.

    Raises:
        Unreadable: it is not there, or cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{path} cannot be read: it is no text in UTF-8") from None


def put(path: Path, text: str) -> None:
    """Write a file aside and put it in place: a kill or a full disk leaves the old file or the new one.

    Raises:
        Unwritable: the folder takes no file, or the disk is full; nothing stays beside the old file.
    """
    place = path.resolve()  # of a link: the file that it names
    aside = place.with_name(f".{place.name}.{os.getpid()}.aside")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())  # a disk that is full says so here at the latest
            aside.replace(place)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise Unwritable(f"{path} is not written and is as it was: {error.strerror}") from None


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Be the only run of this machine that writes a file; the system lets go of it however this process ends.

    A name among the system's abstract sockets: it leaves nothing on disk, and knows the process that has it.

    Raises:
        Held: another process has it.
    """
    name = b"\0tally-bench-" + hashlib.sha256(bytes(path.resolve())).hexdigest()[:32].encode()
    with socket.socket(socket.AF_UNIX) as mine:
        try:
            mine.bind(name)
        except OSError:
            raise Held(f"{path} is being written by another run{_holder(name)}: wait for it, or end it") from None
        mine.listen()
        yield


def _holder(name: bytes) -> str:
    credentials = struct.Struct("3i")  # pid, user, group
    with socket.socket(socket.AF_UNIX) as asked:
        try:
            asked.connect(name)
        except OSError:  # it ended since
            return ""
        found = asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
    return f", process {credentials.unpack(found)[0]}"
