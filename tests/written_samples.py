"""The samples of tools whose bodies an account writes itself, each with its endpoint and what it must become."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import schemas
from connectors.collect.endpoint import Endpoint
from connectors.collect.rows import Delivery, delivery
from connectors.collect.translation import Event, Refusal
from connectors.collect.vendors import VENDORS
from pipeline import rfc3339
from pipeline.core import vocabulary
from pipeline.event_bytes import encoder
from pipeline.topics import schema_of

Row = dict[str, str]


class Samples:
    """A vendor's folder in tests/data/vendors."""

    def __init__(self, name: str) -> None:
        self.vendor = VENDORS[name]
        self.folder = Path(__file__).parent / "data" / "vendors" / name
        self.expected, self.refused = self.table("expected.tsv"), self.table("refused.tsv")

    def table(self, name: str) -> list[Row]:
        """A table's rows."""
        with (self.folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

    def endpoint_of(self, file: str) -> Endpoint:
        """The endpoint that a sample comes in at."""
        said = next(row for row in self.table("endpoints.tsv") if row["file"] == file)
        return endpoint(self.vendor.name, said["event"], said["time_zone"], **json.loads(said["fields"]))

    def items(self, file: str) -> list[Any]:
        """The items of a sample."""
        found = delivery((self.folder / file).read_bytes(), self.vendor)
        assert isinstance(found, Delivery), found
        return found.values


def endpoint(vendor: str, event: str = "", time_zone: str = "UTC", /, **fields: str) -> Endpoint:
    """An endpoint of account acme."""
    source = "shop" if vendor == "own" else vendor
    return Endpoint("e1", vendor, "acme", source, event or None, time_zone, MappingProxyType(fields))


def event(item: Any, at: Endpoint) -> dict[str, Any]:
    """The fields that an item becomes."""
    found = VENDORS[at.vendor].translate(item, at)
    assert isinstance(found, Event), found
    return found.fields


def refusal(item: Any, at: Endpoint) -> Refusal:
    """Why an item is no event."""
    found = VENDORS[at.vendor].translate(item, at)
    assert isinstance(found, Refusal), found
    return found


def body(item: Any, at: Endpoint) -> bytes:
    """The Avro body that an item becomes."""
    fields = event(item, at) | {"account_id": at.account, "source": at.source}
    schema = schema_of(vocabulary.load().types[fields["type"]].topic)
    return encoder(schemas.avro(f"events/{schema}.v1.avsc"))(fields)


def check(found: dict[str, Any], row: Row) -> None:
    """That an event is what its row expects, as far as one event alone shows it."""
    info = vocabulary.load().types[found["type"]]
    names = ("profile_id", "message_id", "campaign_id", "link")
    said = {name: found.get(name) or "" for name in names} | {"type": info.type, "channel": info.channel}
    assert said == {name: row[name] for name in said}
    assert found["occurred_at"] == rfc3339.parse(row["occurred_at"])
    assert row["activity"] == str(int(info.activity and not found.get("is_test", False)))
