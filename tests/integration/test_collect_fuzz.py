"""Whatever is sent to the collector: never a 5xx of its own, and what got success is in Kafka, every item of it."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from connectors.collect.bodies import TYPES
from connectors.collect.openapi import DOCUMENT
from connectors.collect.vendors import VENDORS
from tests.integration.collect_world import Collecting, Door, World

EXAMPLES = 60  # of a vendor, and of an operation: a quarter of a minute in all
# Of a request with a right key; what the words of a wrong one must not bring is checked without one.
CONFORMING = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
GIVEN = {200, 401, 404, 405, 413, 415}  # what a sender's own words may bring while all works


@pytest.fixture(scope="module")
def world(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    found = World(kafka, tmp_path_factory.mktemp("fuzz"))
    found.make_topics()
    return found


@pytest.fixture(scope="module")
def doors(world: World) -> dict[str, Door]:
    return {vendor: world.door(vendor, account=f"of.{vendor}") for vendor in VENDORS}


@pytest.fixture(scope="module")
def collector(world: World, doors: dict[str, Door]) -> Iterator[Collecting]:
    with world.collector() as running:
        yield running
        assert "a fault of the collector" not in running.log
        assert running.stop() == 0


KEYS = ["event", "event_type", "type", "email", "ts", "date", "id", "properties", "events", "specversion", "data"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(KEYS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner),
    max_leaves=15,
)
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("vendor", VENDORS)
def test_whatever_the_body_is_it_is_kept_item_by_item(
    world: World, doors: dict[str, Door], collector: Collecting, vendor: str
) -> None:
    door, place = doors[vendor], urlsplit(collector.address)
    kept: list[int] = []

    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as connection:

        @hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck))
        @given(BODIES, st.sampled_from(sorted(TYPES)), st.booleans())
        def send(body: bytes, media: str, packed: bool) -> None:
            headers = {**door.headers, "Content-Type": media} | ({"Content-Encoding": "gzip"} if packed else {})
            connection.request("POST", door.path, gzip.compress(body) if packed else body, headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
            assert answer.status == 200, told
            kept.append(told["accepted"] + told["rejected"])

        send()
    found = [one for one in world.kept() if one.key == door.endpoint.account]
    assert len(found) == sum(kept)


@schemathesis.serializer("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
def lines(_context: Any, value: Any) -> bytes:
    """JSON lines of what schemathesis drew."""
    drawn = value if isinstance(value, list) else [value]
    return b"\n".join(json.dumps(one, default=str).encode() for one in drawn)


schema = schemathesis.openapi.from_dict(DOCUMENT)


@schema.parametrize()
@hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck), deadline=None)
def test_the_document_is_true_for_every_answer(case: Any, collector: Collecting, doors: dict[str, Door]) -> None:
    case.call_and_validate(base_url=collector.address)
    if case.method == "POST" and "endpoint" in (case.path_parameters or {}):
        door = doors["own"]
        case.path_parameters["endpoint"] = door.endpoint.id
    answer = case.call(base_url=collector.address, headers=doors["own"].headers)
    case.validate_response(answer, checks=CONFORMING)
    assert answer.status_code in GIVEN | {400}
