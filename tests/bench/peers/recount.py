"""The recount: what must come out of an input, by brute force, and how far an output is off it. Pure.

In:   rows of the input with their places, rows of an output.  Out: Truth, and Differences.
An event's identity is its id here: the generator gives each event one of 128 random bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.core.hashing import Ints

Place = tuple[str, int, int]  # topic, partition, offset


class Event(NamedTuple):
    """What the recount needs of an event."""

    event_id: str
    account_id: str
    type: str
    month: int  # since January 1970, in UTC
    profile_id: str
    message_id: str


class Enriched(NamedTuple):
    """A row of a peer's output; activity 0: it is none."""

    event: Event
    unique_open: bool
    unique_click: bool
    activity: int


Engagement = tuple[str, str, str, str]  # account, profile, message, channel


def about(event: Event) -> Engagement:
    """What an open or click may be the first of."""
    return event.account_id, event.profile_id, event.message_id, event.type.partition("_")[0]


@dataclass
class Truth:
    """What an input says. `first`: of each event, where its first copy is."""

    read: int = 0
    first: dict[str, Place] = field(default_factory=dict)
    opens: set[Engagement] = field(default_factory=set)
    clicks: set[Engagement] = field(default_factory=set)
    activities: Counter[tuple[str, int]] = field(default_factory=Counter)  # by account and month

    def add(self, event: Event, place: Place, is_activity: bool) -> None:
        """One more event read, in the order of its partition."""
        self.read += 1
        if event.event_id in self.first:
            return
        self.first[event.event_id] = place
        verb = event.type.partition("_")[2]
        if verb == "opened":
            self.opens.add(about(event))
        elif verb == "clicked":
            self.clicks.add(about(event))
        if is_activity:
            self.activities[event.account_id, event.month] += 1


class Differences(NamedTuple):
    """How far an output is off. `opens` and `clicks`: keys that are unique in one of the two alone, or twice;
    `counts`: accounts and months whose numbers are not 1 to n, or whose sum differs."""

    lost: int = 0
    doubled: int = 0
    strange: int = 0
    opens: int = 0
    clicks: int = 0
    counts: int = 0

    @property
    def words(self) -> str:
        """For people; empty where nothing is off."""
        names = {
            "lost": "events lost",
            "doubled": "events twice",
            "strange": "events that were never sent",
            "opens": "unique opens wrong",
            "clicks": "unique clicks wrong",
            "counts": "accounts' counters wrong",
        }
        return ", ".join(f"{value:,} {names[name]}" for name, value in self._asdict().items() if value)


def compare(truth: Truth, rows: Iterable[Enriched]) -> Differences:
    """A peer's output against the truth."""
    seen: set[str] = set()
    doubled = strange = 0
    opens: Counter[Engagement] = Counter()
    clicks: Counter[Engagement] = Counter()
    numbers: dict[tuple[str, int], list[int]] = {}
    for event, is_open, is_click, activity in rows:
        doubled += event.event_id in seen
        strange += event.event_id not in truth.first
        seen.add(event.event_id)
        if is_open:
            opens[about(event)] += 1
        if is_click:
            clicks[about(event)] += 1
        if activity:
            numbers.setdefault((event.account_id, event.month), []).append(activity)
    wanted = {key: list(range(1, count + 1)) for key, count in truth.activities.items()}
    return Differences(
        len(truth.first.keys() - seen),
        doubled,
        strange,
        _off(opens, truth.opens),
        _off(clicks, truth.clicks),
        sum(sorted(numbers.get(key, [])) != wanted.get(key, []) for key in numbers.keys() | wanted.keys()),
    )


@dataclass
class Sums:
    """What our journal says: accepted events by place, signed uniques by account and channel, counters."""

    places: Counter[Place] = field(default_factory=Counter)
    opens: Counter[tuple[str, str]] = field(default_factory=Counter)
    clicks: Counter[tuple[str, str]] = field(default_factory=Counter)
    activities: dict[tuple[str, int], int] = field(default_factory=dict)


def compare_sums(truth: Truth, sums: Sums) -> Differences:
    """Our own output against the truth: an event is known by its place, uniques are compared by account and channel."""
    places = set(truth.first.values())
    return Differences(
        len(places - sums.places.keys()),
        sum(count - 1 for count in sums.places.values()),
        len(sums.places.keys() - places),
        _sums_off(sums.opens, truth.opens),
        _sums_off(sums.clicks, truth.clicks),
        sum(
            sums.activities.get(key, 0) != truth.activities.get(key, 0)
            for key in sums.activities.keys() | truth.activities.keys()
        ),
    )


def _off(found: Counter[Engagement], wanted: Collection[Engagement]) -> int:
    return len(found.keys() ^ set(wanted)) + sum(count - 1 for count in found.values())


def _sums_off(found: Counter[tuple[str, str]], wanted: Collection[Engagement]) -> int:
    counted = Counter((account, channel) for account, _, _, channel in wanted)
    return sum(abs(found[key] - counted[key]) for key in found.keys() | counted.keys())


def months(us: Ints) -> list[int]:
    """Of instants in UTC microseconds: months since January 1970."""
    found: list[int] = us.astype("M8[us]").astype("M8[M]").astype("i8").tolist()
    return found
