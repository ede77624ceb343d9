"""`tally up`, `down` and `status` on a real Kafka and a real engine, each as a command of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver import httputil
from confluent_kafka.admin import AdminClient

from connectors.local import home, ports, stack
from connectors.local.jars import KAFKA_VERSION
from connectors.local.processes import Mark, end, mark, runs
from pipeline.settings import load

ROOT = Path(__file__).parents[2]
COMMAND_SECONDS = 150
GONE_SECONDS = 15.0
# The jars and the embedded engine are what these tests are about, also on a machine with Docker.
UP = ("up", "--no-docker", "--format", "json")


class Tally:
    """The command line, with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = folder

    def run(self, *words: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        given = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
        command = [sys.executable, "-m", "pipeline.cli.app", *words]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=given | {"TALLY_HOME": str(self.home)} | dict(environ or {}),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def facts(self, *words: str) -> dict[str, Any]:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def states(self, *words: str) -> dict[str, str]:
        return {row["service"]: row["state"] for row in json.loads(self.run(*words).stdout)["services"]}

    def marks(self) -> dict[str, Mark]:
        return {part: service.marked for part, service in home.read(self.home).items() if service.marked}


@pytest.fixture
def tally(tmp_path: Path, real_part: Callable[[str, str], None]) -> Iterator[Tally]:
    """Its folder has a name that is not plain, on purpose."""
    tally = Tally(tmp_path / "home é 1%")
    yield tally
    if tally.home.exists():
        stack.stop(tally.home)
        real_part("kafka", KAFKA_VERSION)


def wait_until_gone(marked: Mark) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while runs(marked):
        assert time.monotonic() < deadline, f"{marked} still runs"
        time.sleep(0.05)


def query(url: str, sql: str) -> object:
    pool = httputil.get_pool_manager()
    client = clickhouse_connect.get_client(host=ports.LOOPBACK, port=int(url.rsplit(":", 1)[1]), pool_mgr=pool)
    answer = client.command(sql)
    client.close_connections()
    return answer


def topics(address: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": address}).list_topics(timeout=10).topics)


def test_the_stack_comes_up_stays_up_goes_down_and_keeps_its_data(tally: Tally) -> None:
    first = tally.facts(*UP)
    assert {row["service"]: (row["by"], row["state"]) for row in first["services"]} == {
        "kafka": ("jars", "started"),
        "clickhouse": ("chdb", "started"),
    }
    addresses = {row["service"]: row["address"] for row in first["services"]}
    pids = {part: marked.pid for part, marked in tally.marks().items()}
    seed = (tally.home / "hash_seed").read_text()
    for part, address in addresses.items():
        assert ports.LOOPBACK in address, part

    assert tally.run("topics", "apply").returncode == 0
    query(addresses["clickhouse"], "CREATE TABLE kept (a Int8) ENGINE = MergeTree ORDER BY a")
    query(addresses["clickhouse"], "INSERT INTO kept VALUES (1), (2)")

    assert set(tally.states(*UP).values()) == {"running already"}
    bound = stack.start(load({"home": str(tally.home)}), bound_to_parent=True)
    assert bound.started == []
    bound.stop()  # it stops what it started: nothing
    assert {part: marked.pid for part, marked in tally.marks().items()} == pids

    status = tally.facts("status", "--format", "json")
    assert {row["service"]: row["state"] for row in status["services"]} == dict.fromkeys(addresses, "answers")
    assert status["problems"] == []
    assert status["lag"] == {"worker": {"records": 0, "seconds": 0.0}, "sink": {"records": 0, "seconds": 0.0}}

    marks = tally.marks()
    assert tally.states("down", "--format", "json") == {"kafka": "stopped", "clickhouse": "stopped"}
    assert not any(runs(marked) for marked in marks.values())
    down = tally.run("down")
    assert (down.returncode, down.stdout.strip()) == (0, f"Nothing of {tally.home} was running.")
    status_down = tally.run("status")
    assert status_down.returncode == 1
    assert "start it with `tally up`" in status_down.stderr

    again = tally.facts(*UP)
    assert {row["service"]: row["address"] for row in again["services"]} == addresses, "the addresses did not last"
    assert "events.email" in topics(addresses["kafka"])
    assert query(addresses["clickhouse"], "SELECT count() FROM kept") == 2
    assert (tally.home / "hash_seed").read_text() == seed


def test_what_died_or_never_was_is_mended_by_up(tally: Tally) -> None:
    tally.facts(*UP)
    marks = tally.marks()
    os.kill(marks["kafka"].pid, signal.SIGKILL)
    wait_until_gone(marks["kafka"])
    assert tally.states("status", "--format", "json") == {"kafka": "not running", "clickhouse": "answers"}
    assert tally.states(*UP) == {"kafka": "started", "clickhouse": "running already"}

    # A pid that another process has by now: nobody's process may be ended, and the part is started anew.
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"]) as stranger:
        engine = tally.marks()["clickhouse"]
        end(engine, GONE_SECONDS)
        record = json.loads((tally.home / "stack.json").read_text())
        record["clickhouse"]["pid"] = stranger.pid
        (tally.home / "stack.json").write_text(json.dumps(record))
        assert tally.states("status", "--format", "json") == {"kafka": "answers", "clickhouse": "not running"}
        assert tally.states(*UP) == {"kafka": "running already", "clickhouse": "started"}
        assert tally.states("down", "--format", "json") == {"kafka": "stopped", "clickhouse": "stopped"}
        assert stranger.poll() is None, "a stranger's process was ended"
        stranger.kill()


def test_a_taken_port_is_said_and_nothing_is_left_running(tally: Tally) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        for option in ("--kafka-port", "--clickhouse-port"):
            done = tally.run(*UP, option, str(port))
            assert done.returncode == 1
            assert f"port {port} of 127.0.0.1 is taken" in done.stderr
            assert option in done.stderr
            assert "Traceback" not in done.stderr
    assert home.read(tally.home) == {}
    marks = [line for line in _command_lines() if str(tally.home) in line]
    assert marks == [], "something of the failed start still runs"


def _command_lines() -> list[str]:
    import psutil

    return [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]


def test_a_broker_that_cannot_start_says_why(tally: Tally) -> None:
    data = tally.home / "kafka" / "data"
    data.mkdir(parents=True)
    (tally.home / "format").write_text("1\n")
    (data / "meta.properties").write_text("version=1\nnode.id=2\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\n")
    done = tally.run(*UP)
    assert done.returncode == 1
    assert "Kafka ended at once" in done.stderr
    assert "node.id" in done.stderr.lower() or "node id" in done.stderr.lower()
    assert home.read(tally.home) == {}


def test_an_address_that_does_not_answer_is_said_within_ten_seconds_or_so(tally: Tally) -> None:
    kafka, clickhouse = ports.any_free(2)
    environ = {
        "TALLY_KAFKA__BOOTSTRAP_SERVERS": f"{ports.LOOPBACK}:{kafka}",
        "TALLY_CLICKHOUSE__URL": f"http://{ports.LOOPBACK}:{clickhouse}",
    }
    started = time.monotonic()
    done = tally.run("up", environ=environ)
    assert time.monotonic() - started < 14
    assert done.returncode == 1
    assert "answers at" in done.stderr
    assert "within 10 s (TALLY_" in done.stderr


def test_addresses_given_are_used_and_nothing_is_started(tally: Tally, kafka: str, clickhouse: str) -> None:
    environ = {"TALLY_KAFKA__BOOTSTRAP_SERVERS": kafka, "TALLY_CLICKHOUSE__URL": clickhouse}
    done = tally.run("up", "--format", "json", environ=environ)
    assert {(row["address"], row["by"], row["state"]) for row in json.loads(done.stdout)["services"]} == {
        (kafka, "address", "answers"),
        (clickhouse, "address", "answers"),
    }
    assert tally.run("down").stdout.strip() == f"Nothing of {tally.home} was running."
    assert AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).brokers


STARTER = """
import json, sys, time
from connectors.local import stack
from connectors.local.service import Wish
from pipeline.settings import load
wish = Wish(use_docker=False)
started = stack.start(load({"home": sys.argv[1]}), bound_to_parent=True, wishes=stack.Wishes(wish, wish))
print(json.dumps([list(service.marked) for service in started.services.values()]), flush=True)
time.sleep(100)
"""


def test_a_bound_stack_ends_with_its_starter_even_when_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        marks = [Mark(pid, started) for pid, started in json.loads(starter.stdout.readline())]
        assert all(map(runs, marks))
        starter.kill()
    for marked in marks:
        wait_until_gone(marked)


def test_a_start_that_is_interrupted_leaves_nothing_running(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline.cli.app", *UP]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    environ["TALLY_HOME"] = str(tmp_path)
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr is not None
        for line in up.stderr:
            if line.startswith("Kafka: starting"):
                break
        marked = mark(up.pid)
        time.sleep(0.3)
        up.send_signal(signal.SIGINT)
        assert "Traceback" not in up.stderr.read()
        assert up.wait(GONE_SECONDS) == 130
    wait_until_gone(marked)
    assert home.read(tmp_path) == {}
    assert [line for line in _command_lines() if str(tmp_path) in line] == []
