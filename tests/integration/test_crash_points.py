"""At every failpoint a process dies, by `kill -9`, over real Kafka and the real ClickHouse; another takes over.

Whatever happened before, at the end of every step nothing is lost and nothing is there twice: in the journal and in
ClickHouse; and in the end every view says what the oracle says. A worker and a sink die in the same step.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from pipeline.failpoints import Failpoint
from tests.e2e.publishing import Run, waves
from tests.e2e.world import World
from tests.events import event, frame
from tests.integration import test_notify, test_notify_webhook
from tests.integration.crash_world import CrashWorld, Victim, comes
from tests.property.running import Sent
from tests.torture.process import Crash

SNAPSHOT_EVENTS = 1_100  # that make a snapshot of their partition due: a few more than the setting says
LARGE_EVENTS, LARGE_BYTES = 99, 65_000  # 33 of them in a batch make a record larger than the journal's limit
AGAIN_SECONDS, AGAIN_MAX = 8.0, 8  # what a case takes is told again where it did not do: a snapshot was being written
STILL = "filler"  # the account of what only fills


class Case(NamedTuple):
    """A failpoint, which passing of it kills, and what it takes for the process to come by.

    `stopping`: it is passed when a stop was asked for. `filler`: events of one account, copies of each other, beside
    the histories. `large`: the same as rejects of LARGE_BYTES.
    """

    point: Failpoint
    passing: int = 1
    stopping: bool = False
    filler: int = 0
    large: int = 0

    @property
    def crash(self) -> Crash:
        """For the launcher."""
        return Crash(self.point, self.passing)


# What happens to one process in one step: who takes over dies at the next case of the same line.
Deaths = tuple[Case, ...]

P = Failpoint
WORKER: tuple[Deaths, ...] = (
    (Case(P.BATCH_HANDED_OUT, 2),),
    (Case(P.BEFORE_APPEND, 2),),
    (Case(P.IN_FLIGHT, 2), Case(P.BEFORE_SEEK, 2)),
    (Case(P.AFTER_APPEND, 3), Case(P.MID_FOLD, 3)),
    (Case(P.BEFORE_APPLY, 2), Case(P.AFTER_SEEK, 2)),
    (Case(P.BETWEEN_PARTS, large=LARGE_EVENTS),),
    (Case(P.APPLIED, 3),),
    (Case(P.SNAPSHOT_COPIED, filler=SNAPSHOT_EVENTS),),
    (Case(P.SNAPSHOT_MID_COLUMN, 2, filler=SNAPSHOT_EVENTS),),
    (Case(P.SNAPSHOT_BEFORE_HEADER, filler=SNAPSHOT_EVENTS),),
    (Case(P.SNAPSHOT_BEFORE_RENAME, filler=SNAPSHOT_EVENTS),),
    (Case(P.SNAPSHOT_RENAMED, filler=SNAPSHOT_EVENTS),),
    (Case(P.SNAPSHOT_BEFORE_PRUNE, filler=SNAPSHOT_EVENTS),),
    (Case(P.SNAPSHOT_MID_PRUNE, filler=3 * SNAPSHOT_EVENTS),),
)
SINK: tuple[Deaths, ...] = (
    (),
    (Case(P.SINK_BEFORE_INTENT, 2),),
    (Case(P.SINK_AFTER_INTENT, 2),),
    (),
    (),
    (Case(P.SINK_MID_INSERT, 2), Case(P.SINK_BEFORE_FIRST_READ)),
    (Case(P.SINK_BETWEEN_TABLES, 3),),
    (Case(P.SINK_BEFORE_INTAKE, 2),),
    (Case(P.SINK_AFTER_INSERTS, 2),),
    (Case(P.SINK_BEFORE_COMMIT),),
    (Case(P.SINK_AFTER_COMMIT),),
    (Case(P.SINK_STOPPING, stopping=True),),
    (Case(P.SINK_STOPPED, stopping=True),),
    (),
)
STEPS = list(zip(WORKER, SINK, strict=True))


class Stage:
    """The world, and the histories that are told to it step by step."""

    def __init__(self, world: CrashWorld, seed: int) -> None:
        self.world = world
        self.told = World(world, seed, "crash points")
        self._waves = waves(self.told.histories, self.told.dice)
        self._per_step = len(self._waves) // len(STEPS)
        at = time.time_ns() // 1000
        self._copy = event(
            "email_opened", account_id=STILL, event_id="1", profile_id="p", message_id="m", occurred_at=at
        )
        self._still: list[Sent] = self.told.histories.setdefault(STILL, [])

    def tell(self, case: Case) -> None:
        """The histories' next waves, and what a case takes."""
        self.world.publish(self._waves[: self._per_step])
        self._waves = self._waves[self._per_step :]
        self.fill(case)

    def fill(self, case: Case) -> None:
        """What a case takes beside the histories."""
        copies = [Sent("events.email", 0, frame(self._copy), self._copy)] * case.filler
        sent = copies + [self._large() for _ in range(case.large)]
        self._still += sent
        self.world.publish([[Run(STILL, sent)]])

    def tell_the_rest(self) -> None:
        """All that is left of the histories."""
        self.world.publish(self._waves)
        self._waves = []

    def _large(self) -> Sent:
        return Sent("events.email", 0, b"\x01" + self.told.dice.randbytes(LARGE_BYTES), None, "not_framed")


