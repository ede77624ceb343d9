"""Deduplicate: of events with one identity the first to reach the partition counts.

In:   identity and payload hashes of valid rows inside the window.  Out: new, duplicate or conflicting, and the first.
Time: identities are remembered for the acceptance window and one day more, by the stream's day.
Late: a copy that is no longer remembered is too late to be accepted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.hashing import Hashes, Ints, Mask
from pipeline.core.table import HashTable

TAGS = 251  # days that a one-byte tag tells apart; windows are far shorter

FIELDS = {"payload": np.uint64, "origin": np.uint64, "tag": np.uint8}


class Copies(NamedTuple):
    """Of each row: whether it is new, or a copy that differs; whether its first copy was remembered, and its origin."""

    is_new: Mask
    conflicts: Mask
    remembered: Mask
    first: Hashes


def forgotten(before: int, day: int, window_days: int) -> Mask:
    """The tags forgotten on stream day `day`, in a table that forgot up to the day `before`; none within a day.

    So a window that is made smaller within a day forgets with the next one, in a decision and in the fold alike.
    """
    mask: Mask = (before - np.arange(256)) % TAGS + (day - before) > window_days + 1
    return mask & (day > before)


def remembers_since(was: int, day: int, window_days: int) -> int:
    """The stream day from which on every identity is remembered on a new stream day; `was`: on the day before it.

    A window that is made larger brings back nothing that was forgotten.
    """
    return max(was, day - window_days - 1)


def deduplicate(seen: HashTable, gone: Mask, identity: Hashes, payload: Hashes, origin: Hashes) -> Copies:
    """Rows in stream order; the table stays as it is. `gone`: tags to be taken for forgotten."""
    order = _in_order(identity)
    ranked = identity[order]
    opens = np.append(True, ranked[1:] != ranked[:-1])[: len(ranked)]
    first = order[opens]
    slots = seen.find(ranked[opens])
    known = (slots >= 0) & ~gone[seen.read("tag", slots)]
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(opens) - 1
    counted = np.where(known, seen.read("payload", slots), payload[first])[group]
    is_new = np.zeros(len(order), bool)
    is_new[first[~known]] = True
    first_origin = np.where(known, seen.read("origin", slots), origin[first])[group]
    return Copies(is_new, ~is_new & (payload != counted), known[group], first_origin)


def _in_order(identity: Hashes) -> Ints:
    """A stable order; equal ones are few, so that it is cheaper to sort them anew than to keep their order."""
    order = np.argsort(identity)
    ranked = identity[order]
    same = np.flatnonzero(ranked[1:] == ranked[:-1])
    if len(same):
        at = np.union1d(same, same + 1)
        order[at] = order[at][np.lexsort((order[at], ranked[at]))]
    return order


def remember(seen: HashTable, keys: tuple[Hashes, Hashes, Hashes], day: int) -> None:
    """Identities, payloads and origins of a journal record, on a stream day."""
    identity, payload, origin = keys
    tags: npt.NDArray[np.uint8] = np.full(len(identity), day % TAGS, np.uint8)
    write = seen.insert if seen.swept is None else seen.put  # what is forgotten may still be there
    write(identity, payload=payload, origin=origin, tag=tags)
