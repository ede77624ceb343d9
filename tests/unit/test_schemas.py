"""The committed schemas: only types that every decoder takes, never changed, every version readable by every other."""

from __future__ import annotations

import copy
import io
import itertools
import random
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many

import schemas
from pipeline import schema_ids, topics

ROOT = Path(str(resources.files(schemas)))
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.avsc"))
EVENT_FILES = [file for file in FILES if file.startswith("events/")]
SAMPLES = 40  # records per direction; enough that every branch of a union is drawn

# DESIGN section 6: pyruhvro panics on bytes, fixed, decimal, uuid and nanoseconds.
PRIMITIVES = {"string", "long", "double", "boolean"}
LOGICAL = {("int", "date"), ("long", "timestamp-micros")}


def forbidden_types(schema: Any, where: str) -> Iterator[str]:
    """Every place of a schema that an event schema must not have."""
    if isinstance(schema, list):
        if len(schema) != 2 or schema[0] != "null":
            yield f"{where}: union {schema}; only ['null', X] is allowed"
        yield from itertools.chain.from_iterable(forbidden_types(part, where) for part in schema if part != "null")
    elif isinstance(schema, str):
        if schema not in PRIMITIVES:
            yield f"{where}: type {schema}"
    elif schema["type"] == "record":
        for field in schema["fields"]:
            yield from forbidden_types(field["type"], f"{where}.{field['name']}")
    elif schema["type"] in ("array", "map"):
        yield from forbidden_types(schema["items" if schema["type"] == "array" else "values"], f"{where}[]")
    elif "logicalType" in schema:
        if (schema["type"], schema["logicalType"]) not in LOGICAL:
            yield f"{where}: logical type {schema['logicalType']} of {schema['type']}"
    elif schema["type"] != "enum":
        yield from forbidden_types(schema["type"], where)


def incompatibilities(written: dict[str, Any], read: dict[str, Any]) -> list[str]:
    """What goes wrong when records of one version are read by another: they fail, or a field they share differs."""
    writer, reader = fastavro.parse_schema(copy.deepcopy(written)), fastavro.parse_schema(copy.deepcopy(read))
    shared = {field["name"] for field in written["fields"]} & {field["name"] for field in read["fields"]}
    # fastavro reads a time in its writer's unit, whatever the reader says: units are compared as they are declared.
    faults = [f"{name}: unit differs" for name in sorted(shared) if unit(written, name) != unit(read, name)]
    for record in generate_many(writer, SAMPLES):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, writer, record)
        as_written: Any = fastavro.schemaless_reader(io.BytesIO(body.getvalue()), writer, None)
        try:
            as_read: Any = fastavro.schemaless_reader(io.BytesIO(body.getvalue()), writer, reader)
        except (fastavro.read.SchemaResolutionError, ValueError, TypeError) as error:
            faults.append(f"{type(error).__name__}: {error}")
            continue
        faults += [f"{name} differs" for name in sorted(shared) if as_written[name] != as_read[name]]
    return faults


def unit(schema: dict[str, Any], name: str) -> str | None:
    """The logical type of a field, if it has one."""
    kind = next(field["type"] for field in schema["fields"] if field["name"] == name)
    return kind.get("logicalType") if isinstance(kind, dict) else None


def doctored(file: str, field: str, **changes: Any) -> dict[str, Any]:
    """A schema whose field was changed; `drop=True` takes it out."""
    schema = copy.deepcopy(schemas.avro(file))
    if changes.pop("drop", False):
        schema["fields"] = [one for one in schema["fields"] if one["name"] != field]
    for one in schema["fields"]:
        if one["name"] == field:
            one.update(changes)
    return schema


@pytest.fixture(autouse=True)
def drawn_from_the_seed(seed: int) -> None:
    """fastavro's generator draws from the random module."""
    random.seed(seed)


@pytest.mark.parametrize("file", EVENT_FILES)
def test_an_event_schema_has_only_types_that_the_bulk_decoder_takes(file: str) -> None:
    assert list(forbidden_types(schemas.avro(file), file)) == []


@pytest.mark.parametrize(
    "bad",
    [
        "bytes",
        "int",
        "float",
        {"type": "fixed", "name": "F", "size": 16},
        {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        {"type": "string", "logicalType": "uuid"},
        {"type": "long", "logicalType": "timestamp-nanos"},
        {"type": "long", "logicalType": "timestamp-millis"},
        ["string", "null"],
        ["null", "string", "long"],
        {"type": "array", "items": "bytes"},
        {"type": "map", "values": ["null", "bytes"]},
        ["null", {"type": "record", "name": "R", "fields": [{"name": "inner", "type": "bytes"}]}],
    ],
)
def test_a_type_that_the_bulk_decoder_panics_on_is_found(bad: Any) -> None:
    schema = doctored("events/crm.v1.avsc", "vendor_type", type=bad)
    found = list(forbidden_types(schema, "crm"))
    assert len(found) == 1
    assert found[0].startswith("crm.vendor_type")


def test_every_kind_of_event_has_a_schema() -> None:
    assert {schema_ids.kind_of(file) for file in EVENT_FILES} == set(topics.SCHEMAS)


def test_every_schema_file_has_an_id_and_every_id_a_file() -> None:
    assert sorted(schema_ids.committed()) == FILES


def versions() -> list[tuple[str, str]]:
    """Every ordered pair of versions of one kind, a version with itself included."""
    pairs = itertools.product(FILES, repeat=2)
    return [(a, b) for a, b in pairs if schema_ids.kind_of(a) == schema_ids.kind_of(b)]


@pytest.mark.parametrize(("written", "read"), versions())
def test_every_version_is_readable_by_every_other(written: str, read: str) -> None:
    assert incompatibilities(schemas.avro(written), schemas.avro(read)) == []


SAFE = {"name": "locale", "type": ["null", "string"], "default": None}
BREAKING = [
    pytest.param({"field": "source", "drop": True}, id="a field without a default taken out"),
    pytest.param({"field": "source", "name": "origin"}, id="a field renamed"),
    pytest.param({"field": "occurred_at", "type": "string"}, id="a type changed"),
    pytest.param({"field": "profile_id", "type": "string", "default": ""}, id="null no longer allowed"),
    pytest.param({"field": "vendor_type", "type": ["null", "long"]}, id="a branch changed"),
    pytest.param(
        {"field": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}, id="a unit changed"
    ),
]


@pytest.mark.parametrize("change", BREAKING)
def test_a_version_that_breaks_is_caught(change: dict[str, Any]) -> None:
    old, new = schemas.avro("events/crm.v1.avsc"), doctored("events/crm.v1.avsc", **change)
    assert incompatibilities(old, new) or incompatibilities(new, old)


def test_a_required_field_that_was_added_is_caught() -> None:
    old, new = schemas.avro("events/crm.v1.avsc"), copy.deepcopy(schemas.avro("events/crm.v1.avsc"))
    new["fields"].append({"name": "locale", "type": "string"})
    assert incompatibilities(old, new)


def test_an_optional_field_that_was_added_is_compatible_both_ways() -> None:
    old, new = schemas.avro("events/crm.v1.avsc"), copy.deepcopy(schemas.avro("events/crm.v1.avsc"))
    new["fields"].append(SAFE)
    assert incompatibilities(old, new) == []
    assert incompatibilities(new, old) == []
