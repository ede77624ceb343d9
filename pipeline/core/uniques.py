"""Unique opens, clicks and link clicks: set, not sequence.

In:   candidates (what each accepted event may be the first of) and the profiles whose person the batch changed.
Out:  facts made or taken over, which of them count, which fact counts for a person of several profiles, corrections.
Time: `limit`: facts held by events before it are forgotten.  Late: an earlier event takes a fact over.
The order of events and operations inside a batch does not matter.
"""

from __future__ import annotations

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

# What a correction row says; `identity` is of the event that it corrects.
CORRECTIONS = np.dtype([("identity", "<u8"), ("occurred_at", "<i8"), ("label", "<u4"), ("kind", "u1"), ("delta", "i1")])

_KINDS = np.array([OPEN, CLICK, LINK_CLICK], np.uint8)
_TRUE = np.ones(1, bool)


@dataclass(frozen=True, slots=True)
class Opportunities:
    """Events that may be first: their rows, of what kind and by whom, and hashes of what they are about."""

    row: Ints  # of the batch; the other columns have an entry for each of these
    opened: Mask
    clicked: Mask
    linked: Ints  # those that are clicks on a link
    vendor: Mask
    message: Hashes  # of the message on its channel
    link: Hashes  # of `linked` alone
    profile: Hashes
    occurred_at: Ints
    identity: Hashes


class Candidates(NamedTuple):
    """FACTS without number and label, and the identity of each one's event."""

    facts: Facts
    identity: Hashes


class Whom(NamedTuple):
    """Of each accepted row: its person's key and whether that has several profiles, both before the batch.

    `regrouped`: where its profile stands among the regrouped ones, -1 where it is none; None: there are none.
    """

    keys: Hashes
    grouped: Mask
    regrouped: Ints | None


class Regrouped(NamedTuple):
    """Profiles whose person the batch changed: (person, whether of several profiles) before and after."""

    profiles: Hashes
    was: tuple[Hashes, Mask]
    now: tuple[Hashes, Mask]


class Uniques(NamedTuple):
    """What follows: facts (without labels), the mask of those whose row counts, HOLDERS rows, CORRECTIONS rows."""

    facts: Facts
    counts: Mask
    holders: Facts
    corrections: Facts


def candidates(o: Opportunities) -> Candidates:
    """What each row may be the first of; a click on a link may be two things."""
    rows = [o.opened.nonzero()[0], o.clicked.nonzero()[0], o.linked]
    row = np.concatenate(rows)
    kind = np.repeat(_KINDS, [len(r) for r in rows])
    what = kind.astype(np.uint64)
    what[len(what) - len(o.link) :] = mix(o.link, np.uint64(LINK_CLICK))
    made = np.zeros(len(row), FACTS)
    made["row"], made["profile"], made["occurred_at"] = o.row[row], o.profile[row], o.occurred_at[row]
    made["fact"] = mix(o.message[row], what)
    made["kind"] = kind + o.vendor[row] * np.uint8(VENDOR)
    return Candidates(made, o.identity[row])


def earliest(ranks: Ints, identity: Hashes, group: Hashes) -> Ints:
    """The row of the earliest of each group, by (rank, identity); in the order of the groups.

    Groups of several are few, so that it is cheaper to sort those anew than all by three columns.
    """
    order: Ints = np.argsort(group)
    ranked = group[order]
    differs: Mask = ranked[1:] != ranked[:-1]
    if differs.all():
        return order
    opens = np.concatenate((_TRUE, differs))
    at = np.flatnonzero(~(opens & np.concatenate((differs, _TRUE))))
    some = order[at]
    order[at] = some[np.lexsort((identity[some], ranks[some], ranked[at]))]
    first: Ints = order[opens]
    return first


def is_earlier(ranks: Ints, identity: Hashes, other_ranks: Ints, other_identity: Hashes) -> Mask:
    """Whether the one is before the other, by (rank, identity)."""
    before: Mask = (ranks < other_ranks) | ((ranks == other_ranks) & (identity < other_identity))
    return before


