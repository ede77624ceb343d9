"""Unique opens, clicks and link clicks: set, not sequence.

In:   candidates (what each accepted event may be the first of) and the profiles whose person the batch changed.
Out:  facts made or taken over, which of them count, which fact counts for a person of several profiles, corrections.
Time: `limit`: facts held by events before it are forgotten.  Late: an earlier event takes a fact over.
The order of events and operations inside a batch does not matter.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.facts import CLICK, LINK_CLICK, OPEN, VENDOR, FactLog, rank
from pipeline.core.hashing import Hashes, Ints, Mask, mix
from pipeline.core.record import FACTS, HOLDERS
from pipeline.core.table import HashTable

PERSON_SALT = np.uint64(0x5EED5EED5EED5EED)  # keeps (person, fact) apart from (profile, fact)

Facts = npt.NDArray[np.void]

CANDIDATES = np.dtype([*FACTS.descr, ("identity", "<u8")])
# What a correction row says; `identity` is of the event that it corrects.
CORRECTIONS = np.dtype([("identity", "<u8"), ("occurred_at", "<i8"), ("label", "<u4"), ("kind", "u1"), ("delta", "i1")])


@dataclass(frozen=True, slots=True)
class Opportunities:
    """Events that may be first: their rows, masks by kind and by vendor, and hashes of what they are about."""

    row: Ints  # of the batch; the other columns have an entry for each of these
    opened: Mask
    clicked: Mask
    linked: Mask
    vendor: Mask
    message: Hashes  # of the message on its channel
    link: Hashes
    profile: Hashes
    occurred_at: Ints
    identity: Hashes


class Regrouped(NamedTuple):
    """Profiles whose person the batch changed: (person, whether of several profiles) before and after."""

    profiles: Hashes
    was: tuple[Hashes, Mask]
    now: tuple[Hashes, Mask]


class Uniques(NamedTuple):
    """What follows: facts (as CANDIDATES), the mask of those whose row counts, HOLDERS rows, CORRECTIONS rows."""

    facts: Facts
    counts: Mask
    holders: Facts
    corrections: Facts


def candidates(o: Opportunities) -> Facts:
    """What each row may be the first of; a click on a link may be two things."""
    rows = [np.flatnonzero(o.opened), np.flatnonzero(o.clicked), np.flatnonzero(o.linked)]
    facts = [
        mix(o.message[rows[0]], np.uint64(OPEN)),
        mix(o.message[rows[1]], np.uint64(CLICK)),
        mix(o.message[rows[2]], mix(o.link[rows[2]], np.uint64(LINK_CLICK))),
    ]
    row = np.concatenate(rows)
    made = np.zeros(len(row), CANDIDATES)
    made["row"] = o.row[row]
    made["fact"] = np.concatenate(facts)
    kind = np.repeat(np.array([OPEN, CLICK, LINK_CLICK], np.uint8), [len(r) for r in rows])
    made["kind"] = kind + np.where(o.vendor[row], np.uint8(VENDOR), np.uint8(0))
    made["profile"], made["occurred_at"], made["identity"] = o.profile[row], o.occurred_at[row], o.identity[row]
    return made


def earliest(ranks: Ints, identity: Hashes, *group: npt.NDArray[Any]) -> Ints:
    """The row of the earliest of each group, by (rank, identity)."""
    order: Ints = np.lexsort((identity, ranks, *group))
    if len(order) < 2:
        return order
    differs: Mask = functools.reduce(np.logical_or, [g[order][1:] != g[order][:-1] for g in group])
    first: Ints = order[np.append(True, differs)]
    return first


def is_earlier(ranks: Ints, identity: Hashes, other_ranks: Ints, other_identity: Hashes) -> Mask:
    """Whether the one is before the other, by (rank, identity)."""
    before: Mask = (ranks < other_ranks) | ((ranks == other_ranks) & (identity < other_identity))
    return before


class _Decision:
    """The facts of one batch on top of the log and of the table of holders, which stay as they are."""

    def __init__(self, log: FactLog, held: HashTable, limit: int, made: Facts) -> None:
        self.log, self.held, self.limit = log, held, limit
        facts = made[earliest(_rank(made), made["identity"], mix(made["profile"], made["fact"]))]
        number = self._held(mix(facts["profile"], facts["fact"]))
        known = number > 0
        late = known.copy()
        late[known] = ~self._is_before(facts[known], number[known])
        facts, number = facts[~late], number[~late]
        order = np.argsort(facts["row"], kind="stable")
        self.facts, number = facts[order], number[order]
        self.taken = number > 0
        fresh = np.cumsum(~self.taken)
        self.facts["number"] = np.where(self.taken, number, np.append(0, log.numbers(int(fresh[-1:].sum())))[fresh])
        self.counts = np.zeros(len(self.facts), bool)
        self.holders: list[tuple[Hashes, npt.NDArray[Any]]] = []
        self.corrections: list[tuple[npt.NDArray[Any], int]] = []

    def _held(self, keys: Hashes) -> npt.NDArray[Any]:
        number = self.held.get("number", keys)
        number[~self.log.alive(number, self.limit)] = 0
        return number

    def _is_before(self, facts: Facts, number: npt.NDArray[Any]) -> Mask:
        return is_earlier(_rank(facts), facts["identity"], self.log.rank(number), self.log.at(number, "identity"))

    def alone(self, rows: Ints) -> None:
        """Facts of persons of one profile: each counts, and what it takes over does no more."""
        self.counts[rows] = True
        taken = rows[self.taken[rows]]
        self.corrections.append((self.facts["number"][taken], -1))

    def together(self, rows: Ints, person: Hashes) -> None:
        """Facts of persons of several profiles: the earliest counts, if it is before the person's holder."""
        facts = self.facts[rows]
        key = mix(person[facts["row"]] ^ PERSON_SALT, facts["fact"])
        first = earliest(_rank(facts), facts["identity"], key)
        rows, facts, key = rows[first], facts[first], key[first]
        holder = self._held(key)
        wins = (holder == 0) | self._is_before(facts, holder)
        self.counts[rows[wins]] = True
        self.corrections.append((holder[wins & (holder > 0)], -1))
        self.holders.append((key[wins], facts["number"][wins]))

    def regrouped(self, rows: Ints, r: Regrouped) -> None:
        """Facts of profiles whose person changed, old and new ones together: each person's earliest counts."""
        who, number = self.log.of_profiles(r.profiles)
        alive = self.log.alive(number, self.limit)
        who, number = who[alive], number[alive]
        fact = self.log.at(number, "fact")
        key_was = mix(r.was[0][who] ^ PERSON_SALT, fact)
        counted = ~r.was[1][who] | (self.held.get("number", key_was) == number)
        ranks, identity = self.log.rank(number), self.log.at(number, "identity")
        row = np.full(len(number), -1)
        moved, new = rows[self.taken[rows]], rows[~self.taken[rows]]
        at = _index(number, self.facts["number"][moved])
        row[at] = moved
        ranks[at], identity[at] = _rank(self.facts[moved]), self.facts["identity"][moved]
        fresh = self.facts[new]
        row, fact = np.append(row, new), np.append(fact, fresh["fact"])
        who = np.append(who, _index(r.profiles, fresh["profile"]))
        counted = np.append(counted, np.zeros(len(new), bool))
        ranks, identity = np.append(ranks, _rank(fresh)), np.append(identity, fresh["identity"])
        number = np.append(number, fresh["number"])
        first = np.zeros(len(number), bool)
        first[earliest(ranks, identity, fact, r.now[0][who])] = True
        here = row >= 0
        self.counts[row[first & here]] = True
        self.corrections.append((number[counted & (~first | here)], -1))
        self.corrections.append((number[first & ~counted & ~here], 1))
        put = first & r.now[1][who]
        key_now = mix(r.now[0][who[put]] ^ PERSON_SALT, fact[put])
        gone = np.setdiff1d(key_was[r.was[1][who[: len(key_was)]]], key_now)
        differs = self.held.get("number", key_now) != number[put]
        self.holders.append((key_now[differs], number[put][differs]))
        self.holders.append((gone, np.zeros(len(gone), np.uint32)))

    def result(self) -> Uniques:
        """All of it, corrections dated and labelled like the events that they correct."""
        keys = np.concatenate([np.zeros(0, np.uint64), *(k for k, _ in self.holders)])
        holders = np.zeros(len(keys), HOLDERS)
        holders["key"] = keys
        holders["number"] = np.concatenate([np.zeros(0, np.uint32), *(n for _, n in self.holders)])
        number = np.concatenate([np.zeros(0, np.uint32), *(n for n, _ in self.corrections)])
        corrections = np.zeros(len(number), CORRECTIONS)
        corrections["delta"] = np.repeat(
            np.array([d for _, d in self.corrections], np.int8), [len(n) for n, _ in self.corrections]
        )
        for name in ("identity", "occurred_at", "label", "kind"):
            corrections[name] = self.log.at(number, name)
        return Uniques(self.facts, self.counts, holders, corrections)


