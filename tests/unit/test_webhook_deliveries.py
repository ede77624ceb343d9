"""What is read again after a crash: enough, wherever it comes. A model of the two topics, and a courier that dies."""

from __future__ import annotations

import random

import pytest

from connectors.alerts.rows import Decided, Projected, projected
from connectors.webhook import deliveries
from connectors.webhook.deliveries import Item, Lane, Position
from connectors.webhook.rows import Receipt
from connectors.webhook.states import State
from pipeline.core.record import Alert

ROUNDS = 300
STATES = (State.DELIVERED, State.DELIVERED, State.RETRYING, State.PARKED)


def alert(n: int) -> Projected:
    return projected(Alert("a", n, "threshold", 0.8, 8, 10, n, n), Decided(0, n, n, 0))


class Topics:
    """Both topics of a partition, and the group's commit. Offsets have gaps, as transactions leave them."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.alerts: list[tuple[int, Projected]] = []
        self.receipts: list[tuple[int, bytes, Receipt]] = []
        self.commit: Position | None = None
        self.delivered: set[str] = set()

    def begin(self) -> Lane:
        """A courier starts: it folds the receipts, then takes the alerts."""
        lane = Lane(0, self.commit or Position(0, 0))
        for offset, key, receipt in self.receipts:
            if offset >= lane.next_receipt:
                lane.fold(offset, key, receipt)
        lane.folded = True
        return lane

    def take(self, lane: Lane, most: int) -> None:
        """Some of the alerts that it has not seen."""
        new = [(offset, one) for offset, one in self.alerts if offset >= lane.next_alert]
        for offset, one in new[:most]:
            lane.take(offset, one.key, b"value", one)

    def attempt(self, lane: Lane, item: Item, crash: bool) -> None:
        """An answer comes; the receipt and the position are written together, or neither is."""
        assert item.receipt.id not in self.delivered, "sent again after its receipt"
        state = self.dice.choice(STATES)
        kept = None if state is State.DELIVERED else item.value
        receipt = item.receipt._replace(state=state, attempts=item.receipt.attempts + 1, alert=kept)
        lane.record(item, receipt)
        if crash:
            return
        offset = self.receipts[-1][0] + self.dice.choice((1, 2)) if self.receipts else 0
        self.receipts.append((offset, item.key, receipt))
        self.commit = lane.position
        if self.dice.random() < 0.7:  # it reads its own receipt before it writes the next one
            lane.follow(offset, item.key, receipt)
        if state is State.DELIVERED:
            self.delivered.add(receipt.id)

    def ask(self) -> None:
        """Somebody asks for what is parked."""
        last = {key: receipt for _, key, receipt in self.receipts}
        for key, receipt in last.items():
            if receipt.state is State.PARKED and self.dice.random() < 0.5:
                asked = receipt._replace(state=State.ASKED, attempts=0)
                self.receipts.append((self.receipts[-1][0] + 1, key, asked))

    def compact(self) -> None:
        """Kafka keeps the last receipt of a key."""
        last = {key: offset for offset, key, _ in self.receipts}
        self.receipts = [one for one in self.receipts if last[one[1]] == one[0] or self.dice.random() < 0.3]


@pytest.mark.parametrize("offsets_are_lost", [False, True])
def test_wherever_it_dies_nothing_is_sent_after_its_receipt_and_nothing_is_left_out(
    seed: int, offsets_are_lost: bool
) -> None:
    dice = random.Random(seed)
    for _ in range(ROUNDS):
        topics, made = Topics(dice), 0
        for _ in range(6):
            for _ in range(dice.randrange(4)):
                made += 1
                topics.alerts.append((topics.alerts[-1][0] + dice.choice((1, 2)) if topics.alerts else 0, alert(made)))
            lane = topics.begin()
            for _ in range(dice.randrange(6)):
                topics.take(lane, dice.randrange(1, 4))
                due = [item for item in lane.due(0) if not item.in_flight]
                if due:
                    topics.attempt(lane, dice.choice(due[:3]), crash=False)
            if lane.waiting:
                topics.attempt(lane, dice.choice(list(lane.waiting.values())), crash=True)
            topics.ask()
            topics.compact()
            if offsets_are_lost and dice.random() < 0.3:
                topics.commit = None
        _drain(topics)
        assert topics.delivered | _parked(topics) == {one.id for _, one in topics.alerts}


def _drain(topics: Topics) -> None:
    lane = topics.begin()
    topics.take(lane, 1_000)
    while lane.waiting:
        topics.attempt(lane, next(iter(lane.waiting.values())), crash=False)


def _parked(topics: Topics) -> set[str]:
    last = {key: receipt for _, key, receipt in topics.receipts}
    return {receipt.id for receipt in last.values() if receipt.state is State.PARKED}


def test_what_is_asked_for_while_it_runs_is_due_at_once_and_its_own_receipts_say_nothing_new() -> None:
    lane = Lane(0, Position(0, 0), folded=True)
    parked = Receipt("id", State.PARKED, 9, 0, 500, "x", None, 4, b"value")
    lane.follow(0, b"key", parked)
    assert not lane.waiting
    lane.follow(1, b"key", parked._replace(state=State.ASKED, attempts=0))
    (item,) = lane.due(0)
    assert item.receipt.attempts == 0
    item.in_flight = True
    assert list(lane.due(0)) == []
    assert lane.position == Position(0, 1)


def test_a_commit_is_read_back_and_another_ones_is_none() -> None:
    assert deliveries.parsed(5, deliveries.metadata(Position(5, 7))) == Position(5, 7)
    assert [deliveries.parsed(5, text) for text in (None, "", "[]", "{}", '{"receipts": "x"}')] == [None] * 5
