"""The endpoints' file and the keys, whatever they hold and whatever a request brings."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from connectors.collect import credentials, networks, signatures
from connectors.collect import endpoints_format as written
from connectors.collect.endpoint import Credential, Endpoint
from connectors.collect.guard import Guard, Presented, Refused, Security
from pipeline.core import zones
from tests.property.budget import examples

KEY = bytes(range(32))
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
NOW = 1_790_000_000_000_000
NAMES = ("authorization", "webhook-id", "webhook-timestamp", "webhook-signature", "x-tally-timestamp", "x-key")
ENDPOINT = Endpoint("own-abc", "own", "acme", "shop")
ISSUED = {kind: credentials.issue(ENDPOINT.id, kind, "x-key", NOW, KEY) for kind in credentials.KINDS}

instants = st.integers(0, written.INSTANT_MAX)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
headers_named = st.text(LETTERS + "!#$%&'*+.^_`|~-" + LETTERS.upper(), min_size=1, max_size=8)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
nets = addresses.flatmap(
    lambda one: st.integers(0, one.max_prefixlen).map(
        lambda bits: str(networks.network(str(networks.ipaddress.ip_network(f"{one}/{bits}", strict=False))))
    )
)


@st.composite
def keys(draw: st.DrawFn) -> Credential:
    kind = draw(st.sampled_from(credentials.KINDS))
    names = {"header": headers_named, "hmac": headers_named, "basic": texts}.get(kind, st.just(""))
    return Credential(
        id=draw(st.text(LETTERS, min_size=1, max_size=8)),
        kind=kind,
        name=draw(names),
        digest=hashlib.sha256(draw(st.binary(max_size=4))).hexdigest(),
        created_at=draw(instants),
        expires_at=draw(st.none() | instants),
    )


endpoints = st.builds(
    Endpoint,
    id=st.text(LETTERS + "-", max_size=8).map(lambda middle: f"a{middle}z"),
    vendor=st.sampled_from(sorted(credentials.CAN_SEND)),
    account=texts,
    source=texts,
    event=st.none() | texts,
    time_zone=st.sampled_from(sorted(zones.names())),
    fields=st.dictionaries(texts, texts, max_size=1).map(MappingProxyType),
    credentials=st.lists(keys(), max_size=credentials.LIVE_MAX, unique_by=lambda one: one.id).map(tuple),
    allow=st.lists(nets | st.sampled_from(sorted(networks.PRESETS)), max_size=2).map(tuple),
    created_at=instants,
)


@given(st.lists(endpoints, max_size=1))
@examples()
def test_a_file_says_what_was_written(given_: list[Endpoint]) -> None:
    assert written.decode(written.encode(given_)) == tuple(given_)


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(endpoints, min_size=1, max_size=1), st.data())
@examples()
def test_a_file_changed_anywhere_is_read_or_told_and_nothing_else(given_: list[Endpoint], data: st.DataObject) -> None:
    file = written.json.loads(written.encode(given_))
    at, places = file, []
    while isinstance(at, dict | list) and at and (not places or data.draw(st.booleans())):
        step = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        places.append((at, step))
        at = at[step]
    table, step = places[-1]
    table[step] = data.draw(json_values)
    with contextlib.suppress(written.Broken):  # and no other
        found = written.decode(written.json.dumps(file).encode())
        assert written.decode(written.encode(found)) == found


@given(st.binary(max_size=60))
@examples()
def test_bytes_that_are_no_file_are_told(content: bytes) -> None:
    with pytest.raises(written.Broken):
        written.decode(content)


octets = st.binary(max_size=80).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
shaped = st.one_of(
    octets,
    st.text(max_size=40),
    st.sampled_from(["Bearer ", "Basic ", "basic", "v1,", "v1,AAAA v1,====", "sha256=", str(NOW // 1_000_000)]),
    st.binary(max_size=40).map(lambda raw: "Basic " + base64.b64encode(raw).decode()),
    st.binary(min_size=32, max_size=32).map(lambda raw: "v1," + base64.b64encode(raw).decode()),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
)
headers = st.lists(st.tuples(st.sampled_from(NAMES), shaped), max_size=8).map(CIMultiDict)
requests = st.builds(
    Presented,
    path_secret=st.none() | octets | st.text(max_size=60),
    headers=headers,
    raw_body=st.binary(max_size=40),
    peer_address=st.none() | st.text(max_size=20) | addresses.map(str),
)


@given(requests, st.sampled_from(credentials.KINDS), st.booleans())
@examples()
def test_whatever_a_request_brings_without_the_secret_is_refused_and_raises_nothing(
    request: Presented, kind: Any, listed: bool
) -> None:
    endpoint = replace(ENDPOINT, credentials=(ISSUED[kind].credential,), allow=("10.0.0.0/8",) if listed else ())
    guard = Guard(Security(signing_key=KEY, trusted_proxies=networks.listed("192.0.2.0/24")))
    assert guard.check(endpoint, request, NOW) in {Refused.MISSING, Refused.WRONG, Refused.ADDRESS}
    assert guard.check(None, request, NOW) is Refused.UNKNOWN_ENDPOINT
    guard.failed(endpoint, request)
    named = credentials.named_endpoint(request.headers)
    assert named is None or isinstance(named, str)


@given(st.sampled_from(["path", "bearer", "header", "basic"]), st.data())
@examples()
def test_a_secret_changed_in_any_way_is_wrong(kind: Any, data: st.DataObject) -> None:
    right = ISSUED[kind].secret
    cut = data.draw(st.integers(0, len(right)))
    wrong = data.draw(
        st.sampled_from([right[:cut], right[cut:], right[:cut] + "A" + right[cut:], right.swapcase(), right + "\0"])
    )
    assume(wrong.strip() != right)
    login = base64.b64encode(f"{ENDPOINT.id}:{wrong}".encode()).decode()
    given_ = {"bearer": f"Bearer {wrong}", "basic": f"Basic {login}"}.get(kind)
    brought = CIMultiDict({"Authorization": given_} if given_ else {"X-Key": wrong} if kind == "header" else {})
    request = Presented(wrong if kind == "path" else None, brought, b"", None)
    endpoint = replace(ENDPOINT, credentials=(ISSUED[kind].credential,))
    assert Guard(Security()).check(endpoint, request, NOW) in {Refused.WRONG, Refused.MISSING}


@given(st.binary(max_size=200), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40))
@examples()
def test_any_bytes_and_any_id_that_are_signed_are_taken_and_any_others_are_not(body: bytes, id_: str) -> None:
    kind: Any = "standard_webhooks"
    key = base64.b64decode(ISSUED[kind].secret.removeprefix("whsec_"))
    seconds = str(NOW // 1_000_000)
    mac = signatures.hmac.digest(key, f"{id_}.{seconds}.".encode() + body, hashlib.sha256)
    brought = CIMultiDict({"webhook-id": id_, "webhook-timestamp": seconds})
    brought["webhook-signature"] = "v1," + base64.b64encode(mac).decode()
    endpoint = replace(ENDPOINT, credentials=(ISSUED[kind].credential,))
    guard = Guard(Security(signing_key=KEY))
    request = Presented(None, brought, body, None)
    assert guard.check(endpoint, replace(request, raw_body=body + b"x"), NOW) is Refused.WRONG
    assert guard.check(endpoint, request, NOW) is None
    assert guard.check(endpoint, request, NOW) is Refused.REPLAYED


@given(addresses, st.lists(addresses, max_size=4), st.lists(nets, max_size=3))
@examples()
def test_the_sender_is_no_trusted_proxy_unless_all_are(peer: Any, hops: list[Any], trusted: list[str]) -> None:
    proxies = networks.networks(trusted)
    found = networks.sender(str(peer), [", ".join(map(str, hops))] if hops else [], proxies)
    chain = [networks.address(str(one)) for one in (*hops, peer)]
    outside = [one for one in chain if one is not None and not networks.within(one, proxies)]
    assert found == (outside[-1] if outside else chain[0])
