"""Alerts of an allowance, end to end: Kafka, a worker, Prometheus, Alertmanager and a receiver, each a real process.

Rules, scraping and routing are the examples of deploy/prometheus; only the two intervals are shorter, and the address
is the receiver's. The cycle ends within the test: the account's time zone is one of the test's own, whose midnight is
near (the worker finds it as it finds any zone, in the package tzdata, of which it is given a copy).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
from confluent_kafka import Producer

from connectors.local import monitoring, ports
from connectors.local.processes import KILL_SECONDS, end, find
from connectors.local.prometheus import Tools
from connectors.local.service import Service, Wish
from pipeline import topic_admin
from pipeline.demo.services import Services
from pipeline.settings import Settings, load
from pipeline.topic_plan import compare, wanted
from pipeline.topics import physical
from tests.events import SEED, Event, event, frame, plan

PROMISE_SECONDS = 30.0  # from an event's acknowledgement by Kafka to its alert's arrival at the receiver
READY_SECONDS = 60.0  # of a worker: 3 s alone, more on a busy machine
CYCLE_SECONDS = 130  # from the plan to the cycle's end: three alerts of 10 s and two kills take 70 to 100
RESOLVED_SECONDS = 60.0  # from the cycle's end: 15 s of group_interval and some looks
GROUP_INTERVAL_SECONDS = 15.0  # of the example: what changes sooner than that is not told
AWAY_SECONDS = GROUP_INTERVAL_SECONDS + 5  # of a killed worker: an alert that ended meanwhile would be told twice
QUIET_SECONDS = GROUP_INTERVAL_SECONDS + 3  # in which a repetition would come
ALLOWANCE = 10
STEPS, LEAP = "steps", "leap"  # accounts: one passes each threshold, one all of them at once
ZONE = "Test/Soon"
WORKER = "worker-1"
LADDER = ("TallyAllowanceNearing", "TallyAllowanceAlmostUsed", "TallyAllowanceUsedUp")


class Notification(NamedTuple):
    """One alert of one message that arrived, with the time of its arrival (monotonic) and on the wall."""

    at: float
    wall: float
    alert: str
    status: str
    account: str
    text: str


class Receiver(ThreadingHTTPServer):
    """Takes Alertmanager's messages; keeps what account managers are told."""

    def __init__(self) -> None:
        super().__init__((ports.LOOPBACK, 0), _Handler)
        self.notifications: list[Notification] = []

    @property
    def url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.server_address[1]}/alerts"

    def take(self, message: dict[str, Any]) -> None:
        for alert in message["alerts"] if message["receiver"] == "account-managers" else ():
            labels = alert["labels"]
            told = (labels["alertname"], alert["status"], labels["account_id"], alert["annotations"]["summary"])
            self.notifications.append(Notification(time.monotonic(), time.time(), *told))

    def first(self, alert: str, status: str, account: str) -> Notification | None:
        found = [one for one in self.notifications if (one.alert, one.status, one.account) == (alert, status, account)]
        return found[0] if found else None


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class World:
    """A worker over topics of its own, watched by Prometheus, whose alerts go through Alertmanager."""

    def __init__(self, home: Path, tools: Tools, wish: Wish, receiver: Receiver) -> None:
        self.settings: Settings = load()
        self.receiver, self._tools, self._wish = receiver, tools, wish
        self._folder = monitoring.prepare(home, receiver.url, monitoring.Pace(1))
        self.alertmanager = monitoring.run_alertmanager(tools, self._folder, wish)
        self.prometheus = monitoring.run_prometheus(tools, self._folder, wish)
        topics = wanted(self.settings)
        topic_admin.apply(self.settings, topics, compare(topics, {}))
        address = self.settings.kafka_address()
        self._producer = Producer({"bootstrap.servers": address, "partitioner": "murmur2_random", "log_level": 0})
        self.services = Services(home, bound_to_parent=True)
        self.services.start(WORKER, ["worker", "--name", WORKER])
        self.await_ready(1)

    def await_ready(self, times: int) -> None:
        """Until the worker has told so often that a partition is ready."""
        self.until(lambda: self._log().count("is ready") >= times, READY_SECONDS, "a worker that is ready")

    def publish(self, *events: Event) -> float:
        """Events of one topic, acknowledged; returns when (monotonic)."""
        for one in events:
            name = "events.account" if one["type"] == "account_plan_set" else "events.email"
            self._producer.produce(physical(self.settings.topics.prefix, name), frame(one), key=one["account_id"])
        assert self._producer.flush(30) == 0
        return time.monotonic()

    def use(self, activities: int, account: str = STEPS) -> float:
        """So many activities of an account, now."""
        now = time.time_ns() // 1000
        opened = [
            event("email_opened", account_id=account, occurred_at=now, event_id=secrets.token_hex(8), profile_id="p1")
            for _ in range(activities)
        ]
        return self.publish(*opened)

    def await_told(self, alert: str, status: str, seconds: float, account: str = STEPS) -> Notification:
        """The first notification of that."""
        what = f"{alert} of {account} {status}"
        self.until(lambda: self.receiver.first(alert, status, account) is not None, seconds, what)
        told = self.receiver.first(alert, status, account)
        assert told is not None
        return told

    def until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait with a bound."""
        deadline = time.monotonic() + seconds
        while not holds():
            self.services.check()
            told = "\n".join(map(str, self.receiver.notifications))
            assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}\n{told}\n{self._log()[-3000:]}"
            time.sleep(0.05)

    def kill_worker(self) -> None:
        """SIGKILL, and a new one under the same name; returns when that is ready."""
        ready = self._log().count("is ready")
        self.services.kill(WORKER, AWAY_SECONDS)
        self.await_ready(ready + 1)

    def kill_prometheus(self) -> None:
        """SIGKILL, and a new one on the same data."""
        assert self.prometheus.marked is not None
        process = find(self.prometheus.marked)
        assert process is not None
        process.kill()
        end(self.prometheus.marked, KILL_SECONDS)
        self.prometheus = monitoring.run_prometheus(self._tools, self._folder, self._wish)

    def close(self) -> None:
        self.services.stop()
        for service in (self.prometheus, self.alertmanager):
            _end(service)

    def _log(self) -> str:
        return self.services.log(WORKER).read_text(encoding="utf-8")


def _end(service: Service) -> None:
    assert service.marked is not None
    end(service.marked, monitoring.STOP_SECONDS)


@pytest.fixture
def world(kafka: str, prometheus_tools: Tools, bound_wish: Wish, receiver: Receiver, tmp_path: Path) -> Iterator[World]:
    prefix = f"m{secrets.token_hex(5)}."
    chosen = {
        "HOME": str(tmp_path),
        "KAFKA__BOOTSTRAP_SERVERS": kafka,
        "TOPICS__PREFIX": prefix,
        "TOPICS__PARTITIONS": "1",
        "HASH_SEED": f"{SEED:016x}",
        "WORKER__GROUP_ID": f"{prefix}workers",
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TALLY_")}
    shutil.copytree(str(resources.files("tzdata")), tmp_path / "package" / "tzdata")
    path = os.pathsep.join([str(tmp_path / "package"), *filter(None, [kept.get("PYTHONPATH")])])
    variables = kept | {f"TALLY_{key}": value for key, value in chosen.items()} | {"PYTHONPATH": path}
    with mock.patch.dict(os.environ, variables, clear=True):
        made = World(tmp_path, prometheus_tools, bound_wish, receiver)
        try:
            yield made
        finally:
            made.close()


def near_midnight(tzdata: Path, seconds: int) -> tuple[int, int]:
    """Make ZONE one whose midnight comes in about so many seconds; returns that instant, and the day that begins."""
    at = int(time.time()) + seconds
    ahead = -at % 86_400
    ahead = ahead - 86_400 if ahead > 43_200 else ahead
    path = tzdata / "zoneinfo" / ZONE
    path.parent.mkdir(parents=True, exist_ok=True)
    counts = struct.pack(">6l", 0, 0, 0, 0, 1, 5)  # one kind of time, no transitions: RFC 8536, version 1
    with (tzdata / "zones").open("a", encoding="ascii") as names:
        names.write(f"{ZONE}\n")
    path.write_bytes(b"TZif" + bytes(16) + counts + struct.pack(">lbb", ahead, 0, 0) + b"SOON\0")
    return at, (datetime.fromtimestamp(at, UTC) + timedelta(seconds=ahead)).day


@pytest.mark.timeout(420)
def test_alerts_arrive_in_time_once_each_through_kills_and_resolve_with_the_cycle(
    world: World, receiver: Receiver, tmp_path: Path
) -> None:
    ends_at, day = near_midnight(tmp_path / "package" / "tzdata", CYCLE_SECONDS)
    now = time.time_ns() // 1000
    for account in (STEPS, LEAP):
        world.publish(plan(ALLOWANCE, account_id=account, anchor_day=day, time_zone=ZONE, occurred_at=now))

    sent = world.use(ALLOWANCE, LEAP)
    took = {LEAP: world.await_told(LADDER[-1], "firing", PROMISE_SECONDS, LEAP).at - sent}
    for alert, activities in zip(LADDER, (8, 1, 1), strict=True):
        sent = world.use(activities)
        took[alert] = world.await_told(alert, "firing", PROMISE_SECONDS).at - sent
        if alert == LADDER[0]:
            world.kill_worker()
        if alert == LADDER[1]:
            world.kill_prometheus()
    assert max(took.values()) <= PROMISE_SECONDS, took
    assert time.time() < ends_at, "the cycle ended before the account was through: choose a longer one"
    assert {one.status for one in receiver.notifications} == {"firing"}, "resolved before the cycle's end"

    time.sleep(max(0.0, ends_at - time.time()))
    expected = {(STEPS, alert) for alert in LADDER} | {(LEAP, LADDER[-1])}
    for account, alert in expected:
        resolved = world.await_told(alert, "resolved", RESOLVED_SECONDS, account)
        assert resolved.wall >= ends_at
    time.sleep(QUIET_SECONDS)
    told = Counter((one.account, one.alert, one.status) for one in receiver.notifications)
    assert told == {(*one, status): 1 for one in expected for status in ("firing", "resolved")}
