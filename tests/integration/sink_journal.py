"""Journals for the sink's tests: records of one partition, decided by brute force, and the numbers that must come out.

The model knows nothing of the core: after every record it looks at all events so far, says which of them are first, and
writes the difference to what it said before, as `+1` on the record's own events and as correction rows for older ones.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipeline.core import record as journal
from pipeline.core.event_schema import EVENTS
from pipeline.core.forecast import Forecast
from pipeline.core.window import DAY_US
from tests.integration.sink_values import packed_events

RULES = journal.Rules(1, 7, 5, 90, 50, 1)
BEGIN = datetime(2026, 1, 25, tzinfo=UTC)  # a month ends among the events: two parts an insert
DAYS = 14
CHANNELS = ("email", "push", "viber", "popup")
VERBS = (
    *("sent", "delivered", "delivered", "undelivered", "opened", "opened", "proxy_opened", "unique_opened", "clicked"),
    *("clicked", "unique_clicked", "soft_bounced", "hard_bounced", "unsubscribed", "complained"),
)
ACTIVITIES = frozenset({"email_opened", "email_clicked", "push_opened", "profile_merged"})
COUNTED = {
    "sent": "sent",
    "delivered": "delivered",
    "opened": "opened",
    "clicked": "clicked",
    "soft_bounced": "bounced",
    "hard_bounced": "bounced",
    "unsubscribed": "unsubscribed",
    "complained": "complained",
}
KINDS = ("unique_open", "unique_click", "unique_link_click")
COLUMNS = {"unique_open": "unique_opened", "unique_click": "unique_clicked", "unique_link_click": "unique_link_clicked"}
ALLOWANCE = 60
THRESHOLD = 0.5

Row = dict[str, Any]


def micros(at: datetime) -> int:
    """UTC microseconds."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@dataclass
