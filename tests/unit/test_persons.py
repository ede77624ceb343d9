"""Persons in columns: who belongs together, snapshots, names of any length."""

from __future__ import annotations

from pipeline.core.columns import SIZE_MIN
from pipeline.core.hashing import profile_keys
from pipeline.core.persons import Persons
from pipeline.core.record import Person, Register
from tests.events import SEED, event, merge
from tests.partition import Partition


def person(profile: str, stands_for: str) -> Person:
    return Person("a", profile, stands_for)


def of(persons: Persons, *profiles: str) -> list[str]:
    keys = profile_keys([("a", profile) for profile in profiles], SEED)
    nodes, _ = persons.find(keys)
    return [persons.names([node])[0] if node else "" for node in nodes.tolist()]


def members(persons: Persons, profile: str) -> set[str]:
    known = persons.known(profile_keys([("a", profile)], SEED))
    return {name for one in known for name, *_ in one.profiles}


def test_the_person_itself_is_one_of_its_profiles() -> None:
    persons = Persons()
    persons.apply([], [person("x", "z"), person("y", "z")], SEED)
    assert of(persons, "x", "y", "z", "other") == ["z", "z", "z", ""]
    for name in "xyz":
        assert members(persons, name) == {"x", "y", "z"}


def test_who_is_left_alone_stands_for_itself() -> None:
    persons = Persons()
    persons.apply([], [person("x", "y")], SEED)
    persons.apply([], [person("x", "x")], SEED)
    assert of(persons, "x", "y") == ["", ""]
    assert members(persons, "y") == {"y"}


def test_a_person_may_be_named_by_another_of_its_profiles() -> None:
    persons = Persons()
    persons.apply([], [person("x", "y")], SEED)
    persons.apply([], [person("x", "x"), person("y", "x")], SEED)
    assert of(persons, "x", "y") == ["x", "x"]
    assert members(persons, "x") == {"x", "y"}


def test_two_persons_become_one_and_part_again() -> None:
    persons = Persons()
    persons.apply([], [person("a", "b"), person("c", "d")], SEED)
    persons.apply([], [person("a", "d"), person("b", "d")], SEED)
    assert members(persons, "c") == {"a", "b", "c", "d"}
    persons.apply([], [person("a", "a"), person("b", "a")], SEED)
    assert (members(persons, "a"), members(persons, "c")) == ({"a", "b"}, {"c", "d"})


def test_persons_are_known_by_the_keys_that_lead_to_them_each_once() -> None:
    persons = Persons()
    persons.apply([], [person("x", "z"), person("y", "z"), person("alone", "alone")], SEED)
    pairs = [("a", "stranger"), ("a", "y"), ("a", "alone"), ("a", "x"), ("b", "x")]
    known = persons.known(profile_keys(pairs, SEED))
    assert sorted((one.at, one.person, len(one.profiles)) for one in known) == [(1, "z", 3), (2, "alone", 1)]
    keys = {name: key for one in known for name, key, _ in one.profiles}
    assert list(keys.values()) == profile_keys([("a", name) for name in keys], SEED).tolist()


def test_registers_are_kept_with_their_operation_s_time_and_identity() -> None:
    persons = Persons()
    persons.apply([Register("a", "x", "z", -5, (1 << 64) - 1)], [person("x", "z")], SEED)
    (known,) = persons.known(profile_keys([("a", "x")], SEED))
    registers = {name: register for name, _, register in known.profiles}
    assert registers == {"x": ("z", -5, (1 << 64) - 1), "z": None}


def test_names_of_any_length_and_more_of_them_than_fit_at_first() -> None:
    persons = Persons()
    names = [f"{'ä' * (n % 200)}{n}" for n in range(SIZE_MIN + 50)]
    persons.apply([], [person(name, names[0]) for name in names[1:]], SEED)
    assert of(persons, names[1], names[-1]) == [names[0]] * 2
    again = Persons.of({name: column.copy() for name, column in persons.dump().items()})
    assert of(again, names[1], names[-1]) == [names[0]] * 2
    again.apply([], [person("new", names[0])], SEED)
    assert "new" in members(again, names[0])


def test_the_target_of_a_merge_shares_its_uniques_from_the_next_batch_on() -> None:
    partition = Partition()
    partition.send(merge(["a"], "b"))
    partition.send(event("email_opened", profile_id="a", message_id="m"))
    partition.send(event("email_opened", profile_id="b", message_id="m"))
    assert partition.uniques()["unique_open"] == 1
