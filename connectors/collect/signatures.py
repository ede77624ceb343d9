"""Signed deliveries: keys that are derived, not stored, and signatures over the raw bytes. Pure.

Two schemes. Standard Webhooks: HMAC-SHA256 of `<webhook-id>.<webhook-timestamp>.<body>`, base64 behind `v1,`, any
number of them. `hmac`: HMAC-SHA256 of `<X-Tally-Timestamp>.<body>`, hexadecimal or base64, `sha256=` in front or not.
The package standardwebhooks signs in the tests; it does not verify here, since it reads the clock itself, decodes the
body as UTF-8 and raises whatever a malformed header makes it raise.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import NamedTuple

from multidict import MultiMapping

KEY_BYTES = 32  # of a derived key: as many as SHA-256 has
SIGNATURES_MAX = 8  # of one request that are looked at; a sender in rotation gives two
WEBHOOK_PREFIX = "whsec_"
ID_HEADER, TIME_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"
HMAC_TIME_HEADER = "X-Tally-Timestamp"
HMAC_HEADER = "X-Tally-Signature"  # unless the endpoint names another
_SALT = b"tally/collect/1"
_SECONDS = re.compile(r"[0-9]{1,11}", re.ASCII)
_MICROSECONDS = 1_000_000


class Signed(NamedTuple):
    """What a request says it signed: the bytes, when, and the signatures given."""

    content: bytes
    at_us: int
    signatures: tuple[bytes, ...]


def octets(text: str) -> bytes:
    """A header's bytes as they came; empty where a text cannot have come so."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b""


def derived(signing_key: bytes, kind: str, endpoint_id: str, credential_id: str) -> bytes:
    """The key of a credential: HKDF-SHA256 (RFC 5869) of the deployment's signing key, one block long."""
    named = b"\0".join(part.encode() for part in (kind, endpoint_id, credential_id))
    return hkdf(signing_key, _SALT, named)


def hkdf(secret: bytes, salt: bytes, named: bytes) -> bytes:
    """HKDF-SHA256 of RFC 5869 for the first 32 bytes: extract, then one block of expand."""
    extracted = hmac.digest(salt, secret, hashlib.sha256)
    return hmac.digest(extracted, named + b"\x01", hashlib.sha256)


def webhook_secret(key: bytes) -> str:
    """A key as Standard Webhooks write it."""
    return WEBHOOK_PREFIX + base64.b64encode(key).decode()


def hmac_secret(key: bytes) -> str:
    """A key as text; its very characters are the key of the signature, as most senders have it."""
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


def webhook(headers: MultiMapping[str], body: bytes) -> Signed | None:
    """What a Standard Webhook says it signed; None: it says nothing that can be checked."""
    message_id, at = octets(headers.get(ID_HEADER, "")), headers.get(TIME_HEADER, "")
    if not message_id or not _SECONDS.fullmatch(at):
        return None
    given = headers.get(SIGNATURE_HEADER, "").split(" ")[:SIGNATURES_MAX]
    read = [_base64(one.removeprefix("v1,")) for one in given if one.startswith("v1,")]
    content = b".".join((message_id, at.encode(), body))
    return Signed(content, int(at) * _MICROSECONDS, tuple(one for one in read if one))


def plain(headers: MultiMapping[str], name: str, body: bytes) -> Signed | None:
    """What a request with a signature in the header `name` says it signed; None: nothing that can be checked."""
    given, at = headers.get(name, "").strip(), headers.get(HMAC_TIME_HEADER, "")
    if not given or not _SECONDS.fullmatch(at):
        return None
    given = given.removeprefix("sha256=")
    read = _hexadecimal(given) or _base64(given)
    return Signed(b".".join((at.encode(), body)), int(at) * _MICROSECONDS, (read,) if read else ())


def matches(signed: Signed, key: bytes) -> bool:
    """Whether one of the signatures is that of the key; as long for the first as for none."""
    expected = hmac.digest(key, signed.content, hashlib.sha256)
    found = False
    for given in signed.signatures:
        found |= hmac.compare_digest(expected, given)
    return found


def _hexadecimal(text: str) -> bytes:
    if len(text) != 2 * KEY_BYTES:
        return b""
    try:
        return binascii.unhexlify(octets(text))
    except binascii.Error:
        return b""


def _base64(text: str) -> bytes:
    """Standard or URL-safe base64 of 32 bytes, padded or not."""
    try:
        read = base64.b64decode(
            octets(text.rstrip("=")) + b"=", altchars=b"-_" if {*"-_"} & {*text} else None, validate=True
        )
    except binascii.Error:
        return b""
    return read if len(read) == KEY_BYTES else b""
