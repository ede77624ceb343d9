"""What the tests of who may deliver share: a key, a request that has it, a guard."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime

from multidict import CIMultiDict
from standardwebhooks.webhooks import Webhook

from connectors.collect import credentials
from connectors.collect.credentials import Issued
from connectors.collect.endpoint import CredentialKind, Endpoint
from connectors.collect.guard import Guard, Presented, Security

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
NOW = 1_790_000_000_000_000
SECOND, DAY = 1_000_000, 86_400_000_000
TOLERANCE = 300 * SECOND
BODY = b'[{"event_type":"open"}]'
EMPTY = Endpoint("own-abcdefghij", "own", "acme", "shop")
STATIC = ("path", "basic", "bearer", "header")
SIGNED = ("hmac", "standard_webhooks")


def issued(kind: CredentialKind, endpoint: Endpoint = EMPTY, at: int = NOW) -> tuple[Endpoint, Issued]:
    """An endpoint with a key of a kind."""
    key = credentials.issue(endpoint.id, kind, "X-Own-Key" if kind in ("header", "hmac") else "", at, KEY)
    return replace(endpoint, credentials=(key.credential,)), key


def request(kind: str, secret: str, body: bytes = BODY, at: int = NOW, **more: str) -> Presented:
    """What a sender that has the secret sends; `id` is a webhook's."""
    headers: CIMultiDict[str] = CIMultiDict()
    path, seconds = None, str(at // SECOND)
    if kind == "path":
        path = secret
    elif kind == "basic":
        login = f"{more.get('user', EMPTY.id)}:{secret}"
        headers["authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    elif kind == "bearer":
        headers["AUTHORIZATION"] = f"bearer {secret}"
    elif kind == "header":
        headers["x-own-key"] = secret
    elif kind == "hmac":
        signed = hmac.new(secret.encode(), seconds.encode() + b"." + body, hashlib.sha256)
        headers.update({"x-tally-timestamp": seconds, "x-own-key": signed.hexdigest()})
    else:
        id_ = more.get("id", "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W")
        signature = Webhook(secret).sign(id_, datetime.fromtimestamp(at // SECOND, UTC), body.decode())
        headers.update({"webhook-id": id_, "webhook-timestamp": seconds, "webhook-signature": signature})
    return Presented(path, headers, body, "192.0.2.1")


def guard(**more: object) -> Guard:
    return Guard(Security(**{"signing_key": KEY, **more}))  # type: ignore[arg-type]
