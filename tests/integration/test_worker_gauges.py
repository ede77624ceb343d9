"""What two workers show to Prometheus: each account once, whoever stops, stands still or goes on; and their health."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest
from confluent_kafka import Producer

from pipeline.topics import physical
from tests.contract.workers import ROOT, Deployment, wait_until
from tests.events import SEED, event, frame, plan, topic_of
from tests.integration import scrape

PARTITIONS = 4
NEAR = [f"near-{n}" for n in range(12)]  # at nine tenths
FAR = [f"far-{n}" for n in range(6)]  # at four tenths
FREE = ["free-0", "free-1"]  # without a plan
WAIT_S = 60.0  # for what takes 5 to 15 s: the session of a worker that is stopped, a look, a busy machine
STOPPED_S = 10.0  # above the session of 6 s
AFTER_S = 6.0  # so long is a worker watched that goes on


class Running:
    """A worker process, its log, and what it shows."""

    def __init__(self, deployment: Deployment, name: str) -> None:
        self.log = deployment.home / f"{name}.log"
        variables = {
            "TALLY_HOME": str(deployment.home),
            "TALLY_KAFKA__BOOTSTRAP_SERVERS": deployment.address,
            "TALLY_TOPICS__PREFIX": deployment.prefix,
            "TALLY_TOPICS__PARTITIONS": str(PARTITIONS),
            "TALLY_WORKER__GROUP_ID": f"{deployment.prefix}workers",
            "TALLY_WORKER__NAME": name,
            "TALLY_WORKER__STATE_DIR": str(deployment.home / name),
            "TALLY_HASH_SEED": f"{SEED:016x}",
        }
        kept = {key: value for key, value in os.environ.items() if not key.startswith("TALLY_")}
        command = [sys.executable, "-m", "pipeline.cli.app", "worker"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env={**kept, **variables}, stderr=log, stdout=log)
        deployment.processes.append(self.process)
        wait_until(lambda: bool(scrape.address(self.told())), WAIT_S, self.told)

    def told(self) -> str:
        return self.log.read_text()

    def text(self) -> str:
        return scrape.text(self.told())

    def shown(self) -> dict[str, float]:
        return scrape.shown(self.text())

    def accounts(self) -> set[str]:
        return {found for series in self.shown() for found in re.findall(r'^tally_\w+\{account_id="(.*)"\}', series)}


@pytest.fixture
def deployment(kafka: str, tmp_path: Path) -> Iterator[Deployment]:
    one = Deployment(kafka, "gauges.", tmp_path, {"topics.partitions": PARTITIONS})
    one.create_topics()
    yield one
    one.end()


def publish(deployment: Deployment) -> None:
    """A plan of ten for all but the free ones, and the activities that make them what they are."""
    producer = Producer({"bootstrap.servers": deployment.address, "partitioner": "murmur2_random", "log_level": 0})
    now = int(time.time()) * 1_000_000 - 2_000_000
    used = dict.fromkeys(NEAR, 9) | dict.fromkeys(FAR, 4) | dict.fromkeys(FREE, 1)
    events = [plan(10, account_id=account, event_id="p", occurred_at=now) for account in (*NEAR, *FAR)]
    for account, n in used.items():
        events += [event("sms_sent", account_id=account, event_id=f"e{i}", profile_id="x", occurred_at=now)
                   for i in range(n)]  # fmt: skip
    for one in events:
        topic = physical(deployment.prefix, topic_of(one["type"]))
        producer.produce(topic, frame(one), key=one["account_id"].encode())
    assert producer.flush(60) == 0


def told(*workers: Running) -> str:
    return "\n".join(f"{worker.text()}\n{worker.told()[-3000:]}" for worker in workers)


def test_each_account_is_shown_by_one_worker_through_a_stop_and_its_end(deployment: Deployment, promtool: Path) -> None:
    first, second = Running(deployment, "first"), Running(deployment, "second")
    wait_until(lambda: ready(first) == ready(second) == PARTITIONS // 2, WAIT_S, lambda: told(first, second))
    publish(deployment)
    wait_until(lambda: first.accounts() | second.accounts() == set(NEAR), WAIT_S, lambda: told(first, second))
    wait_until(lambda: bool(first.accounts() and second.accounts()), WAIT_S, lambda: told(first, second))
    assert first.accounts().isdisjoint(second.accounts())
    wait_until(lambda: banded(first, second) == (6, 12, 2), WAIT_S, lambda: str(banded(first, second)))
    for worker in (first, second):
        holds_health(worker)
        assert scrape.checked(promtool, worker.text()) == ""
    holds_sums(first, second)

    first.process.send_signal(signal.SIGSTOP)
    stopped_at = time.monotonic()
    wait_until(lambda: second.accounts() == set(NEAR), WAIT_S, lambda: told(second))
    time.sleep(max(0.0, STOPPED_S - (time.monotonic() - stopped_at)))
    first.process.send_signal(signal.SIGCONT)
    until = time.monotonic() + AFTER_S
    while time.monotonic() < until:
        both = first.accounts(), second.accounts()  # the one that stood still is asked first: at once
        assert both[0].isdisjoint(both[1]), told(first, second)
    wait_until(lambda: bool(first.accounts()), WAIT_S, lambda: told(first, second))
    wait_until(lambda: first.accounts() | second.accounts() == set(NEAR), WAIT_S, lambda: told(first, second))
    assert first.accounts().isdisjoint(second.accounts())
    mine = {number for number in range(PARTITIONS) if f'tally_lane_ready{{partition="{number}"}}' in first.shown()}
    gone = [series for series in first.shown() for n in set(range(PARTITIONS)) - mine if f'partition="{n}"' in series]
    assert not gone, "what belongs to a partition leaves with it"

    first.process.send_signal(signal.SIGTERM)
    assert last_shown(first) == set(), "it left the group before it ended, and showed on"
    wait_until(lambda: second.accounts() == set(NEAR), WAIT_S, lambda: told(second))


def last_shown(worker: Running) -> set[str]:
    """The accounts that a worker that ends shows last."""
    shown: set[str] = set()
    with suppress(OSError, HTTPException):  # its end may come in the middle of a page
        while True:
            shown = worker.accounts()
    assert worker.process.wait(WAIT_S) == 0
    return shown


def banded(*workers: Running) -> tuple[float, ...]:
    """Accounts below a half, from nine tenths on, and without a plan, of all workers."""
    shown = [worker.shown() for worker in workers]
    bands = ("below_0.5", "0.9-1.0", "no_plan")
    return tuple(sum(one[f'tally_allowance_accounts{{band="{band}"}}'] for one in shown) for band in bands)


def holds_health(worker: Running) -> None:
    """That the worker tells what on-call engineers ask for, of each of its partitions."""
    wait_until(
        lambda: counted(worker, "tally_lag_seconds") == 11 * counted(worker, "tally_lane_ready"), WAIT_S, worker.text
    )
    shown = worker.shown()
    numbers = [series.split('"')[1] for series in shown if series.startswith("tally_lane_ready")]
    assert numbers
    for number in numbers:
        assert shown[f'tally_partition_refused{{partition="{number}"}}'] == 0
        assert (
            shown[f'tally_recovery_folded_records{{partition="{number}"}}']
            == shown[f'tally_recovery_records{{partition="{number}"}}']
        )
        assert shown[f'tally_state_bytes{{partition="{number}"}}'] > 0
        assert shown[f'tally_lag_records{{partition="{number}",topic="events.sms"}}'] == 0
        assert shown[f'tally_lag_seconds{{partition="{number}",topic="events.sms"}}'] == 0
    assert shown["tally_event_age_seconds_count"] == shown["tally_batches_total"] > 0
    assert shown["tally_rebalances_total"] >= 1
    assert shown["tally_allowance_series_dropped"] == 0


def holds_sums(*workers: Running) -> None:
    """What workers tell together of what was published, whoever had a partition in between."""
    shown = [worker.shown() for worker in workers]

    def told(begins: str, has: str = "") -> float:
        return sum(n for one in shown for series, n in one.items() if series.startswith(begins) and has in series)

    events = told("tally_events_read_total")
    assert told("tally_state_entries", 'kind="identities"') == told("tally_batch_events_sum") == events > 0
    near = sum(len(worker.accounts()) for worker in workers)
    assert told("tally_allowance_crossings_total", 'kind="threshold"') == 2 * near, "eight and nine tenths, each once"


def ready(worker: Running) -> float:
    """How many partitions are ready there."""
    return sum(value for series, value in worker.shown().items() if series.startswith("tally_lane_ready{"))


def counted(worker: Running, name: str) -> int:
    """How many series of a name it shows."""
    return sum(series.startswith(name + "{") for series in worker.shown())
