"""How a bench's program ends: a signal lets it clean up, once and undisturbed; a reader who left ends it quietly."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a polite kill, a terminal that is closed


def program(main: Callable[[], int]) -> NoReturn:
    """Run `main` to its exit code; 128 and a signal's number where one came, 141 where nobody reads its output."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # whom nohup protects stays protected
            signal.signal(number, _leave)
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        if not _has_no_reader(sys.stdout.fileno()):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        code = 128 + signal.SIGPIPE
    sys.exit(code)


def _leave(number: int, _frame: object) -> NoReturn:
    """The first signal ends the program through its `finally`; a second one does not cut that short."""
    for one in SIGNALS:
        signal.signal(one, _nothing)  # a function: what is ignored would stay so in a process started from here on
    sys.exit(128 + number)


def _nothing(_number: int, _frame: object) -> None:
    """What is asked for is being done."""


def _has_no_reader(descriptor: int) -> bool:
    watched = select.poll()
    watched.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in watched.poll(0))
