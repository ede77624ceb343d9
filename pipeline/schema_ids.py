"""Schema ids: which number in a Confluent frame means which committed schema.

`schemas/ids.lock` has them, one line a file: id, file, fingerprint; with a Schema Registry it decides the numbers and
the lock still guards the files. A committed schema never changes: bytes written with it lie in topics for good.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastavro.schema import to_parsing_canonical_form

import schemas
from pipeline.core.context import WriterSchema
from pipeline.settings import Settings, SettingsError
from pipeline.settings_faults import Fault

LOCK = "ids.lock"

_EVENTS = "events/"
_FILE = re.compile(r"^(?:events/)?(?P<kind>[a-z]+)\.v(?P<version>\d+)\.avsc$")


class Committed(NamedTuple):
    """A line of the lock."""

    id: int
    file: str
    fingerprint: str


class SchemaChanged(ValueError):
    """A committed schema is not what its line in the lock says."""


def parse(text: str) -> tuple[Committed, ...]:
    """The lines of a lock; empty ones and those that begin with # are left out.

    Raises:
        ValueError: a line that is none, or an id or file that stands there twice; names the line.
    """
    found: list[Committed] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) != len(Committed._fields) or not cells[0].isdigit() or not _FILE.match(cells[1]):
            raise ValueError(f"{LOCK} line {number}: must be <id> <file> <fingerprint>, separated by tabs: {line!r}")
        entry = Committed(int(cells[0]), cells[1], cells[2])
        if any(entry.id == other.id or entry.file == other.file for other in found):
            raise ValueError(f"{LOCK} line {number}: id {entry.id} or file {entry.file} stands there twice")
        found.append(entry)
    return tuple(found)


def fingerprint(schema: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of what bytes and readers depend on.

    That is Avro's parsing canonical form, then the schema without its docs: the canonical form leaves out defaults and
    logical types, and both change what is read.
    """
    plain = json.dumps(_without_docs(schema), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{to_parsing_canonical_form(dict(schema))}\n{plain}".encode()).hexdigest()


def verify(entry: Committed, schema: Mapping[str, Any]) -> None:
    """Checks a file's content against its line.

    Raises:
        SchemaChanged: they differ; says how to mend it.
    """
    found = fingerprint(schema)
    if found != entry.fingerprint:
        match = _FILE.match(entry.file)
        assert match is not None, "parse() lets no other file in"
        later = entry.file.replace(f".v{match['version']}.", f".v{int(match['version']) + 1}.")
        raise SchemaChanged(
            f"schemas/{entry.file} is not what was committed as schema id {entry.id}: fingerprint {found}, "
            f"schemas/{LOCK} has {entry.fingerprint}. Bytes written with it exist, so take the change back and "
            f"make it in a new file, schemas/{later}, with a new id and line in schemas/{LOCK}"
        )


def committed() -> dict[str, int]:
    """Ids of the lock by file; every file checked.

    Raises:
        SchemaChanged: a schema was changed after it was committed.
    """
    entries = parse(schemas.text(LOCK))
    for entry in entries:
        verify(entry, schemas.avro(entry.file))
    return {entry.file: entry.id for entry in entries}


def resolve(settings: Settings) -> dict[str, int]:
    """Ids by file: the registry's where one is set, else the lock's.

    Raises:
        SchemaChanged: a schema was changed after it was committed.
        RegistryError: the registry is set and does not answer, or refuses a schema.
        SettingsError: the registry is set and its client is not installed.
    """
    ids = committed()
    if settings.schema_registry.url is None:
        return ids
    try:
        from pipeline import schema_registry
    except ModuleNotFoundError as error:
        mend = "Install the extra: pip install 'tallystream[registry]', or unset it"
        raise SettingsError(
            [Fault("TALLY_SCHEMA_REGISTRY__URL", f"it needs the package {error.name}", mend)]
        ) from error
    return schema_registry.resolve_ids(settings)


def writer_schemas(ids: Mapping[str, int]) -> dict[int, WriterSchema]:
    """The schemas that events may be written with, by id: all versions, the journal's not."""
    events = [file for file in ids if file.startswith(_EVENTS)]
    return {ids[file]: WriterSchema.of(kind_of(file), schemas.avro(file)) for file in events}


def newest(ids: Mapping[str, int]) -> dict[str, int]:
    """By kind (channel, profile, account, crm) the id that producers write with: the highest version's."""
    events = sorted((file for file in ids if file.startswith(_EVENTS)), key=_version)
    return {kind_of(file): ids[file] for file in events}


def kind_of(file: str) -> str:
    """`events/channel.v1.avsc` is of kind `channel`."""
    match = _FILE.match(file)
    assert match is not None, f"{file} is no schema file"
    return match["kind"]


def _version(file: str) -> int:
    match = _FILE.match(file)
    assert match is not None, f"{file} is no schema file"
    return int(match["version"])


def _without_docs(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_docs(part) for part in schema]
    if isinstance(schema, Mapping):
        return {name: _without_docs(part) for name, part in schema.items() if name != "doc"}
    return schema
