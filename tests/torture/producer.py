"""A producer as a process: publishes the lines of a file at an even pace and writes down what the broker acknowledged.

    python -m tests.torture.producer LINES ACKNOWLEDGED --address 127.0.0.1:9092 --seconds 20

Killed and started again it goes on behind what it has written down: what was in flight is published once more, as
producers of the real world do. Ends with 0 once every line is acknowledged.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from confluent_kafka import KafkaError, Message, Producer

from tests.torture.acknowledged import Acknowledged, read

WAIT_SECONDS = 0.02  # between two looks at the clock
DELIVERY_SECONDS = 300  # a broker may be away for a while: longer than any round lasts
FLUSH_SECONDS = 300.0
IN_FLIGHT_MAX = 10_000  # lines published and not acknowledged


def lines(path: Path) -> Iterator[tuple[str, str, bytes | None]]:
    """Topic, key and value of every line."""
    for line in path.read_text(encoding="utf-8").splitlines():
        topic, key, value = json.loads(line)
        yield topic, key, None if value is None else base64.b64decode(value)


def write(path: Path, records: Iterable[tuple[str, str, bytes | None]]) -> int:
    """The file that `lines` reads; returns how many."""
    text = [
        json.dumps([topic, key, None if value is None else base64.b64encode(value).decode()])
        for topic, key, value in records
    ]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return len(text)


class _Publisher:
    def __init__(self, address: str, out: TextIO) -> None:
        self._out = out
        self.waiting = 0
        self.fault: KafkaError | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": address,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "message.timeout.ms": DELIVERY_SECONDS * 1000,
                "linger.ms": 2,
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,
            }
        )

    def publish(self, line: int, topic: str, key: str, value: bytes | None) -> None:
        def told(error: KafkaError | None, message: Message) -> None:
            self.waiting -= 1
            if error is not None:
                self.fault = error
                return
            said = Acknowledged(line, topic, message.partition() or 0, message.offset() or 0)
            self._out.write(f"{json.dumps(said)}\n")

        while self.waiting >= IN_FLIGHT_MAX and self.fault is None:
            self.serve()
        self.waiting += 1
        self._producer.produce(topic, value, key=key, on_delivery=told)

    def serve(self) -> None:
        self._producer.poll(WAIT_SECONDS)
        self._out.flush()

    def end(self) -> None:
        self._producer.flush(FLUSH_SECONDS)
        self._out.flush()


def run(options: argparse.Namespace) -> int:
    """Publish what is not acknowledged yet; returns the exit code."""
    done = {said.line for said in read(options.acknowledged)}
    left = [(number, line) for number, line in enumerate(lines(options.lines)) if number not in done]
    total = len(left) + len(done)
    with options.acknowledged.open("a", encoding="utf-8") as out:
        out.write("\n")  # a kill may have cut a line off
        publisher = _Publisher(options.address, out)
        began = time.time() if options.began is None else options.began
        for number, (topic, key, value) in left:
            while time.time() < began + options.seconds * number / total:
                publisher.serve()
            if publisher.fault is not None:
                break
            publisher.publish(number, topic, key, value)
        publisher.end()
        if publisher.fault is not None:
            sys.stderr.write(f"not delivered: {publisher.fault.str()}\n")
        return 1 if publisher.fault is not None or publisher.waiting else 0


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path)
    parser.add_argument("acknowledged", type=Path)
    parser.add_argument("--address", required=True)
    parser.add_argument("--seconds", type=float, required=True, help="over which the lines are spread")
    parser.add_argument("--began", type=float, help="Unix time at which the first line was due; default now")
    sys.exit(run(parser.parse_args()))


if __name__ == "__main__":
    main()
