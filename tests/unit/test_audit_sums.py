"""The journal's own sums and what the folded state says: equal for histories that the core decided."""

from __future__ import annotations

import random

import pytest

from pipeline.audit import folded
from pipeline.audit.folded import Absolutes, Moved, bucket_of
from pipeline.audit.sums import Sums, day, instant, signed
from pipeline.core import fold
from pipeline.core.record import Allowance, Record, decode
from pipeline.core.state import State
from tests.events import NOON_US, SEED, event, merge, plan, split
from tests.integration.audit_world import journal
from tests.partition import Partition

WHO = ("acme",)


def summed(partition: Partition) -> Sums:
    sums = Sums(0)
    for record in partition.outcome.records:
        sums.take(record)
    return sums


def opened(profile: str, **fields: object) -> dict[str, object]:
    return event("email_opened", profile_id=profile, campaign_id="c", message_id="m", **fields)


def test_rows_add_up_by_verb_and_day_tests_aside() -> None:
    partition = Partition()
    partition.send(opened("p1"), opened("p1"), opened("p2", is_test=True), event("email_sent", profile_id="p1"))
    sums = summed(partition)
    found = sums.engagement(WHO)
    of_campaign = found["acme", "c", "email", "2024-03-01"]
    assert (of_campaign["opened"], of_campaign["unique_opened"], of_campaign["events"]) == (2, 1, 2)
    assert found["acme", "", "email", "2024-03-01"]["sent"] == 1
    assert sums.engagement(("other",)) == {}
    assert sums.conservation()["events.email", "0"] == {
        "read": 4,
        "accepted": 4,
        "duplicates": 0,
        "rejected": 0,
        "accepted in engagement": 4,
        "sum of offsets": 6,
    }


def test_the_state_says_the_same_uniques_before_and_after_a_merge_and_a_split() -> None:
    partition = Partition()
    partition.send(opened("p1"), opened("p2"), opened("p3"))
    for operation in (merge(["p1"], "p2"), merge(["p3"], "p2"), split("p2", {"x": ["p1"]}, occurred_at=NOON_US + 9)):
        partition.send(operation)
        rows = summed(partition).engagement(WHO)["acme", "c", "email", "2024-03-01"]
        state = folded.uniques(partition.state, partition.context.rules, WHO)
        assert state["acme", "c", "email", "2024-03-01"]["unique_opened"] == rows["unique_opened"]
    assert rows["unique_opened"] == 2


@pytest.mark.parametrize("number", range(5))
def test_rows_and_state_agree_on_a_whole_journal(number: int) -> None:
    sums, state, accounts = Sums(0), State(), ("acc-0-a", "acc-0-b")
    for value in journal(0, random.Random(number)):
        record = decode(value)[1]
        sums.take(record)
        fold.apply(state, record, SEED)
    rows = {
        key: {name: numbers[name] for name in folded.UNIQUES}
        for key, numbers in sums.engagement(accounts).items()
        if any(numbers[name] for name in folded.UNIQUES)
    }
    assert rows
    assert folded.uniques(state, record.rules, accounts) == rows


def test_days_before_the_horizon_say_nothing() -> None:
    partition = Partition(unique_days=10)
    partition.send(opened("p1"))
    assert folded.first_day(partition.state, partition.context.rules) == "2024-02-20"


def test_persons_are_told_as_the_registers_say() -> None:
    partition, moved = Partition(), Moved(SEED)
    apart = split("p3", {"x": ["p1"]}, occurred_at=NOON_US + 9)
    for operation in (merge(["p1", "p2"], "p3"), apart):
        moved.take(partition.send(operation).persons)
    found = moved.persons(partition.state, WHO)
    assert sum(numbers["moved"] for numbers in found.values()) == 2
    assert moved.pairs(partition.state, "acme", bucket_of("p1")) == {"p1": "x"}
    assert moved.pairs(partition.state, "acme", bucket_of("p2")) == {"p2": "p3"}
    assert moved.pairs(partition.state, "nobody", 0) == {}


def test_an_account_whose_profiles_all_stand_for_themselves_says_nothing() -> None:
    partition, moved = Partition(), Moved(SEED)
    record = partition.send(merge(["p1"], "p3"))
    moved.take([person for person in record.persons if person.profile_id == person.person_id])
    assert moved.persons(partition.state, WHO) == {}


def test_cycles_are_the_last_word_and_alerts_are_added_up() -> None:
    partition, absolutes = Partition(), Absolutes()
    absolutes.take(partition.send(plan(2, thresholds=[0.5, 1.0])))
    absolutes.take(partition.send(opened("p1"), opened("p2")))
    assert absolutes.allowance(WHO)["acme", "2024-03-01 00:00:00"]["allowance"] == 2
    assert {key[3] for key in absolutes.alerts(WHO)} <= {"500000", "1000000"}
    assert absolutes.alerts(WHO)
    assert absolutes.alerts(("other",)) == {}


def test_a_cycle_whose_end_was_moved_is_noted() -> None:
    absolutes = Absolutes()
    cycle = Allowance("acme", NOON_US, NOON_US + 10, 1, 1, None, ())
    for one in (cycle, cycle._replace(used=2), cycle._replace(account_id="other", cycle_end=NOON_US + 9)):
        absolutes.take(Record(Partition().context.rules, NOON_US, [], allowance=[one]))
    assert absolutes.stretched == set()
    absolutes.take(Record(Partition().context.rules, NOON_US, [], allowance=[cycle._replace(cycle_end=NOON_US + 20)]))
    assert absolutes.stretched == {("acme", "2024-03-01 12:00:00")}


def test_instants_and_sums_are_written_as_clickhouse_writes_them() -> None:
    assert (day(0), day(19_783), instant(1_709_294_400_000_000)) == ("1970-01-01", "2024-03-01", "2024-03-01 12:00:00")
    assert (signed(1 << 63), signed((1 << 64) + 5), signed(7)) == (-(1 << 63), 5, 7)
