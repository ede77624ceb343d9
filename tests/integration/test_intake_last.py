"""Whatever moment a sink dies at: what `intake` says was read is in every other table, ahead of it and not behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from pipeline.failpoints import Failpoint
from tests.integration.sink_world import ROOT, World, ready
from tests.torture.process import Crash

DEATH_SECONDS = 60.0  # from the start of a sink to its death at a failpoint; it takes 2 to 5 s
PASSINGS = (1, 2, 4, 9)  # of "a range is in some of its tables": after the first one, and further on

# What intake says of a topic and partition, and what the table that has the rows says of it.
_BOTH = (
    ("journal_accepted", "events_accepted"),
    ("journal_accepted", "rollup_accepted"),
    ("journal_duplicates", "counted_duplicates"),
    ("journal_rejected", "dead_letters"),
)


world = pytest.fixture(ready)


def test_what_intake_says_is_in_every_table_also_where_a_sink_died_between_two(world: World, seed: int) -> None:
    made = world.publish(seed, records=60)
    ahead = 0
    for passing in PASSINGS:
        _die(world, Crash(Failpoint.SINK_BETWEEN_TABLES, passing))
        behind, further = _compared(world)
        assert behind == [], f"after a death at passing {passing}"
        ahead += further
    assert ahead > 0, "no death was in the middle of a range"
    with world.sink(TALLY_SINK__NAME="one") as sink:
        world.await_all()
        assert sink.stop() == 0
    world.assert_exact(made)


def _die(world: World, crash: Crash) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    command = [sys.executable, "-m", "tests.torture.process", "--crash", str(crash), "--", "sink"]
    own = {"TALLY_SINK__NAME": "one"}  # a member that comes back under its name gets its partitions at once
    done = subprocess.run(
        command, cwd=ROOT, env=plain | world.settings | own, capture_output=True, timeout=DEATH_SECONDS, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode(errors="replace")


def _compared(world: World) -> tuple[list[str], int]:
    """Where intake says more than a table has, and in how many places a table has more."""
    answer = world.service.query(f"SELECT * FROM {world.name}.conservation_audit")
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    pairs = [(row, said, there) for row in rows for said, there in _BOTH]
    behind = [
        f"{row['topic']}, partition {row['partition']}: {said} {row[said]}, {there} {row[there]}"
        for row, said, there in pairs
        if row[said] > row[there]
    ]
    return behind, sum(row[said] < row[there] for row, said, there in pairs)
