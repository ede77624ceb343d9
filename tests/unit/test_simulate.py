"""Simulated traffic: one seed gives one stream, and the core decides about it what the simulator says it must."""

from __future__ import annotations

import io
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import fastavro
import pytest

import schemas
from connectors.producer.rows import Message, Translator
from connectors.simulator.bulk import Bulk
from connectors.simulator.rows import Story
from connectors.simulator.service import FileOut, publish
from connectors.simulator.settings import Traffic
from connectors.simulator.truth import ACCEPTED, DUPLICATE, Bytes, Item, Truth
from pipeline import schema_ids
from pipeline.core import decide, fold, vocabulary, window
from pipeline.core.batch import Slab
from pipeline.core.context import RULES_VERSION, Context, fingerprint
from pipeline.core.reasons import Reject
from pipeline.core.record import Rules as CoreRules
from pipeline.core.state import State
from pipeline.settings_tree import Rules
from pipeline.topics import SOURCE_TOPICS, schema_of

START = 1_795_255_200_000_000  # 2026-11-21T10:00:00Z
SEED_OF_HASHES = 5
BATCH_EVENTS = 1_000
IDS = schema_ids.committed()
NEWEST = schema_ids.newest(IDS)
VOCABULARY = vocabulary.load()


def traffic(seed: int, events: int | None = 10_000, rate: float = 0, **rules: int) -> Traffic:
    return Traffic(seed, events, 6, START, rate, Rules(**rules))


