"""The four scenarios: what goes wrong, and what each process must still hold. Each returns what was measured.

Nothing here is a timed assertion but one: that it catches up within `CATCH_UP_SECONDS`, ten times what it takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipeline.settings import Settings
from tests.limits import bounds
from tests.limits.large import Large
from tests.limits.load import Load
from tests.limits.memory import Sampler, Watched
from tests.limits.stage import SINK, WORKER, Fates, Stage, staged
from tests.torture.server import Server

EVENT_BYTES = 300  # of the load's events, and some more
LAG_SECONDS = 3.0  # of a pipeline that has caught up: the sink's linger, an insert, and looking
CATCH_UP_SECONDS = 300.0
WARM_SECONDS = 5.0
AFTER_SECONDS = 10.0  # of load beyond the outage: it catches up while events go on coming
MERGES = 0.001  # of the load's events
LABELS = 300 * 1000 * 8  # accounts x campaigns x channels of the load, at most
_LABEL_SHARE = 0.2  # labels that so many events make, at most


class Asked(NamedTuple):
    """What a run is told: seconds of an outage, events of the backlog, events a second of load, seed."""

    outage_seconds: float
    backlog_events: int
    rate: int
    seed: int


class Outcome(NamedTuple):
    """What was measured. `bounds` by process and part; `wrong` is empty where every promise was kept."""

    scenario: str
    events: int
    seconds: float
    catch_up_seconds: float
    memory: dict[str, Watched]
    bounds: dict[str, dict[str, int]]
    journal: Fates
    clickhouse: Fates
    wrong: list[str]
    settings: dict[str, object]


Scenario = Callable[[Path, Asked], Outcome]


def clickhouse_down(home: Path, asked: Asked) -> Outcome:
    """ClickHouse is killed under load, and comes back."""
    return _outage("clickhouse-down", home, asked, lambda stage: stage.engine)


def broker_down(home: Path, asked: Asked) -> Outcome:
    """The broker is killed under load, and comes back."""
    return _outage("broker-down", home, asked, lambda stage: stage.broker)


def backlog(home: Path, asked: Asked) -> Outcome:
    """Millions of events wait before worker and sink are started."""
    began = time.monotonic()
    with staged(home) as stage:
        load = Load(stage.settings, asked.seed, asked.backlog_events, 0)
        load.start()
        while load.goes_on:
            time.sleep(LAG_SECONDS / 10)
        _started(stage, ready=False)
        sampler = Sampler(stage.pids())
        took = stage.until(lambda: _sunk(stage) >= load.acknowledged, CATCH_UP_SECONDS * 3, "the backlog in ClickHouse")
        return _outcome("backlog", stage, load, sampler, (began, took))


def large_message(home: Path, asked: Asked) -> Outcome:
    """Messages of 10 MB on every topic partition among usual ones, and journal records of about that size."""
    began = time.monotonic()
    with staged(home) as stage:
        large = Large(stage)
        large.allow()
        load = Load(stage.settings, asked.seed, int(asked.rate * (WARM_SECONDS + AFTER_SECONDS)), asked.rate)
        published = large.publish_rejects()
        _started(stage)
        sampler = Sampler(stage.pids())
        load.start()
        time.sleep(WARM_SECONDS)
        sampler.mark()
        published += large.publish(each=2 if asked.outage_seconds > 60 else 1)
        took = _await_all(stage, load, published)
        outcome = _outcome("large-message", stage, load, sampler, (began, took), large.flow(), published)
        return outcome._replace(wrong=outcome.wrong + large.faults())


def short(home: Path, asked: Asked) -> Outcome:
    """Both outages and one message of 10 MB under one load, on one start of the parts: what the tests run."""
    began = time.monotonic()
    with staged(home) as stage:
        large = Large(stage)
        large.allow()
        published = large.publish_rejects()
        _started(stage)
        seconds = 2 * asked.outage_seconds + AFTER_SECONDS
        load = Load(stage.settings, asked.seed, int(asked.rate * seconds), asked.rate)
        sampler = Sampler(stage.pids())
        load.start()
        sampler.mark()
        took = _away(stage, stage.engine, load, asked)
        took = max(took, _away(stage, stage.broker, load, asked))
        published += large.publish_one()
        _await_all(stage, load, published)
        outcome = _outcome("short", stage, load, sampler, (began, took), large.flow(), published)
        return outcome._replace(wrong=outcome.wrong + large.faults())


def _outage(name: str, home: Path, asked: Asked, of: Callable[[Stage], Server]) -> Outcome:
    began = time.monotonic()
    with staged(home) as stage:
        _started(stage)
        seconds = WARM_SECONDS + asked.outage_seconds + AFTER_SECONDS
        load = Load(stage.settings, asked.seed, int(asked.rate * seconds), asked.rate)
        sampler = Sampler(stage.pids())
        load.start()
        time.sleep(WARM_SECONDS)
        sampler.mark()
        took = _away(stage, of(stage), load, asked)
        _await_all(stage, load, 0)
        return _outcome(name, stage, load, sampler, (began, took))


def _away(stage: Stage, server: Server, load: Load, asked: Asked) -> float:
    """Kill a server, start it again after the outage; returns the seconds from then until the lag is a usual one."""
    server.kill()
    time.sleep(asked.outage_seconds)
    stage.services.check()
    server.start()
    lag = int(LAG_SECONDS * asked.rate)
    return stage.until(lambda: _sunk(stage) >= load.due() - lag, CATCH_UP_SECONDS, "what came meanwhile")


def _await_all(stage: Stage, load: Load, more: int) -> float:
    return stage.until(
        lambda: not load.goes_on and _sunk(stage) >= load.sent + more, CATCH_UP_SECONDS, "all that was sent"
    )


def _started(stage: Stage, ready: bool = True) -> None:
    stage.start_worker()
    stage.start_sink()
    if ready:
        stage.await_ready()


def _sunk(stage: Stage) -> int:
    return stage.in_clickhouse().read


def _outcome(
    name: str,
    stage: Stage,
    load: Load,
    sampler: Sampler,
    times: tuple[float, float],
    flow: bounds.Flow | None = None,
    more: int = 0,
) -> Outcome:
    began, took = times
    memory = sampler.stop()
    journal, clickhouse = stage.in_journal(load.sent + more), stage.in_clickhouse()
    flow = _remembering(flow or bounds.Flow(event_bytes=EVENT_BYTES), load.sent)
    stated = {WORKER: bounds.worker(stage.settings, flow), SINK: bounds.of_sink(stage.settings)}
    fates = load.truth.facts()["expected"]
    expected = Fates(load.sent + more, fates["accepted"], fates["duplicates"], more)
    wrong = [f"{events} events were not delivered: {why}" for why, events in load.failed.items()]
    wrong += sampler.faults() + exceeded(memory, stated) + lost(expected, stage.published(), journal, clickhouse)
    seconds = time.monotonic() - began
    events = load.sent + more
    return Outcome(name, events, seconds, took, memory, stated, journal, clickhouse, wrong, _told(stage.settings))


def _remembering(flow: bounds.Flow, events: int) -> bounds.Flow:
    labels = min(LABELS, int(events * _LABEL_SHARE))
    return flow._replace(identities=events, facts=events // 4, pairs=int(events * MERGES) + 1, labels=labels)


def exceeded(memory: dict[str, Watched], stated: dict[str, dict[str, int]]) -> list[str]:
    """The processes that went past their bound, in words."""
    return [
        f"{process}: a peak of {seen.peak:,} bytes is above its bound of {sum(stated[process].values()):,}"
        for process, seen in memory.items()
        if seen.peak > sum(stated[process].values())
    ]


def lost(expected: Fates, held: int, journal: Fates, clickhouse: Fates) -> list[str]:
    """Where journal or ClickHouse do not have what was sent, or the topics do not hold it, in words."""
    wrong = []
    if held != expected.read:
        wrong.append(f"{expected.read} events were sent, the topics hold {held}")
    found = {"the journal": journal, "ClickHouse": clickhouse}
    wrong += [f"{where} has {fates}, expected are {expected}" for where, fates in found.items() if fates != expected]
    return wrong


def _told(settings: Settings) -> dict[str, object]:
    names = ("topics.partitions", "worker.batch_events_max", "topics.journal_message_bytes", "sink.rows")
    return {name: settings.value(name) for name in names}


SCENARIOS: dict[str, Scenario] = {
    "clickhouse-down": clickhouse_down,
    "broker-down": broker_down,
    "backlog": backlog,
    "large-message": large_message,
}
