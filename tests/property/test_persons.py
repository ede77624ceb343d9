"""Registers and persons in columns against dicts."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.hashing import profile_keys
from pipeline.core.persons import Persons
from pipeline.core.record import Person, Register
from tests.events import SEED
from tests.property.budget import examples

Pair = tuple[str, str]
PAIRS: list[Pair] = [(account, f"profile {n} ä"[: 4 + n]) for account in "ab" for n in range(1, 9)]


class Model:
    """What a state of persons says, as dicts."""

    def __init__(self) -> None:
        self.registers: dict[Pair, tuple[str, int, int]] = {}
        self.person: dict[Pair, str] = {}

    def person_of(self, pair: Pair) -> str:
        return self.person.get(pair, pair[1])

    def members(self, pair: Pair) -> frozenset[str]:
        same = {p for a, p in PAIRS if a == pair[0] and self.person_of((a, p)) == self.person_of(pair)}
        return frozenset(same)


def regrouped(model: Model, dice: random.Random) -> list[Person]:
    """Two persons of one account dealt anew, at random; each new group has one of its own profiles for its person."""
    account = dice.choice("ab")
    chosen = dice.sample([pair for pair in PAIRS if pair[0] == account], 2)
    profiles = sorted(model.members(chosen[0]) | model.members(chosen[1]))
    groups: dict[int, list[str]] = {}
    for profile in profiles:
        groups.setdefault(dice.randrange(3), []).append(profile)
    dealt = {profile: person for group in groups.values() for person in [dice.choice(group)] for profile in group}
    return [Person(account, p, dealt[p]) for p in profiles if dealt[p] != model.person_of((account, p))]


def registered(dice: random.Random) -> list[Register]:
    named = dice.sample(PAIRS, dice.randrange(4))
    return [Register(*pair, dice.choice(PAIRS)[1], dice.randrange(100), dice.randrange(1 << 64)) for pair in named]


def check(persons: Persons, model: Model) -> None:
    keys = profile_keys(PAIRS, SEED)
    nodes, person_keys = persons.find(keys)
    for n, pair in enumerate(PAIRS):
        several = len(model.members(pair)) > 1
        assert (nodes[n] > 0) == several
        assert person_keys[n] == profile_keys([(pair[0], model.person_of(pair))], SEED)[0]
        if several:
            assert persons.names([int(nodes[n])]) == [model.person_of(pair)]
    for n, pair in enumerate(PAIRS):
        if not (known := persons.known(keys[n : n + 1])):
            assert len(model.members(pair)) == 1
            assert pair not in model.registers
        for one in known:
            assert {name for name, *_ in one.profiles} == model.members(pair)
            assert one.person == model.person_of(pair)
            for profile, key, register in one.profiles:
                assert register == model.registers.get((pair[0], profile))
                assert key == keys[PAIRS.index((pair[0], profile))]
    assert_all_at_once(persons, model)


def assert_all_at_once(persons: Persons, model: Model) -> None:
    """What many keys lead to is what each leads to, each person once."""
    found = [
        (PAIRS[one.at][0], frozenset(name for name, *_ in one.profiles))
        for one in persons.known(profile_keys(PAIRS, SEED))
    ]
    assert len(set(found)) == len(found)
    assert all(members == model.members((account, next(iter(members)))) for account, members in found)


@given(st.integers(0, 1 << 32), st.integers(1, 25))
@examples()
def test_persons_in_columns_say_what_dicts_say(seed: int, steps: int) -> None:
    dice, persons, model = random.Random(seed), Persons(), Model()
    for _ in range(steps):
        changed, registers = regrouped(model, dice), registered(dice)
        persons.apply(registers, changed, SEED)
        model.person |= {(p.account_id, p.profile_id): p.person_id for p in changed}
        model.registers |= {(r.account_id, r.profile_id): r[2:] for r in registers}
        if dice.randrange(4) == 0:
            persons = Persons.of({name: column.copy() for name, column in persons.dump().items()})
    check(persons, model)
