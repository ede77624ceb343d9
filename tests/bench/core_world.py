"""A state that remembers much, for benches: as journal records, as a state in memory, as a snapshot with its journal.

It is folded from records made here, of the last HISTORY_DAYS days: so it is made of what any table of the state is made
of, and the records can be appended to a journal too. Remembered are:

- identities with payloads and origins, in equal parts on each day;
- facts (one open each) of the profiles of the simulator's bulk traffic, evenly, of messages that it never sends;
- pairs: a visitor merged into such a profile, each;
- a plan for each of ACCOUNTS accounts, large enough that hardly any threshold is met.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core import fold
from pipeline.core.batch import Slab
from pipeline.core.context import Context
from pipeline.core.facts import OPEN
from pipeline.core.hashing import Hashes, hash_texts, mix, profile_keys
from pipeline.core.origins import OFFSET_BITS
from pipeline.core.record import FACTS, HOLDERS, Label, Link, Person, Plan, Record, Register, Rules, encode
from pipeline.core.state import State, columns
from pipeline.core.uniques import PERSON_SALT
from pipeline.core.vocabulary import TOPICS
from pipeline.core.window import DAY_US
from pipeline.state.snapshots import Header, Snapshots
from pipeline.state.store import Mark
from tests.bench.core_traffic import ACCOUNTS, PROFILES, profile_name

HISTORY_DAYS = 7  # the acceptance window by default: identities of older days are forgotten
FACT_DAYS = 80  # facts lie that far back; they are remembered for 90
RECORD_EVENTS = 20_000  # of one record, as a worker with a backlog writes them
MEASURED_EVENTS = 1_000_000  # remembered where a bench is about something else: a small deployment's state
RECORDS_MIN = 10
PAIRS_PART = 0.1  # of the records; facts are in the rest
_FIRST_ACCOUNT = 0.6  # of facts and pairs, as of the bulk traffic
_ALLOWANCE = 10**9
_LABELS = 1_000
_FIRST_ID = 0x7A11_0001  # of the chain; the numbers that follow are those of the next records


class Size(NamedTuple):
    """What is remembered."""

    identities: int
    facts: int
    pairs: int = 100_000


class At(NamedTuple):
    """The last record of a history: what a snapshot of it is named by, and that record's value for the journal."""

    mark: Mark
    value: bytes


def history(size: Size, rules: Rules, seed: int, end_us: int, events: int = RECORD_EVENTS) -> Iterator[Record]:
    """The records that make such a state, of so many events each; the last one's stream time is `end_us`."""
    rng = np.random.default_rng(7)
    accounts = hash_texts([_account(number) for number in range(ACCOUNTS)], seed)
    profiles = hash_texts([profile_name(number) for number in range(PROFILES)], seed)
    made = _schedule(size, events)
    records = len(made) - 1
    known = np.zeros(0, np.uint64)  # profiles with a visitor
    for n in range(records):
        identities, facts, pairs = (made[n + 1] - made[n]).tolist()
        held = _facts(rng, (accounts, profiles), int(made[n, 1]), (facts, max(identities, 1)))
        held["occurred_at"] = end_us - rng.integers(0, FACT_DAYS * DAY_US, facts)
        registers, persons = _pairs(rng, int(made[n, 2]), pairs, end_us)
        known = np.append(known, profile_keys([(one.account_id, one.stands_for) for one in registers], seed))
        first = int(made[n, 0])
        yield Record(
            rules=rules,
            stream_time=end_us - (records - 1 - n) * HISTORY_DAYS * DAY_US // records,
            sources=[],
            identities=rng.integers(1, 1 << 63, identities, dtype=np.uint64),
            payloads=rng.integers(1, 1 << 63, identities, dtype=np.uint64),
            origins=np.arange(first, first + identities, dtype=np.uint64) | np.uint64(1 << OFFSET_BITS),
            facts=held,
            holders=_holders(held, known),
            labels=[Label(_account(0), f"c-old-{number}", "email") for number in range(_LABELS if n == 0 else 0)],
            registers=registers,
            persons=persons,
            plans=[_plan(number, end_us) for number in range(ACCOUNTS if n == 0 else 0)],
        )


def preloaded(size: Size, rules: Rules, seed: int, end_us: int) -> State:
    """The state of such a history: 0.6 s for a million identities."""
    state = State()
    for record in history(size, rules, seed, end_us):
        fold.apply(state, record, seed)
    return state


