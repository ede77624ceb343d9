"""A collector over HTTP: what it answers to senders, and what lies in Kafka then."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from connectors.collect import answers
from connectors.collect.bodies import BODY_SECONDS
from connectors.collect.rows import ITEMS_MAX
from connectors.collect.vendors import VENDORS
from pipeline.core.reasons import Reject
from tests.integration.collect_world import Collecting, World
from tests.integration.sender_world import BODY_BYTES_MAX, KNOWN_SECONDS, SMALL, ask, event, kept, new_door, post


@pytest.fixture(scope="module")
def world(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    found = World(kafka, tmp_path_factory.mktemp("collect"))
    found.make_topics()
    return found


@pytest.fixture(scope="module")
def collector(world: World) -> Iterator[Collecting]:
    with world.collector(**SMALL) as running:
        yield running


def test_what_is_answered_with_success_lies_in_kafka(world: World, collector: Collecting) -> None:
    door, before = new_door(world), time.time_ns() // 1_000
    answer = post(collector, door, [event(1), {"type": "no_such"}, event(2)])
    assert (answer.status, answer.body) == (200, {"accepted": 2, "rejected": 1})
    found = kept(world, door)
    assert sorted(str(one.event["profile_id"]) for one in found if one.topic == "events.email") == ["p1", "p2"]
    (refused,) = [one.refusal for one in found if one.topic == "events.account"]
    assert (refused.reason, json.loads(refused.raw)) == (Reject.UNKNOWN_TYPE, {"type": "no_such"})
    for one in found:
        assert one.event["source"] == "shop"
        assert before <= one.received_at <= time.time_ns() // 1_000


def test_events_for_the_generic_place_are_told_what_was_refused(world: World, collector: Collecting) -> None:
    door = new_door(world)
    lines = b"\n".join(json.dumps(one).encode() for one in (event(1), {"type": "no_such"})) + b"\n{\n"
    answer = ask(collector, "/v1/events", lines, {"Content-Type": "application/x-ndjson", **door.headers})
    assert (answer.status, answer.body["accepted"]) == (200, 1)
    assert [(one["index"], one["reason"]) for one in answer.body["rejected"]] == [
        (1, "unknown_type"),
        (2, "undecodable"),
    ]
    assert len(kept(world, door)) == 3


def test_broken_json_is_kept_with_its_bytes_and_answered_with_success(world: World, collector: Collecting) -> None:
    broken = [b"{", b"", b"\xff", b'{"a": NaN}', b"[" * 60_000, b"1", b'"\xed\xa0\x80"']
    doors = [world.door(vendor, account=f"broken.{vendor}") for vendor in VENDORS]
    time.sleep(KNOWN_SECONDS)
    assert {post(collector, door, body).status for door in doors for body in broken} == {200}
    found = world.kept()
    for door in doors:
        raws = [one.refusal.raw for one in found if one.key == door.endpoint.account and one.refusal]
        assert sorted(raws) == sorted(broken), door.endpoint.vendor


def test_a_packed_body_is_unpacked_and_a_broken_one_is_kept(world: World, collector: Collecting) -> None:
    door = new_door(world)
    packed = gzip.compress(json.dumps(event(1)).encode())
    assert post(collector, door, packed, **{"Content-Encoding": "gzip"}).body == {"accepted": 1, "rejected": 0}
    assert post(collector, door, packed[:-9], **{"Content-Encoding": "gzip"}).body == {"accepted": 0, "rejected": 1}
    assert [one.refusal.raw for one in kept(world, door) if one.refusal] == [packed[:-9]]


def test_a_stranger_cannot_tell_which_endpoints_there_are(world: World, collector: Collecting) -> None:
    door, path = new_door(world), new_door(world, "altcraft", "path")
    wrong = {"Authorization": "Bearer tally_x_y", "Content-Type": "application/json"}
    asked = [
        ask(collector, door.path, b"{}", wrong),
        ask(collector, "/v1/hooks/own-nothere", b"{}", wrong),
        ask(collector, "/v1/hooks/" + path.endpoint.id + "/nope", b"{}"),
        ask(collector, "/v1/hooks/altcraft-x/nope", b"{}"),
        ask(collector, "/v1/events", b"{}", wrong),
        ask(collector, "/v1/events", b"{}"),
    ]
    told = {(one.status, one.body["title"], tuple(sorted({*one.headers} - {"Date"}))) for one in asked}
    assert len(told) == 1, told
    assert asked[0].status == 401
    assert kept(world, door) + kept(world, path) == []


def test_an_endpoint_of_a_vendor_s_is_none_for_canonical_events(world: World, collector: Collecting) -> None:
    door = new_door(world, "brevo")
    assert ask(collector, "/v1/events", b"{}", door.headers).status == 401


def test_what_is_no_delivery_is_told_as_that(world: World, collector: Collecting) -> None:
    door = new_door(world)
    assert post(collector, door, b"a=1", **{"Content-Type": "application/x-www-form-urlencoded"}).status == 415
    assert post(collector, door, b"{}", **{"Content-Encoding": "br"}).status == 415
    assert post(collector, door, b" " * (BODY_BYTES_MAX + 1)).status == 413
    assert post(collector, door, b" " * BODY_BYTES_MAX).status == 200
    assert (
        post(collector, door, gzip.compress(b" " * (BODY_BYTES_MAX + 1)), **{"Content-Encoding": "gzip"}).status == 413
    )
    assert post(collector, door, b"[" + b"1," * ITEMS_MAX + b"1]").status == 413
    assert ask(collector, door.path).status == 405
    assert ask(collector, "/v1").status == 404


@pytest.mark.parametrize(
    "wrong",
    [
        "POST /v1/hooks/own-x/S3CRET HTTP/9.99\r\nHost: x\r\n\r\n",
        "POST /v1/hooks/own-x/S3CRET extra HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer S3CRET\x00\r\n\r\n",
        "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nS3CRET",
        "S3CRET\r\n\r\n",
    ],
    ids=["version", "words", "nul", "lengths", "line"],
)
def test_what_is_no_http_is_answered_without_a_word_of_it(collector: Collecting, wrong: str) -> None:
    place = urlsplit(collector.address)
    with closing(socket.create_connection((place.hostname or "", place.port or 0), timeout=10)) as connection:
        connection.sendall(wrong.encode())
        told = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400"
    assert json.loads(body) == {"title": answers.UNREADABLE, "status": 400}
    assert b"S3CRET" not in told
    assert b"aiohttp" not in head


def test_a_body_without_a_length_is_read_up_to_the_bound(world: World, collector: Collecting) -> None:
    door = new_door(world)
    place = urlsplit(collector.address)
    for size, status in ((BODY_BYTES_MAX, 200), (BODY_BYTES_MAX + 1, 413)):
        with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as connection:
            parts = iter([b" " * 50_000] * (size // 50_000) + [b" " * (size % 50_000)])
            connection.request("POST", door.path, (one for one in parts if one), door.headers, encode_chunked=True)
            assert connection.getresponse().status == status


def test_a_sender_that_asks_first_is_told_to_go_on(world: World, collector: Collecting) -> None:
    door = new_door(world)
    place = urlsplit(collector.address)
    with socket.create_connection((place.hostname or "", place.port or 0), 10) as raw:
        head = f"POST {door.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
        raw.sendall((head + f"Authorization: {door.headers['Authorization']}\r\n\r\n").encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 100 ")
        raw.sendall(b"[]")
        assert raw.recv(1_000).startswith(b"HTTP/1.1 200 ")


def test_while_slow_senders_hold_their_bodies_back_others_are_served(world: World, collector: Collecting) -> None:
    door = new_door(world)
    place = urlsplit(collector.address)
    head = (
        f"POST {door.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\nAuthorization: {door.headers['Authorization']}"
    )
    slow = [socket.create_connection((place.hostname or "", place.port or 0), 60) for _ in range(50)]
    try:
        for raw in slow:
            raw.sendall(f"{head}\r\n\r\n[".encode())
        assert post(collector, door, event(1)).status == 200
        began = time.monotonic()
        slow[0].settimeout(BODY_SECONDS + 10)
        assert slow[0].recv(1_000).startswith(b"HTTP/1.1 503 ")
        assert time.monotonic() - began < BODY_SECONDS + 3
    finally:
        for raw in slow:
            raw.close()


def test_many_senders_at_once_are_all_served(world: World, collector: Collecting) -> None:
    door = new_door(world)
    statuses: list[int] = []

    def send(sender: int) -> None:
        statuses.extend(post(collector, door, event(sender * 100 + n)).status for n in range(10))

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert statuses == [200] * 200
    assert len({one.event["profile_id"] for one in kept(world, door)}) == 200
