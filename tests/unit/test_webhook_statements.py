"""What is sent: verified with the Standard Webhooks' own library, and shown by hand from the specification."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors.alerts.rows import Decided, Projected, projected
from connectors.webhook.statements import body, headers
from pipeline.core.record import Alert

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OTHER = "whsec_" + base64.b64encode(KEY[::-1]).decode()
ID = "5f2b8c0e9a7d4c11b0c3e6a2d9f41708"


def alert(**changes: object) -> Projected:
    made = Alert("äcme", 1_767_225_600_000_000, "threshold", 0.8, 80, 100, 1_767_225_605_000_001, 7)._replace(**changes)
    return projected(made, Decided(3, 17, 0xABC, 1_767_225_606_000_000))


def test_the_librarys_verifier_takes_it_and_refuses_it_changed() -> None:
    content = body(alert())
    signed = headers(ID, content, (SECRET,), datetime.now(UTC))
    assert Webhook(SECRET).verify(content, signed)["data"]["account_id"] == "äcme"
    for other in ({"webhook-id": "x"}, {"webhook-timestamp": "1"}, {"webhook-signature": "v1,AAAA"}):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(content, signed | other)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(content.replace(b"80", b"81"), signed)


def test_the_signature_is_the_specifications() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC)
    signed = headers(ID, b"{}", (SECRET,), at)
    stamp = str(int(at.timestamp()))
    digest = hmac.new(KEY, f"{ID}.{stamp}.{{}}".encode(), hashlib.sha256).digest()
    assert signed["webhook-timestamp"] == stamp
    assert signed["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_with_two_secrets_both_receivers_verify() -> None:
    content = body(alert())
    signed = headers(ID, content, (SECRET, OTHER), datetime.now(UTC))
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(content, signed)


def test_the_body_says_what_where_and_when_and_is_the_same_at_every_try() -> None:
    assert body(alert()) == body(alert())
    said = json.loads(body(alert()))
    assert said["type"] == "allowance.threshold_crossed"
    assert said["timestamp"] == said["data"]["occurred_at"] == "2026-01-01T00:00:05.000001Z"
    assert said["data"] | {"id": ""} == {
        "id": "",
        "account_id": "äcme",
        "cycle_start": "2026-01-01T00:00:00Z",
        "plan": f"{7:016x}",
        "kind": "threshold",
        "threshold": 0.8,
        "used": 80,
        "allowance": 100,
        "occurred_at": "2026-01-01T00:00:05.000001Z",
        "decided_at": "2026-01-01T00:00:06Z",
        "journal": {"partition": 3, "offset": 17, "record": f"{0xABC:016x}"},
    }
    assert json.loads(body(alert(kind="forecast", threshold=1.0)))["type"] == "allowance.forecast"
