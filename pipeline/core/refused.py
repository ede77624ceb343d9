"""Refused: what a collector could not translate arrives as an event that says so, and ends as a dead letter.

In:   the properties of an event of type TYPE on TOPIC.  Out: reason, words and the delivery's own bytes.
Time: none.  Late: none.
Such an event is never accepted and never a duplicate: like all that is invalid in itself, every copy is rejected.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from pipeline.core.reasons import Reject
from pipeline.core.record import RAW_BYTES_MAX

TYPE = "account_delivery_refused"  # in no vocabulary: no source can send it as an event of its own
TOPIC = "events.account"
DETAIL_CHARACTERS_MAX = 1_000  # of the words
SIZE_MAX = 1 << 40  # a bound for the number alone
# What a collector can say of a delivery; the rest only the pipeline can.
REASONS = frozenset(
    {Reject.UNDECODABLE, Reject.OVERSIZED, Reject.UNKNOWN_TYPE, Reject.MISSING_FIELD, Reject.IMPOSSIBLE_FIELD}
    | {Reject.NOBODY, Reject.MERGE_WITH_ITSELF, Reject.PROFILE_NAMED_TWICE}
)


class Refused(NamedTuple):
    """Why a delivery's item is no event; `raw` are its bytes, at most RAW_BYTES_MAX of the `size` that there were."""

    reason: Reject
    detail: str
    raw: bytes
    size: int


def refused(reason: Reject, detail: str, whole: bytes) -> Refused:
    """What a collector says of the bytes of a delivery, or of one item of it."""
    assert reason in REASONS, reason
    return with_head(reason, detail[:DETAIL_CHARACTERS_MAX], whole)


def with_head(reason: Reject, detail: str, whole: bytes) -> Refused:
    """With all bytes; or with their head and, in the words, what tells whether others are the same."""
    if len(whole) <= RAW_BYTES_MAX:
        return Refused(reason, detail, whole, len(whole))
    digest = hashlib.sha256(whole).hexdigest()
    detail = f"{detail}; {len(whole):,} bytes, sha256 {digest}, of which the first {RAW_BYTES_MAX:,} are kept"
    return Refused(reason, detail, whole[:RAW_BYTES_MAX], len(whole))


def properties(said: Refused) -> dict[str, str]:
    """As an event carries it."""
    raw = base64.b64encode(said.raw).decode("ascii")
    return {"reason": said.reason.value, "detail": said.detail, "raw": raw, "size": str(said.size)}


def read(given: Mapping[str, str]) -> Refused | None:
    """What `properties` wrote, or None where another did."""
    try:
        reason, raw = Reject(given["reason"]), base64.b64decode(given["raw"].encode("ascii"), validate=True)
        detail, size = given["detail"], int(given["size"])
    except (KeyError, ValueError, binascii.Error):
        return None
    if reason not in REASONS or len(raw) > RAW_BYTES_MAX or not len(raw) <= size <= SIZE_MAX:
        return None
    return Refused(reason, detail, raw, size)
