"""A worker that is started while its broker comes and goes: it waits, whichever of its questions is not answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.local.ports import any_free
from tests.contract.workers import Deployment, stopped
from tests.torture.connection import reset
from tests.torture.proxy import Proxy

AWAY_S = 3.0
FOR_EVER_S = 3600.0
# Connections of a worker that starts, in order: the look at the topics, Faust's producer, Faust's consumer.
QUESTIONS = {"the look at the topics": 0, "Faust's producer": 1, "Faust's consumer": 2}


class Gate(Proxy):
    """Serves the first `served` connections; resets all that come in the `away_s` seconds after them."""

    def __init__(self, server_port: int, served: int, away_s: float) -> None:
        super().__init__(any_free(1)[0], server_port)
        self._serves, self._away_s = served, away_s
        self._back: float | None = None

    async def _serve(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self.counts.connections >= self._serves:
            self._back = self._back or time.monotonic() + self._away_s
            if time.monotonic() < self._back:
                self._state.counts.unreachable += 1
                reset(client)
                return
        await super()._serve(from_client, client)


@pytest.fixture
def deployment(kafka: str, tmp_path: Path) -> Iterator[Deployment]:
    one = Deployment(kafka, "starts.", tmp_path, {"topics.partitions": 1})
    one.create_topics()
    yield one
    one.end()


def through(deployment: Deployment, served: int, away_s: float) -> Gate:
    gate = Gate(int(deployment.address.rsplit(":", 1)[1]), served, away_s)
    gate.start()
    deployment.address = f"127.0.0.1:{gate.port}"
    return gate


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_worker_that_loses_its_broker_while_it_starts_waits_and_goes_on(
    deployment: Deployment, question: str
) -> None:
    gate = through(deployment, QUESTIONS[question], AWAY_S)
    try:
        worker = deployment.start()
        deployment.wait_told("partition 0 is ready")
        assert gate.counts.unreachable > 0, "nothing was reset: the worker asks in another order now"
        assert stopped(worker)[0] == 0
        assert "Traceback" not in deployment.told()
    finally:
        gate.close()


def test_a_worker_whose_broker_stays_away_from_then_on_says_so_once_its_time_is_over(deployment: Deployment) -> None:
    gate = through(deployment, QUESTIONS["Faust's consumer"], FOR_EVER_S)
    try:
        began = time.monotonic()
        assert deployment.start(COUNTING_BROKER_WAIT="4").wait(30) == 1
        assert time.monotonic() - began < 15
        told = deployment.told()
        assert f"Kafka does not answer at {deployment.address}" in told
        assert "Gave up after 4 s" in told
        assert "Traceback" not in told
    finally:
        gate.close()


@pytest.mark.parametrize("folder", ["/proc/x", "/proc/sys", "/dev/null"])
def test_a_folder_for_the_state_that_cannot_be_made_or_written_is_a_wrong_setting(tmp_path: Path, folder: str) -> None:
    deployment = Deployment("127.0.0.1:1", "x.", tmp_path)
    assert deployment.start(TALLY_WORKER__STATE_DIR=folder).wait(30) == 2
    told = deployment.told()
    assert told.startswith(f"tally: the state cannot be kept in {folder}: ")
    assert "Set TALLY_WORKER__STATE_DIR (--state-dir; by default <home>/state) to a folder that this user can" in told
    assert len(told.splitlines()) == 1
