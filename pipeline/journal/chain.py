"""The chain rule, applied by every reader of the journal.

A record is valid if its `prev` is the `id` of the last valid record; any other is ignored. So two workers that both
believe they own a partition cannot both be believed, and no fencing by the broker is needed. The chain names ids, not
offsets: a rival's record can land on the offset that a writer predicted.
"""

from __future__ import annotations

import secrets

from pipeline.core.record import Link

FIRST = 0  # the `prev` of the first record, and the id of no record


def extends(link: Link, last_id: int) -> bool:
    """Whether a record is valid, after the last valid one (FIRST where there is none)."""
    return link.prev == last_id


def next_link(last_id: int, writer: str) -> Link:
    """The place of a new record: a random id that no other writer has."""
    return Link(secrets.randbits(64) or 1, last_id, writer)
