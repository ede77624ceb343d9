"""A receipt: what became of an alert at the webhook, and its Avro bytes. Pure; its key is the alert's."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import fastavro

import schemas
from connectors.webhook.states import State
from pipeline.core.framing import FRAME_BYTES, frame, schema_id_of

FILE = "receipt.v1.avsc"


class NoReceipt(ValueError):
    """A record of the receipts' topic that tally did not write."""


class Receipt(NamedTuple):
    """See `schemas/receipt.v1.avsc`. Instants are UTC microseconds."""

    id: str
    state: State
    attempts: int
    at: int
    status: int | None
    error: str | None
    next_at: int | None
    alert_offset: int
    alert: bytes | None


_SCHEMA: Any = schemas.avro(FILE)
_PLAIN_TYPES: dict[str, Any] = {"at": "long", "next_at": ["null", "long"]}
_PLAIN: Any = fastavro.parse_schema(
    _SCHEMA
    | {"fields": [f | {"type": _PLAIN_TYPES.get(f["name"], f["type"])} for f in _SCHEMA["fields"]], "name": "Plain"}
)


def encode(receipt: Receipt, schema_id: int) -> bytes:
    """The framed Avro bytes."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _PLAIN, receipt._asdict() | {"state": str(receipt.state)})
    return frame(schema_id, out.getvalue())


def decode(value: bytes | None) -> Receipt:
    """The receipt of a record.

    Raises:
        NoReceipt: it is none.
    """
    if value is None or schema_id_of(value) is None:
        raise NoReceipt("it has no Avro frame")
    try:
        row: Any = fastavro.schemaless_reader(io.BytesIO(value[FRAME_BYTES:]), _PLAIN, None)
        return Receipt(**(row | {"state": State(row["state"])}))
    except (EOFError, IndexError, OverflowError, ValueError) as error:
        raise NoReceipt(f"{type(error).__name__} in its body") from None