class _Decision:
    """The facts of one batch on top of the log and of the table of holders, which stay as they are.

    Columns of a fact: `number` in the log (0: none yet, till they are numbered); of one whose person had several
    profiles before the batch also its `person` key, and the `holder` that counts for that person.
    """

    def __init__(self, log: FactLog, held: HashTable, limit: int, made: Candidates, whom: Whom) -> None:
        self.log, self.held, self.limit = log, held, limit
        self.facts, self.identity = made
        self.ranks = rank(self.facts["occurred_at"], self.facts["kind"])
        key = mix(self.facts["profile"], self.facts["fact"])
        first = earliest(self.ranks, self.identity, key)
        if len(first) < len(key):
            first.sort()
            self.facts, self.identity, self.ranks = self.facts.take(first), self.identity[first], self.ranks[first]
            key = key[first]
        self._look_up(key, whom)
        self._leave_out_late()
        self.taken = self.number > 0
        fresh = np.flatnonzero(~self.taken)
        self.number[fresh] = log.numbers(len(fresh))
        self.facts["number"] = self.number
        self.counts = np.zeros(len(self.facts), bool)
        self.holders: list[tuple[Hashes, npt.NDArray[Any]]] = []
        self.corrections: list[tuple[npt.NDArray[Any], int]] = []

    def _look_up(self, key: Hashes, whom: Whom) -> None:
        """What is known of the facts and of those of their persons of several profiles, in one go."""
        n, row = len(key), self.facts["row"]
        at = np.flatnonzero(whom.grouped[row])
        self.person, self.holder = np.zeros(n, np.uint64), np.zeros(n, np.uint32)
        self.person[at] = theirs = mix(whom.keys[row[at]] ^ PERSON_SALT, self.facts["fact"][at])
        number = self.held.get("number", np.concatenate((key, theirs)))
        number *= self.log.alive(number, self.limit)
        self.number, self.holder[at] = number[:n], number[n:]

    def _leave_out_late(self) -> None:
        """Facts that are held by an earlier event."""
        known = np.flatnonzero(self.number)
        late = known[~self._is_before(known, self.number[known])]
        if len(late):
            kept = np.ones(len(self.facts), bool)
            kept[late] = False
            at = np.flatnonzero(kept)
            self.facts, self.identity, self.ranks = self.facts.take(at), self.identity[at], self.ranks[at]
            self.number, self.person, self.holder = self.number[at], self.person[at], self.holder[at]

    def _is_before(self, rows: Ints, number: npt.NDArray[Any]) -> Mask:
        return is_earlier(self.ranks[rows], self.identity[rows], *self.log.holders(number))

    def alone(self, rows: Ints) -> None:
        """Facts of persons of one profile: each counts, and what it takes over does no more."""
        self.counts[rows] = True
        self.corrections.append((self.number[rows[self.taken[rows]]], -1))

    def together(self, rows: Ints) -> None:
        """Facts of persons of several profiles: the earliest counts, if it is before the person's holder."""
        rows = rows[earliest(self.ranks[rows], self.identity[rows], self.person[rows])]
        holder = self.holder[rows]
        wins = (holder == 0) | self._is_before(rows, holder)
        rows, holder = rows[wins], holder[wins]
        self.counts[rows] = True
        self.corrections.append((holder[holder > 0], -1))
        self.holders.append((self.person[rows], self.number[rows]))

    def regrouped(self, rows: Ints, at: Ints, r: Regrouped) -> None:
        """Facts of profiles whose person changed, old and new ones together: each person's earliest counts.

        `rows` are the batch's, `at` the places of their profiles.
        """
        who, number = self.log.of_profiles(r.profiles)
        alive = self.log.alive(number, self.limit)
        who, number = who[alive], number[alive]
        fact, (ranks, identity) = self.log.at(number, "fact"), self.log.holders(number)
        was_grouped = r.was[1][who]
        of_several = np.flatnonzero(was_grouped)
        key_was = mix(r.was[0][who[of_several]] ^ PERSON_SALT, fact[of_several])
        counted = ~was_grouped
        counted[of_several] = self.held.get("number", key_was) == number[of_several]
        row = np.full(len(number), -1)
        if len(rows):
            moved, new = rows[self.taken[rows]], rows[~self.taken[rows]]
            place = _index(number, self.number[moved])
            row[place], ranks[place], identity[place] = moved, self.ranks[moved], self.identity[moved]
            row, who, number = _joined((row, new), (who, at[~self.taken[rows]]), (number, self.number[new]))
            fact, ranks = _joined((fact, self.facts["fact"][new]), (ranks, self.ranks[new]))
            identity, counted = _joined((identity, self.identity[new]), (counted, np.zeros(len(new), bool)))
        key_now = mix(r.now[0][who] ^ PERSON_SALT, fact)
        first = np.zeros(len(number), bool)
        first[earliest(ranks, identity, key_now)] = True
        here = row >= 0
        self.counts[row[first & here]] = True
        self.corrections.append((number[counted & (~first | here)], -1))
        self.corrections.append((number[first & ~counted & ~here], 1))
        is_held = r.now[1][who]
        stays = is_held[of_several] & (key_was == key_now[of_several])
        is_told = np.zeros(len(number), bool)
        is_told[of_several] = stays & counted[of_several]
        put = np.flatnonzero(first & is_held & ~is_told)
        self.holders.append((key_now[put], number[put]))
        if len(left := key_was[~stays]):
            gone = np.setdiff1d(left, key_now[is_held])
            self.holders.append((gone, np.zeros(len(gone), np.uint32)))

    def result(self) -> Uniques:
        """All of it, corrections dated and labelled like the events that they correct."""
        holders = np.zeros(sum(len(keys) for keys, _ in self.holders), HOLDERS)
        if len(holders):
            holders["key"] = np.concatenate([keys for keys, _ in self.holders])
            holders["number"] = np.concatenate([number for _, number in self.holders])
        sizes = [len(number) for number, _ in self.corrections]
        corrections = np.zeros(sum(sizes), CORRECTIONS)
        if len(corrections):
            number = np.concatenate([number for number, _ in self.corrections])
            corrections["delta"] = np.repeat(np.array([delta for _, delta in self.corrections], np.int8), sizes)
            for name in ("identity", "occurred_at", "label", "kind"):
                corrections[name] = self.log.at(number, name)
        return Uniques(self.facts, self.counts, holders, corrections)


