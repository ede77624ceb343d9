"""Merges and splits of a batch, one after the other, on top of the persons as they are.

In:   moves (profile, stands_for) with the operation's (occurred_at, identity).
Out:  registers and persons that changed, and the profiles whose person did.
Late: each register keeps the later (occurred_at, identity), so the result depends on the set of operations alone
      (but for the size cap, which depends on the order of arrival).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from pipeline.core.hashing import profile_keys
from pipeline.core.persons import Persons, Stand
from pipeline.core.record import Person, Register

Pair = tuple[str, str]  # (account, profile)
Moves = list[tuple[str, str]]  # (profile, stands_for)
_BY_NAME = attrgetter("name")


class Group(NamedTuple):
    """A person: the profile that names it, and all its profiles, that one among them."""

    person: Member
    profiles: tuple[Member, ...]


class Member:
    """A profile that operations can touch: as it was before the batch, and as it stands now."""

    __slots__ = ("account", "group", "is_heard", "key", "name", "register", "was", "was_register")

    group: Group
    was: Group

    def __init__(self, account: str, name: str, key: int, register: Stand | None, is_heard: bool) -> None:
        self.account, self.name, self.key = account, name, key
        self.register = self.was_register = register
        self.is_heard = is_heard  # whether an operation before the batch has named it


class Operations:
    """An overlay; the state stays as it is."""

    def __init__(self, persons: Persons, profiles_max: int, seed: int) -> None:
        self._persons, self._profiles_max, self._seed = persons, profiles_max, seed
        self._members: dict[str, dict[str, Member]] = {}  # by account and profile
        self._named: list[Pair] = []  # by the batch's operations, in order
        self.touched: dict[Member, None] = {}  # profiles whose group changed, in order

    def fetch(self, pairs: Iterable[Pair]) -> None:
        """Look up the profiles that operations will name, and all that they can touch."""
        named = list(pairs)
        keys = profile_keys(named, self._seed)
        for known in self._persons.known(keys):
            account = named[known.at][0]
            of = self._members.setdefault(account, {})
            members = tuple(Member(account, name, key, register, True) for name, key, register in known.profiles)
            of.update((member.name, member) for member in members)
            group = Group(of[known.person], members)
            for member in members:
                member.group = member.was = group
        for (account, name), key in zip(named, keys.tolist(), strict=True):
            of = self._members.setdefault(account, {})
            if name not in of:
                of[name] = member = Member(account, name, key, None, False)
                member.group = member.was = Group(member, (member,))

    def move(self, account: str, moves: Moves, when: tuple[int, int]) -> bool:
        """The moves of one operation at (occurred_at, identity); False: a person would have too many profiles."""
        of = self._members[account]
        near = _near([of[name] for move in moves for name in move])
        before = [(of[name], of[name].register) for name, _ in moves]
        for name, target in moves:
            member = of[name]
            if member.register is None or member.register[1:] < when:
                member.register = (target, *when)
        groups: dict[Member, list[Member]] = {}
        for member in near:
            groups.setdefault(_person(member, of), []).append(member)
        if max(map(len, groups.values())) > self._profiles_max:
            for member, register in before:
                member.register = register
            return False
        has_moved = False
        for person, members in groups.items():
            group = Group(person, tuple(members))
            for member in members:
                has_moved = has_moved or member.group.person is not person
                member.group = group
        if has_moved:
            self.touched.update(dict.fromkeys(near))
        return True

    def name(self, pairs: Iterable[Pair]) -> None:
        """That an operation named these profiles, whatever became of them."""
        self._named.extend(pairs)

    def registers(self) -> list[Register]:
        """Registers that differ from before the batch."""
        return [
            Register(account, member.name, *member.register)
            for account, of in self._members.items()
            for member in of.values()
            if member.register is not None and member.register != member.was_register
        ]

    def persons(self) -> list[Person]:
        """The person of every profile whose person changed, and of every one that is named for the first time."""
        changed = [member for member in self.touched if member.group.person is not member.was.person]
        named = [self._members[account][name] for account, name in dict.fromkeys(self._named)]
        first = [member for member in named if not member.is_heard]
        return [Person(m.account, m.name, m.group.person.name) for m in dict.fromkeys(changed + first)]


def _near(named: list[Member]) -> list[Member]:
    """All profiles of the persons of these, by name."""
    groups = {id(member.group): member.group.profiles for member in named}
    return sorted(chain.from_iterable(groups.values()), key=_BY_NAME)


def _person(member: Member, of: dict[str, Member]) -> Member:
    """The person of a profile; a loop is cut at its oldest edge (of one operation's, at the smaller profile)."""
    path = [member]
    while (register := path[-1].register) and register[0] != path[-1].name:
        target = of[register[0]]
        if target in path:
            return min(path[path.index(target) :], key=_edge)
        path.append(target)
    return path[-1]


def _edge(member: Member) -> tuple[int, int, str]:
    assert member.register is not None
    return *member.register[1:], member.name
