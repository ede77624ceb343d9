"""Tables (CSV): a header and rows, cut at the line ends that stand outside quotes; each row keeps its own bytes. Pure.

In:   a file of bytes, the delimiters that may be, the encoding.  Out: rows with their columns by name, or a fault.
A row that cannot be cut costs its first line alone: with the next line a row begins again.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from connectors.files.settings import COLUMNS_MAX, ROW_BYTES_MAX, ROW_LINES_MAX
from connectors.files.source import Unreadable
from connectors.producer.source import Line, every_line

_QUOTE = b'"'
_TOO_LONG = f"a line of more than {ROW_BYTES_MAX:,} bytes"


class Row(NamedTuple):
    """A row of a file: the number of its first line, its bytes, its columns by name, or why it has none."""

    line: int
    content: bytes
    columns: dict[str, str] | None = None
    fault: str = ""


class _Cut(NamedTuple):
    """What was cut: the lines taken, the row's fields, or its fault, for which one line is taken."""

    lines: list[Line]
    fields: list[str]
    fault: str = ""


class Table:
    """The rows of a table. `header` are its columns; `repeated` counts the headers met among the rows."""

    def __init__(self, file: BinaryIO, delimiters: str, encoding: str) -> None:
        """`delimiters`: of these the one that makes most columns of the header is taken, the first of several.

        Raises:
            Unreadable: it has no header, or one of one column, or one that names a column twice.
        """
        csv.field_size_limit(ROW_BYTES_MAX)
        self._file, self._encoding = every_line(file), encoding
        self._ahead: deque[Line] = deque()
        self._damage: Unreadable | None = None
        self.repeated = 0
        self.delimiter, header = self._read_header(delimiters)
        self.header = [name.strip() for name in header]
        self._raw_header = header
        _check(self.header, "" if len(delimiters) > 1 else delimiters)

    def __iter__(self) -> Iterator[Row]:
        while (line := self._next()) is not None:
            if line.content is None:
                yield Row(line.number, b"", None, f"has {_TOO_LONG}")
                continue
            if line.content.isspace():
                continue
            self._ahead.appendleft(line)
            cut = self._cut(self.delimiter)
            if cut.fields == self._raw_header:
                self.repeated += 1
            else:
                yield self._row(cut)

    def _row(self, cut: _Cut) -> Row:
        line, content = cut.lines[0].number, b"".join(line.content or b"" for line in cut.lines)
        if cut.fault:
            return Row(line, content, None, cut.fault)
        if len(cut.fields) != len(self.header):
            return Row(line, content, None, f"has {len(cut.fields)} columns, and the header {len(self.header)}")
        columns = dict(zip(self.header, cut.fields, strict=True))
        columns.pop("", None)
        return Row(line, content, columns)

    def _read_header(self, delimiters: str) -> tuple[str, list[str]]:
        while (line := self._next()) is not None and line.content is not None and line.content.isspace():
            pass
        if line is None:
            raise Unreadable("is empty: not even a header stands in it")
        if line.content is None:
            raise Unreadable(f"is no table: it begins with {_TOO_LONG}")
        self._ahead.appendleft(line)
        found: dict[str, _Cut] = {}
        for delimiter in delimiters:
            found[delimiter] = self._cut(delimiter)
            self._ahead.extendleft(reversed(found[delimiter].lines))
        best = max(delimiters, key=lambda delimiter: len(found[delimiter].fields))
        if not found[best].fields:
            raise Unreadable(f"has no header that can be read: line {line.number} {found[best].fault}")
        self._cut(best)
        return best, found[best].fields

    def _cut(self, delimiter: str) -> _Cut:
        """A row off the lines ahead; of one that is broken its first line alone is gone."""
        first = self._next()
        assert first is not None and first.content is not None
        taken = [first]
        try:
            if _QUOTE not in first.content:
                return _Cut(taken, first.content.decode(self._encoding).rstrip("\r\n").split(delimiter))
            return _Cut(taken, next(csv.reader(self._texts(taken), delimiter=delimiter, strict=True)))
        except UnicodeDecodeError as error:
            fault = f"is no {error.encoding}: byte {error.object[error.start]:#04x}"
        except (csv.Error, _Endless) as error:
            fault = f"is no row: {error}"
        except Unreadable:  # the file's damage, which is told behind the rows before it
            fault = "is no row: a quote is not closed before the place where the file is broken"
        self._ahead.extendleft(reversed(taken[1:]))
        return _Cut(taken[:1], [], fault)

    def _texts(self, taken: list[Line]) -> Iterator[str]:
        """The lines of a row, as its quotes ask for them."""
        yield (taken[0].content or b"").decode(self._encoding)
        size = len(taken[0].content or b"")
        while (line := self._next()) is not None:
            taken.append(line)
            size += len(line.content or b"")
            if line.content is None or size > ROW_BYTES_MAX or len(taken) > ROW_LINES_MAX:
                raise _Endless(f"a quote is not closed within {ROW_BYTES_MAX:,} bytes and {ROW_LINES_MAX:,} lines")
            yield line.content.decode(self._encoding)

    def _next(self) -> Line | None:
        """The next line; raises Unreadable where the file is broken, again at each call."""
        if self._ahead:
            return self._ahead.popleft()
        if self._damage is not None:
            raise self._damage
        try:
            return next(self._file, None)
        except Unreadable as error:
            self._damage = error
            raise


class _Endless(Exception):
    """A row has no end within bounds."""


def _check(header: list[str], given: str) -> None:
    if len(header) > COLUMNS_MAX:
        raise Unreadable(f"has a header of {len(header):,} columns; {COLUMNS_MAX:,} is the most")
    if len(header) == 1:
        mend = f"{given!r} is not its delimiter: give its own --delimiter, or none" if given else "give its --delimiter"
        raise Unreadable(f"has a header of one column, {header[0][:60]!r}: {mend}")
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise Unreadable(f"names the column {twice[:60]!r} twice in its header: name them apart there")
