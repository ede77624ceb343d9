"""Who may deliver to an endpoint: keys of every kind, their time, rotation, networks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace

import pytest
from multidict import CIMultiDict

from connectors.collect import credentials, signatures
from connectors.collect.endpoint import CredentialKind
from connectors.collect.guard import Presented, Refused, Security
from connectors.collect.networks import listed
from tests.unit.guard_world import BODY, DAY, EMPTY, KEY, NOW, SIGNED, STATIC, guard, issued, request


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
