"""An account of a test's own in a deployment, `tally` commands as processes, and what the tables say in the end."""

from __future__ import annotations

import json
import secrets
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
FATES = ("read", "accepted", "duplicates", "rejected")
DRAIN_SECONDS = 60.0  # until what was sent is in ClickHouse; it takes 2 to 5 s alone
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


def new_endpoint(vendor: str, account: str, *options: str) -> str:
    """The id of a new endpoint."""
    made = tally("endpoints", "new", "--vendor", vendor, "--account", account, "--format", "json", *options)
    assert made.returncode == 0, made.stderr
    found: str = json.loads(made.stdout)["id"]
    return found


class Account:
    """An account of a test's own, in a deployment that other tests may have used before."""

    def __init__(self, deployment: Deployment) -> None:
        self.name = f"a{secrets.token_hex(4)}"
        self._deployment = deployment
        self._before = self._all_fates()

    def endpoint(self, vendor: str, *options: str) -> str:
        """The id of a new endpoint of the account."""
        return new_endpoint(vendor, self.name, *options)

    def fates(self) -> dict[str, int]:
        """How many records were read, accepted, were duplicates, were rejected, since the account is there."""
        return {fate: count - self._before[fate] for fate, count in self._all_fates().items()}

    def counted(self, read: int) -> dict[str, int]:
        """The fates, once so many records have theirs."""
        await_that(lambda: self.fates()["read"] >= read, DRAIN_SECONDS, lambda: f"{read} records; {self.fates()}")
        return self.fates()

    def engagement(self) -> list[tuple[object, ...]]:
        """Campaign, channel, opens and unique opens."""
        rows = [row for row in self._deployment.rows("campaign_engagement") if row["account_id"] == self.name]
        return sorted((row["campaign_id"], row["channel"], row["opened"], row["unique_opened"]) for row in rows)

    def dead_letters(self) -> dict[bytes, str]:
        """Reason by bytes."""
        rows = [row for row in self._deployment.rows("dead_letters") if row["account_id"] == self.name]
        return {bytes.fromhex(row["raw"]): str(row["reason"]) for row in rows}

    def _all_fates(self) -> dict[str, int]:
        rows = self._deployment.rows("conservation")
        return {fate: sum(int(row[fate]) for row in rows) for fate in FATES}


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


def await_that(holds: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    """Until it is so."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what()}"
        time.sleep(LOOK_SECONDS)
