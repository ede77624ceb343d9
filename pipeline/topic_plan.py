"""The topics as they should be, and how those of a cluster differ: pure, no network.

In:   the settings, what the cluster has.  Out: changes, some of them refused with the reason and the way out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.settings import Settings
from pipeline.topics import ALL_TOPICS, JOURNAL, NOTIFY_TOPICS, physical

# Of a source's record: an event's body (1 MiB at most), its frame, key and headers, in a batch of its own.
SOURCE_MESSAGE_BYTES = 2 * 1024 * 1024
_HOUR_MS = 3_600_000
_FOR_EVER = "-1"
_ANEW = (
    "begin anew under another TALLY_TOPICS__PREFIX (`tally topics apply` makes its topics) and publish there again; "
    "or delete all topics and the journal and make them anew together. To make it all the same, use --recreate"
)
_TOPIC_GONE = (
    "it was deleted, and the journal has read it, or nobody can say that it has not. A topic of the same name is "
    "another one, with other events at the same offsets: workers refuse every partition that has read the former one. "
    f"What was counted stays counted; what was published there and not read yet is lost. To go on, {_ANEW}"
)
_JOURNAL_GONE = (
    "it is not there, but its source topics have had events. Where it was deleted, all that was decided is gone from "
    "it: workers would decide again what is still in the topics, without what was before, and sinks refuse what "
    f"ClickHouse has of the former one. Restore it; or, to go on without, {_ANEW}. Use that too where there never was "
    "a journal"
)


@dataclass(frozen=True)
class Topic:
    """A topic as it should be; `name` is the one in Kafka."""

    name: str
    partitions: int
    replication_factor: int
    configs: Mapping[str, str]


@dataclass(frozen=True)
class Found:
    """A topic as the cluster has it. `records`: whether anything was ever written to it."""

    partitions: int
    replication_factor: int
    configs: Mapping[str, str] = field(default_factory=dict)
    records: bool = False


class Change(NamedTuple):
    """One difference. `action`: `create`, `set` (a config) or `refuse`, where `why` says the reason and the way out."""

    topic: str
    action: str
    setting: str
    found: str | None
    wanted: str
    why: str = ""


def wanted(settings: Settings) -> list[Topic]:
    """The topics of the settings, in the order of the flow."""
    topics = settings.topics
    common = {"cleanup.policy": "delete", "min.insync.replicas": str(topics.min_insync_replicas)}
    source = common | {
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": str(topics.source_retention_hours * _HOUR_MS),
        "retention.bytes": _FOR_EVER,
        "max.message.bytes": str(SOURCE_MESSAGE_BYTES),
        "compression.type": "uncompressed" if topics.compression == "none" else topics.compression,
    }
    journal = common | {
        "retention.ms": _FOR_EVER,
        "retention.bytes": _FOR_EVER,
        "max.message.bytes": str(topics.journal_message_bytes),
    }
    configs = dict.fromkeys(ALL_TOPICS, source) | {JOURNAL: journal}
    # Each key's last record is kept for ever: none that said the same for good may be lost with the time.
    configs |= dict.fromkeys(NOTIFY_TOPICS, common | {"cleanup.policy": "compact"})
    return [
        Topic(physical(topics.prefix, name), topics.partitions, topics.replication_factor, of_topic)
        for name, of_topic in configs.items()
    ]


def compare(
    wanted: list[Topic],
    found: Mapping[str, Found],
    journal: str = JOURNAL,
    shorten: bool = False,
    deleted: Collection[str] = (),
) -> list[Change]:
    """What to do, in the order of the topics; empty where nothing differs. `journal` is the name in Kafka.

    `shorten` allows the retention of a topic to become shorter. `deleted` are topics that were there and were read:
    they are not made anew.
    """
    changes: list[Change] = []
    mixed = _mixed(found, journal)
    for topic in wanted:
        there = found.get(topic.name)
        if there is None and topic.name in deleted:
            why = _JOURNAL_GONE if topic.name == journal else _TOPIC_GONE
            changes.append(Change(topic.name, "refuse", "deleted", None, "made anew", why))
        elif there is None:
            changes.append(Change(topic.name, "create", "partitions", None, str(topic.partitions)))
            changes += [Change(topic.name, "create", name, None, value) for name, value in topic.configs.items()]
        else:
            changes += _shape(topic, there, mixed)
            changes += _configs(topic, there, topic.name == journal, shorten)
    return changes


def refused(changes: list[Change]) -> list[Change]:
    """The changes that must not be made."""
    return [change for change in changes if change.action == "refuse"]


class _Mixed(NamedTuple):
    """Topics of different numbers of partitions: the number that stays, those that do not have it, and words."""

    partitions: int
    odd: frozenset[str]
    why: str


def _mixed(found: Mapping[str, Found], journal: str) -> _Mixed | None:
    """None where all topics have the same number of partitions. What stays is the journal's, else the most usual."""
    counts = Counter(there.partitions for there in found.values())
    if len(counts) < 2:
        return None
    right = found[journal].partitions if journal in found else counts.most_common(1)[0][0]
    odd = frozenset(name for name, there in found.items() if there.partitions != right)
    told = ", ".join(f"{name} has {found[name].partitions}" for name in sorted(odd))
    empty = not any(found[name].records for name in odd)
    why = (
        f"{told}, the others have {right}. Kafka takes no partition away, and the number decides in which one an "
        "account is (murmur2 of its id, mod the number): with different ones an account's events are split between "
        "partitions, and workers refuse those that it concerns"
    )
    names = ",".join(sorted(odd))
    if empty:
        mend = (
            f"nothing was ever written to {names}: delete it (kafka-topics.sh --delete --topic {names}), then "
            f"`tally topics apply` with TALLY_TOPICS__PARTITIONS={right} makes it with {right}"
        )
    else:
        mend = (
            "there are events in it, which another number of partitions would tear apart: begin anew under another "
            "TALLY_TOPICS__PREFIX (`tally topics apply` makes its topics) and publish there again"
        )
    return _Mixed(right, odd, f"{why}. To go on: {mend}")