@pytest.fixture(scope="module")
def stage(kafka: str, clickhouse: str, seed: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A worker and a sink at work, and nothing told yet."""
    world = CrashWorld(kafka, clickhouse, tmp_path_factory.mktemp("crash"), random.Random(seed))
    try:
        world.begin()
        yield Stage(world, seed)
    finally:
        world.end()


def test_every_failpoint_has_its_case() -> None:
    tested = [case.point for deaths in (*WORKER, *SINK) for case in deaths]
    tested += [*test_notify.PROJECTION, *test_notify_webhook.DELIVERY]  # of `tally notify`, which needs neither
    assert set(tested) == set(Failpoint)
    assert len(tested) == len(set(tested))


@pytest.mark.parametrize(("worker", "sink"), STEPS, ids=lambda deaths: "+".join(case.point.label for case in deaths))
def test_processes_that_die_there_lose_nothing_and_count_nothing_twice(
    stage: Stage, worker: Deaths, sink: Deaths
) -> None:
    world = stage.world
    dying = {victim: list(deaths) for victim, deaths in ((world.worker, worker), (world.sink, sink)) if deaths}
    for victim, deaths in dying.items():
        victim.arm(deaths[0].crash)
    stopping = any(case.stopping for case in sink)
    if stopping:
        world.sink.await_line("partitions now: 0")
    stage.tell(worker[0])
    if stopping:
        world.sink.ask_to_stop()
    while dying:
        died = await_a_death(stage, {victim: deaths[0] for victim, deaths in dying.items()})
        died.kill()
        dying[died].pop(0)
        died.start(*(case.crash for case in dying[died][:1]))
        dying = {victim: deaths for victim, deaths in dying.items() if deaths}
    world.await_sunk()
    world.assert_exact()


def test_after_all_of_it_every_view_says_what_the_oracle_says(stage: Stage) -> None:
    stage.tell_the_rest()
    stage.world.await_sunk()
    stage.world.assert_exact()
    stage.told.assert_equal(stage.told.judged(), stage.told.found())
    audited = stage.world.audit()
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert [stage.world.worker.stop(), stage.world.sink.stop()] == [0, 0], stage.world.log()


def await_a_death(stage: Stage, dying: dict[Victim, Case]) -> Victim:
    """Who died first, where it should."""

    def died() -> list[Victim]:
        return [victim for victim, case in dying.items() if victim.has_died(case.crash)]

    for _ in range(AGAIN_MAX):
        if comes(lambda: bool(died()), AGAIN_SECONDS):
            return died()[0]
        for case in dying.values():
            stage.fill(case)
    logs = "\n".join(f"{case.crash} was not reached:\n{victim.log[-3000:]}" for victim, case in dying.items())
    raise AssertionError(logs)
