"""`python -m tests.integration.dying_import N import FILE ...`: the command, which is dead by SIGKILL at its N-th row.

Killed from outside, it would have ended before on a machine that lets the killer wait. Kafka's client sends in a thread
of its own, so what the broker has of the rows before is chance.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from connectors.files import sink
from pipeline.cli.app import main

OFTEN_SECONDS = 0.01  # between checkpoints: some of the few rows are remembered at the death
_take = sink.Import._take


def _dying(rows: int) -> Any:
    """What takes the place of `_take`: the last of so many rows is this process's last."""
    left = iter(range(rows, 0, -1))

    def take(self: sink.Import, row: Any) -> None:
        if next(left) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        _take(self, row)

    return take


if __name__ == "__main__":
    dies_at = int(sys.argv.pop(1))
    sink.CHECKPOINT_SECONDS = OFTEN_SECONDS
    sink.Import._take = _dying(dies_at)  # type: ignore[method-assign]
    main()
