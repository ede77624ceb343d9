"""What a process holds of memory, sampled from /proc: resident, its peak, and anonymous memory apart from files."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple

SAMPLE_SECONDS = 0.2
_KIB = 1024


class Sample(NamedTuple):
    """Bytes: resident, anonymous (what is the process's own), of files (libraries, mostly), highest resident ever."""

    rss: int
    anonymous: int
    files: int
    peak: int


class Watched(NamedTuple):
    """A process over a run. `before`: the resident memory when the trouble began; `pss` at the end."""

    peak: int
    anonymous_peak: int
    files_peak: int
    before: int
    end: int
    pss: int


def sample(pid: int) -> Sample:
    """The process now.

    Raises:
        OSError: it is gone.
    """
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines())
    names = ("VmRSS", "RssAnon", "RssFile", "VmHWM")
    return Sample(*(int(fields[name].split()[0]) * _KIB for name in names))


def pss(pid: int) -> int:
    """Resident memory with what several processes share parted between them; the kernel walks all pages for it."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    line = next(line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * _KIB


class Sampler:
    """Samples processes in a thread of its own until `stop`."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._samples: dict[str, list[Sample]] = {name: [] for name in pids}
        self._before: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._thread.start()

    def mark(self) -> None:
        """The trouble begins: remember what each process has now."""
        self._before = {name: sample(pid).rss for name, pid in self._pids.items()}

    def stop(self) -> dict[str, Watched]:
        """What was seen; the processes still run."""
        self._stopping.set()
        self._thread.join()
        return {name: self._watched(name, pid) for name, pid in self._pids.items()}

    def _run(self) -> None:
        while not self._stopping.is_set():
            for name, pid in self._pids.items():
                self._samples[name].append(sample(pid))
            time.sleep(SAMPLE_SECONDS)

    def _watched(self, name: str, pid: int) -> Watched:
        samples, last = self._samples[name], sample(pid)
        return Watched(
            peak=last.peak,
            anonymous_peak=max(s.anonymous for s in [*samples, last]),
            files_peak=max(s.files for s in [*samples, last]),
            before=self._before.get(name, 0),
            end=last.rss,
            pss=pss(pid),
        )
