"""An endpoint: one place that deliveries come in at, and all that they do not say of themselves.

Pure. The file that keeps endpoints is of `endpoints`, checking a credential of `credentials`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

CredentialKind = Literal["path", "basic", "bearer", "header", "hmac", "standard_webhooks"]


@dataclass(frozen=True, slots=True)
class Credential:
    """One live key of an endpoint. Only a digest of its secret is kept; signing keys are derived, never stored."""

    id: str
    kind: CredentialKind
    name: str  # user of basic, header's name of header and hmac; else empty
    digest: str  # SHA-256 of the secret, hexadecimal
    created_at: int  # UTC microseconds
    expires_at: int | None = None  # UTC microseconds; None: until it is revoked


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What `tally endpoints new` was told.

    `source` is the events' source: the vendor's name, or for vendor `own` the producer's own. `event` is the default
    vocabulary key, `group/key` or `key`, where a payload does not say what it is. `time_zone` is that of times without
    one. `fields` says where a role (event, event_id, occurred_at, profile_id, email, phone, message_id, campaign_id,
    link, ...) is found in a payload: a key or a JSON pointer.
    """

    id: str
    vendor: str
    account: str
    source: str
    event: str | None = None
    time_zone: str = "UTC"
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    credentials: tuple[Credential, ...] = ()
    allow: tuple[str, ...] = ()  # networks (CIDR) and presets of `networks`; none: any address
    created_at: int = 0  # UTC microseconds
