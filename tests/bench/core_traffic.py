"""Events for the core's bench: the simulator's bulk traffic, with more merges and splits where asked.

The bulk traffic has 5 % exact copies, 0.1 % merges, 2 % commerce, 60 % of all in one account; here its topics are
interleaved again. A storm replaces events, so that a share of all is an operation: three merges of a visitor, one merge
of two known profiles and one split (that a visitor leaves a known profile) of five.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from connectors.simulator.bulk import Bulk
from connectors.simulator.settings import Traffic
from pipeline.settings_tree import Rules
from tests.events import SCHEMA_IDS, event, frame

ACCOUNTS = 300
PROFILES = 400_000  # of an account, in the bulk traffic
STANDARD_MERGES = 0.001  # of the bulk traffic

Sent = list[tuple[str, bytes]]  # topic and value, in the order of sending


def profile_name(number: int) -> str:
    """As the bulk traffic names profiles."""
    return f"p{number:08}"


def traffic(events: int, merges: float, start_us: int, seed: int = 1) -> Sent:
    """Events before `start_us`, of which a share `merges` is merges and splits."""
    rng = np.random.default_rng(seed)
    shape = Traffic(seed, events, ACCOUNTS, start_us, 0, Rules())
    sent = list(islice(_interleaved(Bulk(shape, SCHEMA_IDS)), events))
    extra = np.flatnonzero(rng.random(len(sent)) < merges - STANDARD_MERGES)
    visitors: list[tuple[str, str, str]] = []  # merged so far: account, visitor, profile
    for at in extra.tolist():
        sent[at] = ("events.profile", _operation(rng, f"{seed}-{at}", start_us, visitors))
    return sent


def _interleaved(bulk: Bulk) -> Iterator[tuple[str, bytes]]:
    """Each block's topics side by side, as their producers sent them."""
    for block in bulk.blocks():
        places = [((n + 0.5) / len(records), topic, record["value"])
                  for topic, records in block.topics.items() for n, record in enumerate(records)]  # fmt: skip
        yield from ((topic, value) for _, topic, value in sorted(places, key=lambda place: place[0]))


def _operation(rng: np.random.Generator, number: str, start_us: int, visitors: list[tuple[str, str, str]]) -> bytes:
    account = 0 if rng.random() < 0.6 else min(int(rng.pareto(1.1)) + 1, ACCOUNTS - 1)
    name, known = f"acc-{account:05}", profile_name(int(rng.random() ** 2 * PROFILES))
    said = {"account_id": name, "source": "brevo", "event_id": f"operation-{number}", "occurred_at": start_us - 1}
    kind = rng.integers(0, 5)
    if kind == 0 and visitors:
        of, visitor, profile = visitors[int(rng.integers(0, len(visitors)))]
        parts = [{"target": visitor, "members": []}]
        return frame(event("profile_split", split_source=profile, parts=parts, **said | {"account_id": of}))
    if kind == 1:
        other = profile_name(int(rng.random() ** 2 * PROFILES))
        target = other if other != known else "p-other"
        return frame(event("profile_merged", sources=[known], target=target, **said))
    visitors.append((name, f"visitor-{number}", known))
    return frame(event("profile_merged", sources=[f"visitor-{number}"], target=known, **said))
