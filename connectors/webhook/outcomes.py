"""What follows from an attempt: delivered, tried again and when, or parked. Pure; chance is given.

In:   the answer of the endpoint, the attempts so far.  Out: the next receipt.  Time: UTC microseconds, given.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from connectors.webhook.rows import Receipt
from connectors.webhook.settings import ERROR_CHARACTERS_MAX, JITTER, RETRY_AFTER_SECONDS_MAX, Endpoint
from connectors.webhook.states import State

GONE = 410  # the endpoint says that it is there no more
SECOND_US = 1_000_000


class Answer(NamedTuple):
    """What an attempt brought: a status, or what was wrong; and what the endpoint asks for (`Retry-After`)."""

    status: int | None
    error: str | None = None
    retry_after: str | None = None


def receipt(before: Receipt, answer: Answer, endpoint: Endpoint, at: int, chance: float) -> Receipt:
    """The receipt after an attempt. `chance` is in [0, 1)."""
    attempts = before.attempts + 1
    made = before._replace(attempts=attempts, at=at, status=answer.status, error=None, next_at=None)
    if answer.status is not None and 200 <= answer.status < 300:
        return made._replace(state=State.DELIVERED, alert=None)
    error = (answer.error or f"the endpoint answered {answer.status}")[:ERROR_CHARACTERS_MAX]
    if answer.status == GONE:
        return made._replace(state=State.PARKED, error=f"{error}: it is gone")
    if attempts >= endpoint.attempts_max:
        return made._replace(state=State.PARKED, error=f"{error}; it was the last of {attempts} tries")
    wait = max(delay(attempts, endpoint, chance), asked_wait(answer.retry_after, at))
    return made._replace(state=State.RETRYING, error=error, next_at=at + int(wait * SECOND_US))


def stale(before: Receipt, decided_at: int, endpoint: Endpoint, at: int) -> Receipt | None:
    """A receipt that parks an alert before its first try, where it is too old to be news; None where it is not."""
    age = (at - decided_at) / SECOND_US
    if before.state is not State.WAITING or age <= endpoint.fresh_seconds:
        return None
    error = f"decided {age / 3_600:.0f} h ago, which is no news: see TALLY_NOTIFY__FRESH_HOURS"
    return before._replace(state=State.PARKED, at=at, error=error)


def delay(attempts: int, endpoint: Endpoint, chance: float) -> float:
    """Seconds until the next try: doubled with each, up to a bound, cut by chance."""
    doublings = min(attempts - 1, 63)
    whole = min(endpoint.backoff_seconds * 2**doublings, endpoint.backoff_max_seconds)
    return float(whole * (1 - JITTER * chance))


def asked_wait(retry_after: str | None, at: int) -> float:
    """Seconds that a `Retry-After` asks for, as a number or a date; 0 where it says nothing that can be read."""
    if retry_after is None:
        return 0.0
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:12]), RETRY_AFTER_SECONDS_MAX))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    zoned = until if until.tzinfo else until.replace(tzinfo=UTC)
    wait = (zoned - datetime.fromtimestamp(at / SECOND_US, UTC)).total_seconds()
    return min(max(wait, 0.0), float(RETRY_AFTER_SECONDS_MAX))
