"""The local ClickHouse is killed, stopped and bounded: processes of each test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from connectors.local.clickhouse import from_chdb
from connectors.local.processes import end, runs
from connectors.local.progress import silent
from connectors.local.service import Wish
from tests.integration.local_clickhouse_world import arrow_stream, client_of, close


def test_what_was_acknowledged_survives_kill_9_and_a_clean_stop(tmp_path: Path, bound_wish: Wish) -> None:
    expected = 0
    for signal_number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        service = from_chdb(tmp_path, bound_wish, silent)
        assert service.marked is not None
        client = client_of(service)
        client.command(
            "CREATE TABLE IF NOT EXISTS kept (number UInt64, text String) ENGINE = MergeTree ORDER BY number"
        )
        assert client.command("SELECT count() FROM kept") == expected
        expected += client.raw_insert("kept", insert_block=arrow_stream(1000), fmt="ArrowStream").written_rows
        os.kill(service.marked.pid, signal_number)
        deadline = time.monotonic() + 15
        while runs(service.marked):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        close(client)
    service = from_chdb(tmp_path, bound_wish, silent)
    client = client_of(service)
    assert client.command("SELECT count() FROM kept") == expected == 3000
    close(client)
    assert service.marked is not None
    assert end(service.marked, 10)
    assert list((tmp_path / "data.spool").iterdir()) == []


def test_a_statement_that_runs_is_answered_before_the_front_stops(tmp_path: Path, bound_wish: Wish) -> None:
    service = from_chdb(tmp_path, bound_wish, silent)
    assert service.marked is not None
    answers: list[bytes] = []

    def ask() -> None:
        sql = "SELECT%20sum(sleepEachRow(0.5))%20FROM%20numbers(3)%20SETTINGS%20max_block_size%3D1"
        with urllib.request.urlopen(f"{service.address}/?query={sql}", timeout=30) as answer:
            answers.append(answer.read())

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    assert end(service.marked, 10)
    thread.join()
    assert answers == [b"0\n"]


def test_a_body_may_reach_the_bound_and_not_pass_it(tmp_path: Path) -> None:
    """With a small bound, so in a process of its own."""
    script = """
import http.client, sys, threading
from pathlib import Path
from connectors.local.chdb_engine import Engine
from connectors.local.chdb_server import Front
front = Front(("127.0.0.1", 0), Engine(Path(sys.argv[1])), body_bytes_max=1000)
threading.Thread(target=front.serve_forever, daemon=True).start()
for size in (1000, 1001):
    connection = http.client.HTTPConnection(*front.server_address, timeout=10)
    connection.request("POST", "/", b"SELECT 1".ljust(size))
    print(connection.getresponse().status)
front.shutdown()
"""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script, str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=30, check=True)
    assert done.stdout.split() == ["200", "413"]