def decide_uniques(
    log: FactLog, held: HashTable, limit: int, made: Candidates, whom: Whom, regrouped: Regrouped | None
) -> Uniques:
    """What one batch's candidates and regroupings do to the uniques; nothing is changed but `made`, which is used up.

    `held`: (profile, fact) and (person, fact) -> number of the fact.
    """
    decision = _Decision(log, held, limit, made, whom)
    row = decision.facts["row"]
    grouped = whom.grouped[row]
    if regrouped is None or whom.regrouped is None:
        decision.alone(np.flatnonzero(~grouped))
    else:
        at = whom.regrouped[row]
        rows = np.flatnonzero(at >= 0)
        grouped[rows] = False
        decision.alone(np.flatnonzero(~grouped & (at < 0)))
        decision.regrouped(rows, at[rows], regrouped)
    if len(rows := np.flatnonzero(grouped)):
        decision.together(rows)
    return decision.result()


def apply_uniques(log: FactLog, held: HashTable, facts: Facts, identity: Hashes, holders: Facts) -> None:
    """What a journal record says of facts and holders."""
    if len(facts):
        log.write(facts, identity)
    gone = holders["number"] == 0
    if gone.any():
        held.delete(holders["key"][gone])
        holders = holders[~gone]
    if len(facts) or len(holders):
        keys = np.concatenate((mix(facts["profile"], facts["fact"]), holders["key"]))
        held.put(keys, number=np.concatenate((facts["number"], holders["number"])))


def _joined(*pairs: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    return [np.concatenate(pair) for pair in pairs]


def _index(values: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> Ints:
    """Where the wanted values stand; each is there once."""
    order = np.argsort(values)
    return order[np.searchsorted(values, wanted, sorter=order)]
