"""Several producers, who publish many accounts' histories in random order across the topics.

A wave holds of each account records of one topic at most, and the next wave begins a moment after the last one was
acknowledged: the broker's time, which is all that orders an account's topics, tells one wave from another.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import Producer

from pipeline.topics import physical
from tests.property.running import Sent

PRODUCERS = 3
FLUSH_SECONDS = 30
TICK_SECONDS = 0.003  # the broker's clock counts milliseconds: two waves never share one
RUNS = (1, 1, 2, 3)  # records of one topic that an account sends in a wave
IDLE = 0.2  # of the accounts in a wave


class Run(NamedTuple):
    """Records of one account and one topic, in their order."""

    account: str
    sent: list[Sent]


def waves(histories: Mapping[str, Sequence[Sent]], dice: random.Random) -> list[list[Run]]:
    """All histories: the order within a topic stays, the order across topics is drawn."""
    left = {account: _by_topic(history) for account, history in histories.items()}
    found = []
    while left:
        accounts = [account for account in left if dice.random() > IDLE]
        dice.shuffle(accounts)
        found.append([Run(account, _drawn(left[account], dice)) for account in accounts])
        left = {account: topics for account, topics in left.items() if topics}
    return found


class Publisher:
    """Producers into the topics of one prefix. `published` counts the records."""

    def __init__(self, address: str, prefix: str, dice: random.Random) -> None:
        settings = {
            "bootstrap.servers": address,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,  # keeps an account's order when a request is tried again
            "linger.ms": 1,
            "log_level": 0,
        }
        self._producers = [Producer(settings) for _ in range(PRODUCERS)]
        self._prefix, self._dice = prefix, dice
        self.published = 0

    def publish(self, wave: Sequence[Run]) -> None:
        """A wave, acknowledged."""
        for run in wave:
            producer = self._dice.choice(self._producers)
            for sent in run.sent:
                producer.produce(physical(self._prefix, sent.topic), sent.value, key=run.account)
            self.published += len(run.sent)
        for producer in self._producers:
            assert producer.flush(FLUSH_SECONDS) == 0
        time.sleep(TICK_SECONDS)


def paced(waves: Sequence[list[Run]], seconds: float) -> Iterator[tuple[int, list[Run]]]:
    """The waves with their numbers, spread over some seconds."""
    began = time.monotonic()
    for number, wave in enumerate(waves):
        time.sleep(max(0.0, began + seconds * number / len(waves) - time.monotonic()))
        yield number, wave


def _by_topic(history: Sequence[Sent]) -> dict[str, deque[Sent]]:
    topics: dict[str, deque[Sent]] = defaultdict(deque)
    for sent in history:
        topics[sent.topic].append(sent)
    return dict(topics)


def _drawn(topics: dict[str, deque[Sent]], dice: random.Random) -> list[Sent]:
    """The next records of a topic, which is drawn; an empty topic is dropped."""
    topic = dice.choice(list(topics))
    queue = topics[topic]
    found = [queue.popleft() for _ in range(min(dice.choice(RUNS), len(queue)))]
    if not queue:
        del topics[topic]
    return found
