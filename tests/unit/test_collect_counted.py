"""Samples of Connectif, Mindbox and canonical events through the core: uniqueness, activity, copies, dead letters."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from connectors.collect.own.deliveries import items_of
from connectors.collect.rows import Delivery, Translator, delivery
from pipeline import rfc3339
from pipeline.core import vocabulary
from pipeline.core.batch import Slab
from tests.events import SCHEMA_IDS
from tests.partition import Partition, events_of
from tests.written_samples import Row, Samples, endpoint

DAY_MS = rfc3339.parse("2026-11-17T00:00:00Z") // 1_000
TRANSLATOR = Translator(vocabulary.load(), SCHEMA_IDS)
COUNTED = ("type", "unique_open", "unique_click", "unique_link_click", "activity")


class Deliveries:
    """A vendor's samples, each sent to one partition's core as batches of a topic."""

    def __init__(self, vendor: str) -> None:
        self.samples = Samples(vendor)
        self.partition = Partition()
        self._offsets: Counter[str] = Counter()

    def send(self, file: str) -> Any:
        """The record of one delivery."""
        messages = [one.message for one in self._translated(file)]
        slabs = []
        for message in messages:
            slabs.append(Slab(message.topic, self._offsets[message.topic], DAY_MS, [message.value]))
            self._offsets[message.topic] += 1
        return self.partition.send_slabs(slabs)

    def _translated(self, file: str) -> list[Any]:
        body, vendor = (self.samples.folder / file).read_bytes(), self.samples.vendor
        if vendor.name == "own":
            request = next(row for row in self.samples.table("requests.tsv") if row["file"] == file)
            found, at = items_of(request["content_type"], json.loads(request["headers"]), body), endpoint("own")
        else:
            found, at = delivery(body, vendor), self.samples.endpoint_of(file)
        assert isinstance(found, Delivery)
        return TRANSLATOR.translated(found, at, vendor, 0)


def files(expected: list[Row]) -> list[str]:
    return list(dict.fromkeys(row["file"] for row in expected))


@pytest.mark.parametrize("vendor", ["connectif", "mindbox", "own"])
def test_samples_count_as_expected_and_their_copies_not_at_all(vendor: str) -> None:
    deliveries = Deliveries(vendor)
    samples = deliveries.samples
    for file in files(samples.expected):
        says = [row for row in samples.expected if row["file"] == file]
        found = sorted(events_of(deliveries.send(file)), key=lambda row: (row["occurred_at"], row["link"] or ""))
        assert len(found) == len(says), file
        for row, said in zip(found, sorted(says, key=lambda row: (row["occurred_at"], row["link"])), strict=True):
            assert {name: str(row[name]) for name in COUNTED} == {name: said[name] for name in COUNTED}, said
    for file in files(samples.expected):
        record = deliveries.send(file)
        assert (events_of(record), record.rejects) == ([], []), file


@pytest.mark.parametrize("vendor", ["connectif", "mindbox", "own"])
def test_what_is_refused_is_a_dead_letter_with_its_reason_and_the_deliverys_bytes(vendor: str) -> None:
    deliveries = Deliveries(vendor)
    for file in files(deliveries.samples.refused):
        says = [row["reason"] for row in deliveries.samples.refused if row["file"] == file]
        found = deliveries.send(file).rejects
        assert [one.reason for one in found] == says
        items = json.loads((deliveries.samples.folder / file).read_bytes())
        assert [json.loads(one.raw) for one in found] == (items if isinstance(items, list) else [items])