class Partition:
    """One partition, its events decided and folded by the core batch by batch."""

    def __init__(self, rules: Rules) -> None:
        core = CoreRules(
            RULES_VERSION,
            rules.window_days,
            rules.future_minutes_max,
            rules.unique_days,
            rules.person_profiles_max,
            fingerprint(SEED_OF_HASHES),
        )
        self._context = Context(core, SEED_OF_HASHES, schema_ids.writer_schemas(IDS), VOCABULARY)
        self._state = State()
        self._next: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self.rejects: dict[tuple[str, int], str] = {}

    def read(self, records: Iterable[tuple[str, bytes | None]]) -> None:
        """One batch."""
        values: dict[str, list[bytes | None]] = defaultdict(list)
        for topic, value in records:
            values[topic].append(value)
        slabs = [Slab(topic, self._next[topic], START // 1000, content) for topic, content in values.items()]
        for part in window.cut_days(self._state.stream_time, slabs):
            record = decide.decide(self._state, part, self._context)
            fold.apply(self._state, record, SEED_OF_HASHES)
            self.fates[ACCEPTED] += record.accepted
            self.fates[DUPLICATE] += sum(copies.events for copies in record.duplicates)
            self.fates.update(reject.reason for reject in record.rejects)
            self.rejects.update({(reject.topic, reject.offset): reject.reason for reject in record.rejects})
        for topic, content in values.items():
            self._next[topic] += len(content)


def batches(items: Iterable[Item]) -> Iterable[list[Item]]:
    rest = iter(items)
    while batch := list(itertools.islice(rest, BATCH_EVENTS)):
        yield batch


@pytest.mark.parametrize("rules", [{}, {"window_days": 1, "person_profiles_max": 2, "future_minutes_max": 0}])
def test_the_core_decides_what_the_simulator_foretells(rules: dict[str, int], seed: int) -> None:
    shape = traffic(seed, **rules)
    partition, truth, form = Partition(shape.rules), Truth(), Bytes(NEWEST)
    foretold: dict[tuple[str, int], str] = {}
    for batch in batches(Story(shape, VOCABULARY).items()):
        partition.read((item.topic, form.value(item)) for item in batch)
        for item in batch:
            foretold[item.topic, truth.topics[item.topic]] = item.fate
            truth.count(item.topic, item.fate)
    assert partition.rejects == {place: fate for place, fate in foretold.items() if fate not in (ACCEPTED, DUPLICATE)}
    assert partition.fates == truth.fates


def test_every_topic_and_every_reason_is_met(seed: int) -> None:
    truth = Truth()
    for item in Story(traffic(seed, 20_000), VOCABULARY).items():
        truth.count(item.topic, item.fate)
    assert set(truth.topics) == set(SOURCE_TOPICS)
    assert set(truth.fates) == {ACCEPTED, DUPLICATE, *Reject}
    facts = truth.facts()
    expected = facts["expected"]
    assert expected["accepted"] + expected["duplicates"] + sum(expected["rejected"].values()) == facts["published"]
    assert facts["published"] == 20_000


def test_one_seed_and_start_give_one_stream() -> None:
    one, other, third = (list(Story(traffic(seed, 2_000), VOCABULARY).items()) for seed in (3, 3, 4))
    assert one == other
    assert one != third


def test_traffic_without_end_is_live() -> None:
    story = Story(traffic(1, None, rate=100), VOCABULARY)
    items = list(itertools.islice(story.items(), 3_000))
    in_time = [item.event["occurred_at"] for item in items if item.event and item.fate == ACCEPTED]
    assert max(in_time) <= START + 30_000_000
    assert sorted(in_time)[len(in_time) // 2] > START


def test_thresholds_are_crossed_in_a_run() -> None:
    shape = traffic(2, 20_000)
    used: Counter[str] = Counter()
    allowance: dict[str, int] = {}
    for item in Story(shape, VOCABULARY).items():
        if item.event and item.event.get("plan") and item.fate == ACCEPTED:
            allowance.setdefault(item.account, item.event["plan"]["allowance"])
        if item.event and item.fate == ACCEPTED and VOCABULARY.types[item.event["type"]].activity:
            used[item.account] += 1
    ratios = sorted(used[account] / allowance[account] for account in allowance)
    assert ratios[0] < 0.5
    assert ratios[-1] > 1.0
    assert len(used) > len(allowance)


def test_a_file_holds_what_tally_produce_takes_and_says_what_it_leaves_out() -> None:
    shape, truth, file = traffic(6, 4_000), Truth(), io.StringIO()
    translator = Translator(VOCABULARY, NEWEST)
    publish(Story(shape, VOCABULARY).items(), FileOut(file, translator), truth, 0, lambda: False, lambda: None)
    lines = file.getvalue().splitlines()
    assert len(lines) == truth.facts()["published"] < 4_000
    assert sum(truth.left_out.values()) == 4_000 - len(lines)
    found = [translator.translate(line.encode(), number) for number, line in enumerate(lines, 1)]
    assert all(isinstance(message, Message) for message in found)
    form = Bytes(NEWEST)
    sent = [form.value(item) for item in Story(shape, VOCABULARY).items() if item.fate in (ACCEPTED, DUPLICATE)]
    values = [message.value for message in found if isinstance(message, Message)]
    assert not Counter(sent) - Counter(values), "an event is the same bytes on both ways"


def test_publishing_stops_when_it_is_told_to() -> None:
    truth = Truth()
    out = FileOut(io.StringIO(), Translator(VOCABULARY, NEWEST))
    items = Story(traffic(1, None, rate=1), VOCABULARY).items()
    publish(items, out, truth, 0, lambda: truth.topics.total() >= 10, lambda: None)
    assert truth.topics.total() == 10


@pytest.fixture(scope="module")
def bulk_blocks() -> list[Any]:
    return list(Bulk(Traffic(9, 35_000, 300, START, 0, Rules()), NEWEST).blocks())


def test_bulk_events_are_valid_and_of_their_topic(bulk_blocks: list[Any]) -> None:
    for topic, records in bulk_blocks[0].topics.items():
        avro = schemas.avro(f"events/{schema_of(topic)}.v1.avsc")
        for record in records[:300]:
            body = io.BytesIO(record["value"][5:])
            event: Any = fastavro.schemaless_reader(body, avro, None)
            assert not body.read()
            assert VOCABULARY.types[event["type"]].topic == topic
            assert record["key"].decode() == event["account_id"]


def test_the_core_accepts_all_bulk_events_but_the_copies(bulk_blocks: list[Any]) -> None:
    partition, truth = Partition(Rules()), Truth()
    for block in bulk_blocks:
        partition.read((topic, record["value"]) for topic, records in block.topics.items() for record in records)
        block.count(truth)
    assert truth.topics.total() == 35_000
    assert partition.fates == truth.fates
    assert 0.04 < truth.fates[DUPLICATE] / 35_000 < 0.06
    assert truth.topics["events.profile"] > 10


def test_each_bulk_record_is_an_object_of_its_own_for_kafka_marks_those_that_it_refuses(bulk_blocks: list[Any]) -> None:
    records = [id(record) for block in bulk_blocks for records in block.topics.values() for record in records]
    assert len(set(records)) == len(records)


def test_bulk_is_one_stream_for_one_seed(bulk_blocks: list[Any]) -> None:
    again = next(Bulk(Traffic(9, 35_000, 300, START, 0, Rules()), NEWEST).blocks())
    assert again == bulk_blocks[0]


def test_an_events_json_says_only_what_it_says() -> None:
    story = Story(traffic(1, 50), VOCABULARY)
    item = next(item for item in story.items() if item.event and item.fate == ACCEPTED)
    from connectors.simulator.service import text

    said = json.loads(text(item))
    assert None not in said.values()
    assert said["occurred_at"].endswith("Z")
