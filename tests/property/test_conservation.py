"""Every event read has one fate, and is read once."""

from __future__ import annotations

from collections import Counter

from tests.property import running
from tests.property.cases import Case, every_case, some_cuts
from tests.property.running import Outcome


@every_case()
def test_what_was_read_is_accepted_rejected_or_a_duplicate(case: Case) -> None:
    outcome = running.run(case.history, some_cuts(case.dice(), len(case.history)), case.context)
    assert is_read_without_gap(outcome, Counter(sent.topic for sent in case.history))
    accepted, rejected = running.accepted(outcome), running.rejected(outcome)
    places = zip((sent.topic for sent in case.history), running.offsets(case.history), strict=True)
    others = set(places) - accepted - rejected.keys()
    assert len(accepted) == sum(row["hits"] for row in outcome.rows) == sum(r.accepted for r in outcome.records)
    assert not accepted & rejected.keys()
    assert len(rejected) == sum(len(record.rejects) for record in outcome.records)
    assert Counter(topic for topic, _ in others) == _by_topic(running.duplicates(outcome))
    assert all(r.read == r.accepted + len(r.rejects) + sum(d.events for d in r.duplicates) for r in outcome.records)


def is_read_without_gap(outcome: Outcome, topics: Counter[str]) -> bool:
    """Whether the records read every topic from its first offset to its last, each offset once."""
    next_offsets: Counter[str] = Counter()
    for source in (source for record in outcome.records for source in record.sources):
        if source.first != next_offsets[source.topic]:
            return False
        next_offsets[source.topic] = source.next
    return next_offsets == topics


def _by_topic(duplicates: Counter[tuple[str, str]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for (topic, _), events in duplicates.items():
        found[topic] += events
    return found
