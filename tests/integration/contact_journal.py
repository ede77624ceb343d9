"""Events told to ClickHouse as the sink tells them, and the contact sheets that come of it; an account a test."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.clickhouse import rows, statements
from connectors.clickhouse.service import Service
from pipeline.core import record as journal
from pipeline.core.event_schema import EVENTS
from pipeline.core.vocabulary import CHANNELS
from tests.integration.sink_journal import RULES, Row
from tests.integration.sink_values import packed_events

BEGIN = datetime(2026, 2, 27, 23, 59, tzinfo=UTC)  # a month ends among the events: two parts an insert
ALONE_MAX = 3  # sheets asked for one by one: each takes some 100 ms
_OFFSETS = itertools.count()

Content = dict[str, rows.Content]


def at(second: float) -> datetime:
    """Seconds after the beginning, UTC, as the client gives instants."""
    return (BEGIN + timedelta(seconds=second)).replace(tzinfo=None)


def event(
    kind: str,
    second: float,
    profile: str = "p",
    identity: int = 1,
    said: Mapping[str, str] | None = None,
    is_test: bool = False,
) -> Row:
    """An accepted event; `said` are its attributes where it is a profile event without another use for them."""
    prefix = kind.partition("_")[0]
    own = "attributes" if kind in ("profile_updated", "profile_created") else "properties"
    row: Row = dict.fromkeys(EVENTS.names) | {
        "channel": prefix if prefix in CHANNELS else "",
        "type": kind,
        "source": "test",
        "profile_id": profile,
        "identity": identity,
        "occurred_at": at(second),
        "arrived_at": at(second + 1),
        "is_test": is_test,
        "hits": 1,
        "corrects": 0,
        "origin_topic": f"events.{prefix}",
        "origin_offset": next(_OFFSETS),
    }
    numbers = ("unique_open", "unique_click", "unique_link_click", "activity")
    return row | dict.fromkeys(numbers, 0) | {own: list((said or {}).items())}


class Account:
    """One tenant of a database that the tests share."""

    def __init__(self, service: Service, name: str) -> None:
        self._service = service
        self._name = name

    def tell(self, *events: Row, persons: Mapping[str, str] | None = None) -> tuple[Content, str]:
        """One range of one journal record, inserted; returns what `insert` takes to insert it again."""
        offset = next(_OFFSETS)
        record = journal.Record(
            RULES,
            0,
            [journal.Source("events.email", 0, len(events), len(events))],
            persons=[journal.Person(self._name, profile, person) for profile, person in (persons or {}).items()],
            **packed_events([e | {"account_id": self._name} for e in events]),
        )
        told = (rows.translate(0, [rows.Decided(offset, record)]), statements.token(0, offset, offset))
        self.insert(*told)
        return told

    def insert(self, content: Content, token: str) -> None:
        """What the sink does with a range."""
        for table, part in content.items():
            self._service.insert(table, part.columns, part.stream, token)

    def sheets(self) -> dict[str, dict[str, Any]]:
        """Every person's row of `contacts`; the fast paths must say the same, alone and as a page."""
        found = self._ask("SELECT * FROM {db}.contacts WHERE account_id = {{account:String}} ORDER BY person_id")
        people = [row["person_id"] for row in found]
        page = "SELECT * FROM {db}.contact_sheets(account = {{account:String}}, people = {{people:Array(String)}})"
        assert self._ask(page + " ORDER BY person_id", people=people) == found
        one = "SELECT * FROM {db}.contact_sheet(account = {{account:String}}, person = {{person:String}})"
        alone = [row for person in people[:ALONE_MAX] for row in self._ask(one, person=person)]
        assert alone == found[:ALONE_MAX]
        ranks = self._ask("SELECT * FROM {db}.contact_ranks(account = {{account:String}}) ORDER BY person_id")
        assert ranks == [
            {name: row[name] for name in ("person_id", "first_seen", "last_seen", "last_active")} for row in found
        ]
        return {row["person_id"]: row for row in found}

    def sheet(self, *names: str, person: str = "p") -> Any:
        """A person's columns, one alone or several as a tuple."""
        row = self.sheets()[person]
        return tuple(row[name] for name in names) if len(names) > 1 else row[names[0]]

    def timeline(self, person: str, where: str = "true") -> Sequence[dict[str, Any]]:
        """The rows of `contact_timeline`, in its order; `contact_activity` must have the same ones."""
        call = "{db}.contact_timeline(account = {{account:String}}, person = {{person:String}})"
        found = self._ask(f"SELECT * FROM {call} WHERE {where}", person=person)
        view = "{db}.contact_activity WHERE account_id = {{account:String}} AND person_id = {{person:String}}"
        rest = self._ask(f"SELECT * FROM {view} AND {where}", person=person)
        assert sorted(map(repr, rest)) == sorted(map(repr, found))
        return found

    def _ask(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        asked = sql.format(db=self._service.target.database)
        answer = self._service.query(asked, {"account": self._name, **parameters})
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
