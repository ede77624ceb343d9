"""Merges and splits: the later operation wins, whatever arrives first; loops are cut at their oldest edge."""

from __future__ import annotations

import itertools

import pytest

from pipeline.core.operations import Moves, Operations
from pipeline.core.persons import Persons
from tests.events import NOON_US, SEED, merge, split
from tests.partition import Partition, corrections_of, reasons

Step = tuple[int, Moves]  # (occurred_at, moves)


def dealt(*steps: Step, identities: tuple[int, ...] = ()) -> dict[str, str]:
    """The persons after operations on an empty state, in the order given."""
    operations = Operations(Persons(), 50, SEED)
    operations.fetch({("a", name): None for _, moves in steps for move in moves for name in move})
    for (at, moves), identity in zip(steps, identities or range(100, 200), strict=False):
        assert operations.move("a", moves, (at, identity))
    return {p.profile_id: p.person_id for p in operations.persons()}


def test_merged_profiles_stand_for_the_target() -> None:
    assert dealt((1, [("x", "z"), ("y", "z")])) == {"x": "z", "y": "z"}


def test_a_chain_is_followed_to_its_end_whatever_comes_first() -> None:
    steps = [(1, [("a", "b")]), (2, [("b", "c")]), (3, [("c", "d")])]
    for order in itertools.permutations(steps):
        assert dealt(*order) == {"a": "d", "b": "d", "c": "d"}


def test_the_later_register_wins_whatever_arrives_first() -> None:
    early, late = (1, [("a", "b")]), (2, [("a", "c")])
    assert dealt(early, late) == dealt(late, early) == {"a": "c"}


def test_of_two_at_the_same_time_the_greater_identity_wins() -> None:
    one, other = (1, [("a", "b")]), (1, [("a", "c")])
    assert dealt(one, other, identities=(5, 9)) == {"a": "c"}
    assert dealt(one, other, identities=(9, 5)) == {"a": "b"}
    assert dealt(other, one, identities=(5, 9)) == {"a": "b"}


def test_a_loop_is_cut_at_its_oldest_edge() -> None:
    steps = [(1, [("b", "c")]), (2, [("a", "b")]), (3, [("c", "a")])]
    for order in itertools.permutations(steps):
        assert dealt(*order) == {"a": "b", "c": "b"}


def test_of_two_edges_of_one_time_the_smaller_profile_s_is_cut() -> None:
    assert dealt((1, [("b", "a")]), (1, [("a", "b")]), identities=(7, 7)) == {"b": "a"}


def test_a_tail_into_a_loop_finds_the_loop_s_person() -> None:
    assert dealt((1, [("a", "b")]), (2, [("b", "a")]), (3, [("tail", "b")])) == {"b": "a", "tail": "a"}


def test_a_split_part_s_target_stands_for_itself_again() -> None:
    merged, parted = (1, [("a", "c"), ("b", "c")]), (2, [("a", "a"), ("b", "a")])
    assert dealt(merged, parted) == {"b": "a"}
    assert dealt(parted, merged) == {"b": "a"}


def test_a_split_that_is_older_than_the_merge_parts_nothing() -> None:
    assert dealt((5, [("a", "b")]), (1, [("a", "a")])) == {"a": "b"}


def test_what_a_refused_operation_said_is_forgotten() -> None:
    operations = Operations(Persons(), 2, SEED)
    operations.fetch({("a", name): None for name in "wxyz"})
    assert operations.move("a", [("x", "y")], (1, 1))
    assert not operations.move("a", [("z", "y")], (2, 2))
    assert {p.profile_id: p.person_id for p in operations.persons()} == {"x": "y"}
    assert [r.profile_id for r in operations.registers()] == ["x"]
    assert operations.move("a", [("z", "w")], (3, 3))


@pytest.mark.parametrize(("profiles", "refused"), [(49, False), (50, False), (51, True)])
def test_a_person_has_50_profiles_at_most(profiles: int, refused: bool) -> None:
    partition = Partition()
    record = partition.send(merge([f"p{n}" for n in range(1, profiles)], "p0"))
    assert reasons(record) == ["too_many_profiles"] * refused
    assert len(partition.persons()) == (0 if refused else profiles)


def test_the_cap_counts_both_sides_of_a_merge_and_all_batches() -> None:
    partition = Partition(person_profiles_max=4)
    partition.send(merge(["a"], "b"), merge(["c"], "d"))
    assert reasons(partition.send(merge(["e"], "c"), merge(["b"], "d"))) == ["too_many_profiles"]
    assert partition.persons() == {"a": "b", "b": "b", "c": "d", "d": "d", "e": "d"}


def test_a_refused_operation_is_remembered_so_its_copies_are_duplicates() -> None:
    partition = Partition(person_profiles_max=2)
    big = merge(["a", "b"], "c", event_id="big")
    record = partition.send(big, big)
    assert reasons(record) == ["too_many_profiles"]
    assert "2 profiles" in record.rejects[0].detail
    assert [d.events for d in record.duplicates] == [1]
    assert [d.events for d in partition.send(big).duplicates] == [1]
    assert record.accepted == 0


def test_the_order_of_arrival_of_merge_and_split_does_not_matter_across_batches() -> None:
    found = []
    operations = [
        merge(["a", "b"], "c", occurred_at=NOON_US - 3),
        split("c", {"a": ["b"]}, occurred_at=NOON_US - 2),
        merge(["c"], "b", occurred_at=NOON_US - 1),
    ]
    for order in itertools.permutations(operations):
        partition = Partition()
        for operation in order:
            partition.send(operation)
        found.append({profile: person for profile, person in partition.persons().items() if profile != person})
    assert found == [{"b": "a", "c": "a"}] * 6


def test_a_test_merge_does_nothing() -> None:
    partition = Partition(person_profiles_max=2)
    record = partition.send(merge(["a", "b", "c"], "d", is_test=True))
    assert record.accepted == 1
    assert record.persons == record.registers == []


def test_accounts_do_not_share_profiles() -> None:
    partition = Partition()
    partition.send(merge(["a"], "b"), merge(["b"], "a", account_id="other"))
    assert {(p.account_id, p.profile_id): p.person_id for p in partition.outcome.records[0].persons} == {
        ("acme", "a"): "b",
        ("acme", "b"): "b",
        ("other", "a"): "a",
        ("other", "b"): "a",
    }


def test_a_split_without_members_moves_nothing_that_was_counted() -> None:
    partition = Partition()
    record = partition.send(split("a", {"b": [], "c": []}))
    assert record.accepted == 1
    assert partition.persons() == {"a": "a", "b": "b", "c": "c"}
    assert corrections_of(record) == []
