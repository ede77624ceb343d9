"""The bytes of an exported file: plain, gzip or zstd by what they begin with, whatever its name; or standard input.

Rows are cut out of them by `tables` and `values`. In memory is a buffer, and one line or row.
"""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast

from connectors.files.packed import Damaged, Unpacked, is_packed
from connectors.files.settings import CHUNK_BYTES, HEAD_BYTES
from connectors.producer.source import STANDARD_INPUT
from pipeline import standard_input

_ZIP = b"PK\x03\x04"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PLAIN = "\n\r,;\t\"'{}[]"  # what must be the same bytes as in ASCII, so that rows are cut as they stand in the file
_DIGEST_BYTES = 16  # of a fingerprint
_BROKEN = (OSError, Damaged)


class Unreadable(Exception):
    """The file cannot be read, or not to its end; says why, and how to mend it."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


class Content(NamedTuple):
    """A file's unpacked bytes: their beginning, all of them, and the encoding that rows are in now."""

    head: bytes
    file: BinaryIO
    encoding: str
    share: Callable[[], float | None]  # of the packed file that is read, 0 to 1; None where nobody knows


def check_encoding(encoding: str) -> None:
    """Raises Unreadable where Python knows no such encoding of text."""
    try:
        "".encode(encoding)
        _PLAIN.encode(encoding)
        codecs.getincrementaldecoder(encoding)
    except (LookupError, ValueError):  # of names that are none, and of codecs for something else
        raise Unreadable(f"cannot be read as {encoding!r}: Python knows no such encoding") from None


@contextmanager
def opened(name: str, encoding: str = "utf-8") -> Iterator[Content]:
    """The content of a file; `-` is standard input. Encodings unlike ASCII (UTF-16) are turned into UTF-8.

    Raises:
        Unreadable: it is not there, or no text. A file that is broken further on raises it when it is read there.
    """
    check_encoding(encoding)
    with ExitStack() as stack:
        try:
            packed = stack.enter_context(_file(name))
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
    """A head that was read already, then the file; its faults are told as what they are, again at each reading.

    Where all lines stand before a fault, the last one is given its end: who reads lines takes it for whole then.
    """

    def __init__(self, head: bytes, file: _Readable) -> None:
        self._head, self._file = head, file
        self._last = head[-1:]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._head:
            found, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        else:
            try:
                found = self._file.read(min(len(buffer), CHUNK_BYTES))
            except _BROKEN as error:
                if not (isinstance(error, Damaged) and error.whole) or self._last in (b"", b"\n"):
                    raise Unreadable(_words(error)) from None
                found = b"\n"
            self._last = found[-1:] or self._last
        buffer[: len(found)] = found
        return len(found)


class _Utf8:
    """A file of another encoding, as UTF-8."""

    def __init__(self, file: _Readable, encoding: str) -> None:
        self._file, self._encoding = file, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._read = 0  # bytes of the file
        self._left = b""
        self._fault: Damaged | None = None

    def read(self, size: int) -> bytes:
        """At most `size` bytes.

        Raises:
            Damaged: bytes of another encoding come next; again at each call.
        """
        while not self._left:
            if self._fault is not None:
                raise self._fault
            packed = self._file.read(CHUNK_BYTES)
            self._left = self._decoded(packed).encode("utf-8", "replace")
            self._read += len(packed)
            if not packed and self._fault is None:
                break
        found, self._left = self._left[:size], self._left[size:]
        return found

    def _decoded(self, content: bytes) -> str:
        """The text of bytes that follow, or of the good ones among them."""
        before = self._decoder.getstate()
        try:
            return self._decoder.decode(content, final=not content)
        except UnicodeDecodeError as error:
            good = max(0, error.start - (len(error.object) - len(content)))
            at = self._read + error.start - (len(error.object) - len(content)) + 1
            self._fault = Damaged(f"is no {self._encoding} from byte {at:,} on: give its own --encoding")
        self._decoder.setstate(before)
        return self._decoder.decode(content[:good])


def _file(name: str) -> AbstractContextManager[BinaryIO]:
    return standard_input.opened() if name == STANDARD_INPUT else Path(name).open("rb")


def _begun(file: _Readable) -> tuple[bytes, BinaryIO]:
    """The first bytes, and a file that still has them; a fault behind them is met where it is read to.

    Raises:
        OSError, Damaged: there are none.
    """
    parts: list[bytes] = []
    try:
        while (left := HEAD_BYTES - sum(map(len, parts))) > 0 and (found := file.read(left)):
            parts.append(found)
    except _BROKEN:
        if not parts:
            raise
    head = b"".join(parts)
    return head, cast(BinaryIO, io.BufferedReader(_Rest(head, file), CHUNK_BYTES))


def _unpacked(head: bytes, file: BinaryIO) -> _Readable:
    if is_packed(head):
        return Unpacked(file, head)
    if head.startswith(_ZIP):
        raise Unreadable("is a zip archive: unpack it, and import the files in it")
    return file


def _share(name: str, packed: BinaryIO) -> Callable[[], float | None]:
    size = Path(name).stat().st_size if name != STANDARD_INPUT and Path(name).is_file() else 0
    return lambda: packed.tell() / size if size else None


def _like_ascii(encoding: str) -> bool:
    return _PLAIN.encode(encoding) == _PLAIN.encode("ascii")


def _words(error: Exception) -> str:
    if isinstance(error, Damaged):
        return str(error)
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"
