"""JSON that is not one value a line: a list whose elements are the rows, or values one behind another. Pure.

In:   a file of bytes.  Out: the bytes of each row, cut by brackets and quotes alone: what stands in it is not judged.
A list is opened up, also one of several that stand behind each other; what else stands there is a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BufferedReader
from typing import BinaryIO, cast

from connectors.files.settings import CHUNK_BYTES, ROW_BYTES_MAX
from connectors.files.source import Unreadable
from connectors.files.tables import Row

_MARK = b"\xef\xbb\xbf"
# What matters inside a row: whole strings and brackets. A string that has no end yet matches with its quote alone.
_INSIDE = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{}]', re.DOTALL)
_BETWEEN = re.compile(rb"[^\s,]")  # where the next row begins, or a list begins or ends
_PLAIN_END = re.compile(rb"[\s,\]]")  # behind a number, true, false, null
_NO_END = "has no end: it is cut off, or a bracket or a quote of it is missing"

_TOO_LONG = f"has more than {ROW_BYTES_MAX:,} bytes, or a bracket or a quote of it is missing"


class Values:
    """The rows of a file of JSON."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = cast(BufferedReader, file)
        self._buffer = b""
        self._at = 0  # up to there the buffer is cut
        self._line, self._counted = 1, 0  # the line that the place `_counted` of the buffer is on

    def __iter__(self) -> Iterator[Row]:
        """The rows in their order.

        Raises:
            Unreadable: a row has no end within bounds. What was read of it was given as a row with that fault.
        """
        in_list = False
        self._read()
        self._buffer = self._buffer.removeprefix(_MARK)
        while self._find_next():
            if self._buffer.startswith(b"]" if in_list else b"[", self._at):
                in_list = not in_list
                self._at += 1
                continue
            end = self._find_end()
            row = Row(self._line, self._buffer[self._at : self._at + ROW_BYTES_MAX if end is None else end])
            if end is None:
                too_long = len(row.content) >= ROW_BYTES_MAX
                fault = _TOO_LONG if too_long else _NO_END
                yield row._replace(fault=fault)
                hint = "if every line is a value of its own, say --form lines: then the lines behind it are read"
                raise Unreadable(f"cannot be read behind line {row.line}: the value that begins there {fault}; {hint}")
            self._at = end
            yield row

    def _find_next(self) -> bool:
        """Go to where the next row begins, or a list begins or ends; False at the file's end."""
        while (found := _BETWEEN.search(self._buffer, self._at)) is None:
            self._at = len(self._buffer)
            if not self._read():
                return False
        self._at = found.start()
        self._count()
        return True

    def _find_end(self) -> int | None:
        """Where the row that begins here ends; None where it does not, within bounds."""
        if self._buffer[self._at : self._at + 1] not in (b'"', b"{", b"["):
            return self._find_plain_end()
        depth, at = 0, self._at
        while True:
            found = _INSIDE.search(self._buffer, at)
            if found is None or found[0] == b'"':
                begun = self._at
                at = len(self._buffer) if found is None else found.start()
                if len(self._buffer) - begun > ROW_BYTES_MAX or not self._read():
                    return None
                at -= begun - self._at
                continue
            at = found.end()
            depth += (found[0] in (b"{", b"[")) - (found[0] in (b"}", b"]"))
            if depth <= 0:
                return at

    def _find_plain_end(self) -> int | None:
        while (found := _PLAIN_END.search(self._buffer, self._at)) is None:
            if len(self._buffer) - self._at > ROW_BYTES_MAX:
                return None
            if not self._read():
                return len(self._buffer)
        return max(found.start(), self._at + 1)

    def _read(self) -> bool:
        """Read on; what is cut is forgotten. False at the file's end."""
        found = self._file.read1(CHUNK_BYTES)  # `read` would lose what it had where the file is broken
        self._count()
        self._buffer = self._buffer[self._at :] + found
        self._at = self._counted = 0
        return bool(found)

    def _count(self) -> None:
        self._line += self._buffer.count(b"\n", self._counted, self._at)
        self._counted = self._at
