"""What a sender is answered: from what came of its delivery to status, headers and body. Pure.

Success is said by a vendor's own status, and so is `try again`: Brevo gives up for good on any 5xx and on any 4xx but
429, so it gets 429 where others get 503. Nothing of a delivery is repeated in an answer, and no endpoint is named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from connectors.collect.routes import Place
from connectors.collect.translation import Refusal, Vendor

TRY_AGAIN_STATUS = 503
RETRY_FULL_SECONDS = 5  # what is at work is done within some seconds
RETRY_AWAY_SECONDS = 30  # a broker's restart; vendors' own first retry comes after minutes anyway
REJECTED_TOLD_MAX = 1_000  # items that the answer of /v1/events names; the rest is counted
_JSON = "application/json"
_PROBLEM = "application/problem+json"  # RFC 9457


class Outcome(StrEnum):
    """What came of a request; the label of its metric."""

    SUCCESS = "success"  # all of it is in Kafka
    FULL = "full"  # a bound on what is at work is reached
    AWAY = "away"  # Kafka does not answer
    LATE = "late"  # Kafka did not acknowledge all of it in time
    SLOW = "slow"  # the body did not arrive in time
    FAILED = "failed"  # a fault of the collector
    UNAUTHORIZED = "unauthorized"  # no such endpoint, or not its key, or not from where it takes deliveries
    REPLAYED = "replayed"  # signed, and accepted before
    NO_PLACE = "no_place"
    WRONG_METHOD = "wrong_method"
    TOO_LARGE = "too_large"
    NO_DELIVERY = "no_delivery"  # a content type or encoding that no delivery has
    CUT = "cut"  # the connection ended before the body did
    TOLD = "told"  # the document, the health


TRY_AGAIN: Mapping[Outcome, int] = {
    Outcome.FULL: RETRY_FULL_SECONDS,
    Outcome.AWAY: RETRY_AWAY_SECONDS,
    Outcome.LATE: RETRY_FULL_SECONDS,
    Outcome.SLOW: RETRY_FULL_SECONDS,
    Outcome.CUT: RETRY_FULL_SECONDS,
    Outcome.FAILED: RETRY_AWAY_SECONDS,
}
STATUSES: Mapping[Outcome, int] = {
    Outcome.UNAUTHORIZED: 401,
    Outcome.REPLAYED: 409,
    Outcome.NO_PLACE: 404,
    Outcome.WRONG_METHOD: 405,
    Outcome.TOO_LARGE: 413,
    Outcome.NO_DELIVERY: 415,
}
WORDS: Mapping[Outcome, str] = {
    Outcome.FULL: "Too much is at work: try again",
    Outcome.AWAY: "Events cannot be kept now: try again",
    Outcome.LATE: "Not everything was kept in time: try again with all of it",
    Outcome.SLOW: "The body did not arrive in time: try again",
    Outcome.CUT: "The body ended early: try again",
    Outcome.FAILED: "The collector failed: try again",
    Outcome.UNAUTHORIZED: "There is no such endpoint, or the credential is not its own",
    Outcome.REPLAYED: "This very delivery was accepted before",
    Outcome.NO_PLACE: "There is nothing here; /openapi.json says what there is",
    Outcome.WRONG_METHOD: "This method means nothing here",
    Outcome.TOO_LARGE: "The body is larger than this collector takes",
    Outcome.NO_DELIVERY: "Send JSON, plain or with Content-Encoding: gzip",
}
UNREADABLE = "This is no HTTP request that can be read"
CHALLENGE = 'Bearer realm="tally", Basic realm="tally", charset="UTF-8"'


class Answer(NamedTuple):
    """What goes over the line."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Kept(NamedTuple):
    """What became of a delivery's items: how many there were; the refused ones with their place."""

    items: int
    refusals: Sequence[tuple[int, Refusal]]


def success(vendor: Vendor, kept: Kept, place: Place) -> Answer:
    """Everything of the delivery is in Kafka, what was refused as that."""
    told: dict[str, object] = {"accepted": kept.items - len(kept.refusals)}
    if place is Place.EVENTS:
        shown = kept.refusals[:REJECTED_TOLD_MAX]
        told["rejected"] = [{"index": n, "reason": one.reason.value, "detail": one.detail} for n, one in shown]
        if len(kept.refusals) > len(shown):
            told["rejected_not_shown"] = len(kept.refusals) - len(shown)
    else:
        told["rejected"] = len(kept.refusals)
    return Answer(vendor.success, {"Content-Type": _JSON}, _bytes(told))


def document(status: int, told: Mapping[str, object]) -> Answer:
    """A document of the collector's own."""
    return Answer(status, {"Content-Type": _JSON}, _bytes(told))


def unreadable(status: int) -> Answer:
    """What cannot be read as HTTP; it is not repeated, either: it may hold a secret."""
    return Answer(status, {"Content-Type": _PROBLEM}, _bytes({"title": UNREADABLE, "status": status}))


def failure(outcome: Outcome, vendor: Vendor | None, methods: Sequence[str] = ()) -> Answer:
    """Anything but success. `vendor` is None where it is not known."""
    wait = TRY_AGAIN.get(outcome)
    headers = {"Content-Type": _PROBLEM}
    if wait is None:
        status = STATUSES[outcome]
    else:
        status = TRY_AGAIN_STATUS if vendor is None else vendor.try_again
        headers["Retry-After"] = str(wait)
    if outcome is Outcome.WRONG_METHOD:
        headers["Allow"] = ", ".join(methods)
    if outcome is Outcome.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    return Answer(status, headers, _bytes({"title": WORDS[outcome], "status": status}))


def _bytes(told: Mapping[str, object]) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
