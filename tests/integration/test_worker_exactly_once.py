"""Three workers, killed and frozen at random, and a second group that writes to their journal: once each, in order."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.workers import Deployment, stopped

WORKERS = 3
ROUNDS = 25  # of production: 11 topics x 4 partitions x EVENTS each
EVENTS = 30
PRODUCE_S = 10.0
FROZEN_S = 7.5  # beyond the group's session: the worker is declared dead, and wakes up
RIVAL_S = 3.0  # that the second group decides beside the first, once they have met


@pytest.fixture
def deployment(kafka: str, tmp_path: Path) -> Iterator[Deployment]:
    one = Deployment(kafka, "once.", tmp_path)
    one.create_topics()
    yield one
    one.end()


def test_every_event_is_counted_once_and_in_order_whatever_happens_to_the_workers(
    deployment: Deployment, seed: int
) -> None:
    workers = [deployment.start() for _ in range(WORKERS)]
    rival = deployment.start(TALLY_WORKER__GROUP_ID=f"{deployment.prefix}rivals")
    deployment.wait_told("is ready")
    producing = threading.Thread(target=_produce, args=(deployment,))
    producing.start()
    meeting = threading.Thread(target=_end_once_met, args=(deployment, rival))
    meeting.start()
    _torment(deployment, workers, producing, random.Random(seed))
    meeting.join()
    found = deployment.wait_complete(40)
    assert sum(check.events for check in found.checks) == ROUNDS * EVENTS * 44
    assert rival.poll() is not None, "the two groups never met"
    assert [process.poll() for process in workers] == [None] * WORKERS, deployment.told()[-5000:]
    assert "CRITICAL" not in deployment.told()
    for process in workers:
        deployment.wait_told(f".{process.pid}: group")  # the last one started may not listen to signals before
    assert {stopped(process)[0] for process in workers} == {0}


def _torment(
    deployment: Deployment, workers: list[subprocess.Popen[bytes]], producing: threading.Thread, rng: random.Random
) -> None:
    """Kill a worker and start another in its place, or freeze it until it was declared dead; at least one of each."""
    faults = [_kill_and_start, _freeze]
    while producing.is_alive() or faults:
        time.sleep(rng.uniform(0.3, 1.5))
        fault = faults.pop() if faults else rng.choice([_kill_and_start, _kill_and_start, _freeze])
        fault(deployment, workers, rng.randrange(WORKERS))
    producing.join()


def _kill_and_start(deployment: Deployment, workers: list[subprocess.Popen[bytes]], at: int) -> None:
    _kill(workers[at])
    workers[at] = deployment.start()


def _freeze(deployment: Deployment, workers: list[subprocess.Popen[bytes]], at: int) -> None:
    workers[at].send_signal(signal.SIGSTOP)
    threading.Timer(FROZEN_S, workers[at].send_signal, [signal.SIGCONT]).start()


def _end_once_met(deployment: Deployment, rival: subprocess.Popen[bytes]) -> None:
    deployment.wait_told("a rival wrote to the journal")
    time.sleep(RIVAL_S)
    _kill(rival)


def _produce(deployment: Deployment) -> None:
    for _ in range(ROUNDS):
        began = time.monotonic()
        deployment.produce(EVENTS)
        time.sleep(max(0.0, PRODUCE_S / ROUNDS - (time.monotonic() - began)))


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()
