"""`tally topics plan` and `tally topics apply`."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

import typer

from pipeline import settings as settings_module
from pipeline.cli import console
from pipeline.topic_plan import Change, Topic, compare, refused, wanted
from pipeline.topics import JOURNAL, physical

_Format = Annotated[console.Format, typer.Option("--format", help="How to print the differences.")]
_Shorten = Annotated[
    bool, typer.Option("--shorten-retention", help="Allow a topic's retention to become shorter: events are deleted.")
]


def plan(format_: _Format = console.Format.TABLE, shorten: _Shorten = False) -> None:
    """Show how the topics differ from the settings; changes nothing.

    Exit codes: 0 nothing to do, 3 there is something to apply, 1 something is refused or Kafka is absent.

    Examples:

        tally topics plan

        tally topics plan --format json

        tally --set topics.partitions=12 topics plan
    """
    _, changes, _ = _changes(shorten)
    _show(changes, format_)
    if refused(changes):
        raise SystemExit(int(console.Exit.FAILED))
    raise SystemExit(int(console.Exit.DIFFERENT if changes else console.Exit.OK))


def apply(format_: _Format = console.Format.TABLE, shorten: _Shorten = False) -> None:
    """Create the topics and set their configuration, after showing the difference. Safe to repeat.

    Where one change is refused, none is made. Never changes a partition count: one partition number
    holds all about an account. Exit codes: 0 done or nothing to do, 1 refused, failed or Kafka is absent.

    Examples:

        tally topics apply

        tally --set topics.replication_factor=3 --set topics.min_insync_replicas=2 topics apply
    """
    from pipeline import topic_admin
    from pipeline.kafka_cluster import KafkaAbsent

    settings, changes, topics = _changes(shorten)
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


def _changes(shorten: bool) -> tuple[settings_module.Settings, list[Change], list[Topic]]:
    settings = settings_module.load()
    topics = wanted(settings)
    settings.kafka_address()
    from pipeline import topic_admin
    from pipeline.kafka_cluster import KafkaAbsent

    try:
        found = topic_admin.read(settings, topics)
    except (KafkaAbsent, topic_admin.TopicsError) as error:
        console.fail(str(error))
    journal = physical(settings.topics.prefix, JOURNAL)
    return settings, compare(topics, found, journal, shorten), topics


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
