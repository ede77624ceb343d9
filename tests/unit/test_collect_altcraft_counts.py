"""Altcraft's samples through the core: what counts as unique is what the hand-written expectations say."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

from connectors.collect.endpoint import Endpoint
from connectors.collect.rows import Translated, Translator
from connectors.collect.vendors import VENDORS
from pipeline import rfc3339
from pipeline.core import refused, vocabulary
from pipeline.core.batch import Slab
from pipeline.core.record import Record
from tests.events import SCHEMA_IDS
from tests.partition import Partition, events_of, reasons

SAMPLES = Path(__file__).parents[1] / "data" / "vendors" / "altcraft"
ENDPOINT = Endpoint("e1", "altcraft", "acme", "altcraft")
TRANSLATOR = Translator(vocabulary.load(), SCHEMA_IDS)
ARRIVED_MS = rfc3339.parse("2026-11-16T14:00:00Z") // 1000
KINDS = ("unique_open", "unique_click", "unique_link_click")

Item = tuple[str, int]  # file, item number


def table(name: str) -> dict[Item, dict[str, str]]:
    with (SAMPLES / name).open(encoding="utf-8", newline="") as file:
        return {(row["file"], int(row["item"])): row for row in csv.DictReader(file, delimiter="\t")}


EXPECTED, REFUSED = table("expected.tsv"), table("refused.tsv")


def translated(body: bytes) -> list[Translated]:
    return TRANSLATOR.messages(body, ENDPOINT, VENDORS["altcraft"], ARRIVED_MS * 1000)


def messages() -> dict[Item, Translated]:
    found = {}
    for path in sorted(SAMPLES.glob("*.json")):
        for number, one in enumerate(translated(path.read_bytes())):
            found[path.name, number] = one
    return found


class Topics:
    """The topics of one partition: where each message went, in batches that the core decides."""

    def __init__(self) -> None:
        self.partition = Partition(window_days=7)
        self.next: Counter[str] = Counter()
        self.item: dict[tuple[str, int], Item] = {}

    def send(self, sent: dict[Item, Translated]) -> Record:
        slabs = []
        for item, one in sent.items():
            topic = one.message.topic
            self.item[topic, self.next[topic]] = item
            slabs.append(Slab(topic, self.next[topic], ARRIVED_MS, [one.message.value]))
            self.next[topic] += 1
        return self.partition.send_slabs(slabs)


def test_one_batch_of_all_samples_counts_what_is_expected() -> None:
    topics, sent = Topics(), messages()
    record = topics.send(sent)
    assert sorted(reasons(record)) == sorted(row["reason"] for row in REFUSED.values())
    counted: dict[Item, dict[str, Any]] = {}
    for row in events_of(record):
        counted[topics.item[row["origin_topic"], row["origin_offset"]]] = row
    assert counted.keys() == EXPECTED.keys()
    for item, row in counted.items():
        assert {kind: str(row[kind]) for kind in KINDS} == {kind: EXPECTED[item][kind] for kind in KINDS}, item


def test_one_open_with_its_uopen_is_one_open_and_one_unique_in_either_order_and_any_batches() -> None:
    sent = messages()
    for first, second in ((0, 1), (1, 0)):
        for together in (True, False):
            topics = Topics()
            pair = {("batch_open_and_uopen.json", n): sent["batch_open_and_uopen.json", n] for n in (first, second)}
            for batch in [pair] if together else [{item: one} for item, one in pair.items()]:
                topics.send(batch)
            rows = topics.partition.outcome.rows
            assert Counter(row["type"] for row in rows if row["hits"]) == {"email_opened": 1, "email_unique_opened": 1}
            assert topics.partition.uniques() == {"unique_open": 1, "unique_click": 0, "unique_link_click": 0}


def test_vibers_unique_click_adds_to_the_message_and_to_no_link() -> None:
    sent = messages()
    whole, alone = Topics(), Topics()
    whole.send({item: one for item, one in sent.items() if item[0] == "batch_viber.json"})
    assert whole.partition.uniques() == {"unique_open": 0, "unique_click": 1, "unique_link_click": 2}
    alone.send({("viber_uclick.json", 0): sent["viber_uclick.json", 0]})
    assert alone.partition.uniques() == {"unique_open": 0, "unique_click": 1, "unique_link_click": 0}


def test_samples_one_by_one_and_backwards_have_the_same_sums() -> None:
    topics, backwards = Topics(), Topics()
    topics.send(messages())
    for item, one in reversed(messages().items()):
        backwards.send({item: one})
    assert topics.partition.uniques() == backwards.partition.uniques()
    assert topics.partition.uniques() == {kind: sum(int(row[kind]) for row in EXPECTED.values()) for kind in KINDS}


def test_a_delivery_again_whole_or_in_part_and_with_another_contact_changes_nothing() -> None:
    topics = Topics()
    topics.send(messages())
    before = topics.partition.uniques()
    again = {}
    for path in sorted(SAMPLES.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for number, item in enumerate(document if isinstance(document, list) else [document]):
            item["custom_data"], item["sends_trying_num"] = {"email": "new@example.org"}, 3
            (again[path.name, number],) = translated(json.dumps([item]).encode())
    for sent in (again, dict(list(again.items())[::3])):
        record = topics.send({item: one for item, one in sent.items() if one.refusal is None})
        assert record.accepted == 0
        assert not record.rejects
    assert topics.partition.uniques() == before


def test_a_refused_item_is_a_message_with_its_own_bytes() -> None:
    for item, one in messages().items():
        assert (one.refusal is not None) == (item in REFUSED)
        if one.refusal is not None:
            assert one.message.topic == refused.TOPIC


def test_a_number_beyond_all_numbers_is_kept_as_a_property_or_refused_as_an_id() -> None:
    kept = b'{"event_type":"hbounce","event_date":"2026-11-16T10:00:00Z","event_data":{"code":1e999}}'
    (one,) = translated(kept)
    assert one.event is not None
    assert one.event.fields["properties"] == {"code": "Infinity"}
    (one,) = translated(kept.replace(b"code", b"campaign_id"))
    assert one.refusal is not None


def test_a_message_that_is_nested_as_deeply_as_can_be_read_is_an_event_or_a_refusal() -> None:
    for depth in range(800, 1000, 7):
        body = b'{"event_type":"hbounce","event_date":"2026-11-16T10:00:00Z","event_data":{"a":' + b"[" * depth
        (one,) = translated(body + b"]" * depth + b"}}")
        assert (one.event is None) == (one.refusal is not None)
