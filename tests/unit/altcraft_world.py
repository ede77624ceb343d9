"""What the tests of Altcraft share: its samples, an endpoint, an item to its event, refusal or bytes."""

from __future__ import annotations

import copy
import csv
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import schemas
from connectors.collect.altcraft.rows import KEYS
from connectors.collect.endpoint import Endpoint
from connectors.collect.translation import Event, Refusal
from connectors.collect.vendors import VENDORS
from pipeline.core import vocabulary
from pipeline.event_bytes import encoder
from pipeline.topics import schema_of

SAMPLES = Path(__file__).parents[1] / "data" / "vendors" / "altcraft"
ENDPOINT = Endpoint("e1", "altcraft", "acme", "altcraft")


def table(name: str) -> list[dict[str, str]]:
    with (SAMPLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


ALTCRAFT = VENDORS["altcraft"]
EXPECTED, REFUSED = table("expected.tsv"), table("refused.tsv")
OF_KEYS = sorted(KEYS)


def sample(file: str, number: int = 0) -> dict[str, Any]:
    items = ALTCRAFT.items(json.loads((SAMPLES / file).read_text(encoding="utf-8")))
    assert items is not None
    return dict(items[number])


def endpoint(**fields: str) -> Endpoint:
    return Endpoint("e1", "altcraft", "acme", "altcraft", fields=MappingProxyType(fields))


def event(item: dict[str, Any], at: Endpoint = ENDPOINT) -> dict[str, Any]:
    found = ALTCRAFT.translate(item, at)
    assert isinstance(found, Event), found
    return found.fields


def refusal(item: dict[str, Any], at: Endpoint = ENDPOINT) -> Refusal:
    found = ALTCRAFT.translate(item, at)
    assert isinstance(found, Refusal), found
    return found


def body(item: dict[str, Any], at: Endpoint = ENDPOINT) -> bytes:
    fields = event(item, at) | {"account_id": at.account, "source": at.source}
    schema = schema_of(vocabulary.load().types[fields["type"]].topic)
    return encoder(schemas.avro(f"events/{schema}.v1.avsc"))(fields)


def put(item: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with another value at a path of dots."""
    changed = copy.deepcopy(item)
    *outer, last = path.split(".")
    inside = changed
    for name in outer:
        inside = inside.setdefault(name, {})
    inside[last] = value
    return changed


def without(item: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}


CLICK = sample("click.json")
