"""Whom profiles stand for: the state of merges and splits, in columns.

A node is a profile that an operation has named. It has a register (stands_for, occurred_at, identity) and a person;
the profiles of a person of several are chained. About 80 bytes a node, its name included.
Profiles that no operation has named are not here: each is its own person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.columns import GROWN, GROWN_SMALL, Columns
from pipeline.core.hashing import Hashes, Ints, Mask, profile_keys
from pipeline.core.record import Person, Register
from pipeline.core.table import HashTable
from pipeline.core.undo import Undo

_FIELDS = {
    "key": np.uint64,  # of (account, profile)
    "name_end": np.uint64,  # of the profile's name in `_names`, which begins where that of the node before it ends
    "stands_for": np.uint32,  # node; 0: no register
    "occurred_at": np.int64,  # of the register's operation, UTC microseconds
    "identity": np.uint64,
    "person": np.uint32,  # node; 0: stands alone for itself
    "first": np.uint32,  # of a person: its first profile
    "next": np.uint32,  # the next profile of the same person
}


Stand = tuple[str, int, int]  # of a register: whom a profile stands for, (occurred_at, identity) of who said so
_SMALL_BYTES = 1 << 20  # of names


class Known(NamedTuple):
    """What the state says of one person, and the place of a key that led there."""

    at: int
    person: str
    profiles: list[tuple[str, int, Stand | None]]  # name, key, register; the person's own profile is one of them


class Persons:
    """The registers and persons of one partition's profiles."""

    def __init__(self) -> None:
        self._table = HashTable({"node": np.uint32})
        self._nodes = Columns(_FIELDS)
        self._names = np.zeros(1 << 12, np.uint8)
        self._names_size = 0

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Columns for a snapshot; the table is made anew from the keys."""
        return {**self._nodes.dump(), "names": self._names[: self._names_size]}

    @classmethod
    def of(cls, columns: dict[str, npt.NDArray[Any]]) -> Persons:
        """From the columns of `dump`."""
        made = cls()
        made._names = np.array(columns["names"])
        made._names_size = len(made._names)
        made._nodes = Columns.of({name: columns[name] for name in _FIELDS})
        keys = made._nodes["key"][1 : made._nodes.count + 1]
        made._table.insert(keys, node=np.arange(1, len(keys) + 1, dtype=np.uint32))
        return made

    def tell(self, undo: Undo) -> None:
        """Of all that is written from now on, but for new names, which lie behind those that there are."""
        self._nodes.undo = undo

    def find(self, keys: Hashes) -> tuple[Ints, Hashes]:
        """Of profiles: the node of the person where it has several profiles (else 0), and the person's key."""
        person = self._nodes["person"][self._table.get("node", keys)]
        return person.astype(np.int64), np.where(person > 0, self._nodes["key"][person], keys)

    def names(self, nodes: Ints) -> list[str]:
        """The profile names of nodes."""
        ends = self._nodes["name_end"]
        begins, ends = ends[np.subtract(nodes, 1)], ends[nodes]
        names = self._names
        return [names[a:b].tobytes().decode() for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]

    def known(self, keys: Hashes) -> list[Known]:
        """Each person that profiles of these keys stand for, with all its profiles: what operations can touch."""
        nodes = self._table.get("node", keys).astype(np.int64)
        person = self._nodes["person"][nodes]
        leads, at = np.unique(np.where(person > 0, person, nodes), return_index=True)
        known = leads > 0
        leads, at = leads[known], at[known]
        is_alone = person[at] == 0
        members, of = self._members(leads[~is_alone])
        members, of = np.concatenate((leads[is_alone], members)), np.concatenate((leads[is_alone], of))
        names = dict(zip(members.tolist(), self.names(members), strict=True))
        found = {lead: Known(place, names[lead], []) for lead, place in zip(leads.tolist(), at.tolist(), strict=True)}
        stands_for = self._nodes["stands_for"][members].astype(np.int64)
        columns = [self._nodes[name][members].tolist() for name in ("key", "occurred_at", "identity")]
        told = zip(of.tolist(), names.values(), stands_for.tolist(), self.names(stands_for), *columns, strict=True)
        for lead, name, node, target, key, occurred_at, identity in told:
            register = (target, occurred_at, identity) if node else None
            found[lead].profiles.append((name, key, register))
        return list(found.values())

    def apply(self, registers: Sequence[Register], persons: Sequence[Person], seed: int) -> None:
        """What a journal record says; each profile is named once in either list."""
        if not registers and not persons:
            return
        pairs = [(r.account_id, r.profile_id) for r in registers] + [(r.account_id, r.stands_for) for r in registers]
        pairs += [(p.account_id, p.profile_id) for p in persons] + [(p.account_id, p.person_id) for p in persons]
        nodes = self._ensure(pairs, seed)
        n, m = len(registers), len(persons)
        at = nodes[:n]
        self._nodes.write("stands_for", at, nodes[n : 2 * n])
        self._nodes.write("occurred_at", at, [r.occurred_at for r in registers])
        self._nodes.write("identity", at, np.array([r.identity for r in registers], np.uint64))
        self._regroup(nodes[2 * n : 2 * n + m], nodes[2 * n + m :])

    def _ensure(self, pairs: Sequence[tuple[str, str]], seed: int) -> Ints:
        """The nodes of (account, profile) pairs; makes those that are missing."""
        distinct = list(dict.fromkeys(pairs))
        keys = profile_keys(distinct, seed)
        nodes = self._table.get("node", keys).astype(np.int64)
        fresh = np.flatnonzero(nodes == 0)
        if len(fresh):
            nodes[fresh] = self._nodes.extend(len(fresh))
            self._nodes.write("key", nodes[fresh], keys[fresh])
            self._write_names(nodes[fresh], [distinct[i][1].encode() for i in fresh.tolist()])
            self._table.insert(keys[fresh], node=nodes[fresh].astype(np.uint32))
        number = dict(zip(distinct, nodes.tolist(), strict=True))
        return np.array([number[pair] for pair in pairs], np.int64)

    def _write_names(self, nodes: Ints, names: list[bytes]) -> None:
        sizes = np.array([len(name) for name in names])
        end = self._names_size + int(sizes.sum())
        if end > len(self._names):
            grown = GROWN_SMALL if end < _SMALL_BYTES else GROWN
            larger = np.zeros(int(grown * end), np.uint8)
            larger[: self._names_size] = self._names[: self._names_size]
            self._names = larger
        self._names[self._names_size : end] = np.frombuffer(b"".join(names), np.uint8)
        self._nodes.write("name_end", nodes, self._names_size + np.cumsum(sizes))
        self._names_size = end

    def _members(self, persons: npt.NDArray[Any]) -> tuple[Ints, Ints]:
        """The profiles of persons, and the person of each, by their chains (person_profiles_max long at most)."""
        at = self._nodes["first"][persons].astype(np.int64)
        who = persons.astype(np.int64)
        members, of = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        while (more := at > 0).any():
            at, who = at[more], who[more]
            members.append(at)
            of.append(who)
            at = self._nodes["next"][at].astype(np.int64)
        return np.concatenate(members), np.concatenate(of)

    def _regroup(self, changed: Ints, person: Ints) -> None:
        """`changed` profiles stand for `person` now: the chains of all persons involved are made anew."""
        was = self._nodes["person"][changed].astype(np.int64)
        involved = np.unique(np.concatenate([was[was > 0], person]))
        members, of = self._members(involved)
        moved = np.sort(changed)
        stays = ~_is_among(moved, members)
        joined = involved[(self._nodes["person"][involved] == 0) & ~_is_among(moved, involved)]  # stood alone till now
        members = np.concatenate([members[stays], changed, joined])
        of = np.concatenate([of[stays], person, joined])
        self._nodes.write("first", involved, 0)
        order = np.lexsort((members, of))
        members, of = members[order], of[order]
        opens: Mask = np.append(True, of[1:] != of[:-1])[: len(of)]
        closes: Mask = np.append(opens[1:], True)[: len(of)]
        alone = opens & closes & (members == of)
        self._nodes.write("person", members, np.where(alone, 0, of))
        self._nodes.write("next", members, np.where(closes, 0, np.append(members[1:], 0)))
        self._nodes.write("first", of[opens & ~alone], members[opens & ~alone])


def _is_among(few: Ints, values: Ints) -> Mask:
    """Whether each value is one of a few, ascending; for `np.isin` sorts all."""
    if not len(few):
        return np.zeros(len(values), bool)
    found: Mask = few.take(np.searchsorted(few, values), mode="clip") == values
    return found
