"""What all commands share: output, exit codes, and how a command ends on a fault or a signal."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum, StrEnum
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TextIO, cast

from pipeline.cli.printable import one_line
from pipeline.settings_faults import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2  # a wrong option or setting
    DIFFERENT = 3  # differences found, for scripts
    WAITS = 4  # done but for a last part, for which something else must stop first
    INTERRUPTED = 130  # 128 + SIGINT
    TERMINATED = 143  # 128 + SIGTERM


class Format(StrEnum):
    """How a command prints facts."""

    TABLE = "table"
    JSON = "json"


_LIVE_SECONDS = 0.2  # a terminal's progress: lively and cheap
_QUIET_SECONDS = 5.0  # a log's progress: it must not grow long
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})  # a full or broken disk, a terminal that is gone
_PIPE_COLUMNS = 400  # a table that is piped or kept is never folded: as wide as its widest row needs


@functools.cache
def console() -> Console:
    """Standard output: the facts asked for, and nothing else."""
    from pipeline.cli.terminal import Terminal

    _needs_output()
    return Terminal(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)


@functools.cache
def err() -> Console:
    """Standard error: progress, warnings, faults."""
    from pipeline.cli.terminal import Terminal

    return Terminal(stderr=True, highlight=False, soft_wrap=True)


def table(rows: Iterable[Mapping[str, object]], columns: Sequence[str], title: str | None = None) -> None:
    """Print rows as a table; numbers are aligned to the right. A missing column is empty. All text is literal."""
    from rich import box
    from rich.table import Table

    kept = list(rows)
    drawn = Table(
        *[], title=None if title is None else one_line(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in columns:
        numeric = any(_is_number(row.get(column)) for row in kept)
        drawn.add_column(one_line(column), justify="right" if numeric else "left", overflow="fold")
    for row in kept:
        drawn.add_row(*(one_line(_cell(row.get(column))) for column in columns))
    console().print(drawn)


def facts(found: object) -> None:
    """Print facts as JSON, for `--format json`; what JSON does not know is written as text."""
    _needs_output()
    sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=not _is_unicode(sys.stdout), default=str) + "\n")


def say(message: str) -> None:
    """A line of progress or warning on standard error, taken literally; nowhere where that is closed."""
    if sys.stderr is not None:
        err().print(message)


def say_some(found: Sequence[object], most: int) -> None:
    """A line for each on standard error, up to `most` of them; the rest is counted."""
    for one in found[:most]:
        say(one_line(str(one)))
    if len(found) > most:
        say(f"and {len(found) - most:,} more: --format json tells all")


class Progress:
    """One line on standard error that follows the work: rewritten on a terminal, a new line now and then elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._every = _LIVE_SECONDS if self._live else _QUIET_SECONDS
        self._shown_at = time.monotonic()
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, text: Callable[[], str]) -> None:
        """Show the text if it is time to."""
        now = time.monotonic()
        if now - self._shown_at < self._every:
            return
        self._shown_at = now
        line = one_line(text())
        sys.stderr.write(f"\r\x1b[2K{line}" if self._live else f"{line}\n")
        sys.stderr.flush()
        self._drawn = self._live

    def clear(self) -> None:
        """Take the line away, so that something else can be said."""
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._drawn = False


def fail(message: str, code: int = Exit.FAILED) -> NoReturn:
    """End the command with a message on standard error.

    Raises:
        SystemExit: always, with the code.
    """
    say(f"tally: {message}")
    raise SystemExit(int(code))


def run(command: Callable[[], Any]) -> NoReturn:
    """Run a command line to its exit: faults of settings become exit 2, Ctrl-C 130, SIGTERM 143, all without a trace.

    A service that stops cleanly sets signal handlers of its own.
    """
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not _is_unicode(stream):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # µ as \xb5, not the command's end
    try:
        _written(command)
    except SettingsError as error:
        fail(str(error), Exit.USAGE)
    except KeyboardInterrupt:
        fail("interrupted", Exit.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output (head, less) is gone; Python would complain again while closing stdout.
        sys.stdout = None
        raise SystemExit(int(Exit.FAILED)) from None
    except OSError as error:
        if error.errno not in _NO_ROOM or _takes_output():
            raise
        sys.stdout = None
        fail(f"cannot write the output: {error.strerror}")
    raise SystemExit(int(Exit.OK))


def _written(command: Callable[[], Any]) -> None:
    """Run a command; what it printed is written out before it counts as done."""
    try:
        command()
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _needs_output() -> None:
    """End the command where standard output was closed before it began (`tally ... >&-`)."""
    if sys.stdout is None:
        fail("standard output is closed: redirect it to a file or to /dev/null")


def _is_unicode(stream: TextIO) -> bool:
    encoding = cast("str | None", stream.encoding)  # of text in memory: None
    return encoding is None or encoding.lower().startswith("utf")


def _takes_output() -> bool:
    """Whether standard output still takes a byte: else a fault of writing was its, not that of a file."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """While it lasts, Ctrl-C and SIGTERM only set the event: the command finishes what it has begun, and exits 0."""
    asked = threading.Event()
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(int(Exit.TERMINATED))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