class Partition:
    """One partition's model. `records()` gives what a worker would append; the other fields are what must come out."""

    number: int
    random: random.Random
    events: list[Row] = field(default_factory=list)
    corrections: int = 0
    persons: dict[tuple[str, str], str] = field(default_factory=dict)
    moved: set[tuple[str, str]] = field(default_factory=set)
    used: Counter[tuple[str, datetime]] = field(default_factory=Counter)
    closed: Counter[tuple[str, datetime]] = field(default_factory=Counter)
    alerts: list[tuple[str, datetime]] = field(default_factory=list)
    plans: dict[str, int] = field(default_factory=dict)  # account -> number
    forecasts: dict[tuple[str, datetime], Forecast] = field(default_factory=dict)  # the last ones
    rejects: list[journal.Rejected] = field(default_factory=list)
    read: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=Counter)
    first: set[tuple[str, int]] = field(default_factory=set)

    def records(self, n: int, events: int) -> Iterator[journal.Record]:
        """`n` records of about so many events each."""
        for _ in range(n):
            yield self._record(self.random.randint(1, 2 * events))

    def engagement(self) -> dict[tuple[str, str, str, date], Counter[str]]:
        """What `engagement_daily` must say."""
        found: dict[tuple[str, str, str, date], Counter[str]] = defaultdict(Counter)
        for number, e in enumerate(self.events):
            if e["is_test"] or not e["channel"]:
                continue
            key = (e["account_id"], e["campaign_id"] or "", e["channel"], e["occurred_at"].date())
            found[key]["events"] += 1
            if column := COUNTED.get(e["type"].split("_", 1)[1]):
                found[key][column] += 1
            for kind in KINDS:
                found[key][COLUMNS[kind]] += (kind, number) in self.first
        return found

    def burnt(self) -> Counter[tuple[str, int, str, str, str]]:
        """What `allowance_burn` must say."""
        return Counter(
            (e["account_id"], int(e["cycle_start"].timestamp()), e["campaign_id"] or "", e["channel"], e["type"])
            for e in self.events
            if e["activity"]
        )

    def _record(self, n: int) -> journal.Record:
        sources = dict(self.read)
        accepted, begin = Counter(self.accepted), len(self.events)
        touched: set[tuple[str, str]] = set()
        cycles: set[tuple[str, datetime]] = set()
        rejects: list[journal.Rejected] = []
        duplicates: Counter[tuple[str, str, str]] = Counter()
        alerts: list[journal.Alert] = []
        for _ in range(n):
            event = self._event(touched)
            topic, offset = event["origin_topic"], self.read[event["origin_topic"]]
            event["origin_offset"] = offset
            self.read[topic] += 1
            match self.random.random():
                case x if x < 0.03:
                    rejects.append(self._reject(topic, offset, event))
                case x if x < 0.08:
                    duplicates[topic, "altcraft", self.random.choice(("remembered", "same_batch"))] += 1
                case _:
                    self._accept(event, touched, cycles, alerts)
        rows = self._decided(begin)
        self.rejects += rejects
        for (topic, _, _), count in duplicates.items():
            self.duplicates[topic] += count
        return journal.Record(
            rules=RULES,
            stream_time=micros(BEGIN + timedelta(days=DAYS)),
            sources=[
                journal.Source(t, sources.get(t, 0), self.read[t], self.accepted[t] - accepted[t])
                for t in sorted(self.read)
                if self.read[t] > sources.get(t, 0)
            ],
            persons=[journal.Person(a, p, self.persons[a, p]) for a, p in sorted(touched)],
            allowance=[self._allowance(*cycle) for cycle in sorted(cycles)],
            plans=[self._plan(account) for account, _ in sorted(cycles) if self._is_new(account)],
            forecasts=[self._forecast(*cycle) for cycle in sorted(cycles)],
            alerts=alerts,
            **packed_events(rows),
            rejects=rejects,
            duplicates=[journal.Duplicates(*key, count) for key, count in sorted(duplicates.items())],
        )

    def _event(self, touched: set[tuple[str, str]]) -> Row:
        r = self.random
        occurred = BEGIN + timedelta(microseconds=r.randrange(DAYS * 86_400_000_000))
        account = f"acc-{self.number}-{r.randrange(2)}"
        event: Row = (
            dict.fromkeys(EVENTS.names)
            | {
                "account_id": account,
                "source": "altcraft",
                "profile_id": f"p{r.randrange(40)}" if r.random() < 0.97 else None,
                "occurred_at": occurred,
                "arrived_at": (occurred + timedelta(days=r.random() * 6)).replace(microsecond=0),
                "is_test": r.random() < 0.03,
                "hits": 1,
                "activity": 0,
                "corrects": 0,
                "properties": [("k", "ü" * r.randrange(3))] if r.random() < 0.5 else None,
            }
            | dict.fromkeys(KINDS, 0)
        )
        if r.random() < 0.04:
            return event | {"channel": "", "type": "profile_merged", "origin_topic": "events.profile"}
        channel, campaign = r.choice(CHANNELS), r.randrange(4)
        verb = r.choice(VERBS)
        return event | {
            "channel": channel,
            "type": f"{channel}_{verb}",
            "message_id": f"m{campaign}.{r.randrange(2)}" if r.random() < 0.8 else None,
            "campaign_id": f"c{campaign}" if campaign else None,
            "link": f"l{r.randrange(3)}" if verb.endswith("clicked") and r.random() < 0.9 else None,
            "origin_topic": f"events.{channel}",
        }

    def _accept(
        self,
        event: Row,
        touched: set[tuple[str, str]],
        cycles: set[tuple[str, datetime]],
        alerts: list[journal.Alert],
    ) -> None:
        account, profile = event["account_id"], event["profile_id"]
        self.accepted[event["origin_topic"]] += 1
        if event["type"] == "profile_merged" and profile and not event["is_test"]:
            self._merge(account, profile, touched)
        if event["type"] in ACTIVITIES and not event["is_test"]:
            event["activity"] = 1
            cycle = datetime(event["occurred_at"].year, event["occurred_at"].month, 1, tzinfo=UTC)
            event["cycle_start"] = cycle
            cycles.add((account, cycle))
            self.used[account, cycle] += 1
            self.closed[account, cycle] += event["arrived_at"] < next_month(cycle)
            if self.used[account, cycle] == ALLOWANCE * THRESHOLD:
                self.alerts.append((account, cycle))
                at = (micros(cycle), "threshold", THRESHOLD, self.used[account, cycle], ALLOWANCE)
                alerts.append(journal.Alert(account, *at, micros(event["occurred_at"]), 7))
        if profile and not event["is_test"]:
            self.persons.setdefault((account, profile), profile)
        if profile and self.persons.get((account, profile), profile) != profile:
            event["person_id"] = self.persons[account, profile]
        self.events.append(event)

    def _merge(self, account: str, profile: str, touched: set[tuple[str, str]]) -> None:
        """The profile joins another's person, or, one time in four, leaves its person."""
        members = {key for key, who in self.persons.items() if key[0] == account and who == self.persons.get(key)}
        if self.random.random() < 0.25:
            changed = {(account, profile): profile}
        else:
            person = self.persons.get((account, f"p{self.random.randrange(40)}"), profile)
            changed = {(account, profile): person}
        if any(self.persons.get(key) == profile and key != (account, profile) for key in members):
            return  # others stand for it: it stays who it is
        self.persons |= changed
        touched.update(changed)
        self.moved.update(changed)

    def _allowance(self, account: str, cycle: datetime) -> journal.Allowance:
        numbers = (self.used[account, cycle], self.closed[account, cycle], ALLOWANCE)
        return journal.Allowance(account, micros(cycle), micros(next_month(cycle)), *numbers, ())

    def _is_new(self, account: str) -> bool:
        new = account not in self.plans
        self.plans.setdefault(account, len(self.plans))
        return new

    def _plan(self, account: str) -> journal.Plan:
        own = ("email_opened",) if self.plans[account] % 2 else None
        identity = 7 + self.plans[account]
        return journal.Plan(account, ALLOWANCE, 1, "UTC", (THRESHOLD, 1.0), own, micros(BEGIN), identity)

    def _forecast(self, account: str, cycle: datetime) -> Forecast:
        used = self.used[account, cycle]
        made = Forecast(account, micros(cycle), micros(cycle) + DAY_US, used, used, 2 * used, 4 * used, used % 2 == 0)
        self.forecasts[account, cycle] = made
        return made

    def _reject(self, topic: str, offset: int, event: Row) -> journal.Rejected:
        raw = self.random.randbytes(self.random.randrange(60))
        reason = self.random.choice(("undecodable", "too_late"))
        at = micros(event["arrived_at"])
        return journal.Rejected(topic, offset, at, event["account_id"], reason, f"at {offset}", raw, len(raw))

    def _decided(self, begin: int) -> list[Row]:
        """The rows of the events since `begin`, then the corrections of older ones."""
        now = self._first()
        corrections = []
        for kind, number in sorted(now ^ self.first):
            delta = 1 if (kind, number) in now else -1
            if number >= begin:
                self.events[number][kind] = delta
            else:
                corrections.append(correction(self.events[number], number, kind, delta))
        self.first = now
        self.corrections += len(corrections)
        return self.events[begin:] + corrections

    def _first(self) -> set[tuple[str, int]]:
        """Which events are a person's first of something: raw ones before the vendor's own, the earliest of them."""
        best: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        for number, e in enumerate(self.events):
            verb = e["type"].split("_", 1)[1]
            about = e["message_id"] or e["campaign_id"]
            if not e["channel"] or e["is_test"] or not e["profile_id"] or not about:
                continue
            person = self.persons[e["account_id"], e["profile_id"]]
            vendor = verb.startswith("unique_")
            kinds = []
            if verb in ("opened", "unique_opened"):
                kinds.append(("unique_open", ""))
            if verb in ("clicked", "unique_clicked"):
                kinds.append(("unique_click", ""))
                if e["link"] and not (vendor and e["channel"] == "viber"):
                    kinds.append(("unique_link_click", e["link"]))
            for kind, link in kinds:
                key = (kind, e["account_id"], e["channel"], about, link, person)
                place = (vendor, e["occurred_at"], number)
                best[key] = min(best.get(key, place), place)
        return {(key[0], value[2]) for key, value in best.items()}


def next_month(cycle: datetime) -> datetime:
    """The first instant after a calendar month."""
    return (cycle + timedelta(days=32)).replace(day=1)


def correction(event: Row, number: int, kind: str, delta: int) -> Row:
    """The row that takes a unique back from an event, or gives it."""
    kept = ("account_id", "channel", "campaign_id", "occurred_at", "arrived_at", "source")
    verb = "opened" if kind == "unique_open" else "clicked"
    row = dict.fromkeys(EVENTS.names) | {name: event[name] for name in kept} | dict.fromkeys(KINDS, 0)
    return row | {
        "type": f"{event['channel']}_{verb}",
        "is_test": False,
        "hits": 0,
        "activity": 0,
        "corrects": number + 1,
        kind: delta,
    }
