"""Whom rows stand for after the batch, whatever stands where in it."""

from __future__ import annotations

from pipeline.core.hashing import profile_keys
from pipeline.core.record import Person
from tests.events import NOON_US, SEED, event, merge, split
from tests.partition import Partition, events_of


def named(partition: Partition, *profiles: str) -> list[str | None]:
    record = partition.send(*[event("email_sent", profile_id=profile) for profile in profiles])
    return [row["person_id"] for row in events_of(record)]


def test_rows_of_a_batch_name_the_person_after_all_its_operations() -> None:
    partition = Partition()
    before, after = event("email_sent", profile_id="a"), event("sms_sent", profile_id="a")
    record = partition.send(before, merge(["a"], "b"), after, merge(["b"], "c", occurred_at=NOON_US + 1))
    found = {row["type"]: row["person_id"] for row in events_of(record) if row["profile_id"]}
    assert found == {"email_sent": "c", "sms_sent": "c"}


def test_persons_of_earlier_batches_are_known_and_those_who_left_are_themselves() -> None:
    partition = Partition()
    partition.send(merge(["a", "b"], "c"))
    assert named(partition, "a", "b", "c", "d") == ["c", "c", None, None]
    partition.send(split("c", {"a": ["b"]}, occurred_at=NOON_US + 1))
    assert named(partition, "a", "b", "c") == [None, "a", None]


def test_a_person_of_the_same_name_in_another_account_is_another() -> None:
    partition = Partition()
    partition.send(merge(["a"], "b"))
    record = partition.send(event("email_sent", profile_id="a", account_id="other"))
    assert events_of(record)[0]["person_id"] is None


def test_records_name_every_profile_of_an_operation_once() -> None:
    partition = Partition()
    record = partition.send(merge(["a"], "b"), merge(["b"], "c"), merge(["a"], "c", occurred_at=NOON_US + 1))
    assert sorted((p.profile_id, p.person_id) for p in record.persons) == [("a", "c"), ("b", "c"), ("c", "c")]
    assert sorted((r.profile_id, r.stands_for) for r in record.registers) == [("a", "c"), ("b", "c")]


def test_an_operation_that_changes_nothing_is_accepted_and_names_whom_nobody_named_before() -> None:
    partition = Partition()
    partition.send(merge(["a"], "b"))
    for named in ([Person("acme", "x", "x")], []):
        record = partition.send(merge(["a"], "x", occurred_at=NOON_US - 1))
        assert (record.accepted, record.registers, record.persons) == (1, [], named)


def test_the_source_of_a_split_is_named_too() -> None:
    record = Partition().send(split("a", {"b": ["c"]}))
    assert sorted((p.profile_id, p.person_id) for p in record.persons) == [("a", "a"), ("b", "b"), ("c", "b")]


def test_a_refused_operation_names_nobody() -> None:
    assert Partition(person_profiles_max=2).send(merge(["a", "b"], "c")).persons == []


def test_profiles_whose_keys_are_alike_are_not_taken_for_each_other() -> None:
    names = [f"p{n}" for n in range(2_000)]
    by_end: dict[int, str] = {}
    for name, key in zip(names, profile_keys([("acme", name) for name in names], SEED).tolist(), strict=True):
        if (other := by_end.setdefault(key & 0xFFFF, name)) != name:
            break
    record = Partition().send(merge([other], "known"), event("email_sent", profile_id=name))
    assert [row["person_id"] for row in events_of(record) if row["profile_id"] == name] == [None]
