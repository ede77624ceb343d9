"""What the Python peers share: where the job is, Avro by fastavro, the line of progress.

Run with the peer's own Python, which has nothing of this project: `peer.py BOOTSTRAP JOB STATE APP OUT TOPIC,...`.
"""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

REPORT_SECONDS = 0.25
BOOTSTRAP, _JOB, _STATE, APP, OUT, _TOPICS = sys.argv[1:7]
STATE, TOPICS = Path(_STATE), _TOPICS.split(",")
# The same for each: full batches, compressed. `linger.ms` and the others are librdkafka's names.
PRODUCER = {"linger.ms": 50, "batch.size": 262144, "compression.type": "lz4"}
CONSUMER = {"fetch.min.bytes": 262144, "fetch.wait.max.ms": 100}
_FRAME = b"\0\0\0\0\x09"
_READ, _WRITTEN = (
    parse_schema(json.loads((Path(_JOB) / f"{name}.avsc").read_text("utf-8"))) for name in ("channel", "enriched")
)
ACTIVITIES = frozenset((Path(_JOB) / "activities.txt").read_text("utf-8").split())

_done = 0


def done() -> None:
    """One more event is through: enriched and on its way out, or known as a duplicate."""
    global _done  # noqa: PLW0603
    _done += 1


def decode(framed: bytes) -> dict[str, Any]:
    """The event of a record's value."""
    return schemaless_reader(io.BytesIO(framed[len(_FRAME) :]), _READ, None)


def encode(event: dict[str, Any], unique_open: bool, unique_click: bool, activity: int) -> bytes:
    """A record's value: the event with what was found; activity 0: it is none."""
    event["unique_open"], event["unique_click"], event["activity"] = unique_open, unique_click, activity
    out = io.BytesIO()
    out.write(_FRAME)
    schemaless_writer(out, _WRITTEN, event)
    return out.getvalue()


def month(event: dict[str, Any]) -> int:
    """Months since year 0, in UTC."""
    at: datetime = event["occurred_at"]
    return at.year * 12 + at.month - 1


def report() -> None:
    """From now on a line every quarter of a second: "P", and the events processed since the start."""

    def say() -> None:
        while True:
            time.sleep(REPORT_SECONDS)
            sys.__stdout__.write(f"P {_done}\n")
            sys.__stdout__.flush()

    threading.Thread(target=say, daemon=True).start()
