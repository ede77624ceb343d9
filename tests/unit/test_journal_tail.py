"""The demo's look at the journal: what is no record, one without a value too, is passed over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka import Message, TopicPartition

from pipeline.core.record import Link, encode
from pipeline.demo import tail
from pipeline.settings import load
from tests.unit.test_record import EMPTY

JOURNAL = [None, b"", encode(EMPTY, Link(1, 0, "w"))]


class Journal:
    """An empty journal of one partition, into which the records come after it was looked at."""

    def __init__(self, _client: Mapping[str, object]) -> None: ...

    def get_watermark_offsets(self, _place: TopicPartition, timeout: float) -> tuple[int, int]:
        return 0, 0

    def assign(self, _places: list[TopicPartition]) -> None: ...

    def consume(self, _most: int, timeout: float) -> list[Message]:
        return [Message(topic="journal", partition=0, offset=at, value=value) for at, value in enumerate(JOURNAL)]


def test_a_journal_entry_without_a_value_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "Consumer", Journal)
    settings = load({"topics.partitions": 1, "kafka.bootstrap_servers": "127.0.0.1:9"}, {}, tmp_path)
    totals = tail.JournalTail(settings).look()
    assert (totals.writers, totals.rivals) == ({"w"}, 0)
