"""Resolve person: the merges and splits of a batch, and whom its events' profiles stand for.

In:   new rows of a batch.  Out: registers and persons that changed, refused operations, the person of each row.
Time: an operation's (occurred_at, identity) decides, not its arrival.  Late: see `operations`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.core.accepted import Accepted, Keys
from pipeline.core.context import Context
from pipeline.core.events import Events
from pipeline.core.hashing import Hashes, Ints, Mask
from pipeline.core.operations import Group, Moves, Operations, Pair
from pipeline.core.persons import Persons
from pipeline.core.record import Person, Register
from pipeline.core.uniques import Regrouped, Whom
from pipeline.core.validate import merge_moves, split_moves

_MOVES = {"profile_merged": merge_moves, "profile_split": split_moves}


class People(NamedTuple):
    """What a batch's operations change. `refused`: decoded rows that the size cap refuses.

    `names`: the person of each regrouped profile after the batch, in the order of `regrouped.profiles`.
    """

    refused: list[int]
    registers: list[Register]
    persons: list[Person]
    regrouped: Regrouped | None
    names: list[str]


_NEAR_BITS = 16  # of a key: among a few keys most others are told apart by so many, cheaper than by a sort
_NEAR_MASK = np.uint64((1 << _NEAR_BITS) - 1)
_NOBODY = People([], [], [], None, [])


class Resolved(NamedTuple):
    """Of each accepted row: its person before the batch; and that person's name after it.

    `person` is null where the profile stands for itself.
    """

    whom: Whom
    person: pa.Array


def operate(persons: Persons, events: Events, keys: Keys, new: Ints, context: Context) -> People:
    """The merges and splits among the new rows, in stream order; tests are none."""
    if _MOVES.keys().isdisjoint(keys.types.values):
        return _NOBODY
    rows = new[keys.types.mask(t in _MOVES for t in keys.types.values)[new] & ~events.is_test[new]]
    rows = rows[np.argsort(events.seq[rows])]
    if not len(rows):
        return _NOBODY
    moves: list[tuple[int, str, Moves, list[Pair]]] = []
    for row in rows.tolist():
        event = events.operation(row)
        account, made = event["account_id"], _MOVES[event["type"]](event)
        source = [event["split_source"]] if event["type"] == "profile_split" else []
        moves.append((row, account, made, [(account, p) for p in (*(p for move in made for p in move), *source)]))
    operations = Operations(persons, context.rules.person_profiles_max, context.seed)
    operations.fetch(dict.fromkeys(pair for *_, named in moves for pair in named))
    whens = zip(events.occurred_at[rows].tolist(), keys.identity[rows].tolist(), strict=True)
    refused = []
    for (row, account, made, named), when in zip(moves, whens, strict=True):
        if operations.move(account, made, when):
            operations.name(named)
        else:
            refused.append(row)
    regrouped, names = _regrouped(operations)
    return People(refused, operations.registers(), operations.persons(), regrouped, names)


def _regrouped(operations: Operations) -> tuple[Regrouped | None, list[str]]:
    touched = list(operations.touched)
    if not touched:
        return None, []
    keys = np.array([one.key for one in touched], np.uint64)
    was, now = _persons([one.was for one in touched]), _persons([one.group for one in touched])
    return Regrouped(keys, was, now), [one.group.person.name for one in touched]


def _persons(groups: list[Group]) -> tuple[Hashes, Mask]:
    """The persons' keys, and whether they are of several profiles."""
    keys = np.array([group.person.key for group in groups], np.uint64)
    return keys, np.array([len(group.profiles) > 1 for group in groups])


def resolve(persons: Persons, people: People, accepted: Accepted) -> Resolved:
    """Whom the accepted rows' profiles stand for."""
    nodes, keys = persons.find(accepted.profile)
    elsewhere = np.flatnonzero((nodes > 0) & (keys != accepted.profile))
    name_of = dict(zip(elsewhere.tolist(), persons.names(nodes[elsewhere]), strict=True))
    at = None if people.regrouped is None else _places(people.regrouped.profiles, accepted.profile)
    if at is not None:
        moved = np.flatnonzero(at >= 0)
        name_of.update(zip(moved.tolist(), map(people.names.__getitem__, at[moved].tolist()), strict=True))
    whom = Whom(keys, nodes > 0, at)
    if not name_of:
        return Resolved(whom, pa.nulls(len(accepted), pa.string()))
    rows, names = np.array(list(name_of), np.int64), list(name_of.values())
    profiles = accepted.columns["profile_id"].take(pa.array(rows)).to_pylist()
    is_other = np.array([profile != name for profile, name in zip(profiles, names, strict=True)])
    place = np.full(len(accepted), -1)
    place[rows] = np.where(is_other, np.arange(len(rows)), -1)
    person = pa.array(names, pa.string()).take(pa.array(place, mask=place < 0))
    return Resolved(whom, person)


def _places(few: Hashes, keys: Hashes) -> Ints:
    """Where each key stands among a few distinct ones; -1 where it is none of them."""
    near = np.zeros(1 << _NEAR_BITS, bool)
    near[few & _NEAR_MASK] = True
    rows = np.flatnonzero(near[keys & _NEAR_MASK])
    place = dict(zip(few.tolist(), range(len(few)), strict=True))
    found = np.full(len(keys), -1)
    found[rows] = [place.get(key, -1) for key in keys[rows].tolist()]
    return found
