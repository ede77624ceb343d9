"""The checker: what the producers were acknowledged, through the oracle, against the journal and ClickHouse's views.

It judges a world at rest. Every difference is a line with its coordinates; none means: nothing lost, nothing twice,
the same uniques, persons, allowance and alerts, conservation, a valid chain.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.core.record import Record
from pipeline.topic_bounds import held
from tests.e2e import arrival, comparison, views
from tests.e2e.arrival import Arrived, Coordinates, Decided
from tests.e2e.promised import KEYS, Judged, promised
from tests.oracle.verdict import judge
from tests.torture.world import RULES, World

AUDIT_SECONDS = 120
LINES_MAX = 200  # of each check that are kept; the rest is counted


@dataclass
class Findings:
    """What the checker found: differences in words, and how much it has compared."""

    lines: list[str] = field(default_factory=list)
    events: int = 0
    records: int = 0
    rivals: int = 0
    alerts: int = 0
    rows: int = 0

    def add(self, lines: Sequence[str]) -> None:
        """More differences."""
        self.lines += lines[:LINES_MAX]
        if len(lines) > LINES_MAX:
            self.lines.append(f"... and {len(lines) - LINES_MAX} more of these")


def check(world: World) -> Findings:
    """Everything that was published, decided and inserted in a round."""
    found = Findings()
    arrived = arrival.read_back(world.settings, held(world.settings))
    found.events = len(arrived)
    found.add(list(_lost_by_the_broker(world, arrived)))
    journals = {}
    for number in range(world.settings.topics.partitions):
        journal = arrival.journal(world.settings, number)
        found.records += journal.check.records
        found.rivals += journal.check.rivals
        found.add([f"journal partition {number}: {fault}" for fault in journal.check.faults])
        journals[number] = journal.valid
    found.add(list(_fates(journals, arrived)))
    found.add(list(_alerts_twice(journals)))
    found.alerts = sum(len(record.alerts) for records in journals.values() for _, record in records)
    if found.lines:
        return found  # what the oracle would be told is not what was decided
    found.add(_views(world, journals, arrived, found))
    found.add(_audit(world))
    return found


def _lost_by_the_broker(world: World, arrived: Mapping[Coordinates, Arrived]) -> Iterator[str]:
    """What was acknowledged is in the topics: else the broker has lost it, and nobody else can be blamed."""
    for place, value in sorted(world.acknowledged().items()):
        there = arrived.get(place)
        if there is None or there.value != value:
            kind = "is not in the topic" if there is None else "is another event in the topic"
            yield f"{_at(place)}: acknowledged to a producer, {kind}: the broker lost it"


def _fates(
    journals: Mapping[int, Sequence[tuple[int, Record]]], arrived: Mapping[Coordinates, Arrived]
) -> Iterator[str]:
    """Every event that arrived was decided, once."""
    decided: dict[Coordinates, list[int]] = defaultdict(list)
    for number, records in journals.items():
        for at, record in records:
            for source in record.sources:
                for offset in range(source.first, source.next):
                    decided[source.topic, number, offset].append(at)
    for place in sorted(arrived.keys() - decided.keys()):
        yield f"{_at(place)}: lost: no journal record has decided it"
    for place, records in sorted(decided.items()):
        if len(records) > 1:
            yield f"{_at(place)}: decided {len(records)} times, in the journal records at {records}"
        if place not in arrived:
            yield f"{_at(place)}: decided in the journal record at {records[0]}, but not in the topic"


def _alerts_twice(journals: Mapping[int, Sequence[tuple[int, Record]]]) -> Iterator[str]:
    """One threshold alert per account, cycle, plan and threshold."""
    times: Counter[tuple[object, ...]] = Counter(
        (alert.account_id, alert.cycle_start, alert.plan, alert.threshold)
        for records in journals.values()
        for _, record in records
        for alert in record.alerts
        if alert.kind == "threshold"
    )
    for (account, cycle, _, threshold), n in times.items():
        if n > 1:
            yield f"account {account}, cycle {cycle}: {n} alerts at the threshold {threshold:g}"


def _views(
    world: World,
    journals: Mapping[int, Sequence[tuple[int, Record]]],
    arrived: Mapping[Coordinates, Arrived],
    found: Findings,
) -> list[str]:
    """Every row and column of every promised view is as the oracle says."""
    sent = arrival.by_value(world.histories)
    judged = []
    for number, records in journals.items():
        decided = [Decided(record, arrival.in_order(record, number, arrived)) for _, record in records]
        told = arrival.told(decided, sent)
        verdict = judge(told, RULES)
        assert not verdict.order_matters, "facts were forgotten: their uniques may depend on the order of arrival"
        judged.append(Judged(number, [a for one in decided for a in one.arrived], told, verdict))
    there = {view: views.rows(world.clickhouse, view) for view in KEYS}
    found.rows = sum(len(rows) for rows in there.values())
    details = {(row["topic"], row["partition"], row["offset"]): row["detail"] for row in there["dead_letters"]}
    return comparison.differences(KEYS, promised(judged, details), there)


def _audit(world: World) -> list[str]:
    """`tally audit`: the journal's fold, the views and a recount of the raw rows say the same."""
    code, said = world.run(("audit",), AUDIT_SECONDS)
    return [] if code == 0 else [f"tally audit ended with {code}:", *said.splitlines()]


def _at(place: Coordinates) -> str:
    topic, partition, offset = place
    return f"{topic}, partition {partition}, offset {offset}"
