"""Whether a request may deliver to an endpoint: its address, its key, and where it is signed its time and newness.

Pure but for the memory of signed requests. A request to an endpoint that is not there costs the same checks and gets
the same answer as one with a wrong key.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from multidict import MultiMapping

from connectors.collect import credentials, networks, signatures
from connectors.collect.endpoint import Credential, Endpoint
from connectors.collect.networks import Network
from connectors.collect.replay import Seen
from connectors.collect.signatures import Signed
from pipeline.settings import Settings

KEYS_KEPT = 4_096  # derived keys in memory: two of every endpoint, and more
_UNAUTHORIZED, _CONFLICT, _UNAVAILABLE = 401, 409, 503
_DIGEST_BYTES = 16  # of a signed request in memory
_NO_KEY = secrets.token_bytes(signatures.KEY_BYTES)  # that nobody has
_NOBODYS = Endpoint("", "", "", "")  # checked where there is no endpoint


class Refused(StrEnum):
    """Why a request may not deliver: labels of a metric, in the order in which they are looked for."""

    UNKNOWN_ENDPOINT = "unknown_endpoint"
    ADDRESS = "address"  # not on the endpoint's list
    MISSING = "missing"  # no key, or no signature that can be checked
    SIGNING_KEY = "signing_key"  # ours is missing, or not the one that the endpoint's keys were derived from
    WRONG = "wrong"
    EXPIRED = "expired"  # right, but its time is over
    TIME = "time"  # well signed, but outside the tolerance
    REPLAYED = "replayed"  # well signed, and accepted before

    @property
    def status(self) -> int:
        """The HTTP status. One for all that a stranger can meet, so that it does not tell which endpoints there are."""
        return {Refused.REPLAYED: _CONFLICT, Refused.SIGNING_KEY: _UNAVAILABLE}.get(self, _UNAUTHORIZED)


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request brings. `headers` find a name whatever its case, as aiohttp's do; the body is as it came."""

    path_secret: str | None = field(repr=False)
    headers: MultiMapping[str] = field(repr=False)
    raw_body: bytes = field(repr=False)
    peer_address: str | None


@dataclass(frozen=True, slots=True)
class Security:
    """What the settings say of it."""

    signing_key: bytes | None = field(default=None, repr=False)
    tolerance_us: int = 300_000_000
    trusted_proxies: tuple[Network, ...] = ()
    presets: Mapping[str, tuple[Network, ...]] = field(
        default_factory=lambda: {name: networks.networks(texts) for name, texts in networks.PRESETS.items()}
    )


class _Verdict(NamedTuple):
    refused: Refused | None
    seen_as: bytes = b""  # digest of what was signed, where it was a signature that was right
    seen_until_us: int = 0


