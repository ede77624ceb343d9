"""Signed deliveries: their time, replays, and how a signature is written."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from multidict import CIMultiDict
from standardwebhooks.webhooks import Webhook

from connectors.collect import credentials, replay, signatures
from connectors.collect.endpoint import CredentialKind
from connectors.collect.guard import Refused
from connectors.collect.replay import Seen
from tests.unit.guard_world import (
    BODY,
    DAY,
    EMPTY,
    KEY,
    NOW,
    OTHER_KEY,
    SECOND,
    SIGNED,
    TOLERANCE,
    guard,
    issued,
    request,
)


@pytest.mark.parametrize("kind", SIGNED)
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_signatures_time_is_tolerated_up_to_its_bound_either_way(kind: CredentialKind, sign: int) -> None:
    endpoint, key = issued(kind)
    assert guard().check(endpoint, request(kind, key.secret), NOW + sign * TOLERANCE) is None
    assert guard().check(endpoint, request(kind, key.secret), NOW + sign * (TOLERANCE + 1)) is Refused.TIME
    forged = request(kind, issued(kind)[1].secret)
    assert guard().check(endpoint, forged, NOW + sign * (TOLERANCE + 1)) is Refused.WRONG


@pytest.mark.parametrize("kind", SIGNED)
@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "x-tally-timestamp", "body"])
def test_what_is_signed_cannot_be_changed(kind: CredentialKind, name: str) -> None:
    endpoint, key = issued(kind)
    shown = request(kind, key.secret)
    if name == "body":
        shown = replace(shown, raw_body=shown.raw_body + b" ")
    elif name in shown.headers:
        value = shown.headers[name]
        shown.headers[name] = value[:-1] + ("1" if value[-1] != "1" else "2")  # type: ignore[index]
    else:
        return
    assert guard().check(endpoint, shown, NOW) is Refused.WRONG


@pytest.mark.parametrize("kind", SIGNED)
def test_the_very_same_request_is_taken_once_while_its_time_is_tolerated(kind: CredentialKind) -> None:
    endpoint, key = issued(kind)
    one, shown = guard(), request(kind, key.secret)
    assert one.check(endpoint, shown, NOW) is None
    assert one.check(endpoint, shown, NOW) is Refused.REPLAYED
    assert one.check(endpoint, shown, NOW + TOLERANCE) is Refused.REPLAYED
    assert one.check(endpoint, shown, NOW + TOLERANCE + 1) is Refused.TIME
    again = request(kind, key.secret, at=NOW + SECOND)  # a sender's own retry: same id, its time and signature new
    assert one.check(endpoint, again, NOW + SECOND) is None


@pytest.mark.parametrize("kind", SIGNED)
def test_what_got_no_success_may_come_again(kind: CredentialKind) -> None:
    endpoint, key = issued(kind)
    one, shown = guard(), request(kind, key.secret)
    assert one.check(endpoint, shown, NOW) is None
    one.failed(endpoint, shown)
    assert one.check(endpoint, shown, NOW) is None
    assert one.check(endpoint, shown, NOW) is Refused.REPLAYED


def test_a_replay_is_known_with_one_of_its_two_signatures_left_out() -> None:
    (endpoint, old), (_, new) = issued("standard_webhooks"), issued("standard_webhooks")
    both = credentials.rotated(endpoint, new.credential, NOW, DAY)
    first, second = (request("standard_webhooks", key.secret) for key in (old, new))
    name = "webhook-signature"
    first.headers[name] += " " + second.headers[name]  # type: ignore[index]
    one = guard()
    assert one.check(both, first, NOW) is None
    assert one.check(both, second, NOW) is Refused.REPLAYED


def test_a_replay_to_another_endpoint_has_another_key() -> None:
    endpoint, key = issued("standard_webhooks")
    other = replace(endpoint, id="own-other", credentials=endpoint.credentials)
    assert guard().check(other, request("standard_webhooks", key.secret), NOW) is Refused.SIGNING_KEY


def test_unsigned_deliveries_are_taken_as_often_as_they_come() -> None:
    endpoint, key = issued("bearer")
    one = guard()
    assert [one.check(endpoint, request("bearer", key.secret), NOW) for _ in range(3)] == [None] * 3


def test_the_memory_of_replays_is_bounded_and_forgets_the_oldest() -> None:
    seen = Seen(3)
    assert [seen.add(bytes([n]), NOW, NOW + 1) for n in range(4)] == [True] * 4
    assert len(seen) == 3
    assert seen.add(b"\0", NOW, NOW + 1)
    assert not seen.add(b"\3", NOW, NOW + 1)
    assert seen.add(b"x", NOW + 2, NOW + 3)
    assert len(seen) == 1
    assert replay.SEEN_MAX >= 100_000


@pytest.mark.parametrize("kind", SIGNED)
@pytest.mark.parametrize(("key", "said"), [(None, "is not set"), (OTHER_KEY, "is not the one")])
def test_a_signing_key_that_is_missing_or_another_is_said_so(
    kind: CredentialKind, key: bytes | None, said: str
) -> None:
    endpoint, made = issued(kind)
    one = guard(signing_key=key)
    assert one.check(endpoint, request(kind, made.secret), NOW) is Refused.SIGNING_KEY
    assert Refused.SIGNING_KEY.status == 503
    assert said in (one.signing_key_fault(endpoint) or "")
    assert guard().signing_key_fault(endpoint) is None
    assert one.signing_key_fault(issued("bearer")[0]) is None
    with pytest.raises(ValueError, match="needs a signing key"):
        credentials.issue(EMPTY.id, kind, "X", NOW, None)


def test_standard_webhooks_are_verified_by_the_specifications_own_vector() -> None:
    secret, id_, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    headers = CIMultiDict({"webhook-id": id_, "webhook-timestamp": str(at), "webhook-signature": signature})
    signed = signatures.webhook(headers, b'{"test": 2432232314}')
    assert signed is not None
    assert signed.at_us == at * SECOND
    assert signatures.matches(signed, base64.b64decode(secret.removeprefix("whsec_")))
    assert not signatures.matches(signed, bytes(24))


def test_the_package_of_the_specification_agrees_both_ways() -> None:
    endpoint, key = issued("standard_webhooks")
    now = time.time_ns() // 1000
    shown = request("standard_webhooks", key.secret, at=now)
    Webhook(key.secret).verify(BODY, dict(shown.headers), json_parse=False)
    assert guard().check(endpoint, shown, now) is None


def test_keys_are_derived_as_rfc_5869_has_it() -> None:
    # Test case 1 of its appendix A, the first 32 of 42 bytes.
    found = signatures.hkdf(bytes([0x0B] * 22), bytes(range(13)), bytes(range(0xF0, 0xFA)))
    assert found.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
    assert len(found) == signatures.KEY_BYTES
    keys = {
        signatures.derived(key, kind, endpoint, credential)
        for key in (KEY, OTHER_KEY)
        for kind in SIGNED
        for endpoint in ("own-a", "own-b")
        for credential in ("a", "b")
    }
    assert len(keys) == 16


@pytest.mark.parametrize(
    "written",
    [
        lambda mac: mac.hex(),
        lambda mac: mac.hex().upper(),
        lambda mac: "sha256=" + mac.hex(),
        lambda mac: base64.b64encode(mac).decode(),
        lambda mac: base64.urlsafe_b64encode(mac).decode(),
        lambda mac: base64.urlsafe_b64encode(mac).decode().rstrip("="),
        lambda mac: " " + mac.hex() + " ",
    ],
)
def test_an_hmac_may_be_written_in_hex_or_base64(written: Callable[[bytes], str]) -> None:
    endpoint, key = issued("hmac")
    shown = request("hmac", key.secret)
    mac = bytes.fromhex(shown.headers["x-own-key"])
    shown.headers["x-own-key"] = written(mac)  # type: ignore[index]
    assert guard().check(endpoint, shown, NOW) is None


@pytest.mark.parametrize(
    ("kind", "changes", "refused"),
    [
        ("hmac", {"x-own-key": ""}, Refused.MISSING),
        ("hmac", {"x-own-key": "ab"}, Refused.WRONG),
        ("hmac", {"x-own-key": "é" * 64}, Refused.WRONG),
        ("hmac", {"x-own-key": "\udcff\ud800"}, Refused.WRONG),
        ("hmac", {"x-tally-timestamp": "soon"}, Refused.MISSING),
        ("hmac", {"x-tally-timestamp": "1790000000.5"}, Refused.MISSING),
        ("hmac", {"x-tally-timestamp": "-1"}, Refused.MISSING),
        ("hmac", {"x-tally-timestamp": "٣"}, Refused.MISSING),
        ("hmac", {"x-tally-timestamp": "9" * 400}, Refused.MISSING),
        ("standard_webhooks", {"webhook-id": ""}, Refused.MISSING),
        ("standard_webhooks", {"webhook-signature": ""}, Refused.WRONG),
        ("standard_webhooks", {"webhook-signature": "v1,"}, Refused.WRONG),
        ("standard_webhooks", {"webhook-signature": "v1"}, Refused.WRONG),
        ("standard_webhooks", {"webhook-signature": "v1a,AAAA"}, Refused.WRONG),
        ("standard_webhooks", {"webhook-signature": "v1,%%%,v1,"}, Refused.WRONG),
        ("standard_webhooks", {"webhook-timestamp": "1e9"}, Refused.MISSING),
    ],
)
def test_a_malformed_signature_is_refused_without_a_fault(
    kind: CredentialKind, changes: dict[str, str], refused: Refused
) -> None:
    endpoint, key = issued(kind)
    shown = request(kind, key.secret)
    shown.headers.update(changes)  # type: ignore[attr-defined]
    assert guard().check(endpoint, shown, NOW) is refused


@pytest.mark.parametrize("order", [0, 1])
def test_one_right_signature_among_others_is_enough(order: int) -> None:
    endpoint, key = issued("standard_webhooks")
    shown = request("standard_webhooks", key.secret)
    both = [shown.headers["webhook-signature"], "v1," + base64.b64encode(bytes(32)).decode()]
    shown.headers["webhook-signature"] = " ".join(both[::-1] if order else both)  # type: ignore[index]
    assert guard().check(endpoint, shown, NOW) is None


def test_only_so_many_signatures_of_a_request_are_looked_at() -> None:
    endpoint, key = issued("standard_webhooks")
    shown = request("standard_webhooks", key.secret)
    right = shown.headers["webhook-signature"]
    wrong = "v1," + base64.b64encode(bytes(32)).decode()
    for count, refused in ((signatures.SIGNATURES_MAX - 1, None), (signatures.SIGNATURES_MAX, Refused.WRONG)):
        shown.headers["webhook-signature"] = " ".join([*[wrong] * count, right])  # type: ignore[index]
        assert guard().check(endpoint, shown, NOW) is refused


def test_a_secret_beyond_its_bound_is_not_looked_at() -> None:
    endpoint, key = issued("header")
    long = "x" * credentials.PRESENTED_CHARACTERS_MAX
    kept = replace(endpoint, credentials=(replace(key.credential, digest=credentials.digest(long)),))
    assert guard().check(kept, request("header", long), NOW) is None
    longer = replace(endpoint, credentials=(replace(key.credential, digest=credentials.digest(long + "x")),))
    assert guard().check(longer, request("header", long + "x"), NOW) is Refused.MISSING
