"""What every decision needs besides the state and the batch: rules, hash seed, writer schemas, vocabulary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import fastavro
import xxhash

from pipeline.core.record import Rules
from pipeline.core.vocabulary import TOPICS, Vocabulary

RULES_VERSION = 1

TOPIC_NUMBER = {topic: number for number, topic in enumerate(TOPICS)}


@dataclass(frozen=True, slots=True, eq=False)
class WriterSchema:
    """A schema that producers write with: its kind (channel, profile, account or crm), as text and parsed.

    `plain` is the parsed form without logical types: times stay numbers, whatever their size.
    """

    kind: str
    text: str
    plain: Any

    @classmethod
    def of(cls, kind: str, schema: Mapping[str, Any]) -> WriterSchema:
        """From Avro's JSON form."""
        return cls(kind, json.dumps(schema), fastavro.parse_schema(_without_logical_types(schema)))


@dataclass(frozen=True, slots=True)
class Context:
    """Built once per process. `schemas` maps a schema id to its writer schema; `seed` is the deployment's secret."""

    rules: Rules
    seed: int
    schemas: Mapping[int, WriterSchema]
    vocabulary: Vocabulary


def fingerprint(seed: int) -> int:
    """64 bits that tell seeds apart and do not reveal them."""
    return xxhash.xxh3_64_intdigest(b"tally hash seed " + seed.to_bytes(8, "little"))


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_logical_types(part) for part in schema]
    if isinstance(schema, Mapping):
        return {name: _without_logical_types(part) for name, part in schema.items() if name != "logicalType"}
    return schema
