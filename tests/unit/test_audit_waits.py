"""An audit that waits for a moment without an open insert lets the journal's client live: it must send heartbeats."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.audit.faults import AuditFailed
from pipeline.audit.fold import Fold
from pipeline.audit.look import Look, Unit
from pipeline.audit.partition import PartitionAudit
from pipeline.audit.result import Audit
from pipeline.journal.memory import MemoryLog
from pipeline.settings import load

WAIT_SECONDS = 0.3


class BusySink:
    """Looks that never come: after a while they say so."""

    def all(self, units: Sequence[Unit], tell: Callable[[int], None]) -> list[Look]:
        time.sleep(WAIT_SECONDS)
        raise AuditFailed("no moment without an open insert")


def test_while_an_audit_waits_the_event_loop_goes_on(tmp_path: Path) -> None:
    settings = load({"home": str(tmp_path), "hash_seed": "0" * 16}, {})
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(WAIT_SECONDS / 100)
            beats += 1

    async def audited() -> None:
        client = asyncio.ensure_future(beat())
        one = PartitionAudit(Fold(settings, 0), BusySink(), Audit(whole=True), lambda text: None)  # type: ignore[arg-type]
        try:
            await one.run(MemoryLog(), [Unit(0)], True)  # type: ignore[arg-type]
        finally:
            client.cancel()

    with pytest.raises(AuditFailed, match="open insert"):
        asyncio.run(audited())
    assert beats > 1