def _shape(topic: Topic, there: Found, mixed: _Mixed | None) -> Iterator[Change]:
    if mixed is not None:
        if topic.name in mixed.odd:
            pair = str(there.partitions), str(mixed.partitions)
            yield Change(topic.name, "refuse", "partitions", *pair, mixed.why)
    elif there.partitions != topic.partitions:
        why = (
            "one partition number holds all about an account, so the count is fixed once events are there: "
            f"set TALLY_TOPICS__PARTITIONS={there.partitions}, or rebuild into topics of another TALLY_TOPICS__PREFIX"
        )
        yield Change(topic.name, "refuse", "partitions", str(there.partitions), str(topic.partitions), why)
    if there.replication_factor < topic.replication_factor:
        why = (
            "replicas are moved by Kafka's own kafka-reassign-partitions.sh: do that, "
            f"or set TALLY_TOPICS__REPLICATION_FACTOR={there.replication_factor}"
        )
        pair = str(there.replication_factor), str(topic.replication_factor)
        yield Change(topic.name, "refuse", "replication.factor", *pair, why)


def _configs(topic: Topic, there: Found, journal: bool, shorten: bool) -> Iterator[Change]:
    for name, value in topic.configs.items():
        now = there.configs.get(name)
        if now == value:
            continue
        why = _objection(name, now, value, there.records, journal, shorten)
        yield Change(topic.name, "refuse" if why else "set", name, now, value, why)


def _objection(name: str, now: str | None, value: str, records: bool, journal: bool, shorten: bool) -> str:
    """Why a config must not be changed; empty where it may be."""
    if name == "cleanup.policy" and journal and records and "compact" in (now or ""):
        return (
            "it was compacted while it had records, so records of the chain may be gone: "
            "rebuild into topics of another TALLY_TOPICS__PREFIX"
        )
    if name.startswith("retention.") and records and not shorten and _shorter(now, value):
        return "shorter than now: Kafka would delete events at once; if that is meant, use --shorten-retention"
    return ""


def _shorter(now: str | None, value: str) -> bool:
    """Whether a retention becomes shorter; -1 is for ever."""
    if value == _FOR_EVER:
        return False
    return now in (None, _FOR_EVER) or int(value) < int(str(now))
