"""The journal record: one decided batch, with everything that follows from it.

In:   what `decide` found, as columns and short lists.  Out: Avro bytes, and back.
Time: UTC microseconds everywhere.  Late: not known here.
The layout is `schemas/journal.v1.avsc`; `decode(encode(x)) == x` is a property test.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import fastavro
import numpy as np
import numpy.typing as npt

import schemas
from pipeline.core import avro, origins
from pipeline.core.forecast import Forecast
from pipeline.core.framing import FRAME_BYTES, frame, schema_id_of
from pipeline.core.hashing import Hashes

FORMAT = 5
SCHEMA_ID = schemas.ids()["journal.v1.avsc"]
HEAD_BYTES_MAX = FRAME_BYTES + 30  # three varints of ten bytes at most
RAW_BYTES_MAX = 64 * 1024  # of a reject's value kept in the journal; `detail` has the digest, the origin finds the rest

# One fact, 37 bytes: its number, the row of the record's keys that holds it, and what it says.
FACTS = np.dtype([
    ("number", "<u4"), ("row", "<u4"), ("profile", "<u8"), ("fact", "<u8"), ("occurred_at", "<i8"), ("label", "<u4"),
    ("kind", "u1"),
])  # fmt: skip
# (person, fact) -> number of the fact that counts; 0: none any more.
HOLDERS = np.dtype([("key", "<u8"), ("number", "<u4")])


class Rules(NamedTuple):
    """The rules that decided a batch; expiry in a fold follows them."""

    version: int
    window_days: int
    future_minutes_max: int
    unique_days: int
    person_profiles_max: int
    seed_fingerprint: int


class Source(NamedTuple):
    """What a batch read of one topic: offsets `[first, next)`, of which `accepted` events."""

    topic: str
    first: int
    next: int
    accepted: int


class Label(NamedTuple):
    """What corrections need to know of a fact's event."""

    account_id: str
    campaign_id: str | None
    channel: str


class Register(NamedTuple):
    """Whom a profile stands for, and the operation that says so."""

    account_id: str
    profile_id: str
    stands_for: str
    occurred_at: int
    identity: int


class Person(NamedTuple):
    """The person that a profile stands for now: itself where it stands alone."""

    account_id: str
    profile_id: str
    person_id: str


class Allowance(NamedTuple):
    """A cycle's absolute numbers after a batch; `allowance` is None without a plan."""

    account_id: str
    cycle_start: int
    cycle_end: int
    used: int
    used_as_closed: int
    allowance: int | None
    crossed: tuple[float, ...]
    forecast: bool = False  # whether it was last forecast to run out
    days: tuple[int, ...] = ()  # UTC days since 1970 that changed
    days_used: tuple[int, ...] = ()  # activities of each


class Plan(NamedTuple):
    """An account's plan; `activities` is None where the default list counts."""

    account_id: str
    allowance: int
    anchor_day: int
    time_zone: str
    thresholds: tuple[float, ...]
    activities: tuple[str, ...] | None
    occurred_at: int
    identity: int


class Alert(NamedTuple):
    """A threshold crossed, at the event that crossed it; or a forecast (threshold 1), at the day that it was made."""

    account_id: str
    cycle_start: int
    kind: str
    threshold: float
    used: int
    allowance: int
    occurred_at: int
    plan: int


class Rejected(NamedTuple):
    """An event that was not counted, with its bytes (`size` of them; `raw` may be their head)."""

    topic: str
    offset: int
    arrived_at: int
    account_id: str
    reason: str
    detail: str
    raw: bytes
    size: int


class Duplicates(NamedTuple):
    """How many duplicates of a source a batch read from a topic."""

    topic: str
    source: str
    reason: str
    events: int


@dataclass(frozen=True, slots=True)
class Record:
    """One decided batch. `identities`, `payloads` and `origins` have one row per remembered event.

    `runs`: see the layout; `events`, `events_size`: see `rows`. `topics` and `partitions` are the writer's: the core
    knows nothing of them.
    """

    rules: Rules
    stream_time: int
    sources: list[Source]
    identities: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    payloads: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    origins: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    facts: npt.NDArray[np.void] = field(default_factory=lambda: np.zeros(0, FACTS))
    holders: npt.NDArray[np.void] = field(default_factory=lambda: np.zeros(0, HOLDERS))
    labels: list[Label] = field(default_factory=list)
    registers: list[Register] = field(default_factory=list)
    persons: list[Person] = field(default_factory=list)
    allowance: list[Allowance] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    forecasts: list[Forecast] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    events: bytes = b""
    events_size: int = 0
    rejects: list[Rejected] = field(default_factory=list)
    duplicates: list[Duplicates] = field(default_factory=list)
    runs: bool = False
    topics: dict[str, str] = field(default_factory=dict)
    partitions: int = 0

    @property
    def read(self) -> int:
        """Events read by the batch."""
        return sum(s.next - s.first for s in self.sources)

    @property
    def accepted(self) -> int:
        """Events accepted by the batch."""
        return sum(s.accepted for s in self.sources)


