"""One seed's traffic, decided by the core and inserted into a database of its own; and what the oracle knows about it.

`happened` are the accepted events as a person who reads SEMANTICS would list them: answers are loops over them.
"""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from connectors.clickhouse import migrations
from connectors.clickhouse.rows import Decided, translate
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from pipeline.core.record import decode
from pipeline.settings import load
from tests.events import context
from tests.integration.analysts.traffic import PARTITIONS, traffic
from tests.oracle.fates import REFUSED
from tests.oracle.history import Rules
from tests.oracle.verdict import Verdict, judge
from tests.oracle.vocabulary import TYPES
from tests.property import running
from tests.property.running import Sent

SECONDS_MAX = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Rows = list[tuple[Any, ...]]


class Happened(NamedTuple):
    """An accepted event. `uniques` is what it is the first of; ids that were not given are empty."""

    account: str
    person: str
    profile: str
    type: str
    channel: str
    verb: str
    campaign: str
    message: str
    link: str
    at: datetime
    arrived: datetime
    is_test: bool
    source: str
    properties: Mapping[str, str]
    uniques: frozenset[str]
    place: tuple[int, str, int]

    @property
    def about(self) -> str:
        """The message: where a source gives none, the campaign."""
        return self.message or self.campaign


class Fated(NamedTuple):
    """An event that was read: partition, what the oracle is told of it, and the reason of its fate."""

    partition: int
    told: dict[str, Any]
    reason: str

    @property
    def account(self) -> str:
        """Empty where the bytes are no event."""
        return str(self.told.get("account_id", ""))

    @property
    def arrived(self) -> datetime:
        """At the broker."""
        return instant(self.told["arrived_at"])


def instant(microseconds: int) -> datetime:
    """A moment of Unix microseconds."""
    return _EPOCH + timedelta(microseconds=microseconds)


def share(part: float, whole: float) -> float | None:
    """A share; none of nothing."""
    return part / whole if whole else None


def _bytes(sent: Sent) -> bytes:
    """What a dead letter of it keeps: of a collector's refusal the bytes of the delivery."""
    if sent.event is not None and sent.event["type"] == REFUSED:
        return base64.b64decode(sent.event["properties"]["raw"])
    return sent.value or b""


@dataclass
class World:
    """See the module."""

    seed: int
    database: str
    service: Service
    told: dict[int, list[dict[str, Any]]] = field(default_factory=dict, repr=False)
    verdicts: dict[int, Verdict] = field(default_factory=dict, repr=False)
    values: dict[tuple[int, str, int], bytes] = field(default_factory=dict, repr=False)
    details: dict[tuple[int, str, int], str] = field(
        default_factory=dict, repr=False
    )  # of rejects, in the core's words

    @classmethod
    def build(cls, seed: int, clickhouse: str) -> World:
        """The whole traffic of a seed in the views."""
        database = f"analysts_{uuid.uuid4().hex[:8]}"
        place = target(load({"clickhouse.url": clickhouse, "clickhouse.database": database}))
        world = cls(seed, database, Service(place, SECONDS_MAX, database))
        made = Service(place, SECONDS_MAX)
        migrations.apply(made, migrations.find(made))
        made.close()
        for number, history in traffic(seed).items():
            dice = random.Random(f"{seed} {number}")
            cuts = {dice.randrange(1, len(history)) for _ in range(60)}
            outcome = running.run(history, cuts, context())
            world.told[number] = running.told(history)
            world.verdicts[number] = judge(world.told[number], Rules())
            assert not world.verdicts[number].order_matters
            places = zip(history, running.offsets(history), strict=True)
            world.values |= {(number, sent.topic, offset): _bytes(sent) for sent, offset in places}
            rejects = [reject for record in outcome.records for reject in record.rejects]
            world.details |= {(number, reject.topic, reject.offset): reject.detail for reject in rejects}
            world._insert(number, outcome.journal, dice)
        return world

    def _insert(self, partition: int, journal: list[bytes], dice: random.Random) -> None:
        """As the sink does: ranges of records, each table under the range's token."""
        decided = [Decided(offset, decode(value)[1]) for offset, value in enumerate(journal)]
        while decided:
            size = dice.randrange(1, 30)
            for table, content in translate(partition, decided[:size]).items():
                token = f"{partition} {decided[0].offset} {table}"
                assert self.service.insert(table, content.columns, content.stream, token) >= content.rows
            decided = decided[size:]

    def fated(self, word: str) -> list[Fated]:
        """Every event of that fate, with its reason, in the order of arrival by partition."""
        return [
            Fated(number, told, fate.reason)
            for number in PARTITIONS
            for told, fate in zip(self.told[number], self.verdicts[number].fates, strict=True)
            if fate.word == word
        ]

    def drop(self) -> None:
        """Nothing stays behind."""
        self.service.command(f"DROP DATABASE {self.database}")
        self.service.close()

    @cached_property
    def happened(self) -> list[Happened]:
        """Every accepted event, tests included."""
        return [one for number in PARTITIONS for one in self._happened(number)]

    def of(self, account: str) -> list[Happened]:
        """The account's accepted events that are no tests."""
        return [one for one in self.happened if one.account == account and not one.is_test]

    def people(self, account: str) -> dict[str, list[Happened]]:
        """The same, of those who are somebody, by person."""
        found: dict[str, list[Happened]] = {}
        for one in self.of(account):
            if one.person:
                found.setdefault(one.person, []).append(one)
        return found

    def _happened(self, number: int) -> Iterator[Happened]:
        verdict = self.verdicts[number]
        firsts: dict[int, set[str]] = {}
        for n, kind in verdict.uniques:
            firsts.setdefault(n, set()).add(kind)
        for n in verdict.accepted:
            event = self.told[number][n]
            profile = event.get("profile_id") or ""
            kind = TYPES[event["type"]]
            yield Happened(
                account=event["account_id"],
                person=verdict.persons.get((event["account_id"], profile), profile),
                profile=profile,
                type=event["type"],
                channel=kind.channel,
                verb=kind.verb if kind.channel else "",
                campaign=event.get("campaign_id") or "",
                message=event.get("message_id") or "",
                link=event.get("link") or "",
                at=instant(event["occurred_at"]),
                arrived=instant(event["arrived_at"]),
                is_test=event["is_test"],
                source=event["source"],
                properties=event["properties"],
                uniques=frozenset(firsts.get(n, ())),
                place=(number, event["topic"], event["offset"]),
            )
