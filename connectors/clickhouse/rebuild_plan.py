"""What a rebuild would do: its names, the journal's bounds, whether one was begun before. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.clickhouse import rebuild_statements as sql
from connectors.clickhouse.ranges import RESTORE
from connectors.clickhouse.rebuild_exchange import At, RebuildRefused, positions, tables
from connectors.clickhouse.rebuild_group import Bounds, Group, Journal
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import QUERY_SECONDS_MAX, target
from pipeline.settings import Settings

YIELD_SECONDS = 5.0  # in which a younger rebuild drops what it has just made; some statements
_AGAIN_SECONDS = 0.1
_ENGINE = "Atomic"  # of databases whose tables can be exchanged


@dataclass(frozen=True, slots=True)
class Plan:
    """See the module. `rebuilt`: next offset by partition, so far; `members`: who is in the sinks' group."""

    at: At
    resumed: bool
    bounds: Mapping[int, Bounds]
    rebuilt: Mapping[int, int]
    members: Sequence[str]
    live_bytes: int
    free_bytes: int


def plan(settings: Settings, now: datetime) -> Plan:
    """The rebuild that was begun and not finished, else a new one.

    Raises:
        RebuildRefused: the journal's beginning is gone, or the databases are not as they must be.
        KafkaAway, NoTopic, JournalGone, Unavailable, Refused
    """
    journal = Journal(settings)
    bounds = journal.bounds()
    service = Service(target(settings), QUERY_SECONDS_MAX)
    live = service.target.database
    try:
        found = begun(service)
        size = tables(service, live).size
        free = int(service.query(sql.free_bytes()).rows[0][0])
    finally:
        service.close()
    if found is None:
        refuse_headless(bounds)
    place, stamp = found or ("", sql.stamp(now))
    names = sql.names(live, settings.sink.group_id, stamp)
    at = At(names, place or names.fresh)
    rebuilt = {p: done.offset for p, done in positions(Group(settings, names.group), len(bounds)).items()}
    return Plan(at, found is not None, bounds, rebuilt, journal.members(settings.sink.group_id), size, free)


def after(found: Plan, settings: Settings, now: datetime) -> Plan:
    """A new rebuild, where another one was begun."""
    live, group = settings.clickhouse.database, settings.sink.group_id
    while (names := sql.names(live, group, sql.stamp(now))) == found.at.names:
        now += timedelta(seconds=1)
    return replace(found, at=At(names, names.fresh), resumed=False, rebuilt=dict.fromkeys(found.bounds, 0))


def refuse_headless(bounds: Mapping[int, Bounds]) -> None:
    """Refuse a journal whose beginning is gone.

    Raises:
        RebuildRefused
    """
    if gone := [f"partition {p} begins at offset {b.low}" for p, b in sorted(bounds.items()) if b.low > 0]:
        raise RebuildRefused(
            f"the journal's beginning is gone ({', '.join(gone)}): fresh tables would lack what it said, and the live"
            f" ones may have it. {RESTORE}"
        )


def begun(service: Service) -> tuple[str, str] | None:
    """Database and stamp of the rebuild that was begun and not finished.

    Raises:
        RebuildRefused: there are several, or the live database is of a kind whose tables cannot be exchanged.
        Unavailable, Refused
    """
    live = service.target.database
    engines = {str(name): str(engine) for name, engine in service.query(sql.databases()).rows}
    if engines.get(live, _ENGINE) != _ENGINE:
        raise RebuildRefused(
            f"database {live} has the engine {engines[live]}: tables can be exchanged between {_ENGINE} databases"
            " only. Fill a new database instead: TALLY_CLICKHOUSE__DATABASE and TALLY_SINK__GROUP_ID set to new"
            " ones, `tally migrate`, and start the sinks with them"
        )
    found = sql.begun(live, engines)
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise RebuildRefused(
            f"several rebuilds of {live} were begun ({names}), and only one may exchange tables: drop the databases"
            " of all but one (DROP DATABASE), and run this again"
        )
    return found[0] if found else None


def goes_on(service: Service, place: str) -> bool:
    """Whether the rebuild into `place`, which was just begun, is the one that goes on, of several that began at once.

    Of two at least one sees the other one. The younger one is to drop what it made, and the older one waits for that;
    where it waits in vain the younger one has not seen it and is at work, so it is the older one that is to drop.

    Raises:
        Unavailable, Refused
    """
    deadline = time.monotonic() + YIELD_SECONDS
    while True:
        names = [str(name) for name, _ in service.query(sql.databases()).rows]
        found = dict(sql.begun(service.target.database, names))
        own = found.pop(place, "")
        if not found:
            return True
        if min(found.values()) < own or time.monotonic() > deadline:
            return False
        time.sleep(_AGAIN_SECONDS)