class Link(NamedTuple):
    """A record's place in the chain, unsigned 64-bit; `prev` is 0 for the first record."""

    id: int
    prev: int
    writer: str


_LISTS: dict[str, type[Any]] = {
    "sources": Source, "labels": Label, "registers": Register, "persons": Person,
    "allowance": Allowance, "plans": Plan, "forecasts": Forecast, "alerts": Alert, "rejects": Rejected,
    "duplicates": Duplicates,
}  # fmt: skip
_AS_THEY_ARE = ("stream_time", "runs", "topics", "partitions", "events", "events_size")
_HASHES = frozenset({"id", "prev", "identity", "plan", "seed_fingerprint"})  # unsigned here, two's complement in Avro
_SCHEMA: Any = fastavro.parse_schema(schemas.avro("journal.v1.avsc"))
_FIELDS: list[str] = [one["name"] for one in _SCHEMA["fields"]]
_ENCODE = avro.encoder(_SCHEMA, _HASHES)
_HEAD = fastavro.parse_schema(_SCHEMA | {"name": "Head", "fields": _SCHEMA["fields"][:3]})


class UnknownFormat(ValueError):
    """The record's layout is newer than this program."""


class Damaged(UnknownFormat):
    """The head is a record's, but the body cannot be read."""


class NotARecord(ValueError):
    """No journal record at all: something else writes to the topic. Readers ignore it like a rival's."""


def encode(record: Record, link: Link, schema_id: int = SCHEMA_ID) -> bytes:
    """The journal's framed Avro bytes of a record at a place of the chain; with a Schema Registry, its `schema_id`."""
    made = {
        "format": FORMAT,
        "id": link.id,
        "prev": link.prev,
        "writer": link.writer,
        "keys": record.identities.tobytes() + record.payloads.tobytes(),
        "origins": origins.pack(record.origins),
        "facts": record.facts.tobytes(),
        "holders": record.holders.tobytes(),
    }
    return frame(schema_id, _ENCODE([made[name] if name in made else getattr(record, name) for name in _FIELDS]))


def decode(value: bytes) -> tuple[Link, Record]:
    """The record and its place in the chain.

    Raises:
        NotARecord, UnknownFormat, Damaged: it cannot be read.
    """
    head = read_link(value)
    try:
        row: Any = fastavro.schemaless_reader(io.BytesIO(value[FRAME_BYTES:]), _SCHEMA, None)
        if row["events_size"] < 0:
            raise ValueError
        identities, payloads = np.frombuffer(row["keys"], np.uint64).reshape(2, -1)
        rest = {name: [_typed(kind, x) for x in row[name]] for name, kind in _LISTS.items()}
        record = Record(
            rules=_typed(Rules, row["rules"]),
            identities=identities,
            payloads=payloads,
            origins=origins.unpack(row["origins"], len(identities)),
            facts=np.frombuffer(row["facts"], FACTS),
            holders=np.frombuffer(row["holders"], HOLDERS),
            **(rest | {name: row[name] for name in _AS_THEY_ARE}),
        )
    except (EOFError, IndexError, OSError, OverflowError, TypeError, ValueError) as error:
        raise Damaged(f"journal record {head.id:016x} is damaged: {type(error).__name__} in its body") from None
    return Link(head.id, head.prev, row["writer"]), record


def read_link(value: bytes) -> Link:
    """The place in the chain alone (`writer` is left empty): what a reader needs to ignore a rival's record.

    Raises:
        NotARecord: it is none.
        UnknownFormat: the layout is not one that this program knows.
    """
    if schema_id_of(value) is None:
        raise NotARecord("no journal record: it has no Avro frame")
    try:
        head: Any = fastavro.schemaless_reader(io.BytesIO(value[FRAME_BYTES:HEAD_BYTES_MAX]), _HEAD, None)
    except (EOFError, IndexError, ValueError, OverflowError) as error:
        raise NotARecord(f"no journal record: {type(error).__name__} in its head") from None
    if head["format"] != FORMAT:
        said = f"journal record of format {head['format']}"
        raise UnknownFormat(f"{said}; this tally knows {FORMAT}: run the version that wrote it, or a newer one")
    return Link(_unsigned(head["id"]), _unsigned(head["prev"]), "")


def _unsigned(x: int) -> int:
    return x & (1 << 64) - 1


def _typed(kind: type[Any], row: dict[str, Any]) -> Any:
    for name in _HASHES & row.keys():
        row[name] = _unsigned(row[name])
    return kind(**{name: tuple(x) if isinstance(x, list) else x for name, x in row.items()})
