"""Applying records: absolute, and the same again for the same bytes."""

from __future__ import annotations

from pipeline.core import fold
from pipeline.core.record import Record
from pipeline.core.state import State
from tests.events import NOON_US, SEED, context, event
from tests.partition import Partition
from tests.property.running import frozen


def test_a_record_that_read_nothing_moves_stream_time_alone() -> None:
    before, after = State(), State()
    fold.apply(after, Record(rules=context().rules, stream_time=NOON_US, sources=[]), SEED)
    assert after.stream_time == NOON_US
    after.stream_time = after.remembers_since = 0  # with the time goes the day from which on all is remembered
    after.log.limit = before.log.limit  # and that before which facts are dead
    columns = (frozen(state) for state in (before, after))
    assert next(columns) == next(columns)


def test_expiry_follows_the_rules_of_the_record_not_those_of_the_reader() -> None:
    day_ms = 86_400_000
    partition = Partition(unique_days=8)
    partition.send(event("email_opened", profile_id="p", message_id="m"))
    later = NOON_US + 9 * day_ms * 1000
    record = partition.send(event("email_sent", occurred_at=later), at_ms=later // 1000)
    assert record.rules.unique_days == 8
    assert partition.state.held.count == 0


def test_labels_are_numbered_once_and_for_good() -> None:
    partition = Partition()
    for campaign in ("c1", "c2", "c1", None):
        partition.send(event("email_opened", profile_id=f"p{campaign}", message_id="m", campaign_id=campaign))
    named = [(label.campaign_id, number) for label, number in partition.state.labels.items()]
    assert named == [("c1", 0), ("c2", 1), (None, 2)]
