"""Lines of a file, of a gzip file (by its name) or of standard input, one at a time, in bounded memory."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline import standard_input

LINE_BYTES_MAX = 8 << 20  # an event of 1 MiB has at most 6 MiB of JSON, every character escaped
STANDARD_INPUT = "-"
_MARK = b"\xef\xbb\xbf"  # a byte order mark, which some programs put in front of UTF-8


class Line(NamedTuple):
    """A line and its number from 1 on. `content` is None where the line is longer than `LINE_BYTES_MAX`."""

    number: int
    content: bytes | None


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """The bytes of `name`; `-` is standard input; a name that ends in .gz is unpacked.

    Raises:
        OSError: it cannot be read.
    """
    if name == STANDARD_INPUT:
        with standard_input.opened() as given:
            yield given
    elif name.endswith(".gz"):
        with gzip.open(name, "rb") as unpacked:
            yield unpacked  # type: ignore[misc]
    else:
        with Path(name).open("rb") as file:
            yield file


def lines(file: BinaryIO) -> Iterator[Line]:
    """The lines that are not blank, with their numbers."""
    return (line for line in every_line(file) if line.content is None or not line.content.isspace())


def every_line(file: BinaryIO) -> Iterator[Line]:
    """The lines, with their numbers; the first one without a byte order mark, and not at all where it is that alone."""
    number = 0
    while raw := file.readline(LINE_BYTES_MAX):
        number += 1
        if len(raw) == LINE_BYTES_MAX and not raw.endswith(b"\n") and _skip_to_end(file):
            yield Line(number, None)
            continue
        if number == 1:
            raw = raw.removeprefix(_MARK)
        if raw:
            yield Line(number, raw)


def _skip_to_end(file: BinaryIO) -> bool:
    """Reads to the line's end; False where it had ended."""
    longer = False
    while raw := file.readline(LINE_BYTES_MAX):
        longer = True
        if raw.endswith(b"\n"):
            break
    return longer
