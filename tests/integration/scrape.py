"""What a process shows to Prometheus, as its log says where; and what promtool says of it."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from pathlib import Path


def address(log: str) -> str:
    """Where the metrics are, by the process's own word; empty where it has not said it yet."""
    found = re.search(r"metrics on (http://[^\s,]+)", log)
    return found.group(1) if found else ""


def text(log: str) -> str:
    """The page."""
    with urllib.request.urlopen(address(log), timeout=10) as answer:
        return str(answer.read().decode())


def shown(page: str) -> dict[str, float]:
    """Values by series."""
    lines = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in lines}


def checked(promtool: Path, page: str) -> str:
    """What `promtool check metrics` complains of."""
    command = [promtool, "check", "metrics"]
    done = subprocess.run(command, input=page, text=True, capture_output=True, check=False, timeout=60)
    return done.stdout + done.stderr + (f"exit {done.returncode}" if done.returncode else "")
