"""The audit of a system at work: worker, sink and traffic as processes, audited meanwhile, and no drift."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TALLY = (sys.executable, "-m", "pipeline.cli.app")
TRAFFIC = ("simulate", "--rate", "300", "--seconds", "20", "--seed", "7")
AUDITS_MIN = 2  # while the traffic runs
STOP_SECONDS = 30.0
COMMAND_SECONDS = 90.0

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environ(kafka: str, clickhouse: str, tmp_path: Path) -> dict[str, str]:
    """A deployment of the test's own."""
    name = f"l{uuid.uuid4().hex[:10]}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TALLY_")}
    return kept | {
        "TALLY_HOME": str(tmp_path),
        "TALLY_HASH_SEED": "00000000000a0d17",
        "TALLY_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "TALLY_TOPICS__PREFIX": f"{name}.",
        "TALLY_TOPICS__PARTITIONS": "2",
        "TALLY_WORKER__GROUP_ID": f"{name}-worker",
        "TALLY_SINK__GROUP_ID": f"{name}-sink",
        "TALLY_CLICKHOUSE__URL": clickhouse,
        "TALLY_CLICKHOUSE__DATABASE": name,
    }


@pytest.fixture
def run(environ: dict[str, str]) -> Iterator[Run]:
    """Runs a command to its end. The database is dropped with the test."""

    def tally(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*TALLY, *arguments],
            env=environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    yield tally
    tally("query", f"DROP DATABASE IF EXISTS {environ['TALLY_CLICKHOUSE__DATABASE']}")


@contextmanager
def service(environ: dict[str, str], log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs on, ended with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen([*TALLY, *arguments], env=environ, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def verdict(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What an audit printed; it must have found no drift."""
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["drift"] == 0
    return found


def test_a_system_at_work_is_audited_without_drift(environ: dict[str, str], run: Run, tmp_path: Path) -> None:
    for command in (("topics", "apply"), ("migrate",)):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    audits: list[dict[str, Any]] = []
    worker, sink = tmp_path / "worker.log", tmp_path / "sink.log"
    with service(environ, worker, "worker"), service(environ, sink, "sink"):
        with service(environ, tmp_path / "simulate.log", *TRAFFIC) as traffic:
            while traffic.poll() is None:
                audits.append(verdict(run("audit", "--format", "json")))
        assert run("wait", "--timeout", "60").returncode == 0, worker.read_text() + sink.read_text()
        last = verdict(run("audit", "--format", "json"))
    events = [sum(part["events"] for part in found["partitions"]) for found in (*audits, last)]
    assert len(audits) >= AUDITS_MIN
    assert events == sorted(events)
    assert len(set(events)) > 1, "nothing was inserted between two audits"
    assert last["accounts"] > 0
    assert last["numbers"]["engagement"] > 0
