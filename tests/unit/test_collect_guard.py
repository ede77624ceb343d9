"""Who may deliver to an endpoint: keys of every kind, signatures, their time, replays, rotation, networks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict
from standardwebhooks.webhooks import Webhook

from connectors.collect import credentials, replay, signatures
from connectors.collect.credentials import Issued
from connectors.collect.endpoint import CredentialKind, Endpoint
from connectors.collect.guard import Guard, Presented, Refused, Security
from connectors.collect.networks import listed
from connectors.collect.replay import Seen

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


@pytest.mark.parametrize("kind", credentials.KINDS)
def test_a_key_of_every_kind_is_taken_and_a_wrong_one_is_not(kind: CredentialKind) -> None:
    (endpoint, key), (_, other) = issued(kind), issued(kind)
    assert guard().check(endpoint, request(kind, key.secret), NOW) is None
    assert guard().check(endpoint, request(kind, other.secret), NOW) is Refused.WRONG
    assert guard().check(None, request(kind, key.secret), NOW) is Refused.UNKNOWN_ENDPOINT


@pytest.mark.parametrize("kind", credentials.KINDS)
@pytest.mark.parametrize("sent", credentials.KINDS)
def test_a_key_is_taken_only_where_its_kind_is_looked_for(kind: CredentialKind, sent: CredentialKind) -> None:
    endpoint, key = issued(kind)
    if sent == "standard_webhooks" and kind != sent:
        shown = request(sent, signatures.webhook_secret(key.secret.encode()))
    else:
        shown = request(sent, key.secret)
    refused = guard().check(endpoint, shown, NOW)
    assert (refused is None) == (kind == sent), refused


def test_a_basic_login_is_of_the_endpoints_own_user() -> None:
    endpoint, key = issued("basic")
    assert guard().check(endpoint, request("basic", key.secret, user="own-other"), NOW) is Refused.MISSING


@pytest.mark.parametrize("kind", STATIC)
def test_whoever_is_stopped_learns_nothing_from_status(kind: CredentialKind) -> None:
    endpoint, key = issued(kind)
    listed_ = replace(endpoint, allow=("203.0.113.0/24",))
    nobody = Presented(None, CIMultiDict(), BODY, "192.0.2.1")
    met = [
        guard().check(None, request(kind, key.secret), NOW),
        guard().check(endpoint, nobody, NOW),
        guard().check(endpoint, request(kind, key.secret + "x"), NOW),
        guard().check(listed_, request(kind, key.secret), NOW),
    ]
    assert met == [Refused.UNKNOWN_ENDPOINT, Refused.MISSING, Refused.WRONG, Refused.ADDRESS]
    assert {one.status for one in met if one} == {401}


def test_as_many_digests_are_compared_for_every_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(
        credentials.hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or real(a, b)
    )
    counts = set()
    two, new = issued("bearer")
    two = credentials.rotated(two, issued("bearer")[1].credential, NOW, DAY)
    for endpoint in (None, EMPTY, issued("path")[0], two):
        for secret in (new.secret, "", "x" * credentials.PRESENTED_CHARACTERS_MAX):
            compared.clear()
            guard().check(endpoint, request("bearer", secret), NOW)
            counts.add(tuple(compared))
    assert counts == {((64, 64), (64, 64))}


real = hmac.compare_digest


@pytest.mark.parametrize("kind", SIGNED)
def test_as_many_signatures_are_made_for_every_endpoint(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    matches = signatures.matches
    monkeypatch.setattr(signatures, "matches", lambda signed, key: made.append(1) or matches(signed, key))
    shown = request(kind, issued(kind)[1].secret)  # type: ignore[arg-type]
    if kind == "hmac":
        shown.headers["X-Tally-Signature"] = shown.headers.pop("x-own-key")  # type: ignore[index, attr-defined]
    counts = set()
    for endpoint in (None, EMPTY, issued("bearer")[0], issued("standard_webhooks")[0]):
        made.clear()
        guard().check(endpoint, shown, NOW)
        counts.add(len(made))
    assert counts == {credentials.LIVE_MAX}


def test_a_digest_of_nothing_in_the_file_lets_nobody_in() -> None:
    endpoint, key = issued("bearer")
    empty = replace(endpoint, credentials=(replace(key.credential, digest=hashlib.sha256(b"").hexdigest()),))
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer"}, {"Authorization": ""}):
        assert guard().check(empty, Presented(None, CIMultiDict(headers), BODY, None), NOW) is Refused.MISSING


def test_a_secret_has_256_bits_and_names_its_endpoint_where_it_must() -> None:
    _, key = issued("bearer")
    prefix, id_, secret = key.secret.split("_", 2)
    assert (prefix, id_) == ("tally", EMPTY.id)
    assert len(base64.urlsafe_b64decode(secret + "=")) == credentials.SECRET_BYTES
    for kind in ("path", "basic"):
        assert len(base64.urlsafe_b64decode(issued(kind)[1].secret + "=")) == credentials.SECRET_BYTES
    assert key.credential.digest == hashlib.sha256(key.secret.encode()).hexdigest()


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"Authorization": "Bearer tally_own-abc_s_e-cret"}, "own-abc"),
        ({"Authorization": "bearer  tally_own-abc_x"}, "own-abc"),
        ({"Authorization": "Basic " + base64.b64encode(b"own-abc:x").decode()}, "own-abc"),
        ({"Authorization": "Bearer own-abc_x"}, None),
        ({"Authorization": "Bearer tally_own-abc"}, None),
        ({"Authorization": "Bearer tally__x"}, None),
        ({"Authorization": "Basic " + base64.b64encode(b":x").decode()}, None),
        ({"Authorization": "Basic " + base64.b64encode(b"own-abc").decode()}, None),
        ({"Authorization": "Basic %%%"}, None),
        ({"Authorization": "Digest x"}, None),
        ({}, None),
    ],
)
def test_a_bearer_token_or_a_login_names_its_endpoint(headers: dict[str, str], named: str | None) -> None:
    assert credentials.named_endpoint(CIMultiDict(headers)) == named


@pytest.mark.parametrize("kind", credentials.KINDS)
def test_a_key_is_taken_until_the_microsecond_of_its_end(kind: CredentialKind) -> None:
    endpoint, key = issued(kind)
    ending = replace(endpoint, credentials=(replace(key.credential, expires_at=NOW),))
    shown = request(kind, key.secret)
    assert guard().check(ending, shown, NOW - 1) is None
    assert guard().check(ending, shown, NOW) is Refused.EXPIRED
    assert guard().check(ending, shown, NOW + 1) is Refused.EXPIRED


@pytest.mark.parametrize("kind", credentials.KINDS)
def test_both_keys_are_taken_during_a_rotation_and_the_new_one_alone_after_it(kind: CredentialKind) -> None:
    (endpoint, old), (_, new) = issued(kind), issued(kind)
    both = credentials.rotated(endpoint, new.credential, NOW, DAY)
    for at, taken in ((NOW, (True, True)), (NOW + DAY - 1, (True, True)), (NOW + DAY, (False, True))):
        shown = [request(kind, key.secret, at=at, id=f"{at}.{key.credential.id}") for key in (old, new)]
        assert tuple(guard().check(both, one, at) is None for one in shown) == taken
    assert guard().check(both, request(kind, old.secret, at=NOW + DAY), NOW + DAY) is Refused.EXPIRED


def test_no_third_key_is_live_and_no_overlap_grows() -> None:
    endpoint, _ = issued("bearer")
    two = credentials.rotated(endpoint, issued("bearer")[1].credential, NOW, DAY)
    with pytest.raises(ValueError, match="2 keys are live"):
        credentials.rotated(two, issued("bearer")[1].credential, NOW + 1, DAY)
    last = credentials.rotated(two, issued("bearer")[1].credential, NOW + DAY, 9 * DAY)
    assert [one.expires_at for one in last.credentials] == [NOW + 10 * DAY, None]
    ending = replace(two, credentials=two.credentials[:1])  # the newer one was revoked
    again = credentials.rotated(ending, issued("bearer")[1].credential, NOW + 1, 9 * DAY)
    assert [one.expires_at for one in again.credentials] == [NOW + DAY, None]
    at_once = credentials.rotated(two, issued("bearer")[1].credential, NOW + 1, 0)
    assert [one.expires_at for one in at_once.credentials] == [None]


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


def test_an_address_must_be_on_the_list_where_there_is_one() -> None:
    endpoint, key = issued("bearer")
    shown = request("bearer", key.secret)
    peers: Callable[[str], Presented] = lambda peer: replace(shown, peer_address=peer)  # noqa: E731
    listed_ = replace(endpoint, allow=("brevo", "2001:db8::/32"))
    taken = ("1.179.112.1", "::ffff:172.246.240.1", "2001:db8::9")
    assert [guard().check(listed_, peers(one), NOW) for one in taken] == [None] * 3
    for one in ("192.0.2.1", "::1", "", "unknown"):
        assert guard().check(listed_, peers(one), NOW) is Refused.ADDRESS
    own = guard(presets={"brevo": listed("192.0.2.0/24")})
    assert own.check(listed_, shown, NOW) is None
    forwarded = replace(shown, peer_address="127.0.0.1")
    forwarded.headers["X-Forwarded-For"] = "1.179.112.1"  # type: ignore[index]
    assert guard().check(listed_, forwarded, NOW) is Refused.ADDRESS
    assert guard(trusted_proxies=listed("127.0.0.1")).check(listed_, forwarded, NOW) is None


def test_nothing_that_is_secret_is_in_what_is_printed() -> None:
    for kind in credentials.KINDS:
        _, key = issued(kind)
        shown = request(kind, key.secret)
        printed = f"{key!r} {key} {shown!r} {shown} {Security(signing_key=KEY)!r} {guard()!r}"
        assert key.secret not in printed
        assert BODY.decode() not in printed
        assert KEY.hex() not in printed and repr(KEY) not in printed
        assert not any(value in printed for value in shown.headers.values() if not value.isdecimal())


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
