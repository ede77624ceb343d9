"""Small builders of framed Avro events, for tests that talk to the core or to a topic."""

from __future__ import annotations

import io
import struct
from typing import Any

import fastavro

import schemas
from pipeline.core import vocabulary
from pipeline.core.batch import Slab
from pipeline.core.context import RULES_VERSION, Context, WriterSchema, fingerprint
from pipeline.core.record import Rules

Event = dict[str, Any]

SEED = 0x7A11
NOON_MS = 1_709_294_400_000  # 2024-03-01T12:00Z, in milliseconds
NOON_US = NOON_MS * 1000

_FRAME = struct.Struct(">bI")


def _locked() -> dict[str, int]:
    """Schema ids by kind, as committed in schemas/ids.lock."""
    lines = [line.split("\t") for line in schemas.text("ids.lock").splitlines() if line and not line.startswith("#")]
    return {file.removeprefix("events/").split(".")[0]: int(number) for number, file, _ in lines if "events/" in file}


SCHEMA_IDS = _locked()
SCHEMAS = {number: WriterSchema.of(kind, schemas.avro(f"events/{kind}.v1.avsc")) for kind, number in SCHEMA_IDS.items()}


def context(**rules: int) -> Context:
    """The core's context with the committed schemas and vocabulary, and the default rules where none are given."""
    chosen = {"window_days": 7, "future_minutes_max": 5, "unique_days": 90, "person_profiles_max": 50} | rules
    made = Rules(version=RULES_VERSION, seed_fingerprint=fingerprint(SEED), **chosen)
    return Context(made, SEED, SCHEMAS, vocabulary.load())


def topic_of(type_name: str) -> str:
    """The topic that a type belongs on."""
    return f"events.{type_name.partition('_')[0]}"


def kind_of(topic: str) -> str:
    """The kind of schema that a topic carries."""
    name = topic.removeprefix("events.")
    return name if name in ("profile", "account", "crm") else "channel"


def event(type_name: str, **fields: Any) -> Event:
    """An event with every field of its topic's schema; what is not given has the schema's default."""
    given = {"type": type_name, "account_id": "acme", "source": "own", "occurred_at": NOON_US} | fields
    known = schemas.avro(f"events/{kind_of(topic_of(type_name))}.v1.avsc")["fields"]
    unknown = given.keys() - {field["name"] for field in known}
    assert not unknown, f"{type_name} has no {sorted(unknown)}"
    return {field["name"]: given[field["name"]] if field["name"] in given else field["default"] for field in known}


def merge(sources: list[str], target: str | None, **fields: Any) -> Event:
    """Profiles that go into another."""
    return event("profile_merged", sources=sources, target=target, **fields)


def split(source: str | None, parts: dict[str, list[str]], **fields: Any) -> Event:
    """A profile that is split; `parts` maps each part's target to its members."""
    listed = [{"target": target, "members": members} for target, members in parts.items()]
    return event("profile_split", split_source=source, parts=listed, **fields)


def plan(allowance: int, **fields: Any) -> Event:
    """An account's plan; `anchor_day`, `time_zone`, `thresholds` and `activities` may be given."""
    said = {"anchor_day": 1, "time_zone": "UTC", "thresholds": [0.8, 0.9, 1.0], "activities": None}
    said |= {name: fields.pop(name) for name in list(fields) if name in said}
    return event("account_plan_set", plan={"allowance": allowance, **said}, **fields)


def body(one: Event, kind: str | None = None) -> bytes:
    """The Avro body; maps with sorted keys, as producers write them."""
    schema = SCHEMAS[SCHEMA_IDS[kind or kind_of(topic_of(one["type"]))]]
    maps = {name: dict(sorted(one[name].items())) for name in ("properties", "attributes") if name in one}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema.plain, {**one, **maps})
    return out.getvalue()


def frame(one: Event, kind: str | None = None) -> bytes:
    """The record's value: byte 0, schema id, Avro body."""
    kind = kind or kind_of(topic_of(one["type"]))
    return _FRAME.pack(0, SCHEMA_IDS[kind]) + body(one, kind)


def slab(topic: str, offset: int, *values: Event | bytes | None, arrived_ms: int = NOON_MS) -> Slab:
    """Records of one topic that follow each other; events are framed, bytes are taken as they are."""
    framed = [frame(value) if isinstance(value, dict) else value for value in values]
    return Slab(topic, offset, arrived_ms, framed)
