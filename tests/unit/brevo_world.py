"""What the tests of Brevo share: its samples, endpoints, a payload to its event, refusal or bytes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import schemas
from connectors.collect.endpoint import Endpoint
from connectors.collect.translation import Event, Refusal
from connectors.collect.vendors import VENDORS
from pipeline.core import vocabulary
from pipeline.event_bytes import encoder
from pipeline.topics import schema_of

SAMPLES = Path(__file__).parents[1] / "data" / "vendors" / "brevo"
BREVO = VENDORS["brevo"]


def table(name: str) -> list[dict[str, str]]:
    with (SAMPLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


EXPECTED, REFUSED, DUPLICATES = table("expected.tsv"), table("refused.tsv"), table("duplicates.tsv")
ENDPOINTS = {row["file"]: row for row in table("endpoints.tsv")}
DOCUMENTED = list(csv.DictReader(schemas.text("vocabulary/vendors/brevo.tsv").splitlines(), delimiter="\t"))


def endpoint(default: str | None = None, time_zone: str = "UTC", /, **fields: str) -> Endpoint:
    return Endpoint("e1", "brevo", "acme", "brevo", default or None, time_zone, MappingProxyType(fields))


def endpoint_of(file: str) -> Endpoint:
    row = ENDPOINTS[file]
    return endpoint(row["event"], row["time_zone"], **json.loads(row["fields"]))


def items(file: str) -> list[Any]:
    found = BREVO.items(json.loads((SAMPLES / file).read_text(encoding="utf-8")))
    assert found is not None
    return found


def sample(file: str, number: int = 0) -> dict[str, Any]:
    return dict(items(file)[number])


def event(item: dict[str, Any], at: Endpoint | None = None) -> dict[str, Any]:
    found = BREVO.translate(item, at or endpoint())
    assert isinstance(found, Event), found
    return found.fields


def refusal(item: dict[str, Any], at: Endpoint | None = None) -> Refusal:
    found = BREVO.translate(item, at or endpoint())
    assert isinstance(found, Refusal), found
    return found


def body(item: dict[str, Any], at: Endpoint | None = None) -> bytes:
    fields = event(item, at) | {"account_id": "acme", "source": "brevo"}
    schema = schema_of(vocabulary.load().types[fields["type"]].topic)
    return encoder(schemas.avro(f"events/{schema}.v1.avsc"))(fields)


def without(item: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}


ONE = sample("email_transactional-clicked.json")
