"""A Schema Registry, where one is set: it decides the ids of the committed schemas and knows other producers' ones.

Subjects are `<topic>-value`, the clients' default. Needs the extra `registry`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

import schemas
from pipeline import schema_ids, topics
from pipeline.settings import Settings

TIMEOUT_SECONDS = 3  # of one request
RETRIES_MAX = 2  # with half a second between them a silent registry is said within 10 s
RETRY_WAIT_MS = 500

# The registry's own codes. HTTP's 404 alone may come from any server, and must not make events of it unknown.
_NOT_FOUND = (40401, 40403)  # subject, schema
_NO_REGISTRY = -1  # the client's code for an answer that is not the registry's
_REFUSED = (401, 403)  # HTTP


class RegistryError(RuntimeError):
    """The registry did not answer, or refused; names its address and how to mend it."""


class UnknownSchema(LookupError):
    """The registry has no schema of that id."""


def resolve_ids(settings: Settings) -> dict[str, int]:
    """Ids by file of every committed schema, each registered under every topic that carries it.

    Looks first and registers only what is missing, so read access is enough once that was done. Versions are
    registered in their order, so that the registry checks each against the one before it.

    Raises:
        RegistryError: no answer, access refused, or a schema found incompatible.
    """
    with _client(settings) as client:
        return {file: _id_of(client, settings, file) for file in schema_ids.committed()}


def fetch(settings: Settings, schema_id: int) -> dict[str, Any]:
    """The Avro schema of an id that is not ours.

    Raises:
        UnknownSchema: there is none of that id, or it is not Avro.
        RegistryError: no answer, or access refused.
    """
    with _client(settings) as client:
        try:
            found = client.get_schema(schema_id)
        except SchemaRegistryError as error:
            if error.error_code in _NOT_FOUND:
                raise UnknownSchema(f"{settings.schema_registry.url} has no schema of id {schema_id}") from error
            raise
    if found.schema_type != "AVRO" or found.schema_str is None:
        raise UnknownSchema(f"schema id {schema_id} of {settings.schema_registry.url} is {found.schema_type}, not AVRO")
    schema: dict[str, Any] = json.loads(found.schema_str)
    return schema


def subjects(settings: Settings, file: str) -> list[str]:
    """Where a file is registered: `<topic>-value` of every topic that carries it, with the deployment's prefix."""
    kind = schema_ids.kind_of(file)
    others = {"journal": topics.JOURNAL, "alert": topics.ALERTS, "receipt": topics.RECEIPTS}
    carrying = [name for name in topics.SOURCE_TOPICS if topics.schema_of(name) == kind] or [others[kind]]
    return [f"{topics.physical(settings.topics.prefix, name)}-value" for name in carrying]


def _id_of(client: SchemaRegistryClient, settings: Settings, file: str) -> int:
    schema = Schema(schemas.text(file), "AVRO")
    ids = {subject: _register(client, subject, schema) for subject in subjects(settings, file)}
    if len(set(ids.values())) != 1 or None in ids.values():
        raise RegistryError(
            f"the Schema Registry at {settings.schema_registry.url} must give schemas/{file} one id, and gives {ids}: "
            "delete those subjects there, or unset TALLY_SCHEMA_REGISTRY__URL"
        )
    return next(iter(ids.values()))


def _register(client: SchemaRegistryClient, subject: str, schema: Schema) -> int:
    try:
        known = client.lookup_schema(subject, schema).schema_id
    except SchemaRegistryError as error:
        if error.error_code not in _NOT_FOUND:
            raise
        known = None
    return client.register_schema(subject, schema) if known is None else known


@contextmanager
def _client(settings: Settings) -> Iterator[SchemaRegistryClient]:
    """A client for some requests; what it raises is said in this project's words."""
    at = settings.schema_registry
    options: dict[str, Any] = {
        "url": at.url,
        "timeout": TIMEOUT_SECONDS,
        "max.retries": RETRIES_MAX,
        "retries.wait.ms": RETRY_WAIT_MS,
        "retries.max.wait.ms": RETRY_WAIT_MS,
    }
    if at.username is not None:
        password = at.password.get_secret_value() if at.password else ""
        options["basic.auth.user.info"] = f"{at.username}:{password}"
    client = SchemaRegistryClient(options)
    try:
        yield client
    except SchemaRegistryError as error:
        raise RegistryError(_words(at.url, error)) from error
    except httpx2.HTTPError as error:
        raise RegistryError(
            f"no answer from the Schema Registry at {at.url} ({error}): start it, or mend TALLY_SCHEMA_REGISTRY__URL"
        ) from error
    except json.JSONDecodeError as error:
        raise RegistryError(_no_registry(at.url)) from error
    finally:
        client.close()


def _words(url: str | None, error: SchemaRegistryError) -> str:
    if error.http_status_code in _REFUSED:
        return (
            f"the Schema Registry at {url} refuses access ({error}): "
            "check TALLY_SCHEMA_REGISTRY__USERNAME and TALLY_SCHEMA_REGISTRY__PASSWORD"
        )
    if error.error_code == _NO_REGISTRY:
        return _no_registry(url)
    return f"the Schema Registry at {url} refuses: {error}. A schema that it finds incompatible needs another subject"


def _no_registry(url: str | None) -> str:
    return f"what answers at {url} is no Schema Registry: mend TALLY_SCHEMA_REGISTRY__URL"
