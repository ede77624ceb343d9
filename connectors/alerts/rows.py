"""An alert as `allowance.alerts` has it: its key, its id, its Avro bytes. Pure.

The key is what makes an alert this one, as a JSON array: account, cycle's start, plan, kind, threshold; of a forecast
also the instant it was made for, since one that was withdrawn may come again in the same cycle. Compaction keeps the
last record of a key, so it can only lose what is repeated. The id is a digest of the key, the same for ever.
"""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any, NamedTuple

import fastavro

import schemas
from pipeline import rfc3339
from pipeline.core.framing import FRAME_BYTES, frame, schema_id_of
from pipeline.core.record import Alert

FILE = "alert.v1.avsc"
FORECAST = "forecast"
ID_DIGITS = 32  # hexadecimal: 128 bits of SHA-256, so that no two alerts ever share an id
_SCHEMA: Any = schemas.avro(FILE)
_PARSED: Any = fastavro.parse_schema(_SCHEMA)
_INSTANTS = ("cycle_start", "occurred_at", "decided_at")
_PLAIN: Any = fastavro.parse_schema(
    _SCHEMA
    | {"fields": [f | {"type": "long"} if f["name"] in _INSTANTS else f for f in _SCHEMA["fields"]], "name": "Plain"}
)


class NoAlert(ValueError):
    """A record of the alerts' topic that `tally notify` did not write."""


class Decided(NamedTuple):
    """Where and when the journal got an alert; `at` in UTC microseconds."""

    partition: int
    offset: int
    record: int  # the journal record's id
    at: int


class Projected(NamedTuple):
    """An alert with its origin. Instants are UTC microseconds, ids 16 hex digits."""

    id: str
    account_id: str
    cycle_start: int
    plan: str
    kind: str
    threshold: float
    used: int
    allowance: int
    occurred_at: int
    decided_at: int
    journal_partition: int
    journal_offset: int
    journal_record: str

    @property
    def key(self) -> bytes:
        """The record's key."""
        made_for = [rfc3339.text(self.occurred_at)] if self.kind == FORECAST else []
        parts = [self.account_id, rfc3339.text(self.cycle_start), self.plan, self.kind, self.threshold, *made_for]
        return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()

    @property
    def facts(self) -> dict[str, object]:
        """What it says, as JSON has it: the webhook's and the command line's."""
        return {
            "id": self.id,
            "account_id": self.account_id,
            "cycle_start": rfc3339.text(self.cycle_start),
            "plan": self.plan,
            "kind": self.kind,
            "threshold": self.threshold,
            "used": self.used,
            "allowance": self.allowance,
            "occurred_at": rfc3339.text(self.occurred_at),
        }

    @property
    def origin(self) -> dict[str, object]:
        """The journal record that decided it, in the same form."""
        return {"partition": self.journal_partition, "offset": self.journal_offset, "record": self.journal_record}


def projected(alert: Alert, decided: Decided) -> Projected:
    """A journal's alert as the topic has it."""
    made = Projected(
        id="",
        account_id=alert.account_id,
        cycle_start=alert.cycle_start,
        plan=f"{alert.plan:016x}",
        kind=alert.kind,
        threshold=alert.threshold,
        used=alert.used,
        allowance=alert.allowance,
        occurred_at=alert.occurred_at,
        decided_at=decided.at,
        journal_partition=decided.partition,
        journal_offset=decided.offset,
        journal_record=f"{decided.record:016x}",
    )
    return made._replace(id=hashlib.sha256(made.key).hexdigest()[:ID_DIGITS])


def encode(alert: Projected, schema_id: int) -> bytes:
    """The framed Avro bytes."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _PLAIN, alert._asdict())
    return frame(schema_id, out.getvalue())


def decode(value: bytes | None) -> Projected:
    """The alert of a record.

    Raises:
        NoAlert: it is none.
    """
    if value is None or schema_id_of(value) is None:
        raise NoAlert("it has no Avro frame")
    try:
        row: Any = fastavro.schemaless_reader(io.BytesIO(value[FRAME_BYTES:]), _PLAIN, None)
    except (EOFError, IndexError, OverflowError, ValueError) as error:
        raise NoAlert(f"{type(error).__name__} in its body") from None
    return Projected(**row)
