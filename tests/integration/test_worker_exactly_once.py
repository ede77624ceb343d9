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
RIVAL_S = 5.0


@pytest.fixture
def deployment(kafka: str, tmp_path: Path) -> Iterator[Deployment]:
    one = Deployment(kafka, "once.", tmp_path)
    one.create_topics()
    yield one
    one.end()


def test_every_event_is_counted_once_and_in_order_whatever_happens_to_the_workers(
    deployment: Deployment, seed: int
) -> None:
    rng = random.Random(seed)
    workers = [deployment.start(TALLY_WORKER__NAME=f"w{i}") for i in range(WORKERS)]
    deployment.wait_told("is ready", times=1)
    producing = threading.Thread(target=_produce, args=(deployment,))
    producing.start()
    rival = None
    while producing.is_alive():
        time.sleep(rng.uniform(0.3, 1.5))
        at = rng.randrange(WORKERS)
        if rng.random() < 0.6:
            _kill(workers[at])
            workers[at] = deployment.start(TALLY_WORKER__NAME=f"w{at}")
        elif rival is None:
            rival = deployment.start(TALLY_WORKER__GROUP_ID=f"{deployment.prefix}rivals", TALLY_WORKER__NAME="rival")
            threading.Timer(RIVAL_S, _kill, [rival]).start()
        else:
            workers[at].send_signal(signal.SIGSTOP)
            threading.Timer(FROZEN_S, workers[at].send_signal, [signal.SIGCONT]).start()
            time.sleep(1)
    producing.join()
    found = deployment.wait_complete(40)
    assert sum(check.events for check in found.checks) == ROUNDS * EVENTS * 44
    assert [process.poll() for process in workers] == [None] * WORKERS, deployment.told()[-5000:]
    assert "CRITICAL" not in deployment.told()
    assert {stopped(process)[0] for process in workers} == {0}


def _produce(deployment: Deployment) -> None:
    for _ in range(ROUNDS):
        began = time.monotonic()
        deployment.produce(EVENTS)
        time.sleep(max(0.0, PRODUCE_S / ROUNDS - (time.monotonic() - began)))


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()
