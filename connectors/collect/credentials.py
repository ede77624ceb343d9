"""Keys of endpoints: what a vendor can send, how a key is made, and whether a presented one is right.

Pure, but for chance. A secret has 256 random bits. It is shown once; what is kept is its SHA-256. As a bearer token or
in a header it names its endpoint, tally_<endpoint id>_<secret>: so `POST /v1/events` finds it, and so does a scanner of
source code.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import get_args

from multidict import MultiMapping

from connectors.collect import signatures
from connectors.collect.endpoint import Credential, CredentialKind, Endpoint

SECRET_BYTES = 32
LIVE_MAX = 2  # keys of an endpoint at once: the new one, and the old one while senders change over
PRESENTED_CHARACTERS_MAX = 1_024  # of a presented secret; longer ones are none of ours
TOKEN_PREFIX = "tally"
KEY_HEADER = "X-Tally-Key"  # of a `header` credential, unless another is named
KINDS: tuple[CredentialKind, ...] = get_args(CredentialKind)
SIGNING: frozenset[str] = frozenset({"hmac", "standard_webhooks"})
# What each vendor is known to be able to send, the best one first, which is the default (docs/vendors).
CAN_SEND: Mapping[str, tuple[CredentialKind, ...]] = MappingProxyType(
    {
        "altcraft": ("path",),
        "brevo": ("bearer", "basic", "header", "path"),
        "connectif": ("header", "bearer", "basic", "path"),
        "mindbox": ("header", "bearer", "basic", "path"),
        "own": ("bearer", "basic", "header", "hmac", "standard_webhooks", "path"),
    }
)
_ID_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that are mistaken for each other; 5 bits each
_ENDPOINT_ID_LETTERS, _CREDENTIAL_ID_LETTERS = 10, 6
_NO_DIGEST = hashlib.sha256(secrets.token_bytes(SECRET_BYTES)).hexdigest()  # of what nobody can present


@dataclass(frozen=True, slots=True)
class Issued:
    """A key just made, with its secret, which is nowhere else from here on."""

    credential: Credential
    secret: str = field(repr=False)


def new_endpoint_id(vendor: str) -> str:
    """An id that says the vendor and nothing of the account, since it stands in URLs and logs."""
    return f"{vendor}-{_letters(_ENDPOINT_ID_LETTERS)}"


def issue(endpoint_id: str, kind: CredentialKind, name: str, now_us: int, signing_key: bytes | None) -> Issued:
    """A new key. `name` is the header's of header and hmac; a basic one's user is the endpoint's id.

    Raises:
        ValueError: the kind signs, and there is no signing key.
    """
    id_ = _letters(_CREDENTIAL_ID_LETTERS)
    if kind in SIGNING:
        if signing_key is None:
            raise ValueError(f"{kind} needs a signing key")
        secret = signing_secret(signing_key, endpoint_id, id_, kind)[1]
    else:
        secret = secrets.token_urlsafe(SECRET_BYTES)
    if kind in ("bearer", "header"):
        secret = f"{TOKEN_PREFIX}_{endpoint_id}_{secret}"
    kept = {"basic": endpoint_id, "header": name, "hmac": name}.get(kind, "")
    return Issued(Credential(id_, kind, kept, digest(secret), now_us), secret)


def signing_secret(signing_key: bytes, endpoint_id: str, credential_id: str, kind: str) -> tuple[bytes, str]:
    """The key of signatures, and its text for the sender."""
    key = signatures.derived(signing_key, kind, endpoint_id, credential_id)
    if kind == "standard_webhooks":
        return key, signatures.webhook_secret(key)
    text = signatures.hmac_secret(key)
    return text.encode(), text


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(signatures.octets(secret)).hexdigest()


def is_live(credential: Credential, now_us: int) -> bool:
    """Whether a key is taken at that time; at the very microsecond of its end it is not."""
    return credential.expires_at is None or now_us < credential.expires_at


def live(endpoint: Endpoint, now_us: int) -> tuple[Credential, ...]:
    """The keys that are taken at that time."""
    return tuple(one for one in endpoint.credentials if is_live(one, now_us))


def rotated(endpoint: Endpoint, new: Credential, now_us: int, overlap_us: int) -> Endpoint:
    """The endpoint with a new key; the live ones end after the overlap, sooner where that was so already.

    Raises:
        ValueError: more keys than two would be live.
    """
    ends = now_us + overlap_us
    old = [replace(one, expires_at=min(ends, one.expires_at or ends)) for one in live(endpoint, now_us)]
    kept = [one for one in old if is_live(one, now_us)]
    if len(kept) >= LIVE_MAX:
        raise ValueError(f"{LIVE_MAX} keys are live")
    return replace(endpoint, credentials=(*kept, new))


def named_endpoint(headers: MultiMapping[str]) -> str | None:
    """The id of the endpoint that a bearer token or a basic login names; nothing is checked. None: none is named."""
    token = bearer(headers)
    if token is not None:
        prefix, _, rest = token.partition("_")
        id_, _, secret = rest.partition("_")
        return id_ if prefix == TOKEN_PREFIX and id_ and secret else None
    login = basic(headers)
    return login[0] if login is not None and login[0] else None


def bearer(headers: MultiMapping[str]) -> str | None:
    """The token of `Authorization: Bearer`."""
    return _authorization(headers, "bearer")


def basic(headers: MultiMapping[str]) -> tuple[str, str] | None:
    """User and password of `Authorization: Basic`."""
    given = _authorization(headers, "basic")
    if given is None:
        return None
    try:
        user, colon, password = base64.b64decode(signatures.octets(given), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (user.decode("utf-8", "surrogateescape"), password.decode("utf-8", "surrogateescape")) if colon else None


def presented(kind: CredentialKind, name: str, path_secret: str | None, headers: MultiMapping[str]) -> str | None:
    """The secret that a request presents for a key of this kind; None: none."""
    if kind == "path":
        found = path_secret
    elif kind == "bearer":
        found = bearer(headers)
    elif kind == "basic":
        login = basic(headers)
        found = login[1] if login is not None and login[0] == name else None
    elif kind == "header":
        found = headers.get(name)
    else:
        found = None
    return found if found and len(found) <= PRESENTED_CHARACTERS_MAX else None


def check_static(
    endpoint: Endpoint, path_secret: str | None, headers: MultiMapping[str]
) -> tuple[list[Credential], bool]:
    """The keys whose secret a request presents, and whether it presented any for them.

    As many digests are compared for every endpoint, right or wrong, known or not.
    """
    right, any_presented = [], False
    for one in _padded(endpoint):
        given = presented(one.kind, one.name, path_secret, headers)
        any_presented |= given is not None
        same = hmac.compare_digest(digest(given or ""), one.digest)
        if same and given is not None:
            right.append(one)
    return right, any_presented


def _padded(endpoint: Endpoint) -> Iterator[Credential]:
    """The endpoint's keys that do not sign, and so many that nobody has that there are always as many."""
    kept = [one for one in endpoint.credentials if one.kind not in SIGNING]
    yield from kept
    for _ in range(LIVE_MAX - len(kept)):
        yield Credential("", "bearer", "", _NO_DIGEST, 0)


def _authorization(headers: MultiMapping[str], scheme: str) -> str | None:
    said, blank, rest = headers.get("Authorization", "").partition(" ")
    return rest.strip() if blank and said.lower() == scheme else None


def _letters(count: int) -> str:
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(count))
