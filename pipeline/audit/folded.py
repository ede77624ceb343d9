"""What the folded state of a partition says: uniques by its facts and holders, persons by its registers, cycles.

In:   a state that `fold.apply` made, and the same records.  Out: numbers by the views' keys.
Time: a fact is forgotten `unique_days` after the event that holds it; days before that say nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from connectors.clickhouse.views import (
    ALLOWANCE,
    DIGEST_FACTOR,
    NO_PLAN,
    PERSON_BUCKETS,
    THRESHOLD_PARTS,
)
from pipeline.audit.sums import Key, Numbers, day, instant, signed
from pipeline.core.facts import CLICK, LINK_CLICK, OPEN, VENDOR
from pipeline.core.fold import fact_limit
from pipeline.core.hashing import mix, profile_keys
from pipeline.core.record import Alert, Allowance, Person, Record, Rules
from pipeline.core.state import State
from pipeline.core.table import HashTable
from pipeline.core.uniques import PERSON_SALT
from pipeline.core.window import DAY_US

_COLUMN = {OPEN: "unique_opened", CLICK: "unique_clicked", LINK_CLICK: "unique_link_clicked"}
UNIQUES = tuple(_COLUMN.values())


def first_day(state: State, rules: Rules) -> str:
    """The first day of which all facts are remembered."""
    return day(max(0, fact_limit(state.stream_time // DAY_US, rules)) // DAY_US)


def uniques(state: State, rules: Rules, accounts: Collection[str]) -> dict[Key, Numbers]:
    """The facts that count, by account, campaign, channel and day of the event that holds them."""
    heads = state.log.dump()["head_key"]
    profiles = heads[heads != 0]
    who, number = state.log.of_profiles(profiles)
    alive = state.log.alive(number, fact_limit(state.stream_time // DAY_US, rules))
    who, number = who[alive], number[alive]
    nodes, person = state.persons.find(profiles)
    holder = state.held.get("number", mix(person[who] ^ PERSON_SALT, state.log.at(number, "fact")))
    number = number[(nodes[who] == 0) | (holder == number)]
    labels = list(state.labels)
    wanted = np.array([label.account_id in accounts for label in labels], bool)
    columns = [state.log.at(number, name) for name in ("label", "kind", "occurred_at")]
    return _by_label(labels, wanted, columns)


def _by_label(labels: list[Any], wanted: npt.NDArray[Any], columns: list[npt.NDArray[Any]]) -> dict[Key, Numbers]:
    label, kind, occurred_at = columns
    keep = wanted[label] if len(label) else np.zeros(0, bool)
    rows = np.stack([label[keep], kind[keep] & ~np.uint8(VENDOR), occurred_at[keep] // DAY_US], 1).astype(np.int64)
    distinct, events = np.unique(rows, axis=0, return_counts=True)
    found: dict[Key, Numbers] = defaultdict(lambda: dict.fromkeys(UNIQUES, 0))
    for (number, of_kind, days), count in zip(distinct.tolist(), events.tolist(), strict=True):
        about = labels[number]
        key = (about.account_id, about.campaign_id or "", about.channel, day(days))
        found[key][_COLUMN[of_kind]] += count
    return dict(found)


class Absolutes:
    """What records say in absolute numbers, the last one of each key: cycles; and alerts, which are added up."""

    def __init__(self) -> None:
        self._cycles: dict[tuple[str, int], Allowance] = {}
        self._alerts: dict[Key, Numbers] = {}
        self.stretched: set[Key] = set()  # cycles whose end a plan has moved: "as closed" was counted by both ends

    def take(self, record: Record) -> None:
        """One more record."""
        for cycle in record.allowance:
            place = (cycle.account_id, cycle.cycle_start)
            if self._cycles.get(place, cycle).cycle_end != cycle.cycle_end:
                self.stretched.add((cycle.account_id, instant(cycle.cycle_start)))
            self._cycles[place] = cycle
        for alert in record.alerts:
            numbers = self._alerts.setdefault(
                _alert_key(alert), dict.fromkeys(("alerts", "used", "allowance", "occurred_at"), 0)
            )
            numbers["alerts"] += 1
            for name in ("used", "allowance", "occurred_at"):
                numbers[name] += getattr(alert, name)

    def allowance(self, accounts: Collection[str]) -> dict[Key, Numbers]:
        """By account and start of the cycle."""
        return {
            (cycle.account_id, instant(cycle.cycle_start)): dict(zip(ALLOWANCE, _numbers(cycle), strict=True))
            for cycle in self._cycles.values()
            if cycle.account_id in accounts
        }

    def alerts(self, accounts: Collection[str]) -> dict[Key, Numbers]:
        """By account, cycle, kind and threshold."""
        return {key: numbers for key, numbers in self._alerts.items() if key[0] in accounts}


def _numbers(cycle: Allowance) -> tuple[int, ...]:
    allowance = NO_PLAN if cycle.allowance is None else cycle.allowance
    return cycle.used, cycle.used_as_closed, allowance, cycle.cycle_end // 1_000_000


def _alert_key(alert: Alert) -> Key:
    parts = round(alert.threshold * THRESHOLD_PARTS)
    return alert.account_id, instant(alert.cycle_start), alert.kind, str(parts)


class Moved:
    """The profiles that merges and splits have touched: 20 bytes each, so that the state can be asked about them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._accounts: dict[str, int] = {}
        self._profiles = HashTable({"account": np.uint32, "hash": np.uint64})

    def take(self, persons: Collection[Person]) -> None:
        """The persons of one more record."""
        if not persons:
            return
        keys = profile_keys([(p.account_id, p.profile_id) for p in persons], self._seed)
        numbers = [self._accounts.setdefault(p.account_id, len(self._accounts)) for p in persons]
        hashes = [xxhash.xxh3_64_intdigest(p.profile_id.encode()) for p in persons]
        self._profiles.put(keys, account=np.array(numbers, np.uint32), hash=np.array(hashes, np.uint64))

    def persons(self, state: State, accounts: Collection[str]) -> dict[Key, Numbers]:
        """How many profiles stand for another, and their digest, by account and bucket: as the registers say."""
        found: dict[Key, Numbers] = {}
        for account in sorted(self._accounts.keys() & set(accounts)):
            keys, hashes = self._of(account)
            nodes, person = state.persons.find(keys)
            away = (nodes > 0) & (person != keys)
            distinct, inverse = np.unique(nodes[away], return_inverse=True)
            names = [xxhash.xxh3_64_intdigest(name.encode()) for name in state.persons.names(distinct)]
            digests = hashes[away] * np.uint64(DIGEST_FACTOR) + np.array(names, np.uint64)[inverse]
            buckets = (hashes[away] % np.uint64(PERSON_BUCKETS)).astype(np.int64)
            moved, sums = np.bincount(buckets, minlength=PERSON_BUCKETS), np.zeros(PERSON_BUCKETS, np.uint64)
            np.add.at(sums, buckets, digests)
            for bucket in np.flatnonzero(moved).tolist():
                found[account, str(bucket)] = {"moved": int(moved[bucket]), "digest": signed(int(sums[bucket]))}
        return found

    def pairs(self, state: State, account: str, bucket: int) -> dict[str, str]:
        """Profile and person of the profiles of a bucket that stand for another."""
        if account not in self._accounts:
            return {}
        keys, hashes = self._of(account)
        known = state.persons.known(keys[hashes % np.uint64(PERSON_BUCKETS) == bucket])
        return {
            profile: one.person
            for one in known
            for profile, _, _ in one.profiles
            if profile != one.person and bucket_of(profile) == bucket
        }

    def _of(self, account: str) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        there = (self._profiles.keys != 0) & (self._profiles.fields["account"] == self._accounts[account])
        return self._profiles.keys[there], self._profiles.fields["hash"][there]


def bucket_of(profile: str) -> int:
    """The bucket of a profile, as `views.persons` has it."""
    return int(xxhash.xxh3_64_intdigest(profile.encode()) % PERSON_BUCKETS)
