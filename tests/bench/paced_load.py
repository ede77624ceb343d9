"""Bulk traffic at a pace, by a process that does nothing else meanwhile: everything is encoded before it begins.

    python -m tests.bench.paced_load --rate 25000 --seconds 8 [--accounts 300] [--slice-ms 10] [--seed 2]

Says `ready` when all is encoded, begins when a line comes in, and ends with one line of JSON: what was published, when
its first and last slice were sent (Unix seconds), how far it was behind its own pace at most, and its CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator

from connectors.producer.service import Sender
from connectors.producer.settings import schema_ids
from connectors.simulator.bulk import BLOCK_EVENTS, Block, Bulk, Records
from connectors.simulator.settings import Traffic
from connectors.simulator.truth import Truth
from pipeline.settings import load

Slice = list[tuple[str, Records]]


def slices(blocks: list[Block], events: float) -> Iterator[Slice]:
    """So many events each, of all topics in the proportion of their block; what a block leaves over is its last one."""
    for block in blocks:
        size = sum(map(len, block.topics.values()))
        count = max(1, round(size / events))
        for n in range(count):
            parts = ((t, of[len(of) * n // count : len(of) * (n + 1) // count]) for t, of in block.topics.items())
            yield [(topic, records) for topic, records in parts if records]


def send(sender: Sender, parts: list[Slice], every_s: float) -> tuple[float, float, float]:
    """Send a slice every so often; returns when the first and last went (Unix seconds), and the worst lateness."""
    began, clock, behind = time.time(), time.monotonic(), 0.0
    for number, part in enumerate(parts):
        left = clock + number * every_s - time.monotonic()
        if left > 0:
            time.sleep(left)
        behind = max(behind, -left)
        for topic, records in part:
            sender.send_batch(topic, records)
    return began, time.time(), behind


def main() -> None:
    """See the module."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rate", type=float, required=True)
    options.add_argument("--seconds", type=float, required=True)
    options.add_argument("--accounts", type=int, default=300)
    options.add_argument("--slice-ms", type=float, default=10.0)
    options.add_argument("--seed", type=int, default=2)
    chosen = options.parse_args()
    settings = load()
    events = max(1, round(chosen.rate * chosen.seconds))
    shape = Traffic(chosen.seed, events, chosen.accounts, time.time_ns() // 1000, 0, settings.rules)
    blocks, truth = list(Bulk(shape, schema_ids(settings)).blocks()), Truth()
    for block in blocks:
        block.count(truth)
    parts = list(slices(blocks, min(chosen.rate * chosen.slice_ms / 1000, BLOCK_EVENTS)))
    sender = Sender(settings)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    cpu = time.process_time()
    first, last, behind = send(sender, parts, events / chosen.rate / len(parts))
    sender.close()
    used = time.process_time() - cpu
    expected = truth.facts()["expected"]
    said = {"accepted": expected["accepted"], "duplicates": expected["duplicates"]}
    sys.stdout.write(json.dumps({**said, "first": first, "last": last, "behind_s": behind, "cpu_s": used}) + "\n")


if __name__ == "__main__":
    main()
