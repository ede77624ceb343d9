"""What is sent: the body and the headers of a Standard Webhook. Pure.

The body of an alert is the same bytes at every try; its `webhook-id` is the alert's id, by which a receiver knows what
it has met before. The signature covers id, time of sending and body.
"""

from __future__ import annotations

import json
from datetime import datetime

from standardwebhooks.webhooks import Webhook

from connectors.alerts.rows import FORECAST, Projected
from pipeline import rfc3339

_TYPES = {FORECAST: "allowance.forecast"}
CROSSED = "allowance.threshold_crossed"


def body(alert: Projected) -> bytes:
    """The request's body: `type`, `timestamp` and `data`, as JSON in UTF-8."""
    said = {
        **alert.facts,
        "decided_at": rfc3339.text(alert.decided_at),
        "journal": alert.origin,
    }
    message = {"type": _TYPES.get(alert.kind, CROSSED), "timestamp": rfc3339.text(alert.occurred_at), "data": said}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def headers(webhook_id: str, content: bytes, secrets: tuple[str, ...], at: datetime) -> dict[str, str]:
    """The request's headers, signed with every secret; `at` is the time of sending, in UTC."""
    signatures = [Webhook(secret).sign(webhook_id, at, content.decode()) for secret in secrets]
    return {
        "content-type": "application/json",
        "user-agent": "tally",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