def decide_uniques(
    log: FactLog, held: HashTable, limit: int, made: Facts, persons: tuple[Hashes, Mask], regrouped: Regrouped | None
) -> Uniques:
    """What one batch's candidates and regroupings do to the uniques; nothing is changed.

    `persons`: for every event row its person's key and whether that had several profiles before the batch.
    `held`: (profile, fact) and (person, fact) -> number of the fact.
    """
    decision = _Decision(log, held, limit, made)
    facts = decision.facts
    slow = np.zeros(len(facts), bool) if regrouped is None else np.isin(facts["profile"], regrouped.profiles)
    grouped = persons[1][facts["row"]]
    decision.alone(np.flatnonzero(~slow & ~grouped))
    if (rows := np.flatnonzero(~slow & grouped)).size:
        decision.together(rows, persons[0])
    if regrouped is not None:
        decision.regrouped(np.flatnonzero(slow), regrouped)
    return decision.result()


def apply_uniques(log: FactLog, held: HashTable, facts: Facts, identity: Hashes, holders: Facts) -> None:
    """What a journal record says of facts and holders."""
    if len(facts):
        log.write(facts, identity)
        held.put(mix(facts["profile"], facts["fact"]), number=facts["number"])
    if len(holders):
        gone = holders["number"] == 0
        held.delete(holders["key"][gone])
        held.put(holders["key"][~gone], number=holders["number"][~gone])


def _rank(facts: Facts) -> Ints:
    return rank(facts["occurred_at"], facts["kind"])


def _index(values: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> Ints:
    """Where the wanted values stand; each is there once."""
    order = np.argsort(values)
    return order[np.searchsorted(values, wanted, sorter=order)]
