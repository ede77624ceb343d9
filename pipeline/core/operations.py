"""Merges and splits of a batch, one after the other, on top of the persons as they are.

In:   moves (profile, stands_for) with the operation's (occurred_at, identity).
Out:  registers and persons that changed, and the profiles whose person did.
Late: each register keeps the later (occurred_at, identity), so the result depends on the set of operations alone
      (but for the size cap, which depends on the order of arrival).
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.core.hashing import profile_keys
from pipeline.core.persons import Persons
from pipeline.core.record import Person, Register

Pair = tuple[str, str]  # (account, profile)
Moves = list[tuple[str, str]]  # (profile, stands_for)


class Operations:
    """An overlay; the state stays as it is."""

    def __init__(self, persons: Persons, profiles_max: int, seed: int) -> None:
        self._persons, self._profiles_max, self._seed = persons, profiles_max, seed
        self._registers: dict[Pair, tuple[str, int, int] | None] = {}
        self._person: dict[Pair, str] = {}
        self._members: dict[Pair, frozenset[str]] = {}  # by (account, person)
        self._was: dict[Pair, tuple[tuple[str, int, int] | None, str, bool]] = {}
        self._unheard: set[Pair] = set()  # profiles that no operation before the batch has named
        self._named: dict[Pair, None] = {}  # by the batch's operations, in order
        self.touched: dict[Pair, None] = {}  # profiles whose group changed, in order

    def fetch(self, pairs: Iterable[Pair]) -> None:
        """Look up the profiles that operations will name, and all that they can touch."""
        by_account: dict[str, list[Pair]] = {}
        for pair in pairs:
            by_account.setdefault(pair[0], []).append(pair)
        for account, named in by_account.items():
            for profile, known in self._persons.known(profile_keys(named, self._seed)).items():
                person = known.person or profile
                self._put(account, profile, known.register, person, known.members)
            for pair in named:
                if pair not in self._was:
                    self._unheard.add(pair)
                    self._put(*pair, None, pair[1], frozenset({pair[1]}))

    def _put(
        self, account: str, profile: str, register: tuple[str, int, int] | None, person: str, members: frozenset[str]
    ) -> None:
        grouped = len(members) > 1 or person != profile
        self._registers[account, profile] = register
        self._person[account, profile] = person
        self._members[account, person] = members
        self._was[account, profile] = (register, person, grouped)

    def move(self, account: str, moves: Moves, when: tuple[int, int]) -> bool:
        """The moves of one operation at (occurred_at, identity); False: a person would have too many profiles."""
        near = frozenset[str]().union(
            *(self._members[account, self._person[account, p]] for move in moves for p in move)
        )
        before = {p: self._registers[account, p] for p, _ in moves}
        for profile, target in moves:
            register = self._registers[account, profile]
            if register is None or register[1:] < when:
                self._registers[account, profile] = (target, *when)
        groups: dict[str, set[str]] = {}
        for profile in near:
            groups.setdefault(self._follow(account, profile), set()).add(profile)
        if max(map(len, groups.values())) > self._profiles_max:
            self._registers.update({(account, p): register for p, register in before.items()})
            return False
        moved = [(p, person) for person, group in groups.items() for p in group if self._person[account, p] != person]
        self._members.update({(account, person): frozenset(group) for person, group in groups.items()})
        self._person.update({(account, profile): person for profile, person in moved})
        if moved:
            self.touched.update(dict.fromkeys((account, p) for p in sorted(near)))
        return True

    def name(self, pairs: Iterable[Pair]) -> None:
        """That an operation named these profiles, whatever became of them."""
        self._named.update(dict.fromkeys(pairs))

    def _follow(self, account: str, profile: str) -> str:
        """The person of a profile; a loop is cut at its oldest edge (of one operation's, at the smaller profile)."""
        path = [profile]
        while (register := self._registers[account, path[-1]]) and register[0] != path[-1]:
            if register[0] in path:
                loop = path[path.index(register[0]) :]
                return min(loop, key=lambda p: (*self._when(account, p), p))
            path.append(register[0])
        return path[-1]

    def _when(self, account: str, profile: str) -> tuple[int, int]:
        register = self._registers[account, profile]
        assert register is not None
        return register[1:]

    def person_of(self, pair: Pair) -> str:
        """The person of a touched profile after the batch."""
        return self._person[pair]

    def was(self, pair: Pair) -> tuple[str, bool]:
        """The person of a touched profile before the batch, and whether that had several profiles."""
        _, person, grouped = self._was[pair]
        return person, grouped

    def is_grouped(self, pair: Pair) -> bool:
        """Whether a touched profile's person has several profiles after the batch."""
        person = self._person[pair]
        return len(self._members[pair[0], person]) > 1 or person != pair[1]

    def registers(self) -> list[Register]:
        """Registers that differ from before the batch."""
        return [
            Register(pair[0], pair[1], *register)
            for pair, register in self._registers.items()
            if register is not None and register != self._was[pair][0]
        ]

    def persons(self) -> list[Person]:
        """The person of every profile whose person changed, and of every one that is named for the first time."""
        changed = [pair for pair in self.touched if self._person[pair] != self._was[pair][1]]
        first = [pair for pair in self._named if pair in self._unheard]
        return [Person(*pair, self._person[pair]) for pair in dict.fromkeys(changed + first)]
