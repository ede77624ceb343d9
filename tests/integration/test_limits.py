"""Memory while ClickHouse is away, while the broker is away, and with messages of 10 MB: the short form of the limits.

`python -m tests.limits` is the long one, with minutes of outage and a backlog of millions; see docs/limits.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from connectors.local.jars import KAFKA_VERSION
from tests.limits.scenarios import Asked, short

OUTAGE_SECONDS = 8.0
RATE = 1_500  # events a second: enough to wait, and little beside what else the machine does


def test_worker_and_sink_stay_within_their_bounds_and_catch_up_whatever_is_away_and_however_large_a_message_is(
    tmp_path: Path, seed: int, real_part: Callable[[str, str], None]
) -> None:
    outcome = short(tmp_path, Asked(OUTAGE_SECONDS, 0, RATE, seed))
    assert outcome.wrong == []
    real_part("kafka", KAFKA_VERSION)
