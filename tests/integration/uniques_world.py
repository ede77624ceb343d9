"""Events decided by the core and inserted as the sink does: what the views say of uniques. A tenant a test."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from connectors.clickhouse.rows import Decided, translate
from connectors.clickhouse.service import Service
from pipeline.core.record import decode
from tests.events import NOON_MS, NOON_US, Event, context, event, frame, topic_of
from tests.property import running
from tests.property.running import Outcome, Sent

SECOND, DAY_S = 1_000_000, 86_400
PARTITIONS = itertools.count()  # one a tenant: an insert's token has it

Part = tuple[str, str, str, int, int]  # campaign, kind, class, events, evidence


def touch(type_name: str, second: float, profile: str | None = "p", **fields: Any) -> Event:
    """An event of a channel, so many seconds after noon; of message m in campaign c unless told otherwise."""
    about = {"profile_id": profile, "message_id": "m", "campaign_id": "c"}
    return event(type_name, occurred_at=NOON_US + int(second * SECOND), **(about | fields))


class Tenant:
    """An account of a database that tests share."""

    def __init__(self, service: Service, account: str, **rules: int) -> None:
        self.service, self.account = service, account
        self._context, self._partition = context(**rules), next(PARTITIONS)
        self._sent: list[Sent] = []
        self._outcome = Outcome()

    def tell(self, *events: Event, day: int = 0) -> None:
        """Events arrive, so many days after the first day, and are inserted."""
        arrived_ms = NOON_MS + 1000 * (day * DAY_S + 3600)
        for one in events:
            own = one | {"account_id": self.account}
            self._sent.append(Sent(topic_of(own["type"]), arrived_ms, frame(own), own))
        self.arrive([])

    def arrive(self, history: Sequence[Sent], cuts: Sequence[int] = ()) -> None:
        """What was told and not decided yet, and a history, cut before these places of it."""
        before = sum(record.read for record in self._outcome.records)
        began = len(self._outcome.journal)
        self._sent += history
        batches = running.batches(self._sent, [before, *(before + cut for cut in cuts)])
        for batch in batches[1:] if before else batches:
            running.step(self._outcome, batch, self._context)
        decided = [
            Decided(offset, decode(value)[1]) for offset, value in enumerate(self._outcome.journal) if offset >= began
        ]
        for table, content in translate(self._partition, decided).items():
            token = f"{self._partition} {began} {table}"
            assert self.service.insert(table, content.columns, content.stream, token) >= content.rows

    @property
    def told(self) -> list[dict[str, Any]]:
        """What the oracle is told of it."""
        return running.told(self._sent)

    def parts(self, channel: str = "email") -> list[Part]:
        """The rows of `unique_differences`, which must add up."""
        columns = "campaign_id, kind, class, events, evidence"
        return self.rows(f"SELECT {columns} FROM unique_differences WHERE channel = '{channel}'")

    def reconciled(self, channel: str = "email") -> list[tuple[Any, ...]]:
        """Of each campaign: our opens, the vendor's, our clicks, the vendor's."""
        columns = "campaign_id, our_opens, vendor_opens, our_clicks, vendor_clicks"
        return self.rows(f"SELECT {columns} FROM unique_reconciliation WHERE channel = '{channel}'")

    def engagement(self, channel: str = "email") -> list[tuple[Any, ...]]:
        """Of each campaign: opens, unique opens, clicks, unique clicks."""
        columns = "campaign_id, opened, unique_opened, clicked, unique_clicked"
        return self.rows(f"SELECT {columns} FROM campaign_engagement WHERE channel = '{channel}'")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The tenant's rows of a view, in their order."""
        answer = self.service.query(
            f"{sql} AND account_id = {{account:String}} ORDER BY ALL", {"account": self.account}
        )
        return answer.rows