def snapshot(folder: Path, partition: int, size: Size, context: Context, end_us: int) -> At:
    """Write a worker's snapshot of such a state below `folder`, that holds it for the partition's journal.

    Append `value` to that partition of an empty journal, as its only record: the worker that starts then finds the
    snapshot's last record at offset 0, and reads its topics from their beginnings.
    """
    state = preloaded(size, context.rules, context.seed, end_us)
    mark = Mark(_FIRST_ID, 0, 1)
    Snapshots(folder / str(partition)).write(Header(partition, mark, {}, context.rules, {}, 0), columns(state))
    record = Record(rules=context.rules, stream_time=end_us, sources=[])
    return At(mark, encode(record, Link(_FIRST_ID, 0, "bench")))


def slabs(part: list[tuple[str, bytes]], offsets: dict[str, int], arrived_ms: int, slab_events: int) -> list[Slab]:
    """A batch as the transport hands it over: by topic, in the order of the flow; `offsets` are moved on."""
    by_topic: dict[str, list[bytes | None]] = {}
    for topic, value in part:
        by_topic.setdefault(topic, []).append(value)
    made = []
    for topic in sorted(by_topic, key=TOPICS.index):
        values = by_topic[topic]
        for at in range(0, len(values), slab_events):
            held = values[at : at + slab_events]
            made.append(Slab(topic, offsets.get(topic, 0), arrived_ms, held))
            offsets[topic] = offsets.get(topic, 0) + len(held)
    return made


def _schedule(size: Size, events: int) -> npt.NDArray[np.int64]:
    """Identities, facts and pairs made before each record; pairs first, so that a fact finds its person as it stays."""
    records = max(RECORDS_MIN, -(-max(size.identities, size.facts) // events))
    part = np.linspace(0, 1, records + 1)
    parts = [part, np.clip((part - PAIRS_PART) / (1 - PAIRS_PART), 0, 1), np.clip(part / PAIRS_PART, 0, 1)]
    return np.stack([np.round(p * n) for p, n in zip(parts, size, strict=True)], 1).astype(np.int64)


def _holders(facts: npt.NDArray[np.void], known: Hashes) -> npt.NDArray[np.void]:
    """Facts of persons of several profiles: each counts for its person, who is the profile itself."""
    theirs = facts[np.isin(facts["profile"], known)] if len(facts) else facts  # isin sorts what is known
    found = np.zeros(len(theirs), HOLDERS)
    found["key"] = mix(theirs["profile"] ^ PERSON_SALT, theirs["fact"])
    found["number"] = theirs["number"]
    return found


def _account(number: int) -> str:
    return f"acc-{number:05}"


def _accounts_of(rng: np.random.Generator, n: int) -> np.ndarray:
    """Account numbers: the first has its share, the others follow a power law."""
    pareto = np.minimum(rng.pareto(1.1, n).astype(np.int64) + 1, ACCOUNTS - 1)
    return np.where(rng.random(n) < _FIRST_ACCOUNT, 0, pareto)


def _facts(rng: np.random.Generator, keys: tuple[Hashes, Hashes], made: int, sizes: tuple[int, int]) -> np.ndarray:
    """`sizes`: facts, and the identities of the record, of which each fact is held by one."""
    n, identities = sizes
    accounts, profiles = keys
    found = np.zeros(n, FACTS)
    found["number"] = made + 1 + np.arange(n)
    found["row"] = np.arange(n) % identities
    found["profile"] = mix(profiles[rng.integers(0, len(profiles), n)], accounts[_accounts_of(rng, n)])
    found["fact"] = rng.integers(1, 1 << 63, n, dtype=np.uint64)
    found["label"] = rng.integers(0, _LABELS, n)
    found["kind"] = OPEN
    return found


def _pairs(rng: np.random.Generator, made: int, n: int, end_us: int) -> tuple[list[Register], list[Person]]:
    """Visitors who became known, each by an operation of its own."""
    accounts = [_account(number) for number in _accounts_of(rng, n).tolist()]
    visitors = [f"old-visitor-{number}" for number in range(made, made + n)]
    known = [profile_name(number) for number in rng.integers(0, PROFILES, n).tolist()]
    pairs = list(zip(accounts, visitors, known, strict=True))
    registers = [Register(account, visitor, p, end_us - DAY_US, 1) for account, visitor, p in pairs]
    targets = dict.fromkeys((account, p) for account, _, p in pairs)
    persons = [Person(account, visitor, p) for account, visitor, p in pairs]
    return registers, persons + [Person(account, p, p) for account, p in targets]


def _plan(number: int, end_us: int) -> Plan:
    return Plan(_account(number), _ALLOWANCE, 1 + number % 28, "UTC", (0.8, 0.9, 1.0), None, end_us - 60 * DAY_US, 1)
