"""Ids from a Schema Registry.

What answers here is an HTTP server of this test that speaks the registry's documented API (subjects, lookup, register,
schemas by id), not Confluent's program: that one comes as a container image or a package, and this suite must run where
neither can be had. The client, its retries and its errors are the real ones.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

import schemas
from pipeline import schema_ids, schema_registry, settings
from pipeline.settings_tree import SchemaRegistry, Topics

FIRST_ID = 101
CHANNEL = "events/channel.v1.avsc"
NOBODY_LISTENS = "http://127.0.0.1:1"  # port 1 is reserved and never given out


@dataclass
class Registered:
    """What the registry holds: schema texts by id, and each subject's ids; and who may ask."""

    texts: dict[int, str] = field(default_factory=dict)
    subjects: dict[str, list[int]] = field(default_factory=dict)
    login: str | None = None
    read_only: bool = False
    incompatible: bool = False
    impostor: int | None = None  # answers everything with this status and a page
    registrations: list[str] = field(default_factory=list)

    def lookup(self, subject: str, text: str) -> tuple[int, dict[str, Any]]:
        """A subject's schema of that text."""
        if subject not in self.subjects:
            return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
        for schema_id in self.subjects[subject]:
            if json.loads(self.texts[schema_id]) == json.loads(text):
                return 200, {"subject": subject, "id": schema_id, "version": 1, "schema": text}
        return 404, {"error_code": 40403, "message": "Schema not found"}

    def register(self, subject: str, text: str) -> tuple[int, dict[str, Any]]:
        """One id for one schema, whatever its subjects."""
        if self.read_only:
            return 403, {"error_code": 40301, "message": "User is denied operation Write"}
        if self.incompatible:
            return 409, {"error_code": 409, "message": "Schema being registered is incompatible with an earlier schema"}
        self.registrations.append(subject)
        known = [one for one, other in self.texts.items() if json.loads(other) == json.loads(text)]
        schema_id = known[0] if known else FIRST_ID + len(self.texts)
        self.texts[schema_id] = text
        self.subjects.setdefault(subject, []).append(schema_id)
        return 200, {"id": schema_id}

    def by_id(self, schema_id: int) -> tuple[int, dict[str, Any]]:
        """A schema's text; an Avro one has no type in the answer."""
        if schema_id not in self.texts:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        if not self.texts[schema_id].startswith("{"):
            return 200, {"schema": self.texts[schema_id], "schemaType": "PROTOBUF"}
        return 200, {"schema": self.texts[schema_id]}


class Api(BaseHTTPRequestHandler):
    registered: ClassVar[Registered]

    def do_GET(self) -> None:
        self._answer(lambda: self.registered.by_id(int(self.path.split("?")[0].rsplit("/", 1)[1])))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parts = self.path.split("?")[0].strip("/").split("/")
        ask = self.registered.register if parts[-1] == "versions" else self.registered.lookup
        self._answer(lambda: ask(parts[1], body["schema"]))

    def _answer(self, found: Any) -> None:
        login = self.registered.login
        expected = login and f"Basic {base64.b64encode(login.encode()).decode()}"
        if expected and self.headers["Authorization"] != expected:
            status, body = 401, {"error_code": 401, "message": "Unauthorized"}
        else:
            status, body = found()
        data = json.dumps(body).encode()
        if self.registered.impostor:
            status, data = self.registered.impostor, b"<html>It works!</html>"
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def registered() -> Registered:
    return Registered()


@pytest.fixture
def url(registered: Registered) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneApi", (Api,), {"registered": registered}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def at(url: str, prefix: str = "", **login: Any) -> settings.Settings:
    return settings.Settings(schema_registry=SchemaRegistry(url=url, **login), topics=Topics(prefix=prefix))


def test_every_schema_is_registered_under_each_topic_that_carries_it(url: str, registered: Registered) -> None:
    ids = schema_ids.resolve(at(url, prefix="eu."))
    assert ids == {file: FIRST_ID + place for place, file in enumerate(schema_ids.committed())}
    assert len(registered.subjects) == 14
    assert registered.subjects["eu.events.email-value"] == registered.subjects["eu.events.web-value"] == [ids[CHANNEL]]
    assert registered.subjects["eu.journal-value"] == [ids["journal.v1.avsc"]]
    assert registered.subjects["eu.allowance.alerts-value"] == [ids["alert.v1.avsc"]]
    assert registered.subjects["eu.allowance.receipts-value"] == [ids["receipt.v1.avsc"]]


def test_what_is_registered_already_is_only_looked_up(url: str, registered: Registered) -> None:
    first = schema_ids.resolve(at(url))
    registered.registrations.clear()
    registered.read_only = True
    assert schema_ids.resolve(at(url)) == first
    assert registered.registrations == []


def test_a_schema_is_fetched_by_its_id(url: str, registered: Registered) -> None:
    ids = schema_ids.resolve(at(url))
    assert schema_registry.fetch(at(url), ids[CHANNEL]) == schemas.avro(CHANNEL)


def test_an_id_that_the_registry_does_not_know_is_said_so(url: str) -> None:
    with pytest.raises(schema_registry.UnknownSchema, match=f"{url} has no schema of id 7"):
        schema_registry.fetch(at(url), 7)


def test_a_schema_that_is_not_avro_is_unknown(url: str, registered: Registered) -> None:
    registered.texts[9] = 'syntax = "proto3";'
    with pytest.raises(schema_registry.UnknownSchema, match=r"schema id 9 of .* is PROTOBUF, not AVRO"):
        schema_registry.fetch(at(url), 9)


def test_the_login_reaches_the_registry(url: str, registered: Registered) -> None:
    registered.login = "tally:s3cret"
    assert schema_ids.resolve(at(url, username="tally", password=SecretStr("s3cret")))


def test_a_refused_login_names_the_settings_and_not_the_password(url: str, registered: Registered) -> None:
    registered.login = "tally:s3cret"
    with pytest.raises(schema_registry.RegistryError, match="check TALLY_SCHEMA_REGISTRY__USERNAME") as refusal:
        schema_ids.resolve(at(url, username="tally", password=SecretStr("wr0ng")))
    assert "wr0ng" not in str(refusal.value)


def test_an_incompatible_schema_is_refused_with_the_registrys_words(url: str, registered: Registered) -> None:
    registered.incompatible = True
    with pytest.raises(schema_registry.RegistryError, match=f"{url} refuses: .*incompatible with an earlier schema"):
        schema_ids.resolve(at(url))


def test_a_silent_registry_is_named_with_its_address() -> None:
    with pytest.raises(schema_registry.RegistryError, match=f"no answer from the Schema Registry at {NOBODY_LISTENS}"):
        schema_ids.resolve(at(NOBODY_LISTENS))


@pytest.mark.parametrize("status", [200, 404])
def test_what_is_no_registry_is_said_so(url: str, registered: Registered, status: int) -> None:
    registered.impostor = status
    with pytest.raises(schema_registry.RegistryError, match=f"what answers at {url} is no Schema Registry"):
        schema_registry.fetch(at(url), 7)
    with pytest.raises(schema_registry.RegistryError, match=f"what answers at {url} is no Schema Registry"):
        schema_ids.resolve(at(url))
