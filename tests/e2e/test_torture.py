"""A short round of torture: every kind of process killed under load, and every number right afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.local.jars import KAFKA_VERSION
from tests.torture.faults import Kind, every_process
from tests.torture.round import Round
from tests.torture.stage import Stage

SECONDS = 20.0  # of load


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, seed: int, real_part: Callable[[str, str], None]
) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("torture"), seed)
    try:
        made.start()
        real_part("kafka", KAFKA_VERSION)
        real_part("clickhouse", made.engine_version())
        yield made
    finally:
        made.end()


@pytest.mark.timeout(400)  # 80 s alone; quiet may take 150
def test_every_kind_of_process_dies_under_load_and_every_number_is_right(
    stage: Stage, seed: int, tmp_path: Path
) -> None:
    one = Round(stage, tmp_path, seed, SECONDS)
    try:
        result = one.play(every_process(seed, SECONDS), print)
    finally:
        one.world.end()
    told = "\n".join([*result.history, *result.differences[:20]])
    assert result.drift == 0, f"seed {seed}:\n{told}"
    killed = {Kind.KILL_WORKER, Kind.KILL_SINK, Kind.KILL_PRODUCER, Kind.KILL_BROKER, Kind.KILL_CLICKHOUSE}
    assert result.faults == dict.fromkeys(sorted(kind.value for kind in killed), 1)
    assert len(result.recoveries) == len(killed), f"not all were recovered from:\n{told}"
    assert result.events > 0
    assert result.rows > 0
    assert result.alerts > 0
