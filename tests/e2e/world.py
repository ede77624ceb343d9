"""A deployment that is told histories, and both sides of what it must say: the oracle's and its views'."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.topic_bounds import held
from tests.e2e import arrival, comparison
from tests.e2e.deployment import PARTITIONS, Deployment
from tests.e2e.promised import KEYS, Judged, promised
from tests.e2e.publishing import Publisher, paced, waves
from tests.e2e.recent import RULES, histories
from tests.oracle.verdict import judge

PUBLISH_SECONDS = 6.0  # long enough for several journal records of every partition, and for kills between them

Views = dict[str, list[dict[str, Any]]]


class World:
    """A deployment that is told histories: it publishes them, and knows what it has published."""

    def __init__(self, deployment: Deployment, seed: int, name: str) -> None:
        self.deployment, self.seed = deployment, seed
        self.histories = histories(seed, time.time_ns() // 1000)
        self.dice = random.Random(f"{seed} {name}")
        settings = deployment.settings
        self._publisher = Publisher(settings.kafka_address(), settings.topics.prefix, self.dice)

    def publish(self, victims: Mapping[float, str] | None = None) -> None:
        """Publish everything, and wait until it is sunk; `victims` are killed at a share of the waves."""
        drawn = waves(self.histories, self.dice)
        at = {int(len(drawn) * share): name for share, name in (victims or {}).items()}
        for number, wave in paced(drawn, PUBLISH_SECONDS):
            if number in at:
                self.deployment.services.kill(at[number])
            self._publisher.publish(wave)
        self.deployment.await_sunk(self._publisher.published)

    def found(self) -> Views:
        """Every row of every view."""
        return {view: self.deployment.rows(view) for view in KEYS}

    def judged(self) -> list[Judged]:
        """By partition: the verdict on what arrived, in the order that the journal proves."""
        everything = arrival.read_back(self.deployment.settings, held(self.deployment.settings))
        sent = arrival.by_value(self.histories)
        found = []
        for number, decided in arrival.decisions(self.deployment.settings, everything).items():
            arrival.assert_order_is_proven(decided)
            told = arrival.told(decided, sent)
            found.append(Judged(number, [a for one in decided for a in one.arrived], told, judge(told, RULES)))
        assert [len(one.told) > 0 for one in found] == [True] * PARTITIONS, "a partition got nothing"
        return found

    def assert_equal(self, judged: Sequence[Judged], found: Views) -> None:
        """Every row and column of every view is as the oracle says."""
        lines = comparison.differences(KEYS, expected(judged, found), found)
        assert lines == [], f"seed {self.seed}: {comparison.told(lines)}"


def expected(judged: Sequence[Judged], found: Views) -> Views:
    """Every row of every view as the oracle says it; the words of dead letters are taken from `found`."""
    details = {(row["topic"], row["partition"], row["offset"]): row["detail"] for row in found["dead_letters"]}
    return promised(judged, details)
