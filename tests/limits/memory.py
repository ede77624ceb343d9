"""What a process holds of memory, sampled from /proc: resident, its peak, and anonymous memory apart from files."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple

SAMPLE_SECONDS = 0.2
GAP_SECONDS_MAX = 10.0  # between two samples, on a machine that does much else; a thread that died leaves all the rest
_KIB = 1024


class Sample(NamedTuple):
    """Bytes: resident, anonymous (what is the process's own), of files (libraries, mostly), highest resident ever."""

    rss: int
    anonymous: int
    files: int
    peak: int


class Watched(NamedTuple):
    """A process over a run. `before`: the resident memory when the trouble began; `pss` at the end, 0 if it ended."""

    peak: int
    anonymous_peak: int
    files_peak: int
    before: int
    end: int
    pss: int


def sample(pid: int) -> Sample:
    """The process now.

    Raises:
        OSError: it is gone, or ended and nobody has asked for its exit code yet.
    """
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines())
    names = ("VmRSS", "RssAnon", "RssFile", "VmHWM")
    if not fields.keys() >= set(names):
        raise ProcessLookupError(f"process {pid} has no memory: its state is {fields['State'].strip()}")
    return Sample(*(int(fields[name].split()[0]) * _KIB for name in names))


def pss(pid: int) -> int:
    """Resident memory with what several processes share parted between them; the kernel walks all pages for it."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    line = next(line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * _KIB


class Unsampled(RuntimeError):
    """There is not one sample of a process; says of which."""


class Sampler:
    """Samples processes in a thread of its own until `stop`. One that ends is not sampled any more, the others are."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._samples: dict[str, list[Sample]] = {name: [] for name in pids}
        self._before: dict[str, int] = {}
        self._ended: dict[str, str] = {}
        self._looked = time.monotonic()
        self._gap_s = 0.0  # the longest time without a look
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._thread.start()

    def mark(self) -> None:
        """The trouble begins: remember what each process has now."""
        for name, pid in self._pids.items():
            now = self._look(name, pid)
            self._before[name] = now.rss if now else 0

    def stop(self) -> dict[str, Watched]:
        """What was seen.

        Raises:
            Unsampled: nothing, of one of the processes.
        """
        self._stopping.set()
        self._thread.join()
        self._gap_s = max(self._gap_s, time.monotonic() - self._looked)
        return {name: self._watched(name, pid) for name, pid in self._pids.items()}

    def faults(self) -> list[str]:
        """Why what was seen may not be all that there was, in words."""
        ended = [f"{name} ended while its memory was sampled: {why}" for name, why in self._ended.items()]
        if self._gap_s <= GAP_SECONDS_MAX:
            return ended
        return [*ended, f"the memory was not sampled for {self._gap_s:.1f} s; {GAP_SECONDS_MAX:g} s at most is allowed"]

    def _run(self) -> None:
        while not self._stopping.is_set():
            for name, pid in self._pids.items():
                self._look(name, pid)
            now = time.monotonic()
            self._gap_s, self._looked = max(self._gap_s, now - self._looked), now
            time.sleep(SAMPLE_SECONDS)

    def _look(self, name: str, pid: int) -> Sample | None:
        if name in self._ended:
            return None
        try:
            seen = sample(pid)
        except OSError as error:
            self._ended[name] = str(error)
            return None
        self._samples[name].append(seen)
        return seen

    def _watched(self, name: str, pid: int) -> Watched:
        self._look(name, pid)
        samples = self._samples[name]
        if not samples:
            raise Unsampled(f"there is no sample of the memory of {name}: {self._ended[name]}")
        return Watched(
            peak=samples[-1].peak,
            anonymous_peak=max(s.anonymous for s in samples),
            files_peak=max(s.files for s in samples),
            before=self._before.get(name, 0),
            end=samples[-1].rss,
            pss=0 if name in self._ended else pss(pid),
        )