class Guard:
    """Checks requests; one for each process."""

    def __init__(self, security: Security) -> None:
        self._security = security
        self._seen = Seen()
        self._key = functools.lru_cache(KEYS_KEPT)(self._derived)
        self._networks = functools.lru_cache(KEYS_KEPT)(self._listed)

    def check(self, endpoint: Endpoint | None, request: Presented, now_us: int) -> Refused | None:
        """Why the request may not deliver; None: it may. `endpoint` is None where there is none of the id asked for."""
        verdict = self._verdict(endpoint or _NOBODYS, request, now_us)
        if endpoint is None:
            return Refused.UNKNOWN_ENDPOINT
        if not self._from_allowed(endpoint, request):
            return Refused.ADDRESS
        if verdict.refused is not None or not verdict.seen_as:
            return verdict.refused
        return None if self._seen.add(verdict.seen_as, now_us, verdict.seen_until_us) else Refused.REPLAYED

    def failed(self, endpoint: Endpoint, request: Presented) -> None:
        """A request that may deliver was answered without success: the very same one may come again."""
        for kind, signed in self._signed(endpoint, request):
            if signed is not None and any(one.kind == kind for one in endpoint.credentials):
                self._seen.forget(_seen_as(endpoint, kind, signed))

    def signing_key_fault(self, endpoint: Endpoint) -> str | None:
        """What keeps the endpoint's signatures from being checked, in words; None: nothing does."""
        signing = [one for one in endpoint.credentials if one.kind in credentials.SIGNING]
        if all(self._key_of(endpoint, one) for one in signing):
            return None
        given = self._security.signing_key is not None
        why = "is not the one that its keys were derived from" if given else "is not set"
        return (
            f"{endpoint.id} cannot check signatures: TALLY_COLLECT__SIGNING_KEY {why}. Set the one that all collectors "
            f"have, or `tally endpoints rotate {endpoint.id} --overlap 0` makes a key from another"
        )

    def _verdict(self, endpoint: Endpoint, request: Presented, now_us: int) -> _Verdict:
        right, any_presented = credentials.check_static(endpoint, request.path_secret, request.headers)
        if any(credentials.is_live(one, now_us) for one in right):
            return _Verdict(None)
        found = Refused.EXPIRED if right else Refused.WRONG if any_presented else Refused.MISSING
        for kind, signed in self._signed(endpoint, request):
            if signed is not None:
                verdict = self._signature(endpoint, kind, signed, now_us)
                if verdict is not None and verdict.refused is None:
                    return verdict
                found = verdict.refused if verdict is not None and verdict.refused else found
        return _Verdict(found)

    def _signature(self, endpoint: Endpoint, kind: str, signed: Signed, now_us: int) -> _Verdict | None:
        """What a signature of a scheme is worth; None: the endpoint has no key of it. As many are made for each one."""
        own = [one for one in endpoint.credentials if one.kind == kind]
        keys = [self._key_of(endpoint, one) for one in own]
        padded = [key or _NO_KEY for key in keys] + [_NO_KEY] * (credentials.LIVE_MAX - len(keys))
        matching = [signatures.matches(signed, key) for key in padded]
        right = [one for one, key, match in zip(own, keys, matching, strict=False) if key and match]
        if not own:
            return None
        if not right:
            return _Verdict(Refused.WRONG if all(keys) else Refused.SIGNING_KEY)
        if not any(credentials.is_live(one, now_us) for one in right):
            return _Verdict(Refused.EXPIRED)
        if abs(now_us - signed.at_us) > self._security.tolerance_us:
            return _Verdict(Refused.TIME)
        return _Verdict(None, _seen_as(endpoint, kind, signed), signed.at_us + self._security.tolerance_us)

    def _signed(self, endpoint: Endpoint, request: Presented) -> tuple[tuple[str, Signed | None], ...]:
        """What a request says it signed, by the scheme."""
        named = next((one.name for one in endpoint.credentials if one.kind == "hmac"), signatures.HMAC_HEADER)
        return (
            ("standard_webhooks", signatures.webhook(request.headers, request.raw_body)),
            ("hmac", signatures.plain(request.headers, named, request.raw_body)),
        )

    def _key_of(self, endpoint: Endpoint, credential: Credential) -> bytes | None:
        return self._key(credential.kind, endpoint.id, credential.id, credential.digest)

    def _derived(self, kind: str, endpoint_id: str, credential_id: str, digest: str) -> bytes | None:
        """The key of a credential; None where it is not the one whose digest is kept, or there is no signing key."""
        signing_key = self._security.signing_key
        if signing_key is None:
            return None
        key, text = credentials.signing_secret(signing_key, endpoint_id, credential_id, kind)
        return key if hmac.compare_digest(credentials.digest(text), digest) else None

    def _from_allowed(self, endpoint: Endpoint, request: Presented) -> bool:
        if not endpoint.allow:
            return True
        forwarded = request.headers.getall("X-Forwarded-For", [])
        found = networks.sender(request.peer_address, forwarded, self._security.trusted_proxies)
        return found is not None and networks.within(found, self._networks(endpoint.allow))

    def _listed(self, allow: tuple[str, ...]) -> tuple[Network, ...]:
        presets = self._security.presets
        return tuple(one for text in allow for one in presets.get(text) or (networks.network(text),))


def security(settings: Settings) -> Security:
    """What the settings say of it; they were checked when they were loaded."""
    collect = settings.collect
    key = collect.signing_key
    return Security(
        signing_key=None if key is None else bytes.fromhex(key.get_secret_value()),
        tolerance_us=collect.signature_seconds * 1_000_000,
        trusted_proxies=networks.listed(collect.trusted_proxies),
        presets={"brevo": networks.listed(collect.brevo_networks)},
    )


def _seen_as(endpoint: Endpoint, kind: str, signed: Signed) -> bytes:
    """What a signed request is remembered as: all that is signed, but not by which key, so none can be left out."""
    named = f"{kind}\0{endpoint.id}\0".encode()
    return hashlib.sha256(named + signed.content).digest()[:_DIGEST_BYTES]
