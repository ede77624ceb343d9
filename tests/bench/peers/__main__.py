"""What people would use instead, on the same job, same broker, same data (docs/peers.md).

    .venv/bin/python -m tests.bench.peers [--rounds 3] [--events 2000000] [--only tally,streams] [--json FILE]

The job: decode, deduplicate over 8 days, unique opens and clicks, accounts' counters, enriched events to Kafka, exactly
once where the peer offers it. Each run's output is recounted before its time counts. Peers live in environments of
their own, made on the first run (--cache): virtual environments, and jars built where a JDK and Maven are.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from connectors.local import kafka
from connectors.local.keeper import Keeper
from connectors.local.progress import silent
from connectors.local.service import Wish
from tests.bench import results
from tests.bench.peers import data, environments
from tests.bench.peers.contestants import BY_KEY, OURS, PEERS, Command
from tests.bench.peers.rounds import Field, interleave, order, say
from tests.bench.peers.verdicts import Told, figures, ranked_words
from tests.bench.results import Figure
from tests.options import folder, names, whole

EVENTS = 2_000_000  # the full size: over fewer start-up and small states tell, and no aim is judged
QUICK_EVENTS = 200_000
EVENTS_MIN = 2_000  # of a contestant: fewer are over before they can be watched
EVENTS_MAX = 100_000_000  # a data set is made whole, and recounted
KEYS = (OURS, *BY_KEY)

_skipped: dict[str, str] = {}  # why peers have no figures, for the report's versions


def options() -> argparse.ArgumentParser:
    """The options of all benches, and this one's."""
    parser = results.options(__doc__)
    size = whole(EVENTS_MIN, EVENTS_MAX, "events")
    parser.add_argument("--events", type=size, default=EVENTS, help="of the quick contestants; slow ones get a part")
    parser.add_argument(
        "--only", type=names(KEYS, "contestant"), default=KEYS, metavar="KEY,...", help=f"of {', '.join(KEYS)}"
    )
    parser.add_argument("--cache", type=folder, help="folder of the peers' environments")
    return parser


def measure(chosen: argparse.Namespace) -> Sequence[Figure]:
    """All contestants that can run here."""
    events = QUICK_EVENTS if chosen.quick else chosen.events
    wanted = _prepared(order(chosen.only), events, chosen.cache or environments.cache_folder())
    if not wanted:
        return []
    keeper = Keeper()
    with tempfile.TemporaryDirectory(prefix="tally-peers-") as folder:
        try:
            told = _run(wanted, chosen.rounds, Path(folder), keeper)
        finally:
            keeper.close()
    sys.stdout.write(f"Client CPU an event, least first:\n{ranked_words(told)}\n")
    return figures(told, OURS, is_full=events >= EVENTS)


def _prepared(keys: Sequence[str], events: int, cache: Path) -> dict[str, tuple[int, Command | None]]:
    """Events and command of each that can run; the environments are made before anything is measured."""
    wanted: dict[str, tuple[int, Command | None]] = {}
    for key in keys:
        if key == OURS:
            wanted[key] = events, None
            continue
        say(f"environment of {key}")
        try:
            command = BY_KEY[key].prepare(cache)
        except environments.Absent as error:
            _skipped[key] = str(error)
            say(f"{key} is left out: {error}")
            continue
        wanted[key] = max(EVENTS_MIN, events // BY_KEY[key].share), command
    return wanted


def _run(wanted: dict[str, tuple[int, Command | None]], rounds: int, folder: Path, keeper: Keeper) -> dict[str, Told]:
    broker = kafka.from_jars(folder / "kafka", Wish(bound_to_parent=True, born=keeper.bind), silent)
    assert broker.pid is not None, "the broker is a process of this machine"
    os.environ["TALLY_HOME"] = str(folder)
    os.environ["TALLY_KAFKA__BOOTSTRAP_SERVERS"] = broker.address
    data.write_job(folder / "job")
    sets = {}
    for events in sorted({events for events, _ in wanted.values()}):
        say(f"data set of {events:,} events")
        sets[events] = data.make(events, time.time_ns() // 1000)
    found, failed = interleave(Field(broker.pid, folder, keeper, sets), wanted, rounds)
    _skipped.update(failed)
    told = {}
    for key, runs in found.items():
        events, _ = wanted[key]
        if key == OURS:
            told[key] = Told("tally worker, exactly once", events, None, runs)
        else:
            peer = BY_KEY[key]
            told[key] = Told(f"{peer.title} {peer.version()}, {peer.guarantee}", events, peer.aim, runs)
    return told


def versions() -> dict[str, str]:
    """Of the peers and of the JVM that runs some of them; of those without figures why."""
    found = {peer.title: peer.version() for peer in PEERS}
    if java := environments.java_version():
        found["JVM of Kafka Streams and Flink"] = java
    return found | {
        BY_KEY[key].title if key in BY_KEY else key: f"not measured: {why}" for key, why in _skipped.items()
    }


if __name__ == "__main__":
    results.run("peers", measure, options(), versions)
