"""A deployment with an endpoint, `tally` commands as processes beside it, and what its tables say in the end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.deployment import Deployment

ROOT = Path(__file__).parents[2]
ACCOUNT = "acme"
LOOK_SECONDS = 0.02
_PROGRAM = (sys.executable, "-m", "pipeline.cli.app")


def tally(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command, to its end, in the environment of the deployment."""
    return subprocess.run([*_PROGRAM, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def started(log: Path, *arguments: str, program: Sequence[str] = _PROGRAM) -> subprocess.Popen[bytes]:
    """A command that runs on; what it says is appended to the log."""
    with log.open("ab") as said:
        return subprocess.Popen([*program, *arguments], cwd=ROOT, stdout=said, stderr=said)


def killed(process: subprocess.Popen[bytes]) -> None:
    """kill -9, asleep or not."""
    process.kill()
    process.send_signal(signal.SIGCONT)
    process.wait()


def new_endpoint(vendor: str, *options: str) -> str:
    """The id of a new endpoint of the account."""
    made = tally("endpoints", "new", "--vendor", vendor, "--account", ACCOUNT, "--format", "json", *options)
    assert made.returncode == 0, made.stderr
    found: str = json.loads(made.stdout)["id"]
    return found


def ago(**spans: float) -> datetime:
    """So long before now."""
    return datetime.now(UTC) - timedelta(**spans)


def hook(number: int, at: datetime) -> dict[str, Any]:
    """An open as Altcraft's hooks tell it."""
    return {
        "event_type": "open",
        "event_date": at.isoformat().replace("+00:00", "Z"),
        "account_id": 161,
        "list_id": 5,
        "is_test": False,
        "profile_id": f"p{number}",
        "event_data": {"message_id": 5, "campaign_id": 130, "segment_id": 0, "send_message_id": f"s{number}"},
    }


def fates(deployment: Deployment) -> dict[str, int]:
    """How many records were accepted, were duplicates, were rejected."""
    columns = ("read", "accepted", "duplicates", "rejected")
    return {column: sum(int(row[column]) for row in deployment.rows("conservation")) for column in columns}


def dead_letters(deployment: Deployment) -> dict[bytes, str]:
    """Reason by bytes, of all dead letters."""
    database = deployment.clickhouse.target.database
    rows = deployment.clickhouse.query(f"SELECT hex(raw), reason FROM {database}.dead_letters").rows
    return {bytes.fromhex(str(raw)): str(reason) for raw, reason in rows}


def await_that(holds: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    """Until it is so."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what()}"
        time.sleep(LOOK_SECONDS)
