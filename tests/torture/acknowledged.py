"""What the broker acknowledged to a producer, as the producer wrote it down: the truth that a round is judged by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple


class Acknowledged(NamedTuple):
    """A line of the producer's file, and the place that the broker gave it; `topic` is its name in Kafka."""

    line: int
    topic: str
    partition: int
    offset: int


def read(path: Path) -> list[Acknowledged]:
    """All that was written down; lines that a kill cut off are not."""
    if not path.exists():
        return []
    whole = [line for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("]")]
    return [Acknowledged(*json.loads(line)) for line in whole]
