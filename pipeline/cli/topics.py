"""`tally topics plan` and `tally topics apply`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import groupby
from typing import Annotated

import typer

from pipeline import settings as settings_module
from pipeline.cli import console
from pipeline.topic_plan import Change, Found, Topic, compare, refused, wanted
from pipeline.topics import ALL_TOPICS, JOURNAL, physical

READ_SECONDS = 60.0  # for what the journal says of topics that are not there; then they count as read

_Format = Annotated[console.Format, typer.Option("--format", help="How to print the differences.")]
_Shorten = Annotated[
    bool, typer.Option("--shorten-retention", help="Allow a topic's retention to become shorter: events are deleted.")
]
_Recreate = Annotated[
    bool, typer.Option("--recreate", help="Make topics anew that were deleted and had been read: workers refuse then.")
]


def plan(format_: _Format = console.Format.TABLE, shorten: _Shorten = False, recreate: _Recreate = False) -> None:
    """Show how the topics differ from the settings; changes nothing.

    Exit codes: 0 nothing to do, 3 there is something to apply, 1 something is refused or Kafka is absent.

    Examples:

        tally topics plan

        tally topics plan --format json

        tally --set topics.partitions=12 topics plan
    """
    _, changes, _ = _changes(shorten, recreate)
    _show(changes, format_)
    if refused(changes):
        raise SystemExit(int(console.Exit.FAILED))
    raise SystemExit(int(console.Exit.DIFFERENT if changes else console.Exit.OK))


def apply(format_: _Format = console.Format.TABLE, shorten: _Shorten = False, recreate: _Recreate = False) -> None:
    """Create the topics and set their configuration, after showing the difference. Safe to repeat.

    Where one change is refused, none is made. Never changes a partition count: one partition number
    holds all about an account. Nor does it make a topic anew that was deleted after it had been read,
    unless with --recreate: what was published there is lost, and workers refuse.

    Exit codes: 0 done or nothing to do, 1 refused, failed or Kafka is absent.

    Examples:

        tally topics apply

        tally --set topics.replication_factor=3 --set topics.min_insync_replicas=2 topics apply
    """
    from pipeline import topic_admin
    from pipeline.kafka_cluster import KafkaAbsent

    settings, changes, topics = _changes(shorten, recreate)
    _show(changes, format_)
    no = refused(changes)
    if no:
        console.fail(f"nothing was changed: {len(no)} of {len(changes)} changes are refused")
    if not changes:
        return
    try:
        topic_admin.apply(settings, topics, changes)
    except (KafkaAbsent, topic_admin.TopicsError) as error:
        console.fail(str(error))
    created = len({change.topic for change in changes if change.action == "create"})
    changed = len({change.topic for change in changes if change.action == "set"})
    console.say(f"{created} topics created, {changed} changed")


def _changes(shorten: bool, recreate: bool) -> tuple[settings_module.Settings, list[Change], list[Topic]]:
    settings = settings_module.load()
    topics = wanted(settings)
    settings.kafka_address()
    from pipeline import topic_admin
    from pipeline.kafka_cluster import KafkaAbsent

    try:
        found = topic_admin.read(settings, topics)
        deleted = set() if recreate else _deleted(settings, found)
    except (KafkaAbsent, topic_admin.TopicsError) as error:
        console.fail(str(error))
    journal = physical(settings.topics.prefix, JOURNAL)
    return settings, compare(topics, found, journal, shorten, deleted), topics


def _deleted(settings: settings_module.Settings, found: Mapping[str, Found]) -> set[str]:
    """Topics that are not there, but were, by what others say of them; by their names in Kafka.

    Raises:
        KafkaAbsent: no answer.
    """
    names = {physical(settings.topics.prefix, topic): topic for topic in ALL_TOPICS}
    journal = physical(settings.topics.prefix, JOURNAL)
    missing = names.keys() - found.keys()
    if journal in missing:
        return missing if any(there.records for there in found.values()) else set()
    if not missing or not found[journal].records:
        return set()
    read = asyncio.run(_read(settings, journal, found[journal].partitions, {names[name] for name in missing}))
    return {name for name in missing if names[name] in read}


async def _read(settings: settings_module.Settings, journal: str, partitions: int, topics: set[str]) -> set[str]:
    from aiokafka.errors import KafkaError

    from pipeline.journal.deleted import ever_read
    from pipeline.journal.ports import Place
    from pipeline.journal.reader import KafkaReader
    from pipeline.kafka_cluster import KafkaAbsent, absence
    from pipeline.kafka_security import aiokafka_client

    reader = KafkaReader(aiokafka_client(settings), settings.topics.journal_message_bytes)
    try:
        async with reader.session() as session:
            return await ever_read(session, [Place(journal, n) for n in range(partitions)], topics, READ_SECONDS)
    except (KafkaError, OSError, TimeoutError) as error:
        said = f"{journal} cannot be read: {type(error).__name__} {error}"
        raise KafkaAbsent(absence(settings, [said])) from error


def _show(changes: list[Change], format_: console.Format) -> None:
    rows = [change._asdict() for change in changes]
    if format_ is console.Format.JSON:
        console.facts({"changes": rows, "refused": len(refused(changes))})
        return
    if not rows:
        console.console().print("The topics are as the settings say.")
        return
    console.table(_rows(changes), ["topic", "action", "setting", "found", "wanted"])
    for why, group in groupby(sorted(refused(changes), key=_refusal), _refusal):
        console.say(f"refused: {why} ({', '.join(change.topic for change in group)})")


def _rows(changes: list[Change]) -> list[dict[str, str | None]]:
    """Created topics as one row each, other changes as they are."""
    rows: list[dict[str, str | None]] = []
    for topic, group in groupby((c for c in changes if c.action == "create"), lambda change: change.topic):
        whole = " ".join(f"{change.setting}={change.wanted}" for change in group)
        rows.append({"topic": topic, "action": "create", "wanted": whole})
    return rows + [change._asdict() for change in changes if change.action == "set"]


def _refusal(change: Change) -> str:
    return f"{change.setting} {change.found} -> {change.wanted}: {change.why}"
