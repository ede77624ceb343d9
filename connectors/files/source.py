"""The bytes of an exported file: plain, gzip or zstd by what they begin with, whatever its name; or standard input.

Rows are cut out of them by `tables` and `values`. In memory is a buffer, and one line or row.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from connectors.files.settings import CHUNK_BYTES, HEAD_BYTES
from connectors.producer.source import STANDARD_INPUT

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PLAIN = "\n\r,;\t\"'{}[]"  # what must be the same bytes as in ASCII, so that rows are cut as they stand in the file
_DIGEST_BYTES = 16  # of a fingerprint
_BROKEN = (OSError, EOFError, zlib.error, zstd.ZstdError, UnicodeDecodeError)


class Unreadable(Exception):
    """The file cannot be read, or not to its end; says why, and how to mend it."""


class Content(NamedTuple):
    """A file's unpacked bytes: their beginning, all of them, and the encoding that rows are in now."""

    head: bytes
    file: BinaryIO
    encoding: str
    share: Callable[[], float | None]  # of the packed file that is read, 0 to 1; None where nobody knows


@contextmanager
def opened(name: str, encoding: str = "utf-8") -> Iterator[Content]:
    """The content of a file; `-` is standard input. Encodings unlike ASCII (UTF-16) are turned into UTF-8.

    Raises:
        Unreadable: it is not there, or no text. A file that is broken further on raises it when it is read there.
    """
    with ExitStack() as stack:
        try:
            packed = sys.stdin.buffer if name == STANDARD_INPUT else stack.enter_context(Path(name).open("rb"))
            head, whole = _begun(packed)
            unpacked = _unpacked(head, whole)
            if _like_ascii(encoding):
                head, file = _begun(unpacked)
            else:
                (head, file), encoding = _begun(_Utf8(unpacked, encoding)), "utf-8"
        except _BROKEN as error:
            raise Unreadable(_words(error)) from None
        if head.startswith(_UTF16):
            raise Unreadable("is UTF-16: give --encoding utf-16")
        yield Content(head, file, encoding, _share(name, packed))


def fingerprint(name: str) -> str | None:
    """What tells a file from every other, whatever its name: a digest of all its bytes. None of what is no plain file.

    Raises:
        Unreadable: it cannot be read.
    """
    path = Path(name)
    try:
        if name == STANDARD_INPUT or not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)).hexdigest()
    except OSError as error:
        raise Unreadable(_words(error)) from None


class _Rest(io.RawIOBase):
    """A head that was read already, then the file; its faults are told as what they are."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head, self._file = head, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._head:
            found, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        else:
            try:
                found = self._file.read(min(len(buffer), CHUNK_BYTES))
            except _BROKEN as error:
                raise Unreadable(_words(error)) from None
        buffer[: len(found)] = found
        return len(found)


class _Utf8:
    """A file of another encoding, as UTF-8."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._text = io.TextIOWrapper(file, encoding, newline="")

    def read(self, size: int) -> bytes:
        """At most `size` bytes."""
        return self._text.read(max(1, size // 4)).encode("utf-8", "replace")


def _begun(file: BinaryIO | _Utf8) -> tuple[bytes, BinaryIO]:
    """The first bytes, and a file that still has them."""
    parts: list[bytes] = []
    while (left := HEAD_BYTES - sum(map(len, parts))) > 0 and (found := file.read(left)):
        parts.append(found)
    head = b"".join(parts)
    rest = _Rest(head, cast(BinaryIO, file))
    return head, cast(BinaryIO, io.BufferedReader(rest, CHUNK_BYTES))


def _unpacked(head: bytes, file: BinaryIO) -> BinaryIO:
    if head.startswith(_GZIP):
        return cast(BinaryIO, gzip.open(file, "rb"))
    if head.startswith(_ZSTD):
        return cast(BinaryIO, zstd.open(file, "rb"))
    if head.startswith(_ZIP):
        raise Unreadable("is a zip archive: unpack it, and import the files in it")
    return file


def _share(name: str, packed: BinaryIO) -> Callable[[], float | None]:
    size = Path(name).stat().st_size if name != STANDARD_INPUT and Path(name).is_file() else 0
    return lambda: packed.tell() / size if size else None


def _like_ascii(encoding: str) -> bool:
    try:
        return _PLAIN.encode(encoding) == _PLAIN.encode("ascii")
    except LookupError:
        raise Unreadable(f"cannot be read as {encoding!r}: Python knows no such encoding") from None


def _words(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "ends in the middle: it is cut off. Get it once more"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    if isinstance(error, UnicodeDecodeError):
        return f"is no {error.encoding} from byte {error.start + 1} on: give its own --encoding"
    return f"is broken ({error}). Get it once more"
