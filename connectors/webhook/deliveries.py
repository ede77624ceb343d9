"""What is still to be sent of one partition, and from where on it must be read again after a crash. Pure.

In:   the partition's receipts, folded from where the group's commit says to their end, then its alerts in order.
Out:  alerts that are due; the position to commit.  Time: UTC microseconds, given.
The position is two offsets: `alerts`, before which every alert has a receipt, and `receipts`, from which on lie the
last receipts of all that are not final and of all alerts from `alerts` on. Both are lower bounds: reading more than
needed is harmless.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from connectors.alerts.rows import Projected
from connectors.webhook.rows import Receipt
from connectors.webhook.states import State


class Position(NamedTuple):
    """Where reading begins: offsets in the alerts' and in the receipts' partition."""

    alerts: int
    receipts: int


@dataclass(slots=True, eq=False)
class Item:
    """An alert that is to be sent. `floor`: no later than its last receipt's offset; None where it has none."""

    key: bytes
    value: bytes  # the alert's record
    receipt: Receipt
    floor: int | None
    in_flight: bool = False

    @property
    def due_at(self) -> int:
        """When it is sent."""
        return self.receipt.next_at or 0


def metadata(position: Position) -> str:
    """What an offset commit says beside the alerts' offset."""
    return json.dumps({"receipts": position.receipts})


def parsed(offset: int, text: str | None) -> Position | None:
    """The position that an offset commit says; None where it is somebody else's commit."""
    try:
        return Position(offset, int(json.loads(text or "")["receipts"]))
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(slots=True)
class Lane:
    """One partition. `next_alert` and `next_receipt` are the offsets to come; alerts are taken once it is `folded`."""

    partition: int
    begun: Position
    folded: bool = False
    next_alert: int = field(init=False)
    next_receipt: int = field(init=False)
    waiting: dict[bytes, Item] = field(default_factory=dict)  # by the alert's key
    _known: set[str] = field(default_factory=set)  # ids of alerts from `begun.alerts` on that have a receipt
    _known_until: int = 0  # behind the last alert that was passed over because of its receipt
    _since: dict[int, int] = field(default_factory=dict)  # alerts that got a receipt since: offset -> its floor

    def __post_init__(self) -> None:
        self.next_alert, self.next_receipt = self.begun

    def fold(self, offset: int, key: bytes, receipt: Receipt) -> None:
        """The partition's next receipt, before any alert: the last one of a key counts."""
        self.next_receipt = offset + 1
        if receipt.alert_offset >= self.begun.alerts:
            self._known.add(receipt.id)
        self.waiting.pop(key, None)
        if not receipt.state.is_final and receipt.alert is not None:
            self.waiting[key] = Item(key, receipt.alert, receipt, offset)

    def follow(self, offset: int, key: bytes, receipt: Receipt) -> None:
        """A receipt that came since: ours, which says nothing new, or somebody asks for an alert again."""
        self.next_receipt = offset + 1
        if receipt.state is State.ASKED and receipt.alert is not None and key not in self.waiting:
            self.waiting[key] = Item(key, receipt.alert, receipt, offset)

    def take(self, offset: int, key: bytes, value: bytes, alert: Projected) -> None:
        """The partition's next alert."""
        assert self.folded, "what has a receipt is known before alerts are taken"
        self.next_alert = offset + 1
        if alert.id in self._known or key in self.waiting:
            self._known.discard(alert.id)
            self._known_until = offset + 1
            return
        new = Receipt(alert.id, State.WAITING, 0, alert.decided_at, None, None, None, offset, value)
        self.waiting[key] = Item(key, value, new, None)

    def due(self, at: int) -> Iterator[Item]:
        """What is to be sent now, the longest due first."""
        yield from sorted((i for i in self.waiting.values() if not i.in_flight and i.due_at <= at), key=_order)

    def record(self, item: Item, receipt: Receipt) -> None:
        """A receipt is about to be written for an alert; from now on the position counts on it."""
        item.receipt, item.floor, item.in_flight = receipt, self.next_receipt, False
        if receipt.state.is_final:
            self.waiting.pop(item.key, None)
        self._since[receipt.alert_offset] = self.next_receipt

    @property
    def position(self) -> Position:
        """What may be committed."""
        without = [item.receipt.alert_offset for item in self.waiting.values() if item.floor is None]
        alerts = min([self.next_alert, *without])
        self._since = {offset: floor for offset, floor in self._since.items() if offset >= alerts}
        floors = [item.floor for item in self.waiting.values() if item.floor is not None]
        known = [self.begun.receipts] if self._known or alerts < self._known_until else []
        return Position(alerts, min([self.next_receipt, *floors, *self._since.values(), *known]))


def _order(item: Item) -> tuple[int, int]:
    return item.due_at, item.receipt.alert_offset
