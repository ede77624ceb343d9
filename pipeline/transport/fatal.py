"""The end of the process at once: safe by design, since whatever is not in the journal is read again."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import NoReturn

from aiokafka.errors import KafkaError

log = logging.getLogger(__name__)

UNEXPECTED = 70  # EX_SOFTWARE: a broken assumption; a supervisor starts the worker again

# Only these say their message: another exception's may quote an event, and no contact's address goes into a log.
_OWN_WORDS = (AssertionError, OSError, KafkaError)


def fatal(doing: str, error: BaseException) -> NoReturn:
    """Log where an unexpected error was met, and end the process with code 70."""
    words = f": {error}" if isinstance(error, _OWN_WORDS) and str(error) else ""
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.critical("%s: %s%s; the process ends here and folds the journal at its next start\n%s", doing,
                 type(error).__name__, words, frames)  # fmt: skip
    end(UNEXPECTED)


def end(code: int) -> NoReturn:
    """End the process at once with an exit code, once what was logged is written."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
