"""Where a worker's time goes: the functions with the largest self time, sampled by py-spy, as a table.

    python -m tests.bench.profile_worker [--load backlog | --load 25000 | --load light] [--py-spy PATH]
                                          [--write docs/evidence/profile-worker.md]

py-spy is no dependency of this project: `pip install py-spy` somewhere, and give its path where it is not on PATH.
Samples are of all threads that are at work, 200 a second; a C function counts for the Python function that calls it.
Threads that wait for events or for work, where py-spy takes them to be at work, are left out (WAITING).
Under `backlog` the worker goes on from a state of so many identities; the other loads are those of `latency_bench`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.bench.conditions import at_start
from tests.bench.core_world import Size
from tests.bench.latency_bench import LIGHT, LIGHT_PARTITIONS, Loaded, Pace
from tests.bench.worker_world import world
from tests.options import whole

RATE = 200  # samples a second
SECONDS = 12
SHOWN = 10
LONE = "not installed: `pip install py-spy` into any environment and name it with --py-spy PATH"
WAITING = ("select (selectors.py)", "_worker (concurrent/futures/thread.py)", "wait (threading.py)")
_PLACES = ("/site-packages/", "/lib/python3.11/", "/lib/python3.12/", "/lib/python3.13/", "/lib/python3.14/")


class Sampling:
    """py-spy beside a process; `counts` ends it."""

    def __init__(self, py_spy: str, pid: int, seconds: int, folder: Path) -> None:
        self._raw = folder / "raw.txt"
        command = [py_spy, "record", "--pid", str(pid), "--rate", str(RATE), "--duration", str(seconds)]
        self._process = subprocess.Popen(
            [*command, "--nonblocking", "--full-filenames", "--format", "raw", "--output", str(self._raw)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def counts(self) -> Counter[str]:
        """Samples by the function that was at work.

        Raises:
            SystemExit: py-spy failed; with its words.
        """
        _, words = self._process.communicate()
        if self._process.returncode and not self._raw.exists():
            raise SystemExit(f"py-spy failed: {words.decode(errors='replace').strip()}")
        return self_samples(self._raw.read_text(encoding="utf-8").splitlines())


def self_samples(stacks: list[str]) -> Counter[str]:
    """Of stacks as py-spy writes them, `outer (file:line);inner (file:line) samples`: samples by innermost function."""
    found: Counter[str] = Counter()
    for stack in stacks:
        frames, _, samples = stack.rpartition(" ")
        name, _, place = frames.split(";")[-1].partition(" (")
        function = f"{name} ({_short(place.rpartition(':')[0] or place.rstrip(')'))})"
        if not function.endswith(WAITING):
            found[function] += int(samples)
    return found


def table(counts: Counter[str], what: str, taken: str) -> str:
    """The largest ones in Markdown, with what all others have; `taken`: when, at which commit, how busy the machine."""
    whole = counts.total()
    lines = [
        f"### Worker: {what}",
        "",
        f"{whole:,} samples of py-spy; {taken}.",
        "",
        "| function | self time |",
        "|---|---:|",
    ]
    largest = counts.most_common(SHOWN)
    lines += [f"| `{name}` | {samples / whole:.1%} |" for name, samples in largest]
    rest = whole - sum(samples for _, samples in largest)
    return "\n".join([*lines, f"| {len(counts) - len(largest)} others | {rest / whole:.1%} |"])


def _short(place: str) -> str:
    for part in _PLACES:
        if part in place:
            return place.rsplit(part, maxsplit=1)[-1]
    root = str(Path(__file__).parents[2]) + "/"
    return place.removeprefix(root)


def profiled(py_spy: str, chosen: argparse.Namespace) -> tuple[Counter[str], str]:
    """Samples under the load chosen, and what it was, in words."""
    size = Size(chosen.identities, chosen.identities // 2)
    of_state = f"{size.identities:,} identities and {size.facts:,} facts remembered"
    partitions = LIGHT_PARTITIONS if chosen.load == "light" else 4
    with tempfile.TemporaryDirectory() as folder, world(partitions) as here:
        if chosen.load == "backlog":
            expected = here.publish(chosen.events, 300)
            here.preload(size)
            with here.workers() as running:
                running.wait_ready()
                sampling = Sampling(py_spy, running.pids[0], chosen.seconds, Path(folder))
                running.wait_all(expected.read)
                return sampling.counts(), f"backlog of {expected.read:,} events, {of_state}"
        here.preload(size)
        pace = LIGHT if chosen.load == "light" else Pace(f"{float(chosen.load):,.0f} events/s", float(chosen.load))
        with here.workers() as running:
            running.wait_ready()
            loaded = Loaded(here, running)
            loaded.run(Pace("warm", 5_000.0), 2.0)
            sampling = Sampling(py_spy, running.pids[0], chosen.seconds, Path(folder))
            loaded.run(pace, chosen.seconds + 1.0)
            return sampling.counts(), f"{pace.name}, {partitions} partition numbers, {of_state}"


def main() -> None:
    """See the module."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--load", default="backlog", help="backlog, light, or events a second")
    options.add_argument("--py-spy", default=shutil.which("py-spy"), metavar="PATH")
    options.add_argument("--events", type=whole(1, 10**9, "events"), default=1_500_000, help="of the backlog")
    options.add_argument(
        "--identities", type=whole(0, 10**9, "identities"), default=1_000_000, help="remembered; half as many facts"
    )
    options.add_argument("--seconds", type=whole(1, 3_600, "seconds"), default=SECONDS, help="of sampling")
    options.add_argument("--write", type=Path, help="a file for the table")
    chosen = options.parse_args()
    if chosen.py_spy is None:
        raise SystemExit(f"py-spy is {LONE}")
    began, before = time.monotonic(), at_start()
    taken = f"{before.date} UTC, commit {before.commit}, {before.busy_before:.0%} of the machine at other work"
    told = table(*profiled(chosen.py_spy, chosen), taken)
    if chosen.write is not None:
        chosen.write.parent.mkdir(parents=True, exist_ok=True)
        chosen.write.write_text(told + "\n", encoding="utf-8")
    sys.stdout.write(f"{told}\n\n{time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    main()
